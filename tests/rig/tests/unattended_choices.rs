//! What was answered at the installation stays through all updates, wherever it is written, and whatever the next ISO changes around it.

use rig::answered::{ANSWERS, INSTALL, Machine};
use rig::{edit, write};

const UPDATE: &str = "machines:\n- match: all\n  mode: update\n  disks: /dev/disk/by-id/rig-disk\n";

const BOOT: &str = "  # For a machine with a BIOS, nix-cfg-install writes GRUB here.
  boot.loader.systemd-boot.enable = true;\n";

const CHOICES: &str =
    "  # nix-cfg-install writes here what is chosen for a machine: its name, time zone, language, keyboard and user.\n";

/// The files of the machine's configuration, and what of it is in the system that starts next.
fn configuration(machine: &Machine) -> String {
    let script = "mount ${hdd}p2 /mnt && cd /mnt/etc/nixos && cat configuration.nix $(ls choices.nix machine.nix 2> /dev/null)
         etc=$(chroot /mnt /nix/var/nix/profiles/system/sw/bin/readlink -f /nix/var/nix/profiles/system/etc)
         for name in hostname timezone; do echo $name $(chroot /mnt /nix/var/nix/profiles/system/sw/bin/cat $etc/$name); done";
    machine.boot(script).ok().out
}

fn has(machine: &Machine, texts: &[&str]) {
    let found = configuration(machine);
    for text in texts {
        assert!(found.contains(text), "no {text} in\n{found}");
    }
}

/// Installs, and updates from three ISOs: one with another module; one whose configuration.nix has changed, before and after what the
/// installer writes; and one for which something else is answered.
fn stays(machine: &Machine, kept: &[&str]) {
    write(
        &machine.answers,
        "a.yaml",
        &format!("{ANSWERS}  set: {{ timezone: Asia/Tokyo, hostname: box }}\n"),
    );
    let chosen = ["hostname box", "timezone Asia/Tokyo"];
    machine.boot(INSTALL).ok();
    has(machine, &[kept, &chosen].concat());
    write(&machine.answers, "a.yaml", UPDATE);
    write(&machine.tree, "more.nix", "{ environment.etc.edition.text = \"2\"; }");
    machine.boot(INSTALL).ok();
    has(machine, &[kept, &chosen].concat());
    write(
        &machine.tree,
        "printer.nix",
        "{ environment.etc.printer.text = \"3\"; }",
    );
    edit(
        &machine.tree,
        "configuration.nix",
        "./more.nix",
        "./more.nix ./printer.nix",
    );
    edit(
        &machine.tree,
        "configuration.nix",
        "environment.etc.\"motd\"",
        "environment.etc.third.text = \"3\";\n  environment.etc.\"motd\"",
    );
    machine.boot(INSTALL).ok();
    let new = ["./printer.nix", "environment.etc.third"];
    has(machine, &[kept, &chosen, &new].concat());
    write(
        &machine.answers,
        "a.yaml",
        &format!("{UPDATE}  set: {{ hostname: other }}\n"),
    );
    write(&machine.tree, "more.nix", "{ environment.etc.edition.text = \"4\"; }");
    machine.boot(INSTALL).ok();
    has(machine, &[kept, &new, &["hostname other", chosen[1]]].concat());
}

#[test]
fn in_choices_nix() {
    let machine = Machine::new("");
    for decided in [
        "networking.hostName = \"channel-demo\";",
        "time.timeZone = \"Europe/Lisbon\";",
    ] {
        edit(&machine.tree, "configuration.nix", decided, "");
    }
    stays(&machine, &["/dev/disk/by-id/rig-disk"]);
}

#[test]
fn in_configuration_nix_itself() {
    let machine = Machine::new("");
    let decided = "  networking.hostName = \"channel-demo\";\n  time.timeZone = \"Europe/Lisbon\";\n";
    edit(&machine.tree, "configuration.nix", decided, CHOICES);
    edit(
        &machine.tree,
        "configuration.nix",
        "  boot.loader.grub.device = \"/dev/vdz\";\n",
        BOOT,
    );
    stays(&machine, &["boot.loader.grub.device = \"/dev/disk/by-id/rig-disk\""]);
}
