//! The configurations of `nix-cfg-iso init --stock`: one for each desktop, as a person finds it in /etc/nixos. They have what
//! nixos-generate-config and calamares-nixos-extensions 0.3.23 write.

use std::path::Path;

use anyhow::Result;
use regex_lite::Regex;

use super::desktops::NONE;
use super::flake_template::{CONFIG_DIR, File, IsoSpec};
use crate::diagnostic::{Diagnostic, IsoOptionProblem};
use crate::live::in_place::{BOOT, CHOICES};
use crate::process::{Invocation, Runner};
use crate::tree::source::{CONFIGURATION_NIX, HARDWARE_CONFIGURATION};

/// The desktops, by the names of their hosts: those of upstream's installer (0.3.23), where they are NixOS modules of which nothing is
/// an exception. The last has none.
pub const DESKTOPS: [&str; 9] = [
    "gnome", "plasma6", "xfce", "cinnamon", "mate", "lxqt", "budgie", "pantheon", NONE,
];

/// The first release in which these desktops are not under `services.xserver`.
const OUT_OF_XSERVER: &str = "25.11";
/// The first with `services.pulseaudio` in place of `hardware.pulseaudio`.
const PULSEAUDIO_IS_SERVICE: &str = "25.05";

/// Two files for each host, in directories with their names; none for a configuration of the user's own.
pub(super) fn files(spec: &IsoSpec) -> Vec<File> {
    let Some(release) = &spec.state_version else {
        return Vec::new();
    };
    let hosts = spec.hosts.iter();
    let of_host = |host: &String| {
        let directory = Path::new(CONFIG_DIR).join(host);
        [
            File::text(directory.join(CONFIGURATION_NIX), configuration(host, release)),
            File::text(directory.join(HARDWARE_CONFIGURATION), hardware(&spec.system)),
        ]
    };
    hosts.flat_map(of_host).collect()
}

/// A sentence of the configurations and of the live system.
pub(super) fn note(spec: &IsoSpec) -> String {
    let files = spec
        .hosts
        .iter()
        .map(|host| format!("{CONFIG_DIR}/{host}/{CONFIGURATION_NIX}"));
    let files: Vec<String> = files.collect();
    let live = match spec.desktop.as_str() {
        NONE => "no desktop: nix-cfg-install installs in a terminal".to_owned(),
        desktop => format!("{desktop} and the graphical installer (--desktop selects another, or none)"),
    };
    format!(
        "Yours to edit before you build the ISO: {}. Its live system has {live}.",
        files.join(", ")
    )
}

/// The release of the nixpkgs of this flake reference: by its text, by its files, or by what Nix says.
///
/// # Errors
/// [`IsoOptionProblem::Release`]; when the run was interrupted.
pub(super) fn release(nixpkgs: &str, runner: &Runner) -> Result<String> {
    let named = Regex::new(r"\b(?:nixos|release)-(\d\d\.\d\d)\b")?;
    if let Some(found) = named.captures(nixpkgs).and_then(|captures| captures.get(1)) {
        return Ok(found.as_str().to_owned());
    }
    let path = nixpkgs.strip_prefix("path:").unwrap_or(nixpkgs);
    let path = path.split('?').next().unwrap_or_default();
    let text = if path.starts_with('/') {
        std::fs::read_to_string(Path::new(path).join("lib/.version")).unwrap_or_default()
    } else {
        let ask = Invocation::new("nix")
            .args(["eval", "--raw", "--extra-experimental-features", "nix-command flakes"])
            .arg(format!("{nixpkgs}#lib.trivial.release"))
            .quiet();
        let said = runner.run(&ask, &mut |_, _| {});
        runner.interrupt().check()?;
        let said = said.ok().filter(|said| said.status.success());
        said.and_then(|said| said.text().map(str::to_owned).ok())
            .unwrap_or_default()
    };
    let release = text.trim();
    let is_release = Regex::new(r"^\d\d\.\d\d$")?.is_match(release);
    is_release.then(|| release.to_owned()).ok_or_else(|| {
        let nixpkgs = nixpkgs.to_owned();
        Diagnostic::from(IsoOptionProblem::Release { nixpkgs }).into()
    })
}

/// The configuration.nix of a desktop, before the installer completes it.
#[must_use]
pub fn configuration(host: &str, release: &str) -> String {
    let desktop = if host == NONE {
        String::new()
    } else {
        [&graphical(host, release), &sound(release), BROWSER].concat()
    };
    [HEAD, BOOT, "\n", CHOICES, NETWORK, applet(host), &desktop, PROGRAMS]
        .concat()
        .replace("@release@", release)
}

/// The desktop and the display manager that belongs to it.
fn graphical(host: &str, release: &str) -> String {
    let services = |since: bool| if since { "services" } else { "services.xserver" };
    let (out, xserver) = (services(release >= OUT_OF_XSERVER), services(false));
    let (name, manager, desktop) = match host {
        "gnome" => ("GNOME", format!("{out}.displayManager.gdm"), out),
        "plasma6" => ("KDE Plasma", "services.displayManager.sddm".to_owned(), "services"),
        "budgie" | "pantheon" => (capital(host), format!("{xserver}.displayManager.lightdm"), out),
        _ => (capital(host), format!("{xserver}.displayManager.lightdm"), xserver),
    };
    format!(
        "
  # The desktop: {name}, and the display manager in which users log in.
  services.xserver.enable = true;
  {manager}.enable = true;
  {desktop}.desktopManager.{host}.enable = true;
"
    )
}

fn capital(host: &str) -> &'static str {
    match host {
        "xfce" => "Xfce",
        "cinnamon" => "Cinnamon",
        "mate" => "MATE",
        "lxqt" => "LXQt",
        "budgie" => "Budgie",
        _ => "Pantheon",
    }
}

/// These two have no icon for the network of their own.
fn applet(host: &str) -> &'static str {
    match host {
        "mate" | "lxqt" => "  programs.nm-applet.enable = true;\n",
        _ => "",
    }
}

fn sound(release: &str) -> String {
    let pulseaudio = if release >= PULSEAUDIO_IS_SERVICE {
        "services"
    } else {
        "hardware"
    };
    format!(
        "
  # Printing.
  services.printing.enable = true;

  # Sound, by PipeWire.
  {pulseaudio}.pulseaudio.enable = false;
  security.rtkit.enable = true;
  services.pipewire = {{
    enable = true;
    alsa.enable = true;
    alsa.support32Bit = true;
    pulse.enable = true;
    # jack.enable = true;
  }};
"
    )
}

fn hardware(system: &str) -> String {
    HARDWARE.replace("@system@", system)
}

const HEAD: &str = "\
# The configuration of this machine: edit it, and run: sudo nixos-rebuild switch
# All options: man configuration.nix. The manual: nixos-help.

{ pkgs, ... }:

{
  imports = [
    # The file systems and kernel modules of this machine, as nixos-generate-config found them.
    ./hardware-configuration.nix
  ];

  # The boot loader.
";

const NETWORK: &str = "
  # The network: wired and wireless connections, which users in the group networkmanager can change.
  networking.networkmanager.enable = true;
  # networking.firewall.allowedTCPPorts = [ 80 ];
";

const BROWSER: &str = "
  # A web browser.
  programs.firefox.enable = true;
";

const PROGRAMS: &str = "
  # Programs for all users.
  environment.systemPackages = with pkgs; [
    # git
    # vim
  ];

  # Remote login.
  # services.openssh.enable = true;

  # The release that this machine was installed with: services keep their data as it had them. Leave it when you upgrade; the
  # option's description says when it may be changed.
  system.stateVersion = \"@release@\";
}
";

const HARDWARE: &str = "\
# A placeholder: the installer puts the file of the machine here.
{ lib, ... }:

{
  fileSystems.\"/\" = {
    device = \"/dev/disk/by-label/nixos\";
    fsType = \"ext4\";
  };
  fileSystems.\"/boot\" = {
    device = \"/dev/disk/by-label/BOOT\";
    fsType = \"vfat\";
  };
  nixpkgs.hostPlatform = lib.mkDefault \"@system@\";
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::tree::syntax::NixFile;

    #[test]
    fn every_desktop_of_every_release_is_valid_nix_with_the_parts_that_the_installer_completes() {
        for host in DESKTOPS {
            for release in ["24.05", "25.05", "26.11"] {
                let text = configuration(host, release);
                assert_eq!(NixFile::parse(&text).mistake(), None, "{text}");
                assert!(text.contains(BOOT) && text.contains(CHOICES), "{text}");
                assert!(text.contains(&format!("stateVersion = \"{release}\"")), "{text}");
            }
        }
        assert_eq!(NixFile::parse(&hardware("x86_64-linux")).mistake(), None);
    }

    #[test]
    fn the_release_is_in_the_reference_or_in_the_files_of_nixpkgs() {
        let runner = Runner::new(Vec::new(), Interrupt::default());
        let of = |reference: &str| release(reference, &runner).ok();
        for reference in [
            "github:NixOS/nixpkgs/nixos-25.05",
            "github:NixOS/nixpkgs?ref=release-25.05",
            "nixpkgs/nixos-25.05-small",
        ] {
            assert_eq!(of(reference).as_deref(), Some("25.05"), "{reference}");
        }
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().display();
        assert_eq!(of(&format!("path:{path}")), None);
        std::fs::create_dir(tree.path().join("lib")).unwrap();
        std::fs::write(tree.path().join("lib/.version"), "26.11").unwrap();
        for reference in [format!("path:{path}"), format!("{path}?x=y")] {
            assert_eq!(of(&reference).as_deref(), Some("26.11"), "{reference}");
        }
        // Where Nix cannot be asked.
        assert_eq!(of("github:NixOS/nixpkgs"), None);
    }
}
