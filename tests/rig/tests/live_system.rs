//! The module in a live system of one's own: evaluated, on the miniature nixpkgs.

use rig::iso::{CONFIG, Emitted, builder};

/// The mount options of the store in a live system that is made from `base`, with a file system of its own.
fn store_options(base: &str) -> String {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let live = builder("2.26", &emitted);
    let modules = format!(
        "modules = [
           /inputs/nixpkgs/source/nixos/modules/installer/cd-dvd/{base}.nix
           (import /work/installer {{ }}).nixosModules.offline-installer
           {{ offlineInstaller.configuration = /work/nix-cfg; offlineInstaller.targets = [ ]; }}
         ];"
    );
    let said = live.sh(&format!(
        "{CONFIG}
         nix eval --impure --json --expr '
           let live = import /inputs/nixpkgs/source/nixos/lib/eval-config.nix {{ system = null; {modules} }};
           in builtins.mapAttrs (_: fs: fs.options) live.config.fileSystems'"
    ));
    let all: serde_json::Value = serde_json::from_str(&said.ok().out).unwrap();
    assert!(all.get("/").is_some() && all.get("/iso").is_some(), "{all}");
    all["/nix/.ro-store"].to_string()
}

#[test]
fn the_store_is_unpacked_on_all_processors_whatever_the_live_system_is_made_from() {
    // The one defines all of `fileSystems` with the priority of image media, the other with the ordinary one.
    for base in ["installation-cd-base", "iso-image"] {
        assert_eq!(store_options(base), r#"["loop","threads=multi"]"#, "{base}");
    }
}
