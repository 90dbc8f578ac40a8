//! Flakes, their locks and their hosts.

use std::fs;
use std::path::Path;

use super::case::{Case, KEY, edit, flake, write};

/// Locks that are absent, broken, or lock something else.
pub fn locks() -> Vec<Case> {
    vec![
        flake(
            "lock-absent",
            |tree| fs::remove_file(tree.join("flake.lock")).unwrap(),
            &["error flake-lock-absent flake.nix"],
        ),
        flake(
            "lock-incomplete",
            |tree| {
                edit(
                    tree,
                    "flake.nix",
                    "    dotfiles = {",
                    "    more.url = \"github:example/more\";\n    dotfiles = {",
                );
            },
            &["error flake-lock-incomplete flake.lock"],
        ),
        flake(
            "lock-stale",
            |tree| edit(tree, "flake.nix", "nixos-24.05", "nixos-25.05"),
            &["error flake-lock-stale flake.lock"],
        ),
        flake(
            "lock-broken",
            |tree| edit(tree, "flake.lock", "\"nodes\": {", "<<<<<<< HEAD\n"),
            &["error flake-lock-broken flake.lock:2:3"],
        ),
        flake(
            "lock-of-the-future",
            |tree| edit(tree, "flake.lock", "\"version\": 7", "\"version\": 8"),
            &["error flake-lock-too-new flake.lock"],
        ),
        flake(
            "inputs-missing",
            |tree| {
                for name in ["extra", "tools"] {
                    let text = fs::read_to_string(tree.join("flake.lock")).unwrap();
                    let node = text.split(&format!("\"{name}\": {{\n      ")).nth(1).unwrap();
                    let hash = node.split("\"narHash\": \"").nth(1).unwrap().split('"').next().unwrap();
                    let other = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                    edit(tree, "flake.lock", hash, other);
                }
            },
            &[
                "error flake-input-missing flake.lock",
                "error flake-input-missing flake.lock",
            ],
        ),
    ]
}

/// The flake with a module of its host alpha that imports `path`.
fn importing(tree: &Path, path: &str) {
    write(
        tree,
        "hosts/alpha/more.nix",
        &format!("{{ lib, ... }}: {{\n  imports = [ {path} ];\n}}\n"),
    );
    edit(
        tree,
        "hosts/alpha/default.nix",
        "./hardware-configuration.nix",
        "./hardware-configuration.nix ./more.nix",
    );
}

/// Files that are not there as they are read.
pub fn files() -> Vec<Case> {
    vec![
        flake(
            "flake-in-a-subdirectory",
            |tree| importing(tree, "../../../common.nix"),
            &["error path-outside hosts/alpha/more.nix:2:15"],
        ),
        flake(
            "submodule-of-a-flake",
            |tree| {
                importing(tree, "../../mods/x");
                write(tree, ".gitmodules", "[submodule \"x\"]\n\tpath = mods/x\n");
                fs::create_dir_all(tree.join("mods/x")).unwrap();
            },
            &[
                "warning tree-submodule",
                "error submodule-missing hosts/alpha/more.nix:2:15",
            ],
        ),
        flake(
            "locked-module-of-a-flake",
            |tree| {
                importing(tree, "./secret.nix");
                write(tree, "hosts/alpha/secret.nix", "\0GITCRYPT\0abc");
            },
            &[
                "warning tree-locked hosts/alpha/secret.nix",
                "error file-locked hosts/alpha/secret.nix",
            ],
        ),
        flake(
            "locked-text-of-a-flake",
            |tree| {
                importing(tree, "{ environment.etc.x.text = builtins.readFile ./secret.txt; }");
                write(tree, "hosts/alpha/secret.txt", "\0GITCRYPT\0abc");
            },
            &[
                "warning tree-locked hosts/alpha/secret.txt",
                "error file-locked hosts/alpha/secret.txt",
            ],
        ),
    ]
}

/// Hosts that are not found, and what else a flake can have.
pub fn hosts() -> Vec<Case> {
    vec![
        flake(
            "flake-syntax",
            |tree| edit(tree, "flake.nix", "outputs =", "outputs"),
            &["error syntax flake.nix:15:5"],
        ),
        flake(
            "no-hosts",
            |tree| edit(tree, "flake.nix", "nixosConfigurations", "nixosModules"),
            &["error host-none"],
        ),
        flake("host-unknown", |_| (), &["error host-unknown"]).args("--host gamma"),
        flake("host-ambiguous", |_| (), &["error host-ambiguous"]).args(""),
        flake(
            "host-broken",
            |tree| {
                edit(
                    tree,
                    "hosts/alpha/default.nix",
                    "services.greeter.enable = true;",
                    "services.greeter.enable = true",
                );
            },
            &["error syntax hosts/alpha/default.nix:8:19"],
        ),
        flake(
            "hardware-ambiguous",
            |tree| {
                for name in ["x", "y"] {
                    write(tree, &format!("hosts/alpha/{name}/hardware-configuration.nix"), "{ }");
                }
            },
            &["error hardware-ambiguous"],
        ),
        flake("hardware-outside", |_| (), &["error hardware-path"]).args("--host alpha --hardware-config ../hw.nix"),
        flake(
            "key-in-flake",
            |tree| write(tree, "secrets/id", KEY),
            &["warning tree-secret secrets/id:1"],
        ),
    ]
}
