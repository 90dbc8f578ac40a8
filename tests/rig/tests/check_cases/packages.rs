//! Packages that nixpkgs refuses, and packages that are not on the medium.

use super::case::{Case, module};

/// Packages that nixpkgs refuses.
pub fn refused() -> Vec<Case> {
    vec![
        module(
            "unfree",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.unfree-game ]; }",
            &[
                "error unfree modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "unfree-since-2611",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.unfree-editor ]; }",
            &[
                "error unfree modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "insecure",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.insecure-server ]; }",
            &[
                "error insecure modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "marked-as-broken",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.broken-compiler ]; }",
            &[
                "error broken modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "refused-packages-and-other-faults",
            "{ pkgs, ... }: {\n  environment.systemPackages = [\n    pkgs.insecure-browser\n    pkgs.insecure-server\n    \
             pkgs.broken-driver\n    pkgs.broken-toy\n    pkgs.other-platform\n  ];\n  \
             services.greeter.enabel = true;\n}",
            &[
                "error option-missing modules/more.nix",
                "error insecure modules/more.nix:3:10",
                "error insecure modules/more.nix:4:10",
                "error broken modules/more.nix:5:10",
                "error broken modules/more.nix:6:10",
                "error package-platform modules/more.nix:7:10",
                "error not-on-medium modules/more.nix:3:10",
                "error not-on-medium modules/more.nix:4:10",
                "error not-on-medium modules/more.nix:5:10",
                "error not-on-medium modules/more.nix:6:10",
                "error not-on-medium modules/more.nix:7:10",
            ],
        ),
    ]
}

/// Packages that do not exist, or are not on the medium.
pub fn missing() -> Vec<Case> {
    vec![
        module(
            "package-misspelt",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htpo ]; }",
            &["error attribute-missing modules/more.nix:1:49"],
        ),
        module(
            "package-missing",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop ]; }",
            &["error not-on-medium modules/more.nix:1:54"],
        ),
        module(
            "packages-missing",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop pkgs.broken ]; }",
            &[
                "error not-on-medium modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:64",
            ],
        ),
        module(
            "user-package-missing",
            "{ pkgs, ... }: { users.users.alice.packages = [ pkgs.htop ]; }",
            &["error not-on-medium modules/more.nix:1:54"],
        ),
        module(
            "assertion-and-missing-package",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop ]; assertions = [ { assertion = false; message = \"One.\"; } ]; }",
            &[
                "error assertion modules/more.nix:1",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
    ]
}
