//! What is copied is verified byte for byte, and what an earlier run left is not trusted.

use std::collections::BTreeSet;

use rig::{Live, VERSIONS, edit, project, same, tree, write};
use serde_json::Value;

fn live(nix: &str) -> Live {
    Live::with_disk(nix)
        .iso_tree(&project().join("target/rig/trees/channel"))
        .with(&["--target-uuid", "01234567-89ab-cdef-0123-456789abcdef"])
}

/// One bit of one file of the medium, as a worn-out stick would give it.
const FLIP: &str = "file=$(echo /nix/store/*-linux-firmware-*/lib/firmware/device-39.bin)
    python=$(od -An -tu1 -j 5000 -N 1 $file | tr -d ' ')
    printf \"\\\\$(printf %o $((python ^ 1)))\" | dd of=$file bs=1 seek=5000 conv=notrunc status=none";

#[test]
fn a_flipped_bit_on_the_medium_stops_the_installation_and_nothing_bad_is_published() {
    for nix in VERSIONS {
        let live = live(nix);
        // What is changed in the overlay is not in the image.
        live.sh("echo 'read-image: false' > /etc/nix-cfg-install.yaml").ok();
        live.sh(FLIP).ok();
        live.install("").fails(
            6,
            &[
                "The installation medium is damaged",
                "-linux-firmware-20240513 was read twice",
                "--verify-store",
            ],
        );
        live.sh("test ! -e /mnt/nix/store/*-linux-firmware-* && test ! -e /mnt/nix/var/nix/profiles/system && test ! -e /mnt/boot")
            .ok();
        live.install("--verify-store")
            .fails(6, &["The installation medium is damaged"]);
    }
}

#[test]
fn a_whole_medium_passes_the_verification_and_nothing_is_written() {
    let live = live("2.26");
    let said = live.install("--verify-store").ok();
    assert!(said.err.contains("it is undamaged"), "{}", said.err);
    assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n");
}

#[test]
fn what_stands_in_the_target_without_a_record_is_kept_if_it_is_right_and_replaced_if_not() {
    for nix in VERSIONS {
        let calm = live(nix);
        calm.install("").ok();
        let live = live(nix);
        // As after a power cut: names without contents, half directories, and one that is whole.
        live.sh("mkdir -p /mnt/nix/store/.nix-cfg-install-tmp/half
                 cp -a $(ls -d /nix/store/*-linux-6.6.32 | grep -v initrd) /mnt/nix/store/
                 mkdir -p /mnt$(echo /nix/store/*-linux-firmware-*)/lib
                 : > /mnt$(echo /nix/store/*-etc-timezone)
                 ln -s /nowhere /mnt$(echo /nix/store/*-busybox-1.36.1)")
            .ok();
        live.install("").ok();
        same(&calm.fingerprint(), &live.fingerprint(), nix);
        live.sh("test ! -e /mnt/nix/store/.nix-cfg-install-tmp").ok();
    }
}

#[test]
fn content_addresses_are_kept() {
    // Without its `ca` a source would need a signature to be copied on. What the ISO brought has lost it already; what
    // is added to the store during the installation has it.
    for nix in VERSIONS {
        let tree = tree("channel");
        write(&tree, "motd", "Another welcome.\n");
        let live = live(nix).tmp_tree(tree.path());
        live.install("").ok();
        let said = live
            .sh("nix --extra-experimental-features nix-command path-info --sigs --store /mnt $(echo /mnt/nix/store/*-motd | sed s,^/mnt,,)")
            .ok();
        assert!(
            said.out.contains("ca:fixed:r:sha256:"),
            "{nix}: {}{}",
            said.out,
            said.err
        );
    }
}

#[test]
fn what_nix_copied_and_a_power_cut_left_empty_is_copied_again() {
    for nix in VERSIONS {
        let tree = tree("channel");
        write(&tree, "motd", "Another welcome.\n");
        let live = live(nix).tmp_tree(tree.path());
        live.install("").ok();
        let calm = live.fingerprint();
        // It is valid already.
        live.sh("motd=$(echo /mnt/nix/store/*-motd); chmod u+w $motd; : > $motd; chmod u-w $motd")
            .ok();
        live.install("").ok();
        same(&calm, &live.fingerprint(), nix);
    }
}

#[test]
fn what_nix_copies_itself_moves_the_bar_too() {
    for nix in VERSIONS {
        let tree = tree("channel");
        write(&tree, "motd", &"Another welcome.\n".repeat(3_000_000));
        let live = live(nix).tmp_tree(tree.path());
        let said = live.sh("nix-cfg-install --progress json").ok();
        let events = said
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let copying: Vec<Value> = events
            .filter(|event| event["event"] == "progress" && event["phase"] == "copy")
            .collect();
        let done = |event: &&Value| event["done"].as_u64().unwrap();
        assert!(copying.iter().any(|event| event["item"] == "motd"), "{nix}");
        // It comes first, and counts from then on.
        let others = copying
            .iter()
            .filter(|event| event["item"] != "motd" && done(event) > 0);
        assert!(
            others.clone().all(|event| done(&event) > 50_000_000),
            "{nix}: {others:?}"
        );
        let totals: BTreeSet<u64> = copying.iter().map(|event| event["total"].as_u64().unwrap()).collect();
        assert_eq!(totals.len(), 1, "{nix}");
        assert_eq!(copying.last().unwrap()["done"], copying[0]["total"], "{nix}");
    }
}

#[test]
fn the_copy_is_in_the_form_of_a_store() {
    let live = live("2.26");
    live.install("").ok();
    let odd = live
        .sh("cd /mnt/nix/store && find . -mindepth 1 -not -path './.links*' \\( -not -user root -o -newermt @2 -o -not -type l -perm /222 \\) | head")
        .ok();
    assert_eq!(odd.out, "");
}

/// A system that takes seconds to build, and has no cowsay any more but uses it to be built.
fn slow() -> tempfile::TempDir {
    let tree = tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "environment.systemPackages = [ pkgs.cowsay ];",
        "environment.etc.slow.source = pkgs.runCommand \"slow\" { } \"sleep 8; wc -c < ${pkgs.cowsay}/bin/cowsay > $out\";",
    );
    tree
}

#[test]
fn most_is_copied_while_the_system_is_built_and_nothing_else_stays() {
    for nix in VERSIONS {
        let tree = slow();
        let live = live(nix).tmp_tree(tree.path());
        let said = live.install("").ok();
        assert!(said.err.contains("while the system was built"), "{nix}: {}", said.err);
        let log = live.sh("cat /mnt/var/log/nix-cfg-install/*").ok().out;
        assert!(
            log.contains("-cowsay-3.8 was copied while the system was built, and is not needed"),
            "{nix}: {log}"
        );
        let stray = live
            .sh("cd /mnt; nix-store --store /mnt --check-validity --print-invalid $(ls -d nix/store/* | sed s,^,/,)")
            .ok();
        assert_eq!(stray.out, "", "{nix}");
        live.sh("nix-store --store /mnt --verify --check-contents && test ! -e /mnt/nix/store/*-cowsay-3.8")
            .ok();
    }
}
