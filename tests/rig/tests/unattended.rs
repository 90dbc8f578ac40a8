//! `nix-cfg-install --answers` on real Nix, with the real sfdisk, mkfs and cryptsetup of Debian: a disk that it partitions itself, for
//! a BIOS.

use std::fs;
use std::time::Instant;

use rig::answered::{ANSWERS, INSTALL, Machine, SECRETS};
use rig::{attach, detach, moment, project, same, write};

#[test]
fn a_machine_is_installed_once_and_again_only_where_that_is_asked_for() {
    let machine = Machine::new(ANSWERS);
    let before = fs::read(machine.image()).unwrap();
    // A check writes nothing.
    let said = machine.boot(&format!("{INSTALL} --check")).ok();
    assert!(
        said.err.contains("To be erased: /dev/disk/by-id/rig-disk"),
        "{}",
        said.err
    );
    assert!(
        fs::read(machine.image()).unwrap() == before,
        "the check wrote to the disk"
    );
    let said = machine
        .boot(&format!(
            "{INSTALL} || exit\n cat /mnt/etc/nixos/machine.nix; sfdisk --dump $hdd"
        ))
        .ok();
    for text in [
        "lib.mkForce [ \"/dev/disk/by-id/rig-disk\" ]",
        "21686148-6449-6E6F-744E-656564454649",
    ] {
        assert!(said.out.contains(text), "no {text}\n{}", said.out);
    }
    assert!(said.err.contains("Installed."), "{}", said.err);
    // A stick that was forgotten in it.
    let installed = machine.fingerprint();
    machine
        .boot(INSTALL)
        .fails(3, &["has a system from this ISO already", "Nothing was written"]);
    same(&installed, &machine.fingerprint(), "a second start of the stick");
    // By the identifier of an MBR as well.
    machine
        .boot(&format!(
            "guid=$(sfdisk --disk-id $hdd)
             printf 'label: dos\\n,,L\\n' | /usr/sbin/sfdisk --quiet --wipe always --no-reread --no-tell-kernel $hdd || exit 90
             sfdisk --no-tell-kernel --disk-id $hdd 0x${{guid:0:8}} || exit 91
             {INSTALL}"
        ))
        .fails(3, &["has a system from this ISO already", "Nothing was written"]);
    // Another ISO, whose user forgot to say what is to become of the system that is there.
    machine
        .boot("echo 'set: {}' > /iso/nix-cfg-install.yaml; nix-cfg-install --answers /answers/a.yaml")
        .fails(
            3,
            &[
                "has a system that was installed from another ISO",
                "`mode: update`",
                "Nothing was written",
            ],
        );
    machine.boot("rm /iso/nix-cfg-install.yaml").ok();
    write(&machine.answers, "a.yaml", &format!("{ANSWERS}  reinstall: true\n"));
    let said = machine.boot(INSTALL).ok();
    assert!(said.err.contains("Partitioning the disk"), "{}", said.err);
    same(&installed, &machine.fingerprint(), "installed again");
}

#[test]
fn an_open_volume_of_another_disk_is_not_taken_for_the_root() {
    let machine = Machine::new(ANSWERS);
    write(&machine.answers, "passphrase", "correct horse\n");
    write(
        &machine.answers,
        "a.yaml",
        &format!("{ANSWERS}  passphrase: {{ file: passphrase }}\n"),
    );
    let other = format!(
        "truncate -s 8M /other.img\n{}mkdir -p /dev/mapper; ln -s $other /dev/mapper/root\n{INSTALL}; code=$?\n{}exit $code",
        attach("/other.img", "other"),
        detach("other")
    );
    let said = machine.boot(&other);
    said.fails(
        3,
        &[
            "Another disk has what the layout finds by its name",
            "`/dev/mapper/root` is /dev/loop",
        ],
    );
}

#[test]
fn interrupted_at_any_step_the_same_command_goes_on_in_the_same_live_system() {
    let machine = Machine::new(ANSWERS);
    // The disk is in use by the installation itself then.
    let said = machine.boot(&format!(
        "cut() {{
            {INSTALL} > /said 2>&1 & run=$!
            until grep -q \"$2\" /said || ! kill -0 $run 2> /dev/null; do sleep 0.1; done
            kill -$1 $run; wait $run; echo \"$1 $?\"
        }}
        cut INT 'Partitioning the disk (.*p1'
        cut TERM 'Building the system'
        cut KILL 'Building the system:\\|Copying'
        {INSTALL}"
    ));
    let said = said.ok();
    assert_eq!(said.out, "INT 130\nTERM 130\nKILL 137\n", "{}", said.err);
    assert!(
        said.err.contains("Continuing the installation that was begun"),
        "{}",
        said.err
    );
    let again = Machine::new(ANSWERS);
    again.boot(INSTALL).ok();
    same(
        &again.fingerprint(),
        &machine.fingerprint(),
        "after three interruptions",
    );
}

/// Puts answers for an encrypted root beside the others.
fn add_encrypted(machine: &Machine) {
    write(&machine.answers, "passphrase", "correct horse\n");
    let encrypted = format!("{ANSWERS}  passphrase: {{ file: passphrase }}\n");
    write(&machine.answers, "encrypted.yaml", &encrypted);
}

#[test]
fn an_entry_that_was_changed_is_not_the_installation_that_was_begun() {
    let machine = Machine::new(ANSWERS);
    add_encrypted(&machine);
    write(&machine.answers, "anew.yaml", &format!("{ANSWERS}  reinstall: true\n"));
    let run = "nix-cfg-install --progress plain --answers /answers";
    let said = machine.boot(&format!(
        "{run}/a.yaml > /first 2>&1 & first=$!
         until [ -s /run/nix-cfg-install/disks ]; do sleep 0.01; done
         {run}/a.yaml --check; echo $?
         until grep -q 'Building the system' /first || ! kill -0 $first 2> /dev/null; do sleep 0.1; done
         kill $first; wait $first
         {run}/encrypted.yaml > /second 2>&1; echo $?; cat /second
         {run}/a.yaml > /third 2>&1 || exit 90
         ! grep 'Partitioning the disk' /third || exit 91
         {run}/anew.yaml > /fourth 2>&1 || exit 92
         grep 'Partitioning the disk' /fourth || exit 93"
    ));
    let said = said.ok();
    assert!(said.out.starts_with("3\n3\n"), "{}", said.out);
    assert!(said.err.contains("Another run is at work on /dev"), "{}", said.err);
    // The unencrypted root is there, and /boot would not fit beside another one.
    assert!(said.out.contains("The system does not fit on the disk"), "{}", said.out);
}

#[test]
fn a_disk_that_is_in_use_or_too_small_for_the_layout_is_refused_before_it_is_written() {
    let machine = Machine::new(ANSWERS);
    add_encrypted(&machine);
    let before = fs::read(machine.image()).unwrap();
    // /boot would take 1 GiB of it.
    machine
        .boot("nix-cfg-install --progress plain --answers /answers/encrypted.yaml")
        .fails(3, &["The system does not fit on the disk", "has at most 0 kB for it"]);
    assert!(fs::read(machine.image()).unwrap() == before, "the disk was written");
    machine
        .boot(&format!(
            "printf 'label: gpt\n,,L\n' | sfdisk -q $hdd && mkfs.ext4 -q ${{hdd}}p1 && mount --mkdir ${{hdd}}p1 /data || exit 90
             {INSTALL}"
        ))
        .fails(3, &["is in use", "mounted at /data"]);
}

#[test]
fn whatever_does_not_fit_is_refused_before_a_disk_is_written() {
    let machine = Machine::new(ANSWERS);
    let before = fs::read(machine.image()).unwrap();
    let refused = |answers: &str, code: i32, texts: &[&str]| {
        write(&machine.answers, "a.yaml", answers);
        machine.boot(INSTALL).fails(code, texts);
        assert!(
            fs::read(machine.image()).unwrap() == before,
            "the disk was written: {answers}"
        );
    };
    refused(
        "machines:\n- match: { serial: nobody's }\n  disks: largest\n",
        3,
        &["The answers file has no entry for this machine", "This machine has: "],
    );
    let several = "  passphrase: { file: none }\n  set: { timezone: \"\" }\n";
    refused(
        &format!("{}{several}", ANSWERS.replace("rig-disk", "other")),
        3,
        &[
            "This machine has no disk `/dev/disk/by-id/other`",
            "/answers/none",
            "timezone cannot be",
        ],
    );
    refused(
        "machines:\n- match: all\n  disk: only\n- match: all\n",
        3,
        &[
            "`disk` is nothing that an answers file has",
            "/answers/a.yaml:3",
            "Two entries are for the same machine",
        ],
    );
    // What the check finds.
    refused(
        &format!("{ANSWERS}  extra-files: keys\n"),
        3,
        &["The extra files cannot be read", "/answers/keys"],
    );
    write(&machine.answers, "a.yaml", ANSWERS);
    let options = "sed -i 's,boot.loader.grub,fileSystems.\"/nix\".options = [ \"noatime\" ];\\n&,' /tmp/nix-cfg/configuration.nix";
    machine
        .boot(&format!("cp -r /iso/nix-cfg /tmp/; {options}; {INSTALL}"))
        .fails(
            3,
            &["The configuration needs file systems that the installer does not make: /nix"],
        );
    machine.boot("rm -r /tmp/nix-cfg").ok();
    let own = "sed -i 's,boot.loader.grub,fileSystems.\"/\" = { device = \"/dev/sdz\"; fsType = \"ext4\"; };\\n&,' /tmp/nix-cfg/configuration.nix";
    machine
        .boot(&format!("cp -r /iso/nix-cfg /tmp/; {own}; {INSTALL}"))
        .fails(
            3,
            &[
                "The configuration sets file systems that the installer does not make",
                "/ from /dev/sdz (ext4)",
            ],
        );
    assert!(fs::read(machine.image()).unwrap() == before, "the disk was written");
}

/// Prints what a command opened for writing in /dev, but terminals and what is no device of this machine.
const WRITTEN_DEVICES: &str = r#"written() {
    strace -f -qq -e trace=open,openat,openat2,creat -o /trace "$@"; code=$?
    grep -E 'O_WRONLY|O_RDWR|creat\(' /trace | grep -oE '"/dev/[^"]*"' | grep -vE '/dev/(null|tty|shm/.*|pts/.*)"' | sed 's/^/opened /'
    return $code
}
"#;

/// The files of the parser's own test, each with all of its problems, through the program.
#[test]
fn a_broken_file_is_refused_with_all_its_problems_before_a_disk_is_opened_for_writing() {
    let machine = Machine::new(ANSWERS);
    let golden = fs::read_to_string(project().join("tests/golden/answers-file.txt")).unwrap();
    let cases: Vec<(&str, Vec<&str>)> = golden
        .split_terminator("\n\n")
        .map(|paragraph| {
            let (file, problems) = paragraph.split_once("---\n").unwrap();
            let what = |line| str::split(line, " | ").next().unwrap();
            let problems = problems.lines().map(what);
            // The line is shown as a place.
            let text = problems.map(|what| match what.split_once(": ") {
                Some((line, text)) if line.parse::<u32>().is_ok() => text,
                _ => what,
            });
            (file, text.collect())
        })
        .collect();
    assert!(cases.len() >= 25, "{} files", cases.len());
    let runs = cases.iter().enumerate().map(|(index, (file, _))| {
        write(&machine.answers, &format!("{index}.yaml"), file);
        format!(
            "written nix-cfg-install --progress plain --answers /answers/{index}.yaml 2> /said; echo \"== $?\"; cat /said\n"
        )
    });
    let script = WRITTEN_DEVICES.to_owned() + &runs.collect::<Vec<String>>().concat();
    let before = fs::read(machine.image()).unwrap();
    // What is opened would be seen.
    let said = machine
        .boot(&format!("{script}written dd if=/dev/null of=$hdd 2> /dev/null"))
        .ok()
        .out;
    assert!(fs::read(machine.image()).unwrap() == before, "the disk was written");
    let parts: Vec<&str> = said.split("== 3\n").collect();
    assert_eq!(parts.len(), cases.len() + 1, "{said}");
    // What a run opened stands before the end of it.
    let opened: Vec<bool> = parts
        .iter()
        .map(|part| part.contains("\nopened ") || part.starts_with("opened "))
        .collect();
    let only_the_last: Vec<bool> = (0..parts.len()).map(|index| index == cases.len()).collect();
    assert_eq!(opened, only_the_last, "{said}");
    for ((file, problems), part) in cases.iter().zip(&parts[1..]) {
        for problem in problems {
            assert!(part.contains(problem), "{file}\n{problem}\n{part}");
        }
        let count = part.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(count, problems.len(), "{file}\n{part}");
    }
}

#[test]
fn a_host_key_that_opens_secrets_is_made_and_its_public_half_is_left_on_the_stick() {
    let machine = Machine::with_module(ANSWERS, SECRETS);
    let said = machine
        .boot(&format!(
            "truncate -s 16M /stick.img && mkfs.ext4 -q -F -L NIXCFG /stick.img
             {}
             {INSTALL}; code=$?
             cat /run/nix-cfg-install/stick/host-keys-*.pub /run/nix-cfg-install/stick/age-recipients-*.txt
             ssh-keygen -y -f /mnt/etc/ssh/ssh_host_ed25519_key
             stat -c %a /mnt/etc/ssh/ssh_host_ed25519_key
             {}
             exit $code",
            attach("/stick.img", "stick"),
            detach("stick"),
        ))
        .ok();
    let lines: Vec<&str> = said.out.lines().collect();
    let [left, age, key, mode] = lines.as_slice() else {
        panic!("{}\n{}", said.out, said.err);
    };
    assert!(left.starts_with("ssh-ed25519 AAAA"), "{left}");
    assert!(age.starts_with("age1") && age.len() == 62, "{age}");
    assert_eq!((left, *mode), (key, "600"));
}

#[test]
fn a_host_key_with_a_passphrase_keeps_nobody_waiting() {
    let answers = format!("{ANSWERS}  extra-files: /keys\n");
    let machine = Machine::with_module(&answers, SECRETS);
    // ssh-keygen asks on the terminal, whatever its input is.
    let said = machine.boot_on_a_terminal(&format!(
        "mkdir -p /keys/etc/ssh && ssh-keygen -q -t ed25519 -N secret -f /keys/etc/ssh/ssh_host_ed25519_key || exit 90
             timeout -k 5 200 setsid --ctty --wait {INSTALL}"
    ));
    for text in ["could not be made or read", "incorrect passphrase", "Installed."] {
        assert!(said.contains(text), "no {text}\n{said}");
    }
}

const KILLS: u32 = 20;

#[test]
fn cut_off_at_any_moment_the_next_start_goes_on_to_the_same_end() {
    let calm = Machine::new(ANSWERS);
    let began = Instant::now();
    // From the first partition on.
    let said = calm
        .boot(&format!(
            "{INSTALL} 2>&1 | while read -r line; do echo \"$(date +%s.%N) $line\"; done"
        ))
        .ok();
    let whole = began.elapsed().as_secs_f64();
    let at = |text: &str| -> f64 {
        let line = said
            .out
            .lines()
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text}: {}", said.out));
        line.split(' ').next().unwrap().parse().unwrap()
    };
    let first = at("Partitioning the disk") - at("Reading the settings");
    let expected = calm.fingerprint();
    let (mut killed, mut attempt, mut continued) = (0, 0, 0);
    // Until more than a quarter were continued, and did not begin again.
    while killed < KILLS || continued <= KILLS / 4 {
        attempt += 1;
        assert!(
            attempt < 3 * KILLS,
            "of {attempt} runs, {killed} were killed before their end, and {continued} of these were continued"
        );
        let after = first + (whole - first) * moment(attempt);
        let machine = Machine::new(ANSWERS);
        let said = machine.boot(&format!("timeout -s KILL {after:.3} {INSTALL}"));
        if said.code != 137 {
            continue;
        }
        let said = machine.boot(INSTALL);
        // Killed after its last write.
        if said.code == 3 && machine.fingerprint() == expected {
            continue;
        }
        killed += 1;
        let said = said.ok();
        continued += u32::from(said.err.contains("Continuing on"));
        same(
            &expected,
            &machine.fingerprint(),
            &format!("cut off after {after:.3} s: {}", said.err),
        );
        machine.boot(INSTALL).fails(3, &["has a system from this ISO already"]);
    }
}
