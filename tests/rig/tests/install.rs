//! The main job on real Nix: what is on the ISO is installed, offline, and it is the user's own configuration.

use rig::{Live, VERSIONS, project, tree, write};

/// What is installed for one kind of tree, told by the disk.
fn check_installed(live: &Live, tree_name: &str, hardware: &str, host: &str) {
    let script = format!(
        r"set -e
        cd /mnt
        system=$(readlink nix/var/nix/profiles/system-1-link)
        test -x .$system/init
        cat .$system/etc/hostname 2> /dev/null || chroot /mnt $system/sw/bin/cat $system/etc/hostname
        chroot /mnt $system/init
        chroot /mnt $system/sw/bin/cat /etc/fstab
        grep $system boot/loader/entries/nixos-generation-1.conf
        diff -r --no-dereference -x hardware-configuration.nix /trees/{tree_name} etc/nixos
        grep by-uuid/$(blkid -o value -s UUID $(findmnt -no SOURCE /mnt)) etc/nixos/{hardware}
        nix-store --store /mnt --verify --check-contents"
    );
    let said = live.sh(&script).ok();
    assert!(said.out.contains(&format!("this is {host}")), "{}", said.out);
    assert!(said.out.contains("/dev/disk/by-uuid/"), "{}", said.out);
}

fn trees_at(live: Live) -> Live {
    let trees = project().join("target/rig/trees");
    live.with(&["--bind", &format!("{}:/trees", trees.display())])
}

#[test]
fn that_a_channel_configuration_has_no_hosts_is_reported() {
    let live = trees_at(Live::with_disk("2.26")).iso_tree(&project().join("target/rig/trees/channel"));
    let said = live.install("--check --host alpha").ok();
    assert!(said.err.contains("The host alpha is ignored"), "{}", said.err);
}

#[test]
fn a_channel_configuration_from_the_iso_is_installed_by_every_nix() {
    for nix in VERSIONS {
        let live = trees_at(Live::with_disk(nix)).iso_tree(&project().join("target/rig/trees/channel"));
        let said = live.install("").ok();
        assert!(
            said.err.contains("Using the channel configuration /iso/nix-cfg"),
            "{}",
            said.err
        );
        check_installed(&live, "channel", "hardware-configuration.nix", "channel-demo");
        let motd = live
            .sh("chroot /mnt /nix/var/nix/profiles/system/sw/bin/cat /etc/motd")
            .ok()
            .out;
        assert_eq!(motd, "Installed from your own configuration.\n");
        let receipt = live.read("/mnt/var/lib/nix-cfg-install/receipt.json");
        assert!(receipt.contains(r#""kind": "channel""#), "{receipt}");
    }
}

#[test]
fn a_flake_in_tmp_goes_before_the_iso_and_is_installed_by_every_nix() {
    for nix in VERSIONS {
        let live = trees_at(Live::with_disk(nix))
            .iso_tree(&project().join("target/rig/trees/channel"))
            .tmp_tree(&project().join("target/rig/trees/flake"));
        let said = live.install("--host beta").ok();
        assert!(said.err.contains("Using the flake /tmp/nix-cfg"), "{}", said.err);
        check_installed(&live, "flake", "hosts/beta/hardware-configuration.nix", "beta");
        // The other host's file is the user's own.
        live.sh("cmp /trees/flake/hosts/alpha/hardware-configuration.nix /mnt/etc/nixos/hosts/alpha/hardware-configuration.nix")
            .ok();
        let tools = live
            .sh("chroot /mnt /nix/var/nix/profiles/system/sw/bin/cat /etc/tools")
            .ok()
            .out;
        assert_eq!(tools, "good morning from 24.05\n");
    }
}

#[test]
fn what_is_checked_is_what_is_installed() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    let system = |said: &str| {
        said.lines()
            .find(|line| line.contains("System: /nix/store/"))
            .unwrap()
            .to_owned()
    };
    let planned = system(&live.install("--dry-run").ok().err);
    let installed = system(&live.install("").ok().err);
    assert_eq!(planned, installed);
    let profile = live.sh("readlink /mnt/nix/var/nix/profiles/system-1-link").ok().out;
    assert!(installed.contains(profile.trim()), "{installed} {profile}");
}

#[test]
fn a_configuration_that_is_read_only_on_the_iso_can_be_edited_on_the_machine() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    let said = live
        .sh("set -e
             cp -r /iso/nix-cfg /tmp/ && chmod -R a-w /tmp/nix-cfg
             nix-cfg-install --progress plain
             find /mnt/etc/nixos -mindepth 1 ! -type l ! -perm -u=w
             stat -c %a /mnt/etc/nixos /mnt/etc/nixos/configuration.nix /mnt/etc/nixos/modules")
        .ok();
    assert_eq!(said.out, "755\n644\n755\n");
}

#[test]
fn a_named_source_goes_before_both_places() {
    let live = trees_at(Live::with_disk("2.26"))
        .iso_tree(&project().join("target/rig/trees/flake"))
        .tmp_tree(&project().join("target/rig/trees/flake"));
    let said = live.install("--source /trees/channel --dry-run").ok();
    assert!(said.err.contains("/trees/channel: given by --source"), "{}", said.err);
}

#[test]
fn the_hardware_configuration_that_was_generated_before_survives_byte_for_byte() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/flake"));
    let said = live
        .sh("set -e
             nixos-generate-config --root /mnt
             echo '# a line of my own' >> /mnt/etc/nixos/hardware-configuration.nix
             cp /mnt/etc/nixos/hardware-configuration.nix /before.nix
             nix-cfg-install --host alpha --progress plain
             cmp /before.nix /mnt/etc/nixos/hosts/alpha/hardware-configuration.nix
             cmp /before.nix /mnt/etc/nixos.before-*/hardware-configuration.nix
             nix-cfg-install --host alpha --progress plain
             cmp /before.nix /mnt/etc/nixos/hosts/alpha/hardware-configuration.nix
             ls -d /mnt/etc/nixos*")
        .ok();
    assert!(
        said.err.contains("are kept beside it, in nixos.before-"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("The target already has this configuration."),
        "{}",
        said.err
    );
    assert_eq!(
        said.out.lines().count(),
        2,
        "a rerun kept something once more: {}",
        said.out
    );
}

#[test]
fn what_was_in_etc_nixos_is_kept_and_never_merged() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("set -e
             mkdir -p /mnt/etc/nixos/mine && echo precious > /mnt/etc/nixos/mine/notes
             nix-cfg-install --progress plain
             test ! -e /mnt/etc/nixos/mine
             grep precious /mnt/etc/nixos.before-*/mine/notes")
        .ok();
}

#[test]
fn a_dry_run_says_the_plan_and_leaves_the_disk_as_it_was() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/flake"));
    let said = live
        .sh(
            "look() { find /mnt -printf '%p %y %m %U %s %T@ %C@\\n' | sort; df --output=used,iused /mnt; }
             look > /before
             nix-cfg-install --dry-run --host alpha --progress plain || exit 1
             look | diff /before - || exit 1
             test ! -e /var/log/nix-cfg-install || exit 1
             ls -A /mnt",
        )
        .ok();
    assert_eq!(said.out, "lost+found\n");
    for text in [
        "Using the flake /iso/nix-cfg: /tmp/nix-cfg does not exist; it has flake.nix.",
        "Host: alpha, because --host, the settings or the graphical installer name it.",
        "hosts/alpha/hardware-configuration.nix, because it belongs to the host alpha",
        "To build: 7 derivations",
        "initrd-linux-6.6.32",
        "To copy:",
        "The configuration can be installed. Nothing was written.",
    ] {
        assert!(said.err.contains(text), "not said: {text}\n{}", said.err);
    }
}

#[test]
fn a_cleared_environment_does_not_matter() {
    // As pkexec and sudo leave it.
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("env -i PATH=/usr/local/bin:/usr/bin /usr/local/sbin/nix-cfg-install --progress plain")
        .ok();
}

#[test]
fn the_lock_of_a_flake_is_never_changed() {
    let live = trees_at(Live::with_disk("2.26")).iso_tree(&project().join("target/rig/trees/flake"));
    live.install("--host alpha").ok();
    live.sh("cmp /trees/flake/flake.lock /mnt/etc/nixos/flake.lock").ok();
}

#[test]
fn a_tree_without_a_hardware_configuration_gets_it_where_it_is_imported() {
    let channel = tree("channel");
    std::fs::remove_file(channel.path().join("hardware-configuration.nix")).unwrap();
    let live = Live::with_disk("2.26").iso_tree(channel.path());
    let said = live.install("").ok();
    assert!(
        said.err
            .contains("the configuration imports it, and the tree does not have it"),
        "{}",
        said.err
    );
}

#[test]
fn settings_are_read_and_flags_win_over_them() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/flake"));
    live.sh("echo 'host: alpha' > /etc/nix-cfg-install.yaml").ok();
    let said = live.install("--dry-run").ok();
    assert!(
        said.err.contains("Host: alpha, because --host, the settings"),
        "{}",
        said.err
    );
    let said = live.install("--dry-run --host beta").ok();
    assert!(said.err.contains("Host: beta"), "{}", said.err);
    live.install("--dry-run --host gamma").fails(
        3,
        &[
            "no host `gamma`",
            "The flake has: alpha, beta. This ISO was made for alpha.",
        ],
    );
    live.sh("echo 'nixpkgs: /nowhere' > /etc/nix-cfg-install.yaml").ok();
    live.install("--dry-run")
        .fails(2, &["There is no nixpkgs at /nowhere", "the live system's channel"]);
    live.sh("echo 'hots: alpha' > /etc/nix-cfg-install.yaml").ok();
    live.install("--dry-run").fails(
        2,
        &[
            "`hots` is not a setting",
            "nix-cfg-install.yaml:1",
            "Did you mean `host`?",
        ],
    );
}

#[test]
fn nothing_is_installed_from_a_source_that_is_damaged_on_the_medium() {
    // The phase in which it is found: Nix 2.26 looks itself.
    for (nix, code) in [("2.8", 6), ("2.26", 3), ("2.34", 6)] {
        let live = Live::with_disk(nix).iso_tree(&project().join("target/rig/trees/flake"));
        // As a flipped bit of which the file system knows nothing: another text for a file of the system.
        live.sh("source=$(grep -l 'good morning' /nix/store/*-source/flake.nix)
                 sed -i 's/good morning/good mourning/' $source && grep -q mourning $source
                 echo 'read-image: false' > /etc/nix-cfg-install.yaml")
            .ok();
        for args in ["--host alpha --verify-store", "--host alpha"] {
            live.install(args)
                .fails(code, &["The installation medium is damaged", "check sum of the stick"]);
        }
        live.sh("[ ! -e /mnt/nix/var/nix/profiles/system ]").ok();
    }
}

#[test]
fn nothing_is_installed_from_a_nixpkgs_of_the_settings_that_is_damaged_on_the_medium() {
    let live = Live::with_disk("2.34").iso_tree(&project().join("target/rig/trees/channel"));
    // As above: one word of the system is another. It is not the channel, which stays whole.
    live.sh("cp -rL /nix/var/nix/profiles/per-user/root/channels/nixos /nixpkgs
             nixpkgs=$(nix-store --add /nixpkgs); module=$nixpkgs/nixos/modules/misc.nix
             sed -i 's/ID=nixos/ID=nixoz/' $module && grep -q nixoz $module
             echo \"nixpkgs: $nixpkgs\" > /etc/nix-cfg-install.yaml")
        .ok();
    for args in ["--verify-store", ""] {
        live.install(args)
            .fails(6, &["The installation medium is damaged", "-nixpkgs was read twice"]);
    }
    live.sh("[ ! -e /mnt/nix/var/nix/profiles/system ]").ok();
}

#[test]
fn json_progress_never_goes_back_and_ends_at_one() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    let said = live.sh("nix-cfg-install --progress json").ok();
    let mut last = 0.0;
    let mut phases = Vec::new();
    for line in said.out.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event["version"], 1, "{line}");
        if let Some(fraction) = event["fraction"].as_f64() {
            assert!(fraction >= last, "the fraction went back from {last}: {line}");
            last = fraction;
        }
        if event["event"] == "phase" {
            phases.push(event["phase"].as_str().unwrap().to_owned());
        }
    }
    assert!((last - 1.0).abs() < 1e-9, "it ended at {last}");
    assert_eq!(
        phases,
        [
            "settings", "source", "check", "place", "build", "copy", "activate", "inspect", "keep"
        ]
    );
    assert!(
        said.out
            .lines()
            .last()
            .unwrap()
            .contains(r#""event":"done","exit_code":0"#),
        "{}",
        said.out
    );
}

#[test]
fn without_a_boot_loader_there_is_none() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.install("--no-bootloader").ok();
    live.sh("test ! -e /mnt/boot && test -e /mnt/nix/var/nix/profiles/system")
        .ok();
}

#[test]
fn the_target_may_be_named_by_a_link_and_from_where_one_is() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("ln -s /mnt /root/disk && cd /root && nix-cfg-install --progress plain --target disk")
        .ok();
    live.sh("test -e /mnt/nix/var/nix/profiles/system").ok();
}

#[test]
fn odd_names_reach_the_disk_as_they_are() {
    let channel = tree("channel");
    write(&channel, "a name with\nnewline", "x");
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
    std::fs::write(channel.path().join(odd), "not UTF-8").unwrap();
    let live = Live::with_disk("2.26").iso_tree(channel.path());
    live.install("").ok();
    live.sh(
        r#"test -e "$(printf '/mnt/etc/nixos/\377\376')" && test -e "$(printf '/mnt/etc/nixos/a name with\nnewline')""#,
    )
    .ok();
}

#[test]
fn the_name_that_every_live_system_has_chooses_no_host() {
    let tree = tree("flake");
    rig::edit(
        &tree,
        "flake.nix",
        "nixosConfigurations.beta",
        "nixosConfigurations.nixos",
    );
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    assert_eq!(live.read("/proc/sys/kernel/hostname"), "nixos\n");
    live.install("")
        .fails(3, &["several hosts", "alpha, nixos", "--host NAME"]);
    live.sh("echo alpha > /proc/sys/kernel/hostname; nix-cfg-install --check --progress plain")
        .ok();
}
