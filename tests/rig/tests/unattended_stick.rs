//! The stick with the answers file, as it is found on a real Nix live system: with a desktop that mounted it, changed meanwhile, or twice.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rig::answered::{ANSWERS, INSTALL, Machine, SECRETS};
use rig::{attach, detach, project};

const CHECK: &str = "nix-cfg-install --progress plain --answers --check";

/// Shell that makes a stick with this label and this answers file in `$NAME`.
fn stick(name: &str, answers: &str) -> String {
    format!(
        "truncate -s 16M /{name}.img && mkfs.ext4 -q -F -L NIXCFG /{name}.img
         {}
         mkdir -p /made && mount ${name} /made && printf '{answers}' > /made/nix-cfg-install.answers.yaml && umount /made || exit 90\n",
        attach(&format!("/{name}.img"), name)
    )
}

#[test]
fn a_stick_that_the_desktop_mounted_is_read_and_written_and_stays_as_it_was() {
    let machine = Machine::new(ANSWERS);
    let said = machine
        .boot(&format!(
            "{}mkdir -p /run/media && mount -o nosuid,nodev $stick /run/media && exec 5> /run/media/open || exit 91
             nix-cfg-install --progress plain --answers; code=$?
             ls /run/media; grep -E ' (/run/media|/run/nix-cfg-install/stick) ' /proc/mounts
             exec 5>&-
             {}exit $code",
            stick("stick", ANSWERS),
            detach("stick")
        ))
        .ok();
    for text in ["receipt-", "/run/media ext4 rw,", "/run/nix-cfg-install/stick ext4 ro,"] {
        assert!(said.out.contains(text), "no {text}\n{}\n{}", said.out, said.err);
    }
    assert!(!said.err.contains("warning"), "{}", said.err);
}

#[test]
fn a_stick_that_was_taken_out_and_came_back_is_read_anew() {
    let machine = Machine::new(ANSWERS);
    let other = ANSWERS.replace("rig-disk", "other");
    let said = machine.boot(&format!(
        "{}{CHECK} || exit 92
         tune2fs -L GONE $stick > /dev/null
         {}{CHECK}; code=$?
         ls /run/nix-cfg-install/stick
         {}{}exit $code",
        stick("stick", ANSWERS),
        stick("again", &other),
        detach("stick"),
        detach("again")
    ));
    let said = said.fails(3, &["This machine has no disk `/dev/disk/by-id/other`"]);
    // A check leaves nothing on it.
    assert!(!said.out.contains("log-"), "{}", said.out);
}

#[test]
fn of_two_sticks_none_is_guessed() {
    let machine = Machine::new(ANSWERS);
    let said = machine.boot(&format!(
        "{}{}{CHECK}; code=$?
         {}{}exit $code",
        stick("one", ANSWERS),
        stick("two", ANSWERS),
        detach("one"),
        detach("two")
    ));
    said.fails(
        3,
        &[
            "Several file systems have the label NIXCFG: /dev/loop",
            "Leave only one of them",
        ],
    );
}

#[test]
fn without_a_stick_the_public_half_of_a_host_key_is_shown() {
    let machine = Machine::with_module(ANSWERS, SECRETS);
    let key = "ssh-keygen -y -f /mnt/etc/ssh/ssh_host_ed25519_key";
    let said = machine.boot(&format!("{INSTALL} || exit 90; {key}")).ok();
    let shown: Vec<&str> = said
        .err
        .lines()
        .filter_map(|line| Some(line.split_once("Encrypt the secrets of this machine for: ")?.1))
        .collect();
    let [key, recipient] = shown.as_slice() else {
        panic!("{}", said.err);
    };
    assert_eq!(*key, said.out.trim());
    assert!(recipient.starts_with("age1"), "{recipient}");
}

/// A console that was hung up ends each `read` at once.
#[test]
fn the_countdown_takes_its_time_where_no_key_can_be_read() {
    let module = fs::read_to_string(project().join("nix/unattended.nix")).unwrap();
    let function = module.split("    stop_by_key() {").nth(1).unwrap();
    let function = function.split("\n    }\n").next().unwrap();
    let began = Instant::now();
    let script = format!("stop_by_key() {{{function}\n}}\nstop_by_key");
    let bash = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).status();
    assert!(bash.unwrap().success());
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}
