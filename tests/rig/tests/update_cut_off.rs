//! `nix-cfg-install update` is cut off, or something else is at work on the machine: it has its former system or the new one.

use rig::iso::{Emitted, OVERRIDE, boot, build, builder};
use rig::moment;
use rig::started::Started;
use rig::two_isos::{FIRST, SECOND, STATE, UPDATE, extracted, machine, machine_with, state, stick};

/// Fills the file system of the store.
const FILL: &str =
    "dd if=/dev/zero of=/var/fill bs=1M 2> /dev/null; dd if=/dev/zero of=/var/fill-rest bs=1k 2> /dev/null";

#[test]
fn without_room_in_the_store_nothing_is_written() {
    let machine = machine();
    machine
        .sh(&format!("{FILL}; {UPDATE}"))
        .fails(3, &["does not fit into the store", "nix-collect-garbage"]);
    machine.sh("rm /var/fill*").ok();
    assert_eq!(state(&machine), FIRST);
}

/// What the machine says after an `update` with a boot partition that fills up.
fn with_a_full_boot_partition(machine: &Started, (before, update, after): (&str, &str, &str)) -> String {
    let script = format!(
        "{before}
         cp -a /boot /run/boot && size=$(du -sk /run/boot | cut -f1)
         mount -t tmpfs -o size=$((size + 4))k boot /boot && cp -a /run/boot/. /boot/ || exit 30
         dd if=/dev/zero of=/boot/other bs=1k 2> /dev/null
         {update} > /dev/null 2> /run/said; code=$?
         cat /run/said >&2; rm /boot/other
         {after}
         exit $code"
    );
    let problem = [
        "could not be made the next one to start",
        "starts its former system, as before",
    ];
    machine.sh(&script).fails(7, &problem).out
}

#[test]
fn a_boot_partition_that_fills_up_leaves_the_former_system_and_its_boot_menu() {
    let left = with_a_full_boot_partition(&machine(), ("true", UPDATE, STATE));
    assert_eq!(left, FIRST);
}

/// An update to a system whose switch-to-configuration does `what` as well.
fn update_that_does(what: &str) -> String {
    format!(
        "sed -i 's|services.greeter|system.build.installBootLoader = \"{what}\";\\n  &|' /etc/nixos/hosts/alpha/default.nix
         {UPDATE} --take mine"
    )
}

#[test]
fn a_switch_that_a_signal_ends_is_undone() {
    let machine = machine();
    let problem = [
        "switch-to-configuration boot` was ended by the signal SIGTERM",
        "could not be made the next one to start",
        "starts its former system, as before",
    ];
    machine.sh(&update_that_does("kill -TERM $$")).fails(7, &problem);
    assert_eq!(state(&machine), FIRST);
}

/// nixpkgs 26.11 writes no boot menu beside one that is not whole.
#[test]
fn a_boot_menu_that_was_cut_off_while_it_was_written_is_removed() {
    let updated = machine();
    let refused = update_that_does("if [ -e /boot/loader/loader.tmp ]; then exit 1; fi");
    updated.sh(&format!("touch /boot/loader/loader.tmp; {refused}")).ok();
    assert_eq!(state(&updated), "2\nfirst\n", "its own file was taken");
    let cut_off = update_that_does("touch /boot/loader/loader.tmp; exit 1");
    let script = format!("{cut_off}; code=$?; [ ! -e /boot/loader/loader.tmp ] || exit 30; exit $code");
    machine().sh(&script).fails(7, &["starts its former system, as before"]);
}

/// Nix' own rollback goes to the next lower number (`nix-env --rollback`, 2.8 to 2.34).
#[test]
fn the_former_system_is_the_generation_that_was_current_and_not_the_one_before_the_new_one() {
    let profile = "/nix/var/nix/profiles/system";
    let left = format!(
        "first=$(readlink -f {profile}) of='nix-env --quiet --profile {profile}'
         $of --set $(nix-store --query --references $first | head -n 1) && $of --set $first
         $of --switch-generation 1 && $of --delete-generations 2 && ls -d {profile}-3-link > /dev/null || exit 31
         {profile}/bin/switch-to-configuration boot 2> /dev/null || exit 32"
    );
    let said = with_a_full_boot_partition(&machine(), (&left, UPDATE, &format!("readlink {profile}")));
    assert_eq!(said, "system-1-link\n");
}

/// As where somebody runs `nixos-rebuild` beside it.
#[test]
fn the_former_system_is_the_one_that_was_current_right_before_the_switch() {
    let profile = "/nix/var/nix/profiles/system";
    let other = format!(
        "cp -r $(readlink -f {profile}) /run/other && nix-env --quiet --profile {profile} --set $(nix-store --add /run/other)"
    );
    let script = format!(
        "{}
         ls -d {profile}-*-link; readlink {profile}; exit $code",
        at_the_copy(&update_that_does("exit 1"), &other)
    );
    let problem = [
        "could not be made the next one to start",
        "starts its former system, as before",
    ];
    let said = machine().sh(&script).fails(7, &problem).out;
    assert_eq!(said, format!("{profile}-1-link\n{profile}-2-link\nsystem-2-link\n"));
}

/// What the second ISO had placed is not an edit by hand for the next one, which is the first here.
#[test]
fn after_an_update_that_failed_another_iso_is_taken_without_a_question() {
    let machine = machine();
    let other = "nix-cfg-install update --progress plain --from /run/media/1";
    let second = "grep -q cowsay /etc/nixos/hosts/alpha/default.nix || exit 33; nix-cfg-install status";
    let status = with_a_full_boot_partition(&machine, ("true", UPDATE, second));
    assert!(!status.contains("/etc/nixos"), "{status}");
    machine
        .sh(&format!(
            "{other} || exit; ! grep -q cowsay /etc/nixos/hosts/alpha/default.nix"
        ))
        .ok();
    assert_eq!(state(&machine), FIRST);
    // An edit by hand still is one.
    with_a_full_boot_partition(&machine, ("true", UPDATE, "echo mine >> /etc/nixos/flake.nix"));
    machine
        .sh(other)
        .fails(3, &["flake.nix (changed here", "Nothing was written"]);
}

#[test]
fn the_channels_are_those_of_the_former_system_until_the_new_one_is_the_next() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let iso = build(&builder, OVERRIDE);
    let installed = boot("2.26", &iso);
    installed.install("").ok();
    let files = extracted(&iso);
    let machine = Started::of("2.26", &installed, &[&files]);
    let channels = "/nix/var/nix/profiles/per-user/root/channels";
    let update = "nix-cfg-install update --progress plain --take mine --from /run/media/1";
    // The machine has others, and there is something new in its configuration.
    let before = format!(
        "nix-env --quiet --profile {channels} --set $(readlink -f /nix/var/nix/profiles/system)
         sed -i 's/imports = \\[/environment.etc.new.text = \"new\"; &/' /etc/nixos/configuration.nix"
    );
    let after = format!("readlink -f {channels}; readlink -f /nix/var/nix/profiles/system");
    let left = with_a_full_boot_partition(&machine, (&before, update, &after));
    let [channels, system] = *left.lines().collect::<Vec<_>>() else {
        panic!("{left}")
    };
    assert_eq!(channels, system, "they are those of the ISO");
    let said = machine.sh(&format!("{update} || exit; {after}")).ok().out;
    let [channels, system] = *said.lines().collect::<Vec<_>>() else {
        panic!("{said}")
    };
    assert_ne!(channels, system);
}

/// When the copy has begun, it is held, `what` is done, and it goes on.
fn at_the_copy(update: &str, what: &str) -> String {
    format!(
        "{update} & run=$!
         until copy=$(pgrep -f 'nix [c]opy'); do sleep 0.01; done
         kill -STOP $copy; {what}; kill -CONT $copy
         wait $run; code=$?"
    )
}

#[test]
fn a_store_that_fills_up_while_it_is_copied_to_is_explained_and_the_same_command_goes_on() {
    let machine = machine();
    machine
        .sh(&format!("{}; exit $code", at_the_copy(UPDATE, FILL)))
        .fails(6, &["is full", "Run the same command again: it continues from here."]);
    machine.sh("rm /var/fill*").ok();
    assert_eq!(state(&machine), FIRST);
    machine.sh(UPDATE).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn what_an_update_to_another_system_has_kept_is_released() {
    let machine = machine();
    let kept = "/nix/var/nix/gcroots/nix-cfg-install";
    machine
        .sh(&format!(
            "mkdir -p {kept} && ln -s $(nix-store --add /etc/passwd) {kept}/update-7 && {FILL}; {UPDATE}"
        ))
        .fails(3, &["does not fit into the store", &format!("rm {kept}/update-*")]);
    let script = format!(
        "rm /var/fill*; {}; exit $code",
        at_the_copy(UPDATE, &format!("ls {kept}"))
    );
    let said = machine.sh(&script).ok().out;
    assert!(said.contains("update-0\n") && !said.contains("update-7"), "{said}");
}

/// Stops the ext4 at `$1`: nothing is read or written any more, and what was not on the disk is lost (`EXT4_IOC_SHUTDOWN` with
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`).
const STOP: &str =
    r#"perl -e 'open(my $at, "<", $ARGV[0]) or die; my $how = pack("L", 2); ioctl($at, 0x8004587d, $how) or die "$!"'"#;

#[test]
fn a_stick_that_is_pulled_out_is_named_and_it_goes_on_when_it_is_back() {
    let machine = machine_with(&[&stick()]);
    let mount = "mount -o loop,ro /run/media/3/stick.img /run/stick";
    let update = "nix-cfg-install update --progress plain --from /run/stick";
    let pulled = at_the_copy(update, &format!("{STOP} /run/stick"));
    let script = format!(
        "mkdir /run/stick && {mount} || exit 30
         {pulled}
         echo \"it ended with $code\"; umount /run/stick; {STATE}
         {mount} && {update}"
    );
    let said = machine.sh(&script).ok();
    assert_eq!(said.out, format!("it ended with 6\n{FIRST}"));
    for text in [
        "/run/stick can no longer be read",
        "Insert it again, and run the same command",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
    assert_eq!(state(&machine), SECOND);
}

/// Seconds that an update takes at most.
fn seconds() -> f64 {
    let timed = format!("began=$EPOCHREALTIME; {UPDATE} || exit; echo $EPOCHREALTIME - $began | bc");
    machine().sh(&timed).ok().out.trim().parse().unwrap()
}

/// The machine has one of the two systems, and the same command goes on.
fn goes_on(machine: &Started, what: &str) {
    let between = state(machine);
    // The profile is set before the boot menu is written.
    let halfway = "the boot menu has another default\n1\nsecond\n";
    assert!(
        [FIRST, SECOND, halfway].contains(&between.as_str()),
        "{what}: {between}"
    );
    machine.sh(UPDATE).ok();
    assert_eq!(state(machine), SECOND, "{what}");
}

const KILLS: u32 = 50;

#[test]
fn killed_at_any_moment_a_machine_has_one_of_the_two_systems_and_the_same_command_goes_on() {
    let mut whole = seconds();
    let mut killed = 0;
    for attempt in 1..3 * KILLS {
        let after = whole * moment(attempt);
        let machine = machine();
        if machine.sh(&format!("timeout -s KILL {after:.3} {UPDATE}")).code != 137 {
            // The first run had a busier machine.
            whole *= 0.98;
            continue;
        }
        killed += 1;
        goes_on(&machine, &format!("killed after {after:.3} s"));
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} runs were killed before their end");
}

#[test]
fn after_a_power_cut_at_ten_moments_a_machine_has_one_of_the_two_systems_and_the_same_command_goes_on() {
    let whole = seconds();
    for number in 1..=10 {
        let after = whole * moment(number);
        let machine = machine();
        machine
            .sh(&format!("{UPDATE} > /dev/null 2>&1 & sleep {after:.3}; {STOP} /"))
            .ok();
        goes_on(&machine, &format!("cut off after {after:.3} s"));
    }
}

#[test]
fn garbage_is_collected_and_a_daemon_works_beside_it() {
    let machine = machine();
    let script = format!(
        "nix-daemon > /dev/null 2>&1 & daemon=$!
         (while :; do nix-collect-garbage > /dev/null 2>&1; done) & collector=$!
         (while :; do NIX_REMOTE=daemon nix-store --add /etc/profile > /dev/null 2>&1; done) & other=$!
         {UPDATE}; code=$?
         kill $collector $other $daemon; wait $collector $other
         exit $code"
    );
    machine.sh(&script).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn an_interrupt_ends_everything_and_the_same_command_goes_on() {
    let machine = machine();
    let script = format!(
        "{UPDATE} & run=$!
         until pgrep -f 'nix [c]opy' > /dev/null; do sleep 0.01; done
         kill -INT $run; wait $run; code=$?
         pgrep -l '^nix' && exit 30
         exit $code"
    );
    machine.sh(&script).fails(130, &["Interrupted."]);
    assert_eq!(state(&machine), FIRST);
    machine.sh(UPDATE).ok();
    assert_eq!(state(&machine), SECOND);
}
