//! `nix-cfg-install update`: a machine that was installed from one ISO is updated from the next while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use rig::iso::{Emitted, boot, build, builder};
use rig::started::Started;
use rig::{Live, edit, run, temporary, tree};
use tempfile::TempDir;

/// What the tests share.
struct Made {
    /// A live system that has installed host alpha from the first ISO.
    installed: Live,
    /// The files of the first and of the second ISO.
    media: [PathBuf; 2],
    _directory: TempDir,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = temporary();
        let first = image(&tree("flake"), &directory, "first");
        let second = tree("flake");
        let file = "hosts/alpha/default.nix";
        edit(&second, file, "{ dotfiles, ... }", "{ dotfiles, pkgs, ... }");
        edit(
            &second,
            file,
            "services.greeter",
            "environment.systemPackages = [ pkgs.cowsay ];\n  services.greeter",
        );
        let second = image(&second, &directory, "second");
        let media = [extracted(&first), extracted(&second)];
        let installed = boot("2.26", &first);
        installed.install("--host alpha").ok();
        Made {
            installed,
            media,
            _directory: directory,
        }
    })
}

fn image(tree: &TempDir, directory: &TempDir, name: &str) -> PathBuf {
    let emitted = Emitted::new(tree.path(), &["--host", "alpha", "--host", "beta"]);
    let builder = builder("2.26", &emitted);
    let built = build(&builder, "");
    let kept = directory.path().join(format!("{name}.iso"));
    fs::copy(built, &kept).unwrap();
    kept
}

/// The files of an ISO: not every kernel has its file system.
fn extracted(image: &Path) -> PathBuf {
    let files = image.with_extension("files");
    run(
        "xorriso",
        &[
            "-osirrox",
            "on",
            "-indev",
            image.to_str().unwrap(),
            "-extract",
            "/",
            files.to_str().unwrap(),
        ],
    );
    files
}

fn machine() -> Started {
    let made = made();
    Started::of("2.26", &made.installed, &[&made.media[0], &made.media[1]])
}

const UPDATE: &str = "nix-cfg-install update --progress plain --from /run/media/2";

/// Prints what the machine starts next, and whether all that it needs is there and whole.
const STATE: &str = r#"
    system=$(readlink -f /nix/var/nix/profiles/system)
    [ -z "$(nix-store --verify --check-contents 2>&1 | grep -v '^reading\|^checking')" ] || { echo "the store is damaged"; exit 20; }
    nix-store --query --requisites $system > /dev/null || { echo "the system is not whole"; exit 21; }
    default=$(sed -n 's/^default //p' /boot/loader/loader.conf)
    grep -q "init=$system/init" /boot/loader/entries/$default || echo "the boot menu has another default"
    grep -h -o 'init=[^ ]*' /boot/loader/entries/*.conf | sort -u | wc -l
    [ -e $system/sw/bin/cowsay ] && echo second || echo first"#;

/// The machine runs its first system, and starts it next.
const FIRST: &str = "1\nfirst\n";
/// It starts the second next, and has the first in its boot menu.
const SECOND: &str = "2\nsecond\n";

fn state(machine: &Started) -> String {
    machine.sh(STATE).ok().out
}

#[test]
fn a_running_machine_is_updated_and_its_former_system_stays_in_the_boot_menu() {
    let machine = machine();
    assert_eq!(state(&machine), FIRST);
    let script = format!(
        "{UPDATE} || exit
         ls -d /etc/nixos.before-* > /dev/null || exit 30
         ! grep /run/nix-cfg-install /proc/self/mounts || exit 31
         [ -z \"$(ls -A /run/nix-cfg-install/live)\" ] || exit 32
         ls /nix/var/nix/gcroots/nix-cfg-install | grep update && exit 33
         grep -q cowsay /etc/nixos/hosts/alpha/default.nix || exit 34"
    );
    let said = machine.sh(&script).ok();
    assert!(
        said.err.contains("Updated. The log is /var/log/nix-cfg-install/"),
        "{}",
        said.err
    );
    assert_eq!(state(&machine), SECOND);
    // What nothing names any more goes, and nothing else.
    machine.sh("nix-collect-garbage").ok();
    assert_eq!(state(&machine), SECOND);
    let again = machine.sh(UPDATE).ok();
    assert!(!again.err.contains("Copying 1"), "{}", again.err);
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let machine = machine();
    let script = format!(
        "nix-store --verify
         all() {{ find / -xdev -not -path '/nix/var/nix/db*' -not -path /run -printf '%p %C@\\n' | sort; }}
         all > /run/before
         {UPDATE} --dry-run || exit
         all | diff /run/before - || exit 30"
    );
    let said = machine.sh(&script).ok();
    assert!(
        said.err.contains("This machine can be updated. Nothing was written."),
        "{}",
        said.err
    );
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn files_that_were_changed_by_hand_are_named_and_one_side_has_to_be_taken() {
    let machine = machine();
    machine
        .sh("echo '# mine' >> /etc/nixos/hosts/alpha/default.nix; echo mine > /etc/nixos/notes; rm /etc/nixos/hosts/beta/default.nix")
        .ok();
    let refused = machine.sh(UPDATE).fails(
        3,
        &[
            "was changed on this machine",
            "hosts/alpha/default.nix (changed here, changed on the ISO as well)",
            "notes (added here)",
            "hosts/beta/default.nix (removed here)",
            "Nothing was written",
        ],
    );
    assert!(!refused.err.contains("flake.nix ("), "{}", refused.err);
    assert_eq!(state(&machine), FIRST);
    let mine = "grep '# mine' /etc/nixos/hosts/alpha/default.nix && ! grep cowsay /etc/nixos/hosts/alpha/default.nix && cat /etc/nixos/notes \
                && ! [ -e /etc/nixos/hosts/beta/default.nix ]";
    machine.sh(&format!("{UPDATE} --take mine && {mine}")).ok();
    assert_eq!(
        state(&machine),
        FIRST,
        "the change of the ISO is in a file of which mine was taken"
    );
    let new = "! [ -e /etc/nixos/notes ] && grep cowsay /etc/nixos/hosts/alpha/default.nix && grep '# mine' /etc/nixos.before-*/hosts/alpha/default.nix";
    machine
        .sh(&format!("echo more >> /etc/nixos/notes; {UPDATE} --take new && {new}"))
        .ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn what_cannot_be_updated_or_updated_from_is_named() {
    let machine = machine();
    let update = "nix-cfg-install update --progress plain";
    for (script, code, texts) in [
        (format!("{update} --from /nowhere"), 3, &["/nowhere does not exist"][..]),
        (
            format!("{update} --from /etc"),
            3,
            &["/etc is no ISO that a machine can be updated from"],
        ),
        (
            format!("head -c 100000 /dev/zero > /run/zeros; {update} --from /run/zeros"),
            3,
            &["/run/zeros is no ISO"],
        ),
        (
            format!("{UPDATE} --host gamma"),
            3,
            &["gamma", "alpha", "Nothing was written"],
        ),
        (
            format!("{UPDATE} --older --switch --dry-run"),
            2,
            &["cannot be used with"],
        ),
        (format!("{update} --target /mnt"), 2, &["unexpected argument"]),
        (
            format!("chroot --userspec=65534:65534 / {UPDATE}"),
            10,
            &["This has to be run as root"],
        ),
        (
            format!(
                "sed -i 's/\"host_name\": \"alpha\"/\"host_name\": \"delta\"/; s/\"host\": \"alpha\"/\"host\": null/' /var/lib/nix-cfg-install/receipt.json; echo alpha > /proc/sys/kernel/hostname; {UPDATE}"
            ),
            3,
            &["The ISO's system is that of alpha, and this machine is delta"],
        ),
        (
            format!("mv /var/lib/nix-cfg-install/receipt.json /root/; {UPDATE}"),
            3,
            &["was not installed by nix-cfg-install"],
        ),
        (
            format!("echo '{{' > /var/lib/nix-cfg-install/receipt.json; {UPDATE}"),
            3,
            &["receipt.json cannot be read"],
        ),
    ] {
        machine.sh(&script).fails(code, texts);
    }
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn an_older_system_and_a_lower_state_version_are_refused() {
    let machine = machine();
    let older =
        "sed -i 's/\"state_version\": \"[^\"]*\"/\"state_version\": \"99.05\"/' /var/lib/nix-cfg-install/receipt.json";
    machine.sh(&format!("{older}; {UPDATE}")).fails(
        3,
        &["`system.stateVersion` is 24.05, and that of this machine is 99.05"],
    );
    assert_eq!(state(&machine), FIRST);
    machine.sh(&format!("{UPDATE} --older")).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn without_room_in_the_store_nothing_is_written() {
    let machine = machine();
    let fill = "dd if=/dev/zero of=/var/fill bs=1M 2> /dev/null; dd if=/dev/zero of=/var/fill-rest bs=1k 2> /dev/null";
    machine
        .sh(&format!("{fill}; {UPDATE}"))
        .fails(3, &["does not fit into the store", "nix-collect-garbage"]);
    machine.sh("rm /var/fill*").ok();
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn a_boot_partition_that_fills_up_leaves_the_former_system_and_its_boot_menu() {
    let machine = machine();
    let script = format!(
        "cp -a /boot /run/boot && size=$(du -sk /run/boot | cut -f1)
         mount -t tmpfs -o size=$((size + 4))k boot /boot && cp -a /run/boot/. /boot/ || exit 30
         dd if=/dev/zero of=/boot/other bs=1k 2> /dev/null
         {UPDATE} > /dev/null 2> /run/said; code=$?
         cat /run/said >&2; rm /boot/other
         {STATE}
         exit $code"
    );
    let said = machine.sh(&script).fails(
        7,
        &[
            "could not be made the next one to start",
            "starts its former system, as before",
        ],
    );
    assert_eq!(said.out, FIRST);
}

const KILLS: u32 = 16;

#[test]
fn killed_at_any_moment_a_machine_has_one_of_the_two_systems_and_the_same_command_goes_on() {
    let began = Instant::now();
    machine().sh(UPDATE).ok();
    let whole = began.elapsed().as_secs_f64();
    let mut killed = 0;
    for attempt in 1..3 * KILLS {
        // Spread over the whole run: multiples of the golden ratio never cluster.
        let after = whole * (f64::from(attempt) * 0.618_034).fract();
        let machine = machine();
        let said = machine.sh(&format!("timeout -s KILL {after:.3} {UPDATE}"));
        if said.code != 137 {
            continue;
        }
        killed += 1;
        let between = state(&machine);
        assert!(
            [FIRST, SECOND, "the boot menu has another default\n1\nsecond\n"].contains(&between.as_str()),
            "killed after {after:.3} s: {between}"
        );
        machine.sh(UPDATE).ok();
        assert_eq!(state(&machine), SECOND, "killed after {after:.3} s");
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} runs were killed before their end");
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
