//! The parts of a configuration.nix that the installer writes for a machine: `nix-cfg-iso init --stock` makes such ones. What was chosen
//! and what is known of the machine stands in the file itself, so that it is complete, and no choices.nix or machine.nix is needed.

use super::answers::{Answers, Lists};
use super::choices_nix::Choices;
use super::installer_facts::InstallerFacts;
use crate::nix::literal::string;
use crate::nix::open::Open;

/// In its place stands what was chosen.
pub const CHOICES: &str =
    "  # nix-cfg-install writes here what is chosen for a machine: its name, time zone, language, keyboard and user.\n";

/// In its place stands the boot loader of a machine that starts from a BIOS, and its encrypted volumes. The first line goes in any
/// case.
pub const BOOT: &str = "  # For a machine with a BIOS, nix-cfg-install writes GRUB here.
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;
";

/// The answers with the keymap with which the passphrases of `machine` are typed: there is no machine.nix that would have it.
#[must_use]
pub fn with_keymap(answers: &Answers, machine: &InstallerFacts, lists: &Lists) -> Answers {
    let mut answers = answers.clone();
    let keymap = machine.keymap_of_passphrase();
    if let Some(keymap) = keymap.filter(|keymap| lists.may_have_keymap(keymap)) {
        answers.entry("keymap".to_owned()).or_insert_with(|| keymap.to_owned());
    }
    answers
}

/// The configuration.nix `text` with what was chosen.
#[must_use]
pub fn with_choices(text: &str, choices: &Choices, open: &Open) -> String {
    text.replacen(CHOICES, &choices.settings(open), 1)
}

/// The configuration.nix `text` with the boot loader of the machine.
#[must_use]
pub fn with_machine(text: &str, machine: &InstallerFacts) -> String {
    text.replacen(BOOT, &boot(machine), 1)
}

/// The boot loader, the kernel and the encrypted volumes.
fn boot(machine: &InstallerFacts) -> String {
    let loader = match &machine.grub_device {
        _ if machine.no_boot_loader => {
            "  # It was decided to install no boot loader.\n  boot.loader.grub.enable = false;\n".to_owned()
        }
        Some(device) => format!(
            "  boot.loader.grub.enable = true;\n  boot.loader.grub.device = {};\n  boot.loader.grub.useOSProber = true;\n{}",
            string(device),
            machine.grub_options("")
        ),
        None => BOOT.split_inclusive('\n').skip(1).collect(),
    };
    let kernel = "\n  # The newest kernel, with which the installation medium was started.\n  \
                  boot.kernelPackages = pkgs.linuxPackages_latest;\n";
    let mut text = loader;
    text.push_str(if machine.latest_kernel { kernel } else { "" });
    for volume in machine.volumes() {
        text.extend(["\n", &volume]);
    }
    text
}
