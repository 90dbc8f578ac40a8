//! Upstream's configuration of Calamares becomes that of an offline installer: in every version of the real repository
//! (`CALAMARES_EXTENSIONS`), and as each real nixpkgs has it.

use std::process::ExitCode;

use rig::real::{self, Tree, on_each_tree, with};
use rig::upstream::{at_version, derive_all, git, holds, in_nixpkgs, known, on_each_tree_with_sources};
use rig::{Live, project};

/// What nix/grub-file-systems.nix says for the packages of a real nixpkgs, and for others with one difference.
const UNREADABLE: &str = r#"
let
  pkgs = import /nixpkgs { config = { }; overlays = [ ]; system = "x86_64-linux"; };
  grub = { enable = true; efiSupport = false; devices = [ "/dev/sda" ]; };
  names = changed: loader:
    import /nix-cfg-install/grub-file-systems.nix {
      pkgs.xfsprogs.name = changed.xfsprogs or pkgs.xfsprogs.name;
      targets = [
        {
          pkgs.grub2 = { inherit (pkgs.grub2) name patches; } // changed.grub2 or { };
          config.boot.loader.grub = grub // loader;
        }
      ];
    };
in
{
  bios = names { } { };
  uefi = names { } { efiSupport = true; devices = [ "nodev" ]; };
  hybrid = names { } { efiSupport = true; };
  other = names { } { enable = false; };
  new = names { xfsprogs = "xfsprogs-6.18.0"; grub2.name = "grub-2.12"; } { };
  old = names { xfsprogs = "xfsprogs-6.13.0"; grub2.name = "grub-2.12"; } { };
  able = names { xfsprogs = "xfsprogs-7.0.1"; grub2.name = "grub-2.14"; } { };
  patched = names {
    xfsprogs = "xfsprogs-7.0.1";
    grub2.name = "grub-2.12";
    grub2.patches = pkgs.grub2.patches ++ [ { name = "fs_xfs_add_new_superblock_features.patch"; } ];
  } { };
}"#;

fn what_a_real_nixpkgs_makes_of_xfs_is_offered_if_its_grub_can_read_it(tree: &Tree) {
    let live = Live::bare("2.26").with(&[
        "--bind",
        &format!("{}:/nixpkgs", tree.path),
        "--bind",
        &format!("{}:/nix-cfg-install", project().join("nix").display()),
    ]);
    let said = live
        .sh(&format!("nix-instantiate --eval --strict --json -E '{UNREADABLE}'"))
        .ok();
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    // mkfs.xfs 6.6 and GRUB 2.12; mkfs.xfs 7.0.1 and GRUB 2.12 without the patch.
    let fits = match tree.release.split('-').next() {
        Some("24.05") => true,
        Some("26.11") => false,
        // Of other releases only the rule is known.
        _ => told["bios"] == serde_json::json!([]),
    };
    let xfs = serde_json::json!(["xfs"]);
    let none = serde_json::json!([]);
    let expected = serde_json::json!({
        "bios": if fits { &none } else { &xfs }, "hybrid": if fits { &none } else { &xfs },
        "uefi": none, "other": none, "new": xfs, "old": none, "able": none, "patched": none,
    });
    assert_eq!(told, expected);
}

fn every_version_of_the_real_repository_becomes_an_offline_installer(repository: &str) {
    let tags = String::from_utf8(git(repository, &["tag", "--sort=version:refname"])).unwrap();
    let first = tags
        .lines()
        .position(|tag| tag == "0.2.2")
        .expect("the repository has no 0.2.2");
    let versions: Vec<&str> = tags.lines().skip(first).collect();
    assert!(versions.contains(&"0.3.15"), "{versions:?}");
    for version in versions {
        let before = at_version(repository, version);
        let after = derive_all(before.path(), &known(None)).unwrap_or_else(|error| panic!("{version}: {error:#}"));
        holds(before.path(), after.path(), version);
    }
}

fn the_sources_in_nixpkgs_become_an_offline_installer(tree: &Tree) {
    let before = in_nixpkgs(&tree.path, None);
    let after = derive_all(before.path(), &known(None)).unwrap();
    holds(before.path(), after.path(), &tree.release);
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            on_each_tree(what_a_real_nixpkgs_makes_of_xfs_is_offered_if_its_grub_can_read_it),
            with(
                "CALAMARES_EXTENSIONS",
                every_version_of_the_real_repository_becomes_an_offline_installer,
            ),
            on_each_tree_with_sources(
                "the_sources_in_nixpkgs_become_an_offline_installer",
                the_sources_in_nixpkgs_become_an_offline_installer,
            ),
        ],
    )
}
