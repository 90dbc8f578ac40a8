//! Everything that can be wrong with what a person brings: said in plain words, with what to do, and nothing lost.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use common::{Live, Said, VERSIONS, edit, project, tree, write};
use tempfile::TempDir;

fn channel() -> TempDir {
    tree("channel")
}

/// Adds a module with `text` to the channel configuration.
fn channel_with(text: &str) -> TempDir {
    let tree = channel();
    write(&tree, "modules/more.nix", text);
    edit(
        &tree,
        "configuration.nix",
        "./modules/greeter.nix",
        "./modules/greeter.nix\n    ./modules/more.nix",
    );
    tree
}

/// The installer's word on a tree, when nothing may have been written to the disk.
fn refused(tree: &TempDir, args: &str, code: i32, texts: &[&str]) -> Said {
    refused_by("2.26", tree, args, code, texts)
}

#[track_caller]
fn refused_by(nix: &str, tree: &TempDir, args: &str, code: i32, texts: &[&str]) -> Said {
    let live = Live::with_disk(nix).iso_tree(tree.path());
    let said = live.install(args).fails(code, texts);
    assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n", "the disk was written");
    said
}

#[test]
fn a_package_that_is_not_on_the_iso_is_named_with_what_wants_it() {
    for nix in VERSIONS {
        let tree = channel_with("{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop ]; }");
        let said = refused_by(
            nix,
            &tree,
            "",
            3,
            &[
                "htop-3.3.0 (from environment.systemPackages) is not on this medium",
                "htop-3.3.0.tar https://example.invalid/htop-3.3.0.tar",
                "make the ISO from this configuration",
                "Nothing was written to the target.",
            ],
        );
        assert!(
            !said.err.contains("libsmall"),
            "what is there was called missing: {}",
            said.err
        );
    }
}

#[test]
fn a_configuration_that_does_not_evaluate_is_explained_by_every_nix() {
    let cases: &[(&str, &[&str])] = &[
        (
            "{ services.greeter.enabel = true; }",
            &[
                "There is no option `services.greeter.enabel`",
                "where: modules/more.nix",
            ],
        ),
        (
            "{ networking.hostName = \"another\"; }",
            &[
                "The option `networking.hostName` is set to two different values",
                "\"another\"",
                "lib.mkForce",
            ],
        ),
        (
            "{ services.cows.enable = \"yes\"; }",
            &[
                "The option `services.cows.enable` takes another kind of value: boolean",
                "where: modules/more.nix",
            ],
        ),
        (
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htpo ]; }",
            &["There is no `htpo`", "where: modules/more.nix:1"],
        ),
        (
            "{ environment.systemPackages = [ htop ]; }",
            &["The name `htop` is not defined", "where: modules/more.nix:1"],
        ),
        (
            "{ networking.hostName = ; }",
            &["is not valid Nix", "where: modules/more.nix:1:25"],
        ),
        (
            "{ imports = [ ./nowhere.nix ]; }",
            &["The configuration uses the file modules/nowhere.nix, which does not exist"],
        ),
        (
            "{ boot.loader.grub.enable = true; }",
            &[
                "The configuration contradicts itself",
                "Only one boot loader can be enabled.",
            ],
        ),
        (
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.unfree-game ]; }",
            &["The package unfree-game-1.0 is not free software", "allowUnfree = true"],
        ),
        (
            "{ config, ... }: { time.timeZone = config.time.timeZone; }",
            &["needs its own result"],
        ),
    ];
    for nix in VERSIONS {
        for (module, texts) in cases {
            refused_by(nix, &channel_with(module), "", 3, texts);
        }
    }
}

#[test]
fn a_failing_builder_is_told_with_its_last_lines() {
    for nix in VERSIONS {
        let tree = channel_with("{ pkgs, ... }: { environment.systemPackages = [ pkgs.broken ]; }");
        // Its source is not on the medium either unless it is brought along.
        let live = Live::with_disk(nix).iso_tree(tree.path());
        live.sh("printf 'the source of broken-1.0\\n' > /tmp/broken-1.0.tar && nix-store --add-fixed sha256 /tmp/broken-1.0.tar
                 printf 'the source of a compiler\\n' > /tmp/gcc-13.2.0.tar && nix-store --add-fixed sha256 /tmp/gcc-13.2.0.tar")
            .ok();
        let said = live.install("").fails(
            5,
            &[
                "Building broken-1.0 failed",
                "building part 25",
                "this part cannot be built",
                "When that is mended, the same command goes on from here.",
            ],
        );
        assert!(
            !said.err.contains("building part 3\n"),
            "more than the last lines: {}",
            said.err
        );
        // The log is on the target also after a failure, with the whole output.
        let log = live.sh("cat /mnt/var/log/nix-cfg-install/*.log").ok().out;
        assert!(
            log.contains("building part 3\n") && log.contains("$ nix-store --realise"),
            "{log}"
        );
    }
}

#[test]
fn a_host_that_does_not_exist_lists_those_that_do() {
    let flake = tree("flake");
    refused(&flake, "--host gamma", 3, &["has no host `gamma`", "alpha, beta"]);
    refused(
        &flake,
        "",
        3,
        &["nothing says which one this machine is", "alpha, beta", "--host"],
    );
}

#[test]
fn a_flake_whose_lock_is_absent_or_incomplete_says_so() {
    for nix in VERSIONS {
        let flake = tree("flake");
        std::fs::remove_file(flake.path().join("flake.lock")).unwrap();
        refused_by(nix, &flake, "--host alpha", 3, &["flake.lock", "nix flake lock"]);
        let flake = tree("flake");
        edit(
            &flake,
            "flake.nix",
            "    dotfiles = {",
            "    more.url = \"github:example/more\";\n    dotfiles = {",
        );
        refused_by(nix, &flake, "--host alpha", 3, &["flake.lock", "nix flake lock"]);
    }
}

#[test]
fn a_flake_input_that_is_not_on_the_iso_is_named() {
    for nix in VERSIONS {
        let flake = tree("flake");
        let text = std::fs::read_to_string(flake.path().join("flake.lock")).unwrap();
        let hash = text
            .lines()
            .find(|line| line.contains("narHash"))
            .unwrap()
            .trim()
            .to_owned();
        edit(
            &flake,
            "flake.lock",
            &hash,
            "\"narHash\": \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",",
        );
        refused_by(
            nix,
            &flake,
            "--host alpha",
            3,
            &["example/dotfiles", "is not on this medium"],
        );
    }
}

#[test]
fn special_files_owners_and_modes_are_refused_all_at_once_and_by_name() {
    let tree = channel();
    common::run("mkfifo", &[tree.path().join("pipe").to_str().unwrap()]);
    common::run("mknod", &[tree.path().join("null").to_str().unwrap(), "c", "1", "3"]);
    write(&tree, "open.nix", "{ }");
    std::fs::set_permissions(tree.path().join("open.nix"), std::fs::Permissions::from_mode(0o666)).unwrap();
    write(&tree, "service.nix", "{ }");
    chown(tree.path().join("service.nix"), Some(77), None).unwrap();
    refused(
        &tree,
        "",
        3,
        &[
            "contains a named pipe\n  where: pipe",
            "contains a device\n  where: null",
            "Everybody on this system can change the configuration\n  where: open.nix",
            "belongs to the system account `sshd`\n  where: service.nix",
        ],
    );
}

#[test]
fn an_unknown_owner_and_links_out_of_the_tree_are_warnings() {
    let tree = channel();
    symlink("/somewhere/else", tree.path().join("out")).unwrap();
    symlink("nothing", tree.path().join("broken")).unwrap();
    common::run("chown", &["-R", "4242", tree.path().to_str().unwrap()]);
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    let said = live.install("").ok();
    for text in ["user 4242, who has no account here", "where: out", "where: broken"] {
        assert!(said.err.contains(text), "not said: {text}\n{}", said.err);
    }
    // Owned by root on the disk, links as they were.
    live.sh("test $(stat -c %u /mnt/etc/nixos/configuration.nix) = 0 && test $(readlink /mnt/etc/nixos/out) = /somewhere/else")
        .ok();
}

#[test]
fn a_first_place_that_holds_no_configuration_is_not_passed_over() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("mkdir /tmp/nix-cfg").ok();
    live.install("").fails(
        3,
        &[
            "/tmp/nix-cfg is not a NixOS configuration",
            "neither flake.nix nor configuration.nix",
        ],
    );
    live.sh("rmdir /tmp/nix-cfg && ln -s /iso/nix-cfg /tmp/nix-cfg && chown -h 1000 /tmp/nix-cfg")
        .ok();
    live.install("").fails(3, &["somebody else made"]);
}

#[test]
fn nothing_to_install_says_where_it_was_looked_for() {
    Live::with_disk("2.26")
        .install("")
        .fails(3, &["/tmp/nix-cfg, /iso/nix-cfg"]);
    Live::with_disk("2.26")
        .install("--source /nowhere")
        .fails(3, &["/nowhere cannot be looked at"]);
}

#[test]
fn several_hardware_configurations_are_listed_and_none_is_guessed() {
    let tree = tree("flake");
    for name in ["x", "y"] {
        write(&tree, &format!("hosts/alpha/{name}/hardware-configuration.nix"), "{ }");
    }
    refused(
        &tree,
        "--host alpha",
        3,
        &[
            "hosts/alpha/x/hardware-configuration.nix",
            "hosts/alpha/y/hardware-configuration.nix",
            "--hardware-config",
        ],
    );
}

#[test]
fn a_target_that_cannot_be_installed_to_is_named_before() {
    let tree = channel();
    let live = || Live::with_disk("2.26").iso_tree(tree.path());
    live()
        .install("--target /nowhere")
        .fails(3, &["/nowhere does not exist", "--target"]);
    let bare = Live::new("2.26").iso_tree(tree.path());
    bare.sh("mkdir -p /mnt").ok();
    bare.install("")
        .fails(3, &["Nothing is mounted at /mnt", "--not-mounted"]);
    live()
        .with(&["--target-options", "ro"])
        .install("")
        .fails(3, &["is mounted read-only", "remount,rw"]);
    let closed = live();
    closed
        .sh("chmod 700 /mnt && nix-cfg-install --progress plain; test $? = 3 && chown 1000 /mnt")
        .ok();
    closed
        .install("")
        .fails(3, &["does not belong to root", "chown root:root /mnt"]);
}

#[test]
fn a_folder_that_is_no_mount_point_is_installed_to_when_that_is_meant() {
    let live = Live::new("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("mkdir -p /mnt/etc/nixos && cp /iso/nix-cfg/hardware-configuration.nix /mnt/etc/nixos/")
        .ok();
    live.install("--not-mounted").ok();
}

#[test]
fn a_disk_that_is_too_small_is_named_with_what_is_missing_and_a_larger_one_goes_on() {
    let live = Live::new("2.26")
        .with(&["--target-size", "40M"])
        .iso_tree(&project().join("target/rig/trees/channel"));
    live.install("")
        .fails(6, &["The target is too small", "It needs 72.7 MB", "more are needed"]);
    common::run(
        "truncate",
        &[
            "-s",
            "400M",
            live.state.path().join("live/target.img").to_str().unwrap(),
        ],
    );
    common::run(
        "e2fsck",
        &["-fy", live.state.path().join("live/target.img").to_str().unwrap()],
    );
    common::run(
        "resize2fs",
        &[live.state.path().join("live/target.img").to_str().unwrap()],
    );
    live.install("").ok();
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_explained_and_a_rerun_goes_on() {
    // Few inodes: the free bytes are enough, and yet it does not fit.
    let live = Live::new("2.26")
        .with(&["--target-size", "400M", "--target-inodes", "200"])
        .iso_tree(&project().join("target/rig/trees/channel"));
    let said = live.install("");
    assert!(said.code == 6 || said.code == 4, "{said:?}");
    assert!(said.err.contains("(inodes)"), "{}", said.err);
}

#[test]
fn what_nixos_install_says_reaches_the_user_in_full() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    // No folder can be made there.
    live.sh("touch /mnt/boot").ok();
    live.install("").fails(
        7,
        &[
            "nixos-install could not activate the system",
            "mkdir: can't create directory '/boot/",
        ],
    );
}

#[test]
fn a_live_system_without_the_tools_says_which_one_is_missing() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("mkdir /empty; mount --bind /empty /usr/local/bin; nix-cfg-install --progress plain")
        .fails(3, &["The program `nixos-generate-config` is not on this system"]);
}

#[test]
fn without_a_channel_a_channel_configuration_says_what_is_missing() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("rm /nix/var/nix/profiles/per-user/root/channels*; unset NIX_PATH; nix-cfg-install --progress plain")
        .fails(3, &["There is no nixpkgs on this medium"]);
}

#[test]
fn a_wrong_flag_and_a_person_who_is_not_root_are_told_what_to_do() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.install("--hots x")
        .fails(2, &["unexpected argument '--hots'", "--host", "--help"]);
    live.sh("setpriv --reuid 1000 --clear-groups nix-cfg-install --progress plain")
        .fails(2, &["Only root can install a system", "sudo"]);
    let help = live.sh("nix-cfg-install --help").ok().out;
    for text in ["--dry-run", "Exit codes:", "130  interrupted", "/tmp/nix-cfg"] {
        assert!(help.contains(text), "{help}");
    }
}
