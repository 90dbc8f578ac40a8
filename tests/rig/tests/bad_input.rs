//! What can be wrong with what a person brings, and with the machine: said in plain words, with what to do, and nothing
//! lost. What is wrong inside a configuration is in check.rs.

use std::os::unix::fs::symlink;

use rig::{Live, Outcome, VERSIONS, edit, project, tree, write};
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
#[track_caller]
fn refused_by(nix: &str, tree: &TempDir, args: &str, code: i32, texts: &[&str]) -> Outcome {
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
fn a_failing_builder_is_reported_with_its_last_lines() {
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
                "Fix the problem. Run the same command again: it continues from here.",
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
fn an_unknown_owner_and_links_out_of_the_tree_are_warnings() {
    let tree = channel();
    symlink("/somewhere/else", tree.path().join("out")).unwrap();
    symlink("nothing", tree.path().join("broken")).unwrap();
    rig::run("chown", &["-R", "4242", tree.path().to_str().unwrap()]);
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
    live.install("")
        .fails(3, &["was not made by the owner of that directory"]);
}

#[test]
fn nothing_to_install_says_where_it_was_looked_for() {
    Live::with_disk("2.26")
        .install("")
        .fails(3, &["/tmp/nix-cfg, /iso/nix-cfg"]);
    Live::with_disk("2.26")
        .install("--source /nowhere")
        .fails(3, &["/nowhere cannot be read"]);
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
    live()
        .with(&["--target-options", "noexec"])
        .install("")
        .fails(3, &["is mounted with noexec", "remount,exec"]);
    live()
        .sh("chown 1000 /mnt && nix-cfg-install --progress plain")
        .fails(3, &["does not belong to root", "chown root:root /mnt"]);
    // As nixos-install, which looks at the directories above as well.
    live()
        .sh(
            "mkdir -m 700 /closed && mkdir /closed/mnt && mount --bind /mnt /closed/mnt
             nix-cfg-install --target /closed/mnt --progress plain",
        )
        .fails(3, &["The directory /closed has mode 700", "chmod o+rx /closed"]);
    live()
        .install("--target /")
        .fails(3, &["The target is the running system"]);
    live()
        .sh("mkdir /mnt/elsewhere && ln -s elsewhere /mnt/nix; nix-cfg-install --progress plain")
        .fails(3, &["/mnt/nix is a symbolic link", "mount --bind"]);
    let mounted = live();
    mounted
        .sh("mkdir -p /mnt/etc/nixos /mnt/persist && mount --bind /mnt/persist /mnt/etc/nixos; nix-cfg-install --progress plain")
        .fails(3, &["Something is mounted at /mnt/etc/nixos", "umount /mnt/etc/nixos"]);
}

#[test]
fn a_root_in_memory_needs_room_only_for_what_is_not_in_the_store() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    // As people have it whose machines forget all else; and with an umask that would close the system to its users.
    let said = live.sh("mkdir -p /target && mount -t tmpfs -o size=16M,mode=755 root /target
         mkdir /target/nix /mnt/nix && mount --bind /mnt/nix /target/nix
         umask 077; nix-cfg-install --target /target --progress plain >&2 || exit
         cd /target; stat -c '%a %n' etc nix var; cd nix/persist; stat -c '%a %n' etc etc/nixos var/log var/lib");
    let modes = said.ok().out;
    // What the installer keeps is beside the store.
    assert_eq!(
        modes,
        "755 etc\n755 nix\n755 var\n755 etc\n755 etc/nixos\n755 var/log\n755 var/lib\n"
    );
}

#[test]
fn a_directory_that_is_no_mount_point_is_installed_to_when_that_is_meant() {
    let live = Live::new("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("mkdir -p /mnt/etc/nixos && 
         sed 's|^  nixpkgs|  fileSystems.\"/boot\" = { device = \"/dev/sda1\"; fsType = \"vfat\"; };\\n&|' \
             /iso/nix-cfg/hardware-configuration.nix > /mnt/etc/nixos/hardware-configuration.nix")
        .ok();
    live.install("--not-mounted").ok();
}

#[test]
fn a_disk_that_is_too_small_is_named_with_what_is_missing_and_a_larger_one_goes_on() {
    let live = Live::new("2.26")
        .with(&["--target-size", "40M"])
        .iso_tree(&project().join("target/rig/trees/channel"));
    live.install("")
        .fails(3, &["The system does not fit on the disk", "/mnt has", "it needs"]);
    rig::run(
        "truncate",
        &[
            "-s",
            "400M",
            live.state.path().join("live/target.img").to_str().unwrap(),
        ],
    );
    rig::run(
        "e2fsck",
        &["-fy", live.state.path().join("live/target.img").to_str().unwrap()],
    );
    rig::run(
        "resize2fs",
        &[live.state.path().join("live/target.img").to_str().unwrap()],
    );
    live.install("").ok();
}

#[test]
fn a_disk_without_room_for_so_many_files_is_explained() {
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
    // No directory can be made there.
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
fn a_machine_without_nix_is_told_from_other_failures() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh(
        "for dir in ${PATH//:/ }; do [ ! -e $dir/nix ] || mv $dir/nix $dir/nix.away; done; nix-cfg-install --check",
    )
    .fails(11, &["Nix is not installed on this machine", "Nothing was written"]);
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
        .fails(10, &["has to be run as root", "sudo"]);
    // Nobody is there to read it; it is told by the code all the same.
    let code = "(sleep 0.2; nix-cfg-install --settings /none 2>&1; echo $? > /code) | true; cat /code";
    assert_eq!(live.sh(code).ok().out, "2\n");
    let help = live.sh("nix-cfg-install --help").ok().out;
    for text in ["--dry-run", "Exit codes:", "130  interrupted", "/tmp/nix-cfg"] {
        assert!(help.contains(text), "{help}");
    }
}
