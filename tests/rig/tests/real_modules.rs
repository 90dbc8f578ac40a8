//! On a real nixpkgs, what the modules for the installed system make of it, and what an update compares. Nothing is built.

use std::process::ExitCode;

use rig::project;
use rig::real::{self, Tree, evaluated, on_each_tree};
use serde_json::{Value, json};

const EVALUATE: &str = r#"
let
  system = loader: import /nixpkgs/nixos {
    configuration = {
      imports = [ /emitted/health-check.nix /emitted/update-launcher.nix loader ];
      nixpkgs.hostPlatform = "x86_64-linux";
      fileSystems."/" = { device = "/dev/vda2"; fsType = "ext4"; };
      services.openssh.enable = true;
      offlineInstaller.healthCheck = [ "sshd.service" ];
      offlineInstaller.updateLauncher.enable = true;
      system.stateVersion = "24.05";
    };
  };
  text = builtins.unsafeDiscardStringContext;
  # What the launcher starts as root, in the text of the action that names it.
  launched = verifyWith: (import /emitted/update-launcher.nix {
    config.offlineInstaller.updateLauncher = { enable = true; inherit verifyWith; };
    lib = import /nixpkgs/lib;
    options.security.polkit = { };
    pkgs = { writeScript = _: text: text; writeTextFile = file: file.text; util-linux = ""; libnotify = ""; runtimeShell = ""; };
  }).config.content.environment.systemPackages;
  of = loader: let inherit (system loader) config; in {
    counts = config.boot.loader.systemd-boot.bootCounting.enable or false;
    parameters = config.boot.kernelParams;
    check = text config.systemd.units."nix-cfg-install-health-check.service".text;
    required_by = config.systemd.units."nix-cfg-install-health-check.service".requiredBy;
    warnings = builtins.filter (text: builtins.substring 0 16 text == "offlineInstaller") config.warnings;
    files = map (package: text package.text) (builtins.filter (package: package ? text) config.environment.systemPackages);
    pkexec = (config.security.wrappers.pkexec or { }).program or null;
    rules = text config.services.udev.extraRules;
    notification = text config.systemd.user.units."update-from-stick.service".text;
    toplevel = text config.system.build.toplevel.drvPath;
  };
in
{
  uefi = of { boot.loader.systemd-boot.enable = true; fileSystems."/boot" = { device = "/dev/vda1"; fsType = "vfat"; }; };
  bios = of { boot.loader.grub.device = "/dev/vda"; };
  launched = map (own: builtins.head (launched own)) [ null "/own" ];
}
"#;

fn has_line(text: &Value, line: &str) {
    let text = text.as_str().unwrap();
    assert!(text.lines().any(|found| found == line), "{line}: {text}");
}

/// Where the boot loader counts starts, the check comes before what marks a start as good; where it does not, that is said.
fn a_new_generation_is_good_when_the_units_of_its_health_check_are_active(found: &Value, can_count: bool) {
    let uefi = &found["uefi"];
    for line in [
        "After=sshd.service",
        "Before=boot-complete.target",
        "Wants=sshd.service",
        "Type=oneshot",
    ] {
        has_line(&uefi["check"], line);
    }
    assert_eq!(uefi["required_by"], json!(["boot-complete.target"]));
    assert!(
        uefi["parameters"].as_array().unwrap().contains(&json!("panic=30")),
        "{uefi}"
    );
    assert_eq!(uefi["counts"], can_count);
    let warnings = |of: &str| found[of]["warnings"].as_array().unwrap().len();
    assert_eq!(
        [warnings("uefi"), warnings("bios")],
        [usize::from(!can_count), 1],
        "{found}"
    );
}

/// What the launcher starts is what polkit has an action for.
fn the_launcher_starts_what_polkit_asks_for(uefi: &Value) {
    let files = uefi["files"].as_array().unwrap();
    let with = |text: &str| {
        let of_it = |file: &&Value| file.as_str().unwrap().contains(text);
        files
            .iter()
            .find(of_it)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{text}: {uefi}"))
    };
    let entry = with("Name=Update from this stick");
    assert!(
        entry
            .lines()
            .any(|line| line.starts_with("Exec=/nix/store/") && line.ends_with("-update-from-stick")),
        "{entry}"
    );
    let policy = with("nix-cfg-install.update");
    assert!(policy.contains("-update-from-stick-as-root</annotate>"), "{policy}");
    assert_ne!(uefi["pkexec"], Value::Null);
    assert!(
        uefi["rules"].as_str().unwrap().contains("update-from-stick.service"),
        "{uefi}"
    );
    assert!(
        uefi["notification"].as_str().unwrap().contains("/bin/notify-send "),
        "{uefi}"
    );
}

/// The program of the stick is started after a yes; with one of the machine's own it is not started at all.
fn nothing_of_a_stick_is_started_before_it_may(launched: &Value) {
    let texts: Vec<&str> = launched
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    let [of_stick, own] = *texts else { panic!("{launched}") };
    let (ask, start) = ("ask 'Start the program on this stick", "\"$program\" status");
    let at = |text: &str| of_stick.find(text).unwrap_or_else(|| panic!("{text}: {of_stick}"));
    assert!(
        at("lsblk --nodeps --output") < at(ask)
            && at(ask) < at("set -- \"$at/nix-cfg-install\"")
            && at(ask) < at(start)
    );
    assert!(
        own.contains("set -- /own/bin/nix-cfg-install --signed --from \"$device\""),
        "{own}"
    );
    assert!(!own.contains("set -- \"$at"), "{own}");
}

fn the_modules_of_the_installed_system_do_what_they_say(tree: &Tree) {
    let said = evaluated(tree, &[(project().join("nix"), "/emitted")], EVALUATE);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let loader = "nixos/modules/system/boot/loader/systemd-boot/systemd-boot.nix";
    let loader = std::fs::read_to_string(std::path::Path::new(&tree.path).join(loader)).unwrap();
    a_new_generation_is_good_when_the_units_of_its_health_check_are_active(&found, loader.contains("bootCounting"));
    the_launcher_starts_what_polkit_asks_for(&found["uefi"]);
    nothing_of_a_stick_is_started_before_it_may(&found["launched"]);
    assert_ne!(found["bios"]["toplevel"], Value::Null);
}

/// A server whose databases are chosen by its state version.
const DATABASES: &str = r#"
  (import /facts/facts.nix (import /facts/definitions.nix) (import /facts/secret_facts.nix) (import /nixpkgs/nixos {
    configuration = { pkgs, ... }: {
      nixpkgs.hostPlatform = "x86_64-linux";
      fileSystems."/" = { device = "/dev/vda2"; fsType = "ext4"; };
      boot.loader.grub.device = "/dev/vda";
      networking.hostName = "server";
      services.postgresql.enable = true;
      services.mysql = { enable = true; package = pkgs.mariadb; };
      system.stateVersion = "24.05";
    };
  })).out
"#;

/// From 24.05 to 26.11, `PostgreSQL` stays by the state version, and `MariaDB` takes over data of an earlier release: nothing that an
/// update refuses or warns of (`src/plan/for_update.rs`).
fn what_an_update_compares_is_read(tree: &Tree) {
    let said = evaluated(tree, &[(project().join("src/nix"), "/facts")], DATABASES);
    let marker = "nix-cfg-install: identity ";
    let identity = said.err.lines().find_map(|line| Some(line.split_once(marker)?.1));
    let identity: Value = serde_json::from_str(identity.unwrap_or_else(|| panic!("{}", said.err))).unwrap();
    let (release, _) = tree.release.split_once('-').unwrap_or((&tree.release, ""));
    assert!(
        said.out.contains(&format!("-nixos-system-server-{release}")),
        "{}",
        said.out
    );
    assert_eq!(
        [&identity["host_name"], &identity["state_version"]],
        ["server", "24.05"]
    );
    let databases = &identity["databases"];
    assert!(
        databases["postgresql"].as_str().unwrap().starts_with("15."),
        "{identity}"
    );
    let mariadb = databases["mysql"]
        .as_str()
        .unwrap()
        .split('.')
        .map(|part| part.parse::<u32>().unwrap());
    assert!(mariadb.ge([10, 11]), "{identity}");
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            on_each_tree(the_modules_of_the_installed_system_do_what_they_say),
            on_each_tree(what_an_update_compares_is_read),
        ],
    )
}
