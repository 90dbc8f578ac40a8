//! `nix-cfg-install update`: a machine that was installed from one ISO is updated from the next while it runs.

use std::fs;

use rig::project;
use rig::two_isos::{FIRST, SECOND, UPDATE, machine, state};

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
    for text in [
        "Updated. The log is /var/log/nix-cfg-install/",
        "Its starts are not counted",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
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
    for line in [
        "cowsay: none → 3.8",
        "To copy: ",
        "would start the following units: cows.service",
        "Host: alpha, because the receipt of this machine's installation names it.",
    ] {
        assert!(said.err.contains(line), "{line}: {}", said.err);
    }
    assert!(!said.err.contains("busybox: "), "only what changes: {}", said.err);
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn a_second_update_is_refused_while_the_first_is_at_work() {
    let machine = machine();
    let script = format!(
        "{UPDATE} 2> /run/first.log &
         run=$!
         until [ -s /run/nix-cfg-install/target-* ]; do kill -0 $run || exit 30; sleep 0.01; done
         {UPDATE}; second=$?
         wait $run && exit $second"
    );
    machine.sh(&script).fails(3, &["Another run is at work on /\n"]);
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn the_new_system_is_activated_at_once_where_that_is_asked_for() {
    let machine = machine();
    let active = "readlink -f /run/current-system; readlink -f /nix/var/nix/profiles/system";
    let said = machine.sh(&format!("{UPDATE} --switch || exit; {active}")).ok();
    assert!(
        said.err.contains("starting the following units: cows.service"),
        "{}",
        said.err
    );
    let [current, profile] = said.out.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", said.out)
    };
    assert_eq!(current, profile);
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn a_unit_that_does_not_start_is_named_and_the_new_system_stays() {
    let machine = machine();
    let broken = r#"sed -i 's|services.greeter|environment.etc."systemd/system/broken.service".text = "ExecStart=false";\n  &|' /etc/nixos/hosts/alpha/default.nix"#;
    let said = machine
        .sh(&format!(
            "{broken}; {UPDATE} --take mine --switch; code=$?; ls /run/current-system/etc/systemd/system; exit $code"
        ))
        .ok();
    for text in [
        "the following units failed: broken.service",
        "not all of it started",
        "exit code 4",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
    assert!(said.out.contains("broken.service"), "{}", said.out);
}

#[test]
fn the_status_says_what_is_installed_and_what_was_changed_by_hand() {
    let machine = machine();
    let status = "nix-cfg-install status";
    let said = machine.sh(status).ok().out;
    for line in [
        "Host        alpha\nInstalled   20",
        "From        nixos-system-nixos-24.05",
        "Next start  generation 1, nixos-system-alpha-24.05",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("/etc/nixos"), "{said}");
    let changed = machine
        .sh(&format!("echo mine >> /etc/nixos/flake.nix; {status}"))
        .ok()
        .out;
    assert_eq!(changed, format!("{said}/etc/nixos  flake.nix (changed here)\n"));
    let updated = format!(
        "{UPDATE} --take new 2> /dev/null; ln -s $(readlink -f /run/current-system) /run/booted-system; {status}"
    );
    let updated = machine.sh(&updated).ok().out;
    for line in ["Next start  generation 2, ", "Running     nixos-system-alpha-24.05"] {
        assert!(updated.contains(line), "{line}: {updated}");
    }
    // A power cut before the boot menu was written.
    let cut_off = format!(
        "nix-env --quiet --profile /nix/var/nix/profiles/system --set $(nix-store --add /etc/passwd); {status}"
    );
    let cut_off = machine.sh(&cut_off).ok().out;
    let next = "Next start  a former generation; not in the boot menu: generation 3, passwd";
    assert!(cut_off.contains(next), "{cut_off}");
    let gone = format!("rm /var/lib/nix-cfg-install/receipt.json; {status}");
    machine.sh(&gone).fails(3, &["was not installed by nix-cfg-install"]);
    let as_user = format!("setpriv --reuid 65534 {status}");
    machine.sh(&as_user).fails(10, &["has to be run as root"]);
}

#[test]
fn a_system_with_a_health_check_is_on_trial_until_it_is_good_and_given_up_when_it_was_started_in_vain() {
    let machine = machine();
    let module = fs::read_to_string(project().join("nix/health-check.nix")).unwrap();
    let script = format!(
        "cat > /etc/nixos/health-check.nix << 'END OF MODULE'\n{module}END OF MODULE
         sed -i 's|./hardware-configuration.nix|& ../../health-check.nix|
                 s|services.greeter|offlineInstaller.healthCheck = [ \"greeter.service\" ];\\n  &|' /etc/nixos/hosts/alpha/default.nix
         {UPDATE} --take mine || exit
         cd /boot/loader/entries && ls"
    );
    let said = machine.sh(&script).ok();
    let trial = "It is on trial: unless it is found good in 3 starts, a former system starts.";
    assert!(said.err.contains(trial), "{}", said.err);
    assert_eq!(said.out, "nixos-generation-1.conf\nnixos-generation-2+3.conf\n");
    // What systemd-boot and systemd-bless-boot do with the entry.
    let status = |from: &str, to: &str| {
        let renamed =
            format!("cd /boot/loader/entries && mv nixos-generation-2{from}.conf nixos-generation-2{to}.conf");
        machine.sh(&format!("{renamed} && nix-cfg-install status")).ok().out
    };
    for (from, to, next, trial) in [
        (
            "+3",
            "+2-1",
            "generation 2, ",
            Some("unless it is found good in 2 starts"),
        ),
        ("+2-1", "", "generation 2, ", None),
        ("", "+0-3", "a former generation; started in vain: generation 2, ", None),
    ] {
        let said = status(from, to);
        assert!(said.contains(&format!("Next start  {next}")), "{to}: {said}");
        let line = trial.map(|trial| format!("On trial    {trial}"));
        assert!(
            line.map_or(!said.contains("On trial"), |line| said.contains(&line)),
            "{to}: {said}"
        );
    }
    // The same system again.
    let touched = "cd /etc/nixos && echo '# mine' | tee -a health-check.nix >> hosts/alpha/default.nix";
    let said = machine.sh(&format!("{touched} && {UPDATE} --take mine")).ok();
    assert!(
        said.err.contains("The boot loader has given this system up"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("The next start is"), "{}", said.err);
}

/// After a trial that failed, the machine runs a former system, and a collection of garbage deletes its generation.
#[test]
fn what_the_machine_runs_stays_in_the_boot_menu_also_where_it_is_no_generation_any_more() {
    let machine = machine();
    let profile = "/nix/var/nix/profiles/system";
    let with = |what: &str| {
        format!(
            "sed -i '0,/services.greeter/s|services.greeter|{what}\\n  &|' /etc/nixos/hosts/alpha/default.nix; {UPDATE} --take mine"
        )
    };
    let menu = format!(
        "readlink {profile}; cd /boot/loader/entries; grep -l init=$(readlink -f /run/booted-system)/ *.conf; cd"
    );
    let script = format!(
        "first=$(readlink -f {profile}); {UPDATE} > /dev/null || exit 30
         ln -s $first /run/booted-system && nix-env --profile {profile} --delete-generations 1 || exit 31
         {}; [ $? = 7 ] || exit 32
         {menu}; sed -i '/exit 1/d' /etc/nixos/hosts/alpha/default.nix
         {} || exit 33
         {menu}",
        with("system.build.installBootLoader = \"exit 1\";"),
        with("environment.etc.third.text = \"third\";"),
    );
    let said = machine.sh(&script).ok().out;
    let [before, after] = ["system-2-link", "system-4-link"].map(|next| format!("{next}\nnixos-generation-3.conf\n"));
    assert_eq!(said, format!("{before}{after}"));
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
    let again = [
        "hosts/alpha/default.nix (changed here)",
        "notes (added here)",
        "hosts/beta/default.nix (removed here)",
        "Nothing was written",
    ];
    machine.sh(UPDATE).fails(3, &again);
    let new = "! [ -e /etc/nixos/notes ] && grep cowsay /etc/nixos/hosts/alpha/default.nix && grep '# mine' /etc/nixos.before-*/hosts/alpha/default.nix";
    machine
        .sh(&format!("echo more >> /etc/nixos/notes; {UPDATE} --take new && {new}"))
        .ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn what_the_machine_binds_from_another_disk_is_written_to_there() {
    let script = format!(
        "truncate -s 64M /root/data.img && mke2fs -q /root/data.img && mkdir /data && mount -o loop /root/data.img /data || exit 30
         cp -a /var /data/ && mount --bind /data/var /var || exit 31
         cp /etc/fstab /run/fstab && rm /etc/fstab && touch /run/before
         printf '/dev/disk/by-label/data /data ext2 defaults 0 0\n/data/var /var none bind 0 0\n' | cat /run/fstab - > /etc/fstab
         {UPDATE} || exit
         written() {{ find /var/lib/nix-cfg-install/receipt.json /var/log/nix-cfg-install -newer /run/before | wc -l; }}
         written; umount -l /var; written"
    );
    assert_eq!(machine().sh(&script).ok().out, "3\n0\n");
}

#[test]
fn of_two_updates_at_once_one_is_refused() {
    let machine = machine();
    let script = format!(
        "{UPDATE} > /first 2>&1 & {UPDATE}; second=$?; wait $!; echo $((second + $?)); cat /first >&2; [ $second = 0 ] || [ $second = 3 ]"
    );
    let said = machine.sh(&script).ok();
    // One has exit code 0, and the other 3.
    assert_eq!(said.out, "3\n", "{}", said.err);
    assert!(said.err.contains("Another run"), "{}", said.err);
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn an_update_and_a_build_of_the_machine_do_not_kill_each_other() {
    let machine = machine();
    // Each writes down which account it has. The directory for temporary files is the machine's.
    let build = r#"derivation { name = "NAME"; system = "x86_64-linux"; builder = "/bin/sh";
        args = [ "-c" "/usr/bin/id -un; until [ -e /run/done-NAME ]; do /usr/bin/sleep 0.1; done; echo > \$out" ]; }"#;
    let script = format!(
        "export TMPDIR=$(mktemp -d /tmp/nix-shell.XXXX)
         builds() {{
             echo '{build}' | sed s/NAME/$1/ > /root/$1.nix
             nix-build --no-out-link --option sandbox false /root/$1.nix > /run/said-$1 2>&1 & build=$!
             until grep nixbld /run/said-$1; do kill -0 $build || exit 30; sleep 0.1; done
         }}
         ends() {{ touch /run/done-$1; wait $build || {{ cat /run/said-$1; exit 31; }}; }}
         builds one; {UPDATE} --dry-run || exit; ends one
         builds two; {UPDATE} || exit; ends two"
    );
    let said = machine.sh(&script).ok();
    assert_eq!(said.out, "nixbld1\nnixbld1\n");
    assert_eq!(state(&machine), SECOND);
}
