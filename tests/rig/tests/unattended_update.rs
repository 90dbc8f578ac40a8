//! `mode: update` of an answers file: a machine that was installed from one ISO is started from the next, and nobody is there.

use std::fs;
use std::time::Instant;

use rig::answered::{ANSWERS, INSTALL, Machine};
use rig::{attach, detach, edit, moment, write};

const UPDATE: &str = "machines:\n- match: all\n  mode: update\n  disks: /dev/disk/by-id/rig-disk\n";

/// What a person has on the machine.
const DATA: &str = r"
    mkdir -p /mnt/home/alice /mnt/var/lib/letters
    echo letter | tee /mnt/home/alice/letter > /mnt/var/lib/letters/1
    sed -i 's,^alice:[^:]*:,alice:changed:,' /mnt/etc/shadow; grep -q '^alice:changed:' /mnt/etc/shadow || exit 40";

/// Prints what is on the disk: the data, the generation that starts next, those of the boot menu, and which configuration it is.
const STATE: &str = r#"
    mount ${hdd}p2 /mnt || exit 41
    [ -z "$(nix-store --store /mnt --verify --check-contents 2>&1 | grep -v '^reading\|^checking')" ] || { echo "the store is damaged"; exit 42; }
    cat /mnt/home/alice/letter /mnt/var/lib/letters/1
    grep -o '^alice:[^:]*' /mnt/etc/shadow
    readlink /mnt/nix/var/nix/profiles/system
    system=$(readlink -f /mnt/nix/var/nix/profiles/system)
    grep -o 'init=[^ ]*' /mnt/boot/grub/grub.cfg | sort -u | wc -l
    grep -q "init=${system#/mnt}/init" /mnt/boot/grub/grub.cfg || echo "the boot menu lacks the next system"
    cat /mnt$(nix-store --store /mnt -qR ${system#/mnt} | grep etc-edition)"#;

fn state(machine: &Machine) -> String {
    machine.boot(STATE).ok().out
}

const FIRST: &str = "letter\nletter\nalice:changed\nsystem-1-link\n1\nfirst\n";
const SECOND: &str = "letter\nletter\nalice:changed\nsystem-2-link\n2\nsecond\n";

/// A machine that was installed from the first ISO and used, and has the second ISO and an answers file for an update in it.
fn machine() -> Machine {
    let machine = Machine::with_module(ANSWERS, r#"{ environment.etc.edition.text = "first\n"; }"#);
    machine.boot(&format!("{INSTALL} || exit\n{DATA}")).ok();
    edit(&machine.tree, "more.nix", "first", "second");
    write(&machine.answers, "a.yaml", UPDATE);
    machine
}

#[test]
fn a_machine_is_updated_once_and_keeps_what_is_on_it() {
    let machine = machine();
    assert_eq!(state(&machine), FIRST);
    let before = fs::read(machine.image()).unwrap();
    let said = machine
        .boot(&format!("{INSTALL} --check; code=$?; findmnt -R /mnt; exit $code"))
        .ok();
    assert_eq!(said.out, "", "it is mounted still");
    for text in [
        "To be updated: /dev/disk/by-id/rig-disk (no name, 734.0 MB): channel-demo, installed on 20",
        "This machine can be updated. Nothing was written.",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
    assert!(
        fs::read(machine.image()).unwrap() == before,
        "the check wrote to the disk"
    );
    let said = machine
        .boot(&format!(
            "cd /; {INSTALL} || exit
             cd /mnt/etc; ls -d nixos.before-* > /dev/null || exit 50
             for name in hardware-configuration.nix machine.nix; do cmp nixos/$name nixos.before-*/$name || exit 51; done
             grep -q second nixos/more.nix && grep -q first nixos.before-*/more.nix || exit 52"
        ))
        .ok();
    for text in [
        "Updated. The log is /mnt/var/log/nix-cfg-install/",
        "Its starts are not counted",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
    assert!(!said.err.contains("Partitioning the disk"), "{}", said.err);
    assert_eq!(state(&machine), SECOND);
    // A stick that was forgotten in it.
    let updated = fs::read(machine.image()).unwrap();
    machine
        .boot(INSTALL)
        .fails(3, &["has a system from this ISO already", "Nothing was written"]);
    assert!(fs::read(machine.image()).unwrap() == updated, "it was written to again");
}

#[test]
fn files_that_were_changed_by_hand_are_named_and_the_entry_says_which_side_counts() {
    let machine = machine();
    machine
        .boot("mount ${hdd}p2 /mnt && cd /mnt/etc/nixos && echo '# mine' >> more.nix && echo mine > notes")
        .ok();
    let before = fs::read(machine.image()).unwrap();
    machine.boot(INSTALL).fails(
        3,
        &[
            "was changed on this machine",
            "more.nix (changed here, changed on the ISO as well)",
            "notes (added here)",
            "Nothing was written",
        ],
    );
    assert!(fs::read(machine.image()).unwrap() == before, "it was written to");
    write(&machine.answers, "a.yaml", &format!("{UPDATE}  take: mine\n"));
    machine
        .boot(&format!("{INSTALL} || exit; grep -q mine /mnt/etc/nixos/notes"))
        .ok();
    assert_eq!(
        state(&machine),
        FIRST,
        "the change of the ISO is in a file of which mine was taken"
    );
    edit(&machine.tree, "configuration.nix", "Europe/Lisbon", "Europe/Berlin");
    write(&machine.answers, "a.yaml", &format!("{UPDATE}  take: new\n"));
    let kept = "grep -q mine /mnt/etc/nixos.before-*/notes && ! [ -e /mnt/etc/nixos/notes ]";
    machine.boot(&format!("{INSTALL} || exit; {kept}")).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn an_older_system_is_refused_unless_it_is_accepted() {
    let machine = machine();
    let newer = "sed -i 's/\"state_version\": \"[^\"]*\"/\"state_version\": \"99.05\"/' /mnt/var/lib/nix-cfg-install/receipt.json";
    machine.boot(&format!("mount ${{hdd}}p2 /mnt && {newer}")).ok();
    machine.boot(INSTALL).fails(
        3,
        &[
            "`system.stateVersion` is 24.05, and that of this machine is 99.05",
            "Nothing was written",
        ],
    );
    write(&machine.answers, "a.yaml", &format!("{UPDATE}  older: true\n"));
    machine.boot(INSTALL).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn a_system_whose_boot_loader_cannot_be_installed_is_removed_again() {
    let machine = machine();
    let fails = |how: &str| format!("{{ environment.etc.edition.text = \"second\\n\"; {how} }}");
    write(
        &machine.tree,
        "more.nix",
        &fails("system.build.installBootLoader = \"exit 1\";"),
    );
    let said = [
        "could not be made the next one to start",
        "This machine starts its former system, as before.",
    ];
    machine.boot(INSTALL).fails(7, &said);
    assert_eq!(state(&machine), FIRST);
    // Nor is that of 26.11, beside what one that was killed has left.
    let refused = "system.build.installBootLoader = \"[ ! -e /boot/loader/loader.tmp ] || exit 1\";";
    write(&machine.tree, "more.nix", &fails(refused));
    let killed = "mount ${hdd}p2 /mnt && mkdir -p /mnt/boot/loader && touch /mnt/boot/loader/loader.tmp && umount /mnt";
    machine.boot(&format!("{killed} && {INSTALL}")).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn a_journal_that_a_power_cut_left_is_finished_by_the_update_and_not_by_the_check() {
    let machine = machine();
    // The disk as it is while it is mounted and written to.
    let cut = "mount ${hdd}p2 /mnt && echo more > /mnt/home/alice/more && sync && cp --sparse=always /disk.img /cut.img
        dumpe2fs -h ${hdd}p2 2> /dev/null | grep -q needs_recovery || exit 61
        umount /mnt && dd if=/cut.img of=/disk.img bs=1M conv=notrunc 2> /dev/null && rm /cut.img";
    machine.boot(cut).ok();
    let before = fs::read(machine.image()).unwrap();
    machine.boot(&format!("{INSTALL} --check")).ok();
    assert!(
        fs::read(machine.image()).unwrap() == before,
        "the check wrote to the disk"
    );
    machine
        .boot(&format!("{INSTALL} || exit; grep -q more /mnt/home/alice/more"))
        .ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn another_configuration_that_a_person_brings_for_the_same_iso_is_taken() {
    let machine = machine();
    machine.boot(INSTALL).ok();
    let third = "cp -r /iso/nix-cfg /tmp/ && chmod -R u+w /tmp/nix-cfg && sed -i s/second/third/ /tmp/nix-cfg/more.nix";
    machine
        .boot(&format!(
            "{third} && {INSTALL}; code=$?; rm -r /tmp/nix-cfg; exit $code"
        ))
        .ok();
    let third = SECOND.replace("2-link\n2\nsecond", "3-link\n3\nthird");
    assert_eq!(state(&machine), third);
    // A stick that was forgotten in it.
    machine.boot(INSTALL).fails(3, &["has a system from this ISO already"]);
}

/// A second disk with a copy of the first one's root, which has the same UUID and label.
fn clone() -> String {
    format!(
        "dd if=${{hdd}}p2 of=/clone.img bs=1M 2> /dev/null
         {}ln -s ../../$(basename $clone) /dev/disk/by-id/clone\n",
        attach("/clone.img", "clone")
    )
}

#[test]
fn no_system_or_several_are_refused_with_what_was_looked_at() {
    let machine = machine();
    let refused = |answers: &str, script: &str, texts: &[&str]| {
        write(&machine.answers, "a.yaml", answers);
        let before = fs::read(machine.image()).unwrap();
        machine.boot(script).fails(3, texts);
        assert!(
            fs::read(machine.image()).unwrap() == before,
            "the disk was written: {answers}"
        );
    };
    // A loop device is taken only where it is named.
    let any = "machines:\n- match: all\n  mode: update\n";
    let nowhere = "No system that nix-cfg-install has installed was found";
    refused(any, INSTALL, &[nowhere, "There is nothing on the disks"]);
    let two = format!("{any}  disks: {{ a: /dev/disk/by-id/rig-disk, b: /dev/disk/by-id/clone }}\n");
    let script = format!(
        "{}{INSTALL}; code=$?\n{}rm /clone.img; exit $code",
        clone(),
        detach("clone")
    );
    let several = [
        "Several systems could be meant",
        "/dev/disk/by-id/rig-disk (no name",
        "/dev/disk/by-id/clone (no name",
        "channel-demo, installed on 20",
    ];
    refused(&two, &script, &several);
    // The system on the copy is a broken one: which of both is meant is not known all the same.
    let broken = script.replace(
        "ln -s ../../$(basename $clone)",
        "mount $clone /mnt && mkdir -p /mnt/broken/etc && echo 'LABEL=absent / ext4 defaults 0 1' > /mnt/broken/etc/fstab
         ln -sfn /broken /mnt/nix/var/nix/profiles/system && umount /mnt || exit 9
         ln -s ../../$(basename $clone)",
    );
    let one = [
        several[0],
        several[1],
        "/dev/disk/by-id/rig-disk (no name",
        "LABEL=absent was not found",
    ];
    refused(&two, &broken, &one);
    let mounted = format!(
        "truncate -s 8M /other.img; mke2fs -q -F /other.img
         {}mount $other /mnt || exit 9; {INSTALL}; code=$?; {}exit $code",
        attach("/other.img", "other"),
        detach("other")
    );
    refused(UPDATE, &mounted, &["Something is mounted at /mnt"]);
    let by_hand = "mount ${hdd}p2 /mnt && rm /mnt/var/lib/nix-cfg-install/receipt.json && umount /mnt";
    machine.boot(by_hand).ok();
    refused(
        UPDATE,
        INSTALL,
        &[nowhere, "p2 (a NixOS that nix-cfg-install has not installed)"],
    );
}

#[test]
fn a_machine_whose_memory_is_on_one_of_its_disks_is_refused() {
    let machine = machine();
    let before = fs::read(machine.image()).unwrap();
    // As the kernel marks a swap device that it has written the memory to.
    let hibernated = format!(
        "truncate -s 8M /swap.img; mkswap -q /swap.img
         printf S1SUSPEND | dd of=/swap.img bs=1 seek=4086 conv=notrunc 2> /dev/null
         {}ln -s ../../$(basename $swap) /dev/disk/by-id/swap
         {INSTALL}; code=$?
         {}rm /swap.img; exit $code",
        attach("/swap.img", "swap"),
        detach("swap")
    );
    let both =
        "machines:\n- match: all\n  mode: update\n  disks: { a: /dev/disk/by-id/rig-disk, b: /dev/disk/by-id/swap }\n";
    write(&machine.answers, "a.yaml", both);
    machine.boot(&hibernated).fails(
        3,
        &[
            "This machine is hibernated",
            "Its memory is in /dev/loop",
            "Nothing was written",
        ],
    );
    assert!(fs::read(machine.image()).unwrap() == before, "it was written to");
    // On a disk that is taken only where it is named, it is that of another machine.
    write(&machine.answers, "a.yaml", UPDATE);
    machine.boot(&hibernated).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn a_copy_of_the_disk_is_left_alone() {
    let machine = machine();
    let script = format!(
        "{}before=$(sha256sum < /clone.img)
         {INSTALL}; code=$?; umount -R /mnt
         [ \"$(sha256sum < /clone.img)\" = \"$before\" ] || code=60
         {}rm /clone.img; exit $code",
        clone(),
        detach("clone")
    );
    machine.boot(&script).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn what_a_killed_run_left_mounted_is_unmounted() {
    let machine = machine();
    let left = "mkdir -p /run/nix-cfg-install/look; mount -o ro,norecovery ${hdd}p2 /mnt && mount -o ro,norecovery ${hdd}p2 /run/nix-cfg-install/look";
    machine.boot(&format!("{left} || exit 9; {INSTALL}")).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn the_result_is_left_on_the_stick() {
    let machine = machine();
    let said = machine
        .boot(&format!(
            "truncate -s 16M /stick.img && mkfs.ext4 -q -F -L NIXCFG /stick.img
             {}
             {INSTALL}; code=$?
             cat /run/nix-cfg-install/stick/receipt-*.json
             {}
             exit $code",
            attach("/stick.img", "stick"),
            detach("stick"),
        ))
        .ok();
    assert!(said.out.contains("\"host_name\": \"channel-demo\""), "{}", said.out);
}

#[test]
fn an_interrupted_check_leaves_nothing_mounted() {
    let machine = machine();
    let timed = format!("at=${{EPOCHREALTIME/./}}; {INSTALL} --check || exit; echo $((${{EPOCHREALTIME/./}} - at))");
    let whole = machine.boot(&timed).ok().out.trim().parse::<f64>().unwrap() / 1e6;
    let (mut interrupted, mut attempt) = (0, 0);
    while interrupted < 5 {
        attempt += 1;
        assert!(attempt < 30, "only {interrupted} checks of {whole} s were interrupted");
        let after = whole * moment(attempt);
        let check = format!("timeout --preserve-status -s INT {after:.3} {INSTALL} --check");
        let said = machine.boot(&format!("{check}; code=$?; findmnt -rn -o TARGET /mnt; exit $code"));
        assert_eq!(said.out, "", "after {after:.3} s: {}", said.err);
        interrupted += u32::from(said.code == 130);
    }
    assert_eq!(state(&machine), FIRST);
}

const KILLS: u32 = 12;

#[test]
fn cut_off_at_any_moment_the_data_is_there_and_the_next_start_goes_on() {
    let began = Instant::now();
    let calm = machine();
    let installed = began.elapsed();
    let began = Instant::now();
    calm.boot(INSTALL).ok();
    let whole = began.elapsed().as_secs_f64();
    eprintln!("installed in {installed:?}, updated in {whole:.1} s");
    let (mut killed, mut attempt, mut unchanged) = (0, 0, 0);
    // Until some were killed before the first write, and some after it.
    while killed < KILLS || unchanged == 0 || unchanged == killed {
        attempt += 1;
        assert!(
            attempt < 3 * KILLS,
            "of {attempt} runs, {killed} were killed before their end, and {unchanged} before the first write"
        );
        let machine = machine();
        let after = whole * moment(attempt);
        if machine.boot(&format!("timeout -s KILL {after:.3} {INSTALL}")).code != 137 {
            continue;
        }
        let left = state(&machine);
        let lines: Vec<&str> = left.lines().collect();
        assert_eq!(
            lines[..3],
            ["letter", "letter", "alice:changed"],
            "cut off after {after:.3} s: {left}"
        );
        unchanged += u32::from(left == FIRST);
        let said = machine.boot(INSTALL);
        // Killed after its last write.
        assert!(
            said.code == 0 || said.code == 3 && left == SECOND,
            "cut off after {after:.3} s: {}\n{}",
            left,
            said.err
        );
        killed += 1;
        assert_eq!(state(&machine), SECOND, "cut off after {after:.3} s");
    }
}
