//! Ctrl-C, kill -9, and two runs at once: nothing half-placed stays, and the same command goes on.

use std::io::{BufRead, BufReader};
use std::time::Instant;

use rig::{Live, moment, project, same};

fn live() -> Live {
    Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/flake"))
}

const KILLS: u32 = 20;

const INSTALL: &str = "nix-cfg-install --host alpha --progress plain";

/// Files for the installed system, in a directory of the live system.
const EXTRA_FILES: &str = "mkdir -p /stick/home/ada && echo key > /stick/home/ada/key && \
    echo '/home/ada: { owner: ada }' > /stick/extra-files.yaml";

/// The disk's UUID is in the configuration, and so in the store paths: all disks of a comparison get the same.
fn with_known_uuid() -> Live {
    let live = live().with(&["--target-uuid", "01234567-89ab-cdef-0123-456789abcdef"]);
    live.sh(EXTRA_FILES).ok();
    live
}

#[test]
fn killed_at_any_moment_a_rerun_ends_in_the_same_tree_as_an_undisturbed_run() {
    let install = format!("{INSTALL} --extra-files /stick");
    let calm = with_known_uuid();
    let began = Instant::now();
    calm.sh(&install).ok();
    let mut whole = began.elapsed().as_secs_f64();
    let expected = calm.fingerprint();
    let mut killed = 0;
    let mut attempt = 0;
    while killed < KILLS {
        attempt += 1;
        assert!(
            attempt < 3 * KILLS,
            "only {killed} of {attempt} runs were killed before their end"
        );
        let after = whole * moment(attempt);
        let live = with_known_uuid();
        // Killed with all that it started: the live system ends, as it does when the machine's power is cut.
        let began = Instant::now();
        let said = live.sh(&format!("timeout -s KILL {after:.3} {install}"));
        if said.code != 137 {
            // The first run had a busier machine.
            whole = whole.min(began.elapsed().as_secs_f64());
            continue;
        }
        killed += 1;
        let said = live.sh(&install).ok();
        let actual = live.fingerprint();
        same(&expected, &actual, &format!("killed after {after:.3} s: {}", said.err));
    }
}

#[test]
fn the_programs_of_a_killed_run_are_ended_by_the_next() {
    let live = live();
    let script = format!(
        "{INSTALL} &
         until pgrep -f 'nix-store --[r]ealise|nix [c]opy' > /dev/null; do sleep 0.01; done
         kill -KILL $!
         pgrep -f 'nix-store --[r]ealise|nix [c]opy' > /orphans
         {INSTALL} || exit 1
         for orphan in $(cat /orphans); do ! kill -0 $orphan 2> /dev/null || exit 2; done"
    );
    live.sh(&script).ok();
}

#[test]
fn an_interrupt_ends_everything_and_the_same_command_goes_on() {
    for signal in ["INT", "TERM", "HUP"] {
        let live = with_known_uuid();
        let script = format!(
            "{INSTALL} &
             run=$!
             until pgrep -f 'nix-store --[r]ealise|nix [c]opy' > /dev/null; do sleep 0.01; done
             kill -{signal} $run
             wait $run; code=$?
             pgrep -l '^nix' && exit 1
             ls -d /tmp/nix-cfg-install.* && exit 2
             ls -d /mnt/etc/.nixos* && exit 3
             exit $code"
        );
        let said = live.sh(&script);
        assert_eq!(said.code, 130, "{signal}: {said:?}");
        assert!(
            said.err
                .contains("Interrupted. Run the same command again: it continues from here."),
            "{}",
            said.err
        );
        live.sh(INSTALL).ok();
    }
}

#[test]
fn what_a_killed_nixos_install_left_is_removed_by_the_next_run_and_nothing_else() {
    let live = live();
    let script = format!(
        "mkdir /mnt/tmp.0123456789
         {INSTALL} &
         until [ $(ls -d /mnt/tmp.* | wc -l) = 2 ]; do sleep 0.01; done
         kill -KILL $!; pkill -KILL -f '[n]ixos-install'
         [ $(ls -d /mnt/tmp.* | wc -l) = 2 ] || exit 1
         {INSTALL} || exit 2
         ls -d /mnt/tmp.*; ls /mnt/var/lib/nix-cfg-install"
    );
    let said = live.sh(&script).ok();
    assert_eq!(said.out, "/mnt/tmp.0123456789\nplacement.json\nreceipt.json\n");
}

#[test]
fn a_second_run_on_the_same_target_is_refused_while_the_first_is_at_work() {
    let live = live();
    let script = format!(
        "{INSTALL} 2> /first.log &
         run=$!
         until [ -e /run/nix-cfg-install ] && [ -s /run/nix-cfg-install/target-* ]; do kill -0 $run || exit 30; sleep 0.01; done
         {INSTALL}; second=$?
         wait $run && exit $second"
    );
    live.sh(&script).fails(3, &["Another run is at work on /mnt"]);
}

#[test]
fn a_run_whose_reader_went_away_still_ends_in_order() {
    let live = live();
    let mut child = live.start("nix-cfg-install --host alpha --progress json");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    drop(lines);
    assert!(child.wait().unwrap().success());
}
