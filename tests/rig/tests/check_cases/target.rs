//! The machine and the target.

use super::case::{Case, case, module, write};

/// Targets and machines that the configuration cannot be installed on.
pub fn targets() -> Vec<Case> {
    vec![
        case(
            "system-nix-beside-configuration-nix",
            "channel",
            |tree| {
                write(
                    tree,
                    "system.nix",
                    "import <nixpkgs/nixos> { configuration = ./configuration.nix; }",
                );
            },
            &["warning system-nix system.nix"],
        ),
        module(
            "other-platform",
            "{ nixpkgs.hostPlatform = \"aarch64-linux\"; }",
            &["error platform-other"],
        ),
        module(
            "target-absent",
            "{ networking.hostName = \"other\"; }",
            &["error target-missing", "error option-conflict configuration.nix"],
        )
        .args("--target /nowhere"),
        module("target-not-mounted", "{ }", &["error target-not-mounted"]).args("--target /var"),
        module("system-too-large", "{ }", &["error disk-too-small"])
            .on("umount /mnt; mount -t tmpfs -o size=20m,mode=755 none /mnt"),
    ]
}
