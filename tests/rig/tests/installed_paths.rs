//! A channel configuration is evaluated where the installed system will have it: at /etc/nixos.

use rig::{Live, VERSIONS, edit, tree, write};
use tempfile::TempDir;

/// The channel example with a file of /etc that names files of the tree.
fn naming_itself() -> TempDir {
    let tree = tree("channel");
    write(&tree, "pw", "$6$x");
    edit(
        &tree,
        "configuration.nix",
        "system.stateVersion",
        "environment.etc.\"where\".text = \"${toString ./pw} ${toString ./modules/..}\";\n  system.stateVersion",
    );
    tree
}

/// What a check says of the system's store path.
fn system(live: &Live, before: &str) -> String {
    let said = live
        .sh(&format!("{before} nix-cfg-install --check --progress plain"))
        .ok();
    let system = said.err.lines().find_map(|line| line.trim().strip_prefix("System: "));
    system.unwrap_or_else(|| panic!("{}", said.err)).to_owned()
}

#[test]
fn a_path_of_the_tree_is_one_of_the_installed_system() {
    let tree = naming_itself();
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    live.install("").ok();
    let where_it_is = live.sh("cat /mnt$(readlink -f /mnt/nix/var/nix/profiles/system | sed s,^/mnt,,)/etc/where || find /mnt/nix/store -path '*/etc/where' -exec cat {} +");
    assert_eq!(
        where_it_is.out.trim(),
        "/etc/nixos/pw /etc/nixos",
        "{}",
        where_it_is.err
    );
    assert_eq!(live.read("/mnt/etc/nixos/pw"), "$6$x");
    // What nixos-rebuild makes of it there is the same system.
    let installed = system(&live, "");
    let rebuilt = live.sh(
        "unshare --mount bash -c 'mkdir -p /etc/nixos; mount --bind /mnt/etc/nixos /etc/nixos
           nix-instantiate --eval --expr \"(import <nixpkgs/nixos> { }).system.outPath\" -I nixos-config=/etc/nixos/configuration.nix'",
    );
    assert_eq!(rebuilt.ok().out.trim(), format!("\"{installed}\""));
}

#[test]
fn whatever_the_live_system_has_at_etc_nixos_the_system_is_the_same_and_nothing_is_left() {
    let tree = naming_itself();
    for nix in VERSIONS {
        let live = Live::with_disk(nix).iso_tree(tree.path());
        live.sh("cat /proc/self/mountinfo > /mounts; ls -A /etc /tmp > /names")
            .ok();
        let read_only = "mount --bind /etc /etc; mount -o remount,bind,ro /etc;";
        let link = "mkdir -p /srv/other; ln -sfn /srv/other /etc/nixos;";
        let there = "rm -f /etc/nixos; mkdir -p /etc/nixos; echo { } > /etc/nixos/configuration.nix;";
        let systems = [
            system(&live, ""),
            system(&live, ""),
            system(&live, read_only),
            system(&live, link),
            system(&live, &format!("{there} {read_only}")),
        ];
        assert!(systems.iter().all(|system| *system == systems[0]), "{nix}: {systems:?}");
        let theirs = live.sh("cat /etc/nixos/configuration.nix; rm -r /etc/nixos").ok();
        assert_eq!(theirs.out, "{ }\n");
        live.sh("ls -A /etc /tmp | diff /names -").ok();
    }
}

#[test]
fn a_check_that_is_killed_leaves_no_mount_behind() {
    let tree = naming_itself();
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    let said = live.sh(
        "wait_for() { for i in $(seq 400); do pgrep -x \"$1\" > /dev/null && return; sleep 0.01; done; return 1; }
         cat /proc/self/mountinfo > /mounts
         for signal in TERM KILL; do
           nix-cfg-install --check --progress plain > /said 2>&1 & wait_for nix-instantiate || { cat /said >&2; exit 1; }
           kill -$signal $!; wait $!
           for i in $(seq 400); do pgrep -x nix-instantiate > /dev/null || break; sleep 0.05; done
           diff /mounts /proc/self/mountinfo || exit 2
         done",
    );
    said.ok();
}

#[test]
fn a_flake_of_which_the_system_names_files_is_on_the_target_and_stays_there() {
    let tree = tree("flake");
    write(&tree, "hosts/alpha/pw", "$6$x");
    edit(
        &tree,
        "hosts/alpha/default.nix",
        "  services.greeter",
        "  environment.etc.\"where\".text = toString ./pw;\n  services.greeter",
    );
    for nix in VERSIONS {
        let live = Live::with_disk(nix).iso_tree(tree.path());
        live.install("--host alpha").ok();
        let named = live.sh("cat /mnt/nix/store/*-etc-where").ok().out;
        assert!(named.ends_with("-source/hosts/alpha/pw"), "{nix}: {named}");
        assert_eq!(live.read(&format!("/mnt{named}")), "$6$x");
        let dead = live
            .sh("nix-store --gc --print-dead --store /mnt | grep -c -e -source$")
            .out;
        assert_eq!(dead, "0\n", "{nix}");
    }
    // Nothing names this one.
    let live = Live::with_disk("2.26").iso_tree(&rig::project().join("target/rig/trees/flake"));
    live.install("--host alpha").ok();
    live.sh("! ls /mnt/nix/store/*-source/hosts && [ ! -e /mnt/nix/var/nix/gcroots/nix-cfg-install/source ]")
        .ok();
}
