//! What is wrong in a module, as Nix says it.

use super::case::{Case, module};

/// Syntax errors, and names that mean nothing.
pub fn syntax() -> Vec<Case> {
    vec![
        module(
            "semicolon",
            "{\n  services.greeter.enable = true\n}\n",
            &["error syntax modules/more.nix:3:1"],
        ),
        module(
            "bracket",
            "{ networking.hostName = [ \"a\"; }",
            &["error syntax modules/more.nix:1:30"],
        ),
        module(
            "unclosed",
            "{\n  services.greeter = {\n    enable = true;\n}\n",
            &["error syntax modules/more.nix:4:2"],
        ),
        module(
            "value-absent",
            "{ networking.hostName = ; }",
            &["error syntax modules/more.nix:1:25"],
        ),
        module(
            "defined-twice",
            "{ time.timeZone = \"UTC\";\n  time.timeZone = \"UTC\"; }",
            &["error defined-twice modules/more.nix:2:3"],
        ),
        module(
            "name-undefined",
            "{ environment.systemPackages = [ htop ]; }",
            &["error undefined-variable modules/more.nix:1:34"],
        ),
        module(
            "name-undefined-and-package-missing",
            "{ pkgs, ... }: {\n  users.users.bob = { isNormalUser = nope; };\n  environment.systemPackages = [ pkgs.htop ];\n}\n",
            &[
                "error undefined-variable modules/more.nix:2:38",
                "error not-on-medium modules/more.nix:3:39",
            ],
        ),
        module(
            "recursion",
            "{ config, ... }: { time.timeZone = config.time.timeZone; }",
            &["error recursion modules/more.nix:1:20"],
        ),
    ]
}

/// Files that are not there.
pub fn missing_files() -> Vec<Case> {
    vec![
        module(
            "imports-absent",
            "{ imports = [ ./nowhere.nix ]; }",
            &["error import-missing modules/more.nix:1:15"],
        ),
        module(
            "lookup-misspelt",
            "{ imports = [ <nixpkgs/nixos/modules/typo.nix> ]; }",
            &["error lookup-file modules/more.nix:1:15"],
        ),
        module(
            "imports-absent-in-let",
            "let x = ./y.nix; in { imports = [ x ]; }",
            &["error file-missing modules/more.nix:1:9"],
        ),
        module(
            "fetched-without-a-hash",
            "{\n  imports = [ (fetchTarball \"https://github.com/example/more/archive/main.tar.gz\") ];\n}",
            &["error fetch-while-evaluating modules/more.nix:2:30"],
        ),
        module(
            "source-absent",
            "{ environment.etc.x.source = ./nowhere; }",
            &["error file-missing modules/more.nix:1:30"],
        ),
    ]
}

/// Options that do not exist, or do not take the value.
pub fn options() -> Vec<Case> {
    vec![
        module(
            "option-misspelt",
            "{ services.greeter.enabel = true; }",
            &["error option-missing modules/more.nix"],
        ),
        module(
            "option-conflict",
            "{ networking.hostName = \"other\"; }",
            &["error option-conflict configuration.nix"],
        ),
        module(
            "option-type",
            "{ services.cows.enable = \"yes\"; }",
            &["error option-type modules/more.nix"],
        ),
    ]
}

/// What a configuration says of itself.
pub fn assertions() -> Vec<Case> {
    vec![
        module(
            "own-assertion",
            "{\n  assertions = [\n    {\n      assertion = false;\n      message = \"The moon must be full.\";\n    }\n  ];\n}",
            &["error assertion modules/more.nix:5"],
        ),
        module(
            "two-assertions",
            "{ assertions = [ { assertion = false; message = \"One.\"; } { assertion = false; message = \"Two.\"; } ]; }",
            &[
                "error assertion modules/more.nix:1",
                "error assertion modules/more.nix:1",
            ],
        ),
        module(
            "own-warning",
            "{ warnings = [ \"The moon is full.\" ]; }",
            &["warning nixos-warning"],
        ),
        module(
            "units-that-need-a-network",
            "{ systemd.services.pull = { wantedBy = [ \"multi-user.target\" ]; wants = [ \"network-online.target\" ]; }; }",
            &["warning network-at-start"],
        ),
        module(
            "throws",
            "{ environment.etc.x.text = throw \"not here\"; }",
            &["error unknown"],
        ),
    ]
}
