//! A layout for disko is made on the chosen disks and no others, and once: whatever names other disks have, and whenever it is cut off.

use rig::layout::{ENCRYPTED, INSTALL, PLAIN, bios, with_disk, with_layout};
use rig::{attach, detach, edit};
use tempfile::TempDir;

#[test]
fn a_name_that_leads_to_another_disk_is_reported_before_anything_is_erased() {
    let tree = with_layout(r#"{ type = "filesystem"; name = "root"; mountpoint = "/"; device = "/dev/other"; }"#);
    let said = with_disk(
        &bios(&tree),
        &format!(
            "mkfs.ext4 -q -L old $chosen
             {INSTALL} --yes || echo code $?
             blkid -o value -s LABEL $chosen"
        ),
    )
    .ok();
    assert_eq!(said.out, "code 3\nold\n", "{}", said.err);
    assert!(
        said.err
            .contains("error: Another disk has what the layout finds by its name"),
        "{}",
        said.err
    );
}

#[test]
fn a_disk_that_is_too_small_is_refused_though_the_machine_has_a_larger_one() {
    let tree = with_layout(PLAIN);
    let install = INSTALL.replace("/dev/chosen", "/dev/small --disk more=/dev/less");
    let script = format!(
        "mkfs.ext4 -q -L old $small; {install} --yes || echo code $?
         blkid -o value -s LABEL $small"
    );
    let attach = attach("/small.img", "small") + &attach("/less.img", "less");
    let detach = detach("small") + &detach("less");
    let said = with_disk(
        &bios(&tree),
        &format!("truncate -s 16M /small.img /less.img; {attach}\nset +e; ({script})\n{detach}"),
    )
    .ok();
    assert_eq!(said.out, "code 3\nold\n", "{}", said.err);
    assert!(said.err.contains("does not fit on the disk"), "{}", said.err);
}

#[test]
fn nothing_is_installed_on_another_disk_that_the_script_mounted() {
    let tree = with_layout(r#"{ type = "filesystem"; name = "root"; mountpoint = "/"; found = "/dev/other"; }"#);
    let said = with_disk(
        &bios(&tree),
        &format!(
            "{INSTALL} --yes || echo code $?
             findmnt /mnt || echo not mounted
             mount $other /mnt && ls /mnt && umount /mnt"
        ),
    )
    .ok();
    // The mount point of the second disk is made in the first.
    assert_eq!(said.out, "code 12\nnot mounted\ndata\nlost+found\n", "{}", said.err);
    for text in [
        "error: disko mounted what is on none of the chosen disks: /dev/loop",
        "Run the same command again: it begins with the layout of the disks.",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn a_disk_without_a_table_is_not_given_one_unless_it_is_to_be_erased() {
    let tree = with_layout(r#"{ type = "gpt"; partitions = { }; name = "root"; mountpoint = "/"; }"#);
    let said = with_disk(
        &bios(&tree),
        "mkfs.ext4 -q -L old $chosen
         nix-cfg-install --progress plain --disko format --disk main=/dev/chosen --yes || echo code $?
         blkid -o value -s LABEL $chosen",
    )
    .ok();
    assert_eq!(said.out, "code 3\nold\n", "{}", said.err);
    assert!(
        said.err.contains(" has no partition table, and is ext4"),
        "{}",
        said.err
    );
}

#[test]
fn a_disk_that_only_the_kernel_knows_to_be_in_use_is_refused() {
    let said = with_disk(
        &bios(&with_layout(PLAIN)),
        &format!(
            "mke2fs -q -O journal_dev $chosen > /dev/null
             mkfs.ext4 -q -J device=$chosen $other > /dev/null
             mkdir /elsewhere && mount $other /elsewhere
             {INSTALL} --yes || echo code $?
             umount /elsewhere
             {INSTALL} --yes"
        ),
    )
    .ok();
    assert_eq!(said.out, "code 3\n", "{}", said.err);
    assert!(
        said.err
            .contains("(held by LVM, a RAID, an encrypted volume, a pool of ZFS or a program)"),
        "{}",
        said.err
    );
}

/// A layout whose script does not end until there is /killed.
fn endless(content: &str) -> TempDir {
    let hook = r#" hook = "if ! [ -e /killed ]; then mount /dev/chosen /mnt; touch /at-work; sleep 1000; fi"; }"#;
    with_layout(&format!("{}{hook}", content.trim_end().trim_end_matches('}')))
}

#[test]
fn an_interrupted_layout_is_not_left_mounted() {
    let said = with_disk(
        &bios(&endless(PLAIN)),
        &format!(
            "{INSTALL} --yes &
             until [ -e /at-work ]; do sleep 0.1; done
             kill -INT $!
             wait $! || echo code $?
             findmnt /mnt || echo not mounted"
        ),
    )
    .ok();
    assert_eq!(said.out, "code 130\nnot mounted\n", "{}", said.err);
    assert!(
        said.err
            .contains("Interrupted. Run the same command again: it begins with the layout of the disks."),
        "{}",
        said.err
    );
}

/// Kills the installer while the script of disko is at work, and starts it again.
fn killed_and_started_again(content: &str, options: &str) {
    let said = with_disk(
        &bios(&endless(content)),
        &format!(
            "echo 'correct horse' > /secret
             {INSTALL} {options} --yes &
             until [ -e /at-work ]; do sleep 0.1; done
             {INSTALL} {options} --yes || echo second $?
             touch /killed
             kill -9 $(pgrep -x nix-cfg-install)
             wait || true
             {INSTALL} {options} --yes
             pgrep -x sleep || echo ended
             findmnt -no LABEL /mnt"
        ),
    )
    .ok();
    assert_eq!(said.out, "second 3\nended\nroot\n", "{}", said.err);
    assert!(said.err.contains("Another run is at work on /dev"), "{}", said.err);
}

#[test]
fn a_layout_whose_run_was_killed_is_made_again() {
    killed_and_started_again(PLAIN, "");
}

#[test]
fn a_script_that_reads_a_passphrase_does_not_outlive_its_run_either() {
    killed_and_started_again(ENCRYPTED, "--passphrase-file /secret");
}

#[test]
fn an_installation_that_was_begun_on_another_disk_is_not_continued() {
    let said = with_disk(
        &bios(&with_layout(PLAIN)),
        &format!(
            "{INSTALL} --yes
             nix-cfg-install --progress plain --disko wipe --disk main=$more --yes || echo code $?
             findmnt -no LABEL /mnt"
        ),
    )
    .ok();
    assert_eq!(said.out, "code 3\nroot\n", "{}", said.err);
    assert!(
        said.err.contains("error: Another installation was begun at /mnt"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("It was begun with --disko wipe --disk main=/dev/"),
        "{}",
        said.err
    );
}

#[test]
fn grub_does_not_go_to_a_disk_that_was_not_chosen() {
    let tree = with_layout(PLAIN);
    edit(&tree, "configuration.nix", "./hardware-configuration.nix", "");
    let said = with_disk(
        &bios(&tree),
        &format!("{INSTALL} --yes || echo code $?\nblkid $chosen || echo empty"),
    )
    .ok();
    assert_eq!(said.out, "code 3\nempty\n", "{}", said.err);
    for text in [
        "error: The installed configuration does not get the disks that were chosen: main",
        "GRUB would be installed on /dev/disk/by-id/not-here",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}
