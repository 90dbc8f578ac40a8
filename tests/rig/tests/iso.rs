//! The generator: what it emits is evaluated and built by real Nix, and the ISO installs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use nix_cfg_install::for_tests::InstallerFacts;
use rig::iso::{CONFIG, Emitted, OVERRIDE, boot, build, builder, calamares, nix};
use rig::{Live, edit_text, shipped, tree};

/// What every ISO must be.
fn look_into(live: &Live, tree: &Path) {
    let sh = |script: &str| live.sh(script).ok().out;
    assert_eq!(
        sh("cd /iso/nix-cfg && find . | sort"),
        String::from_utf8(
            Command::new("sh")
                .arg("-c")
                .arg("find . -name .git -prune -o -print | LC_ALL=C sort")
                .current_dir(tree)
                .output()
                .unwrap()
                .stdout
        )
        .unwrap(),
        "the tree on the ISO is another"
    );
    let conf = sh("cat /run/current-system/etc/nix/nix.conf");
    for line in [
        "substituters = \n",
        "flake-registry = \n",
        "experimental-features = nix-command flakes\n",
    ] {
        assert!(conf.contains(line), "{line} is not in\n{conf}");
    }
    // Everything on the medium is registered, and everything registered is there and undamaged.
    sh(
        "cd /nix/.ro-store && nix-store --check-validity $(ls -d *-* | grep -v nix-path-registration | sed 's,^,/nix/store/,')",
    );
    sh("nix-store --verify --check-contents");
    // Calamares checks first, and asks for no internet.
    let settings = calamares(live, "settings.conf");
    assert!(settings.contains("nixos@check"), "{settings}");
    let welcome = calamares(live, "modules/welcome.conf");
    assert!(
        welcome.contains("requiredStorage") && !welcome.contains("\"internet\""),
        "{welcome}"
    );
    assert!(sh("command -v nix-cfg-install").starts_with("/run/current-system/sw/bin/"));
}

#[test]
fn the_iso_of_a_channel_configuration_installs_it() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let live = boot("2.26", &image);
    look_into(&live, &emitted.dir().join("nix-cfg"));
    let settings = live.read("/etc/nix-cfg-install.yaml");
    assert!(
        settings.contains("hardware-config: \"hardware-configuration.nix\"\n"),
        "{settings}"
    );
    assert!(settings.contains("\nnixpkgs: \"/nix/store/"), "{settings}");
    // The boot loader looks for the medium by its name: the volume descriptor of ISO 9660, from byte 40 of sector 16 on.
    let mut name = [0; 32];
    fs::File::open(&image)
        .unwrap()
        .read_exact_at(&mut name, 16 * 2048 + 40)
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&name).trim_end(), "nixos-offline-24.05-x86_64");
    assert!(
        live.read("/iso/isolinux/isolinux.cfg")
            .contains("root=LABEL=nixos-offline-24.05-x86_64\n")
    );
    // The live system's kernel unpacks the store on all processors.
    let options = "eval --json path:/work#iso.live.config.fileSystems --apply 'all: all.\"/nix/.ro-store\".options'";
    let options = nix(&builder, &format!("{options} {OVERRIDE}")).ok().out;
    assert_eq!(options.trim(), "[\"loop\",\"threads=multi\"]");
    // The toplevel that is on the ISO is the one that the target's Nix comes to with the tree's own hardware.
    let expected = nix(
        &builder,
        &format!(
            "eval --raw path:/work#iso.targets --apply 'targets: \
        (builtins.head targets).config.system.build.toplevel.drvPath' {OVERRIDE}"
        ),
    )
    .ok()
    .out;
    let evaluated = live
        .sh(
            "nix-instantiate '<nixpkgs/nixos>' -A system -I nixos-config=/iso/nix-cfg/configuration.nix \
             -I nixpkgs=$(sed -n 's/^nixpkgs: \"\\(.*\\)\"/\\1/p' /etc/nix-cfg-install.yaml)",
        )
        .ok();
    assert_eq!(evaluated.out.trim(), expected);
    live.install("").ok();
    assert!(live.read("/mnt/etc/nixos/configuration.nix").contains("channel-demo"));
    assert!(
        live.read("/mnt/etc/nixos/hardware-configuration.nix")
            .contains("by-uuid")
    );
    let version = live.read("/mnt/nix/var/nix/profiles/system/nixos-version");
    assert!(
        version.starts_with("24.05.2"),
        "the version says nothing of the nixpkgs: {version}"
    );
    live.sh("nix-store --store /mnt --verify --check-contents").ok();
}

#[test]
fn the_iso_of_a_flake_with_nested_inputs_installs_each_of_its_hosts_on_every_nix() {
    let tree = tree("flake");
    let emitted = Emitted::miniature("flake", &["--host", "alpha", "--host", "beta"]);
    let mut images = Vec::new();
    for version in ["2.26", "2.34"] {
        let builder = builder(version, &emitted);
        let image = build(&builder, "");
        let said = nix(&builder, "eval --raw path:/work#iso.offline-installer-x86_64-linux").ok();
        assert!(
            image.starts_with(
                builder
                    .state
                    .path()
                    .join("live/upper")
                    .join(said.out.trim_start_matches('/'))
            )
        );
        for host in ["alpha", "beta"] {
            let live = boot(version, &image);
            look_into(&live, tree.path());
            // Nothing says which host this machine is: Calamares has a page for it, and by hand all hosts are named.
            let pages = calamares(&live, "settings.conf");
            assert!(pages.contains("packagechooser@host"), "{pages}");
            live.install("").fails(3, &["alpha, beta", "--host NAME"]);
            if host == "beta" {
                // As Calamares leaves it to a person who goes on by hand.
                let machine = InstallerFacts {
                    host: Some("beta".to_owned()),
                    ..InstallerFacts::default()
                };
                let chosen = serde_json::json!({ "target": "/mnt", "mounts": [], "machine": machine, "answers": {} });
                let directory = "/run/nix-cfg-install";
                live.sh(&format!(
                    "mkdir -p {directory} && echo '{chosen}' > {directory}/begun.json"
                ))
                .ok();
                live.install("").ok();
            } else {
                live.install("--host alpha").ok();
            }
            let expected = fs::read_to_string(tree.path().join("flake.lock")).unwrap();
            assert_eq!(live.read("/mnt/etc/nixos/flake.lock"), expected, "the lock was changed");
            assert!(
                live.read(&format!("/mnt/etc/nixos/hosts/{host}/hardware-configuration.nix"))
                    .contains("by-uuid")
            );
            assert_eq!(
                live.read("/mnt/nix/var/nix/profiles/system/etc/hostname"),
                format!("{host}\n")
            );
        }
        images.push(said.out);
    }
    assert_eq!(images[0], images[1], "2.26 and 2.34 make different images");
}

#[test]
fn an_older_nix_makes_the_same_iso_until_it_meets_the_lock_of_a_newer_one() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let (old, new) = (builder("2.8", &emitted), builder("2.26", &emitted));
    let drv = |live: &Live| nix(live, "eval --raw path:/work#iso.drvPath").ok().out;
    assert_eq!(drv(&old), drv(&new));
    // With a lock of its own as well.
    let lock = format!("{CONFIG}\ncp -r /work /tmp/locked && nix flake lock path:/tmp/locked");
    old.sh(&lock).ok();
    assert_eq!(nix(&old, "eval --raw path:/tmp/locked#iso.drvPath").ok().out, drv(&new));
    new.sh(&lock).ok();
    fs::copy(
        new.state.path().join("live/upper/tmp/locked/flake.lock"),
        emitted.dir().join("flake.lock"),
    )
    .unwrap();
    assert_eq!(drv(&new), drv(&builder("2.34", &emitted)));
    nix(&old, "eval --raw path:/work#iso.drvPath").fails(1, &["lockfile contains mutable lock"]);
}

#[test]
fn a_lock_that_is_not_the_one_on_the_iso_is_refused_with_the_command_that_fixes_it() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let live = builder("2.26", &emitted);
    nix(
        &live,
        "eval --raw path:/work#iso.drvPath --override-input config/dotfiles path:/inputs/extra/source",
    )
    .fails(1, &["is locked to other inputs", "dotfiles", "nix flake update config"]);
    fs::remove_file(emitted.dir().join("nix-cfg/flake.lock")).unwrap();
    let inputs = ["nixpkgs", "tools", "dotfiles", "tools/extra"];
    let overrides: Vec<String> = inputs
        .iter()
        .map(|input| {
            format!(
                "--override-input config/{input} path:/inputs/{}/source",
                input.rsplit('/').next().unwrap()
            )
        })
        .collect();
    nix(
        &live,
        &format!("eval --raw path:/work#iso.drvPath {}", overrides.join(" ")),
    )
    .fails(1, &["all of them", "`nix flake lock` in the configuration"]);
}

#[test]
fn the_doctor_asks_nix_before_the_iso_is_built() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let program = format!("{}:/usr/local/sbin/nix-cfg-iso", shipped("nix-cfg-iso").display());
    let live = builder("2.26", &emitted).with(&["--bind", &program]);
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso {OVERRIDE}"
    ))
    .ok();
    let doctor = |change: &str| live.sh(&format!("cd /tmp/iso/nix-cfg && {change}; nix-cfg-iso doctor /tmp/iso"));
    let said = doctor("true").ok();
    assert!(
        said.out.contains("/tmp/iso can be built") && said.err.is_empty(),
        "{said:?}"
    );
    let said = doctor("sed -i /initialHashedPassword/d configuration.nix").ok();
    assert!(
        said.err
            .contains("warning: No user of the configuration has a password"),
        "{said:?}"
    );
    assert!(said.err.contains("users.users.alice.initialHashedPassword"), "{said:?}");
    // What the machine has to have.
    let change = "sed -i 's|isNormalUser = true;|& hashedPasswordFile = \"/persist/pw\";|' configuration.nix";
    let said = doctor(change).ok();
    for part in [
        "will not have the password file of the user `alice`: /persist/pw",
        "copy it to /mnt/persist/pw",
    ] {
        assert!(said.err.contains(part), "{said:?}");
    }
    doctor("sed -i s/pkgs.cowsay/pkgs.unfree-game/ configuration.nix")
        .fails(1, &["unfree-game-1.0 is not free software", "allowUnfree = true"]);
    // What only the image asks for.
    let change = "sed -i s/pkgs.unfree-game/pkgs.cowsay/ configuration.nix; sed -i 's/modules = ./& { isoImage.x = 1; }/' ../flake.nix";
    doctor(change).fails(1, &["There is no option `isoImage.x`"]);
    // As the installer says it.
    let change =
        "sed -i 's/{ isoImage.x = 1; }//' ../flake.nix; sed -i 's,./hardware-configuration.nix,,' configuration.nix";
    let said = doctor(change).fails(1, &["error: The system would have no root file system"]);
    assert!(!said.err.contains("contradicts itself"), "{said:?}");
    let root = "{ fileSystems.\"/\" = { device = \"LABEL=nixos\"; fsType = \"ext4\"; }; }";
    for change in [
        format!("sed -i 's|imports = .|& {root}|' configuration.nix"),
        "rm hardware-configuration.nix".to_owned(),
    ] {
        let said = doctor(&change).ok();
        let warning = "warning: No file of the configuration names hardware-configuration.nix";
        assert!(said.err.contains(warning), "{said:?}");
    }
}

#[test]
fn the_doctor_reports_what_two_hosts_share_once_and_names_this_machine() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha", "--host", "beta"]);
    let live = builder("2.26", &emitted);
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso"
    ))
    .ok();
    let doctor = |change: &str| {
        live.sh(&format!(
            "rm -rf /tmp/ill; cp -r /tmp/iso /tmp/ill; cd /tmp/ill/nix-cfg && {change}; nix-cfg-iso doctor /tmp/ill"
        ))
    };
    let both = "hosts/alpha/default.nix hosts/beta/default.nix";
    let contradicts = format!("sed -i 's/^{{$/{{ boot.loader.grub.enable = true;/' {both}");
    let said = doctor(&contradicts).fails(1, &["boot.loader.grub.devices"]);
    for message in ["why: You must set the option", "why: Only one boot loader"] {
        assert_eq!(said.err.matches(message).count(), 1, "{}", said.err);
    }
    doctor(&format!(
        "sed -i 's/^{{$/{{ networking.hostName = throw \"No name.\";/' {both}"
    ))
    .fails(1, &["error: No name.", "path:/tmp/ill#iso.drvPath --show-trace"]);
    // The miniature's live system has Nix 2.18.
    doctor(&format!(
        "{CONFIG}\nmkdir sub && echo '{{ outputs = _: {{ }}; }}' > sub/flake.nix && rm ../flake.lock &&
         sed -i 's|^  inputs = {{|&\\n    sub.url = \"path:./sub\";|' flake.nix && nix flake lock path:$PWD"
    ))
    .fails(
        1,
        &[
            "Nix 2.18.8 cannot read how flake.lock locks the input `sub`",
            "nix.package",
        ],
    );
    let said = doctor("sed -i '/narHash/s/sha256-..../sha256-AAAA/' flake.lock; rm ../flake.lock");
    said.fails(1, &["cannot be fetched", "The ISO is built with a network"]);
}

#[test]
fn derivations_that_forbid_substitution_are_copied_where_the_live_nix_has_the_option() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let live = builder("2.26", &emitted);
    let settings = |version: &str| {
        let flake = emitted.dir().join("flake.nix");
        let before = fs::read_to_string(&flake).unwrap();
        edit_text(
            &flake,
            "modules = [ ]",
            &format!("modules = [ {{ nix.package.version = \"{version}\"; }} ]"),
        );
        let said = nix(&live, "eval --json path:/work#iso.live.config.nix.settings").ok();
        fs::write(&flake, before).unwrap();
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
    };
    let new = settings("2.24.9");
    assert_eq!(new["always-allow-substitutes"], true, "{new}");
    assert_eq!(
        (&new["connect-timeout"], &new["download-attempts"]),
        (&1.into(), &1.into()),
        "{new}"
    );
    assert_eq!(new["substituters"], serde_json::json!([]), "{new}");
    // It would be told as an unknown setting by each command.
    let old = settings("2.18.8");
    assert!(old.get("always-allow-substitutes").is_none(), "{old}");
}

#[test]
fn the_module_makes_an_installer_of_a_live_system_of_ones_own() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let own = r#"own = inputs.config.inputs.nixpkgs.lib.nixosSystem {
        modules = [
          "${inputs.config.inputs.nixpkgs}/nixos/modules/installer/cd-dvd/installation-cd-minimal.nix"
          installer.nixosModules.offline-installer
          {
            nixpkgs.hostPlatform = "x86_64-linux";
            offlineInstaller = {
              configuration = ./nix-cfg;
              flake = inputs.config;
              targets = [ inputs.config.nixosConfigurations.alpha ];
              hosts = [ "alpha" ];
            };
          }
        ];
      };
      iso = installer"#;
    edit_text(&emitted.dir().join("flake.nix"), "iso = installer", own);
    let live = builder("2.26", &emitted);
    let eval = |what: &str| nix(&live, &format!("eval --raw 'path:/work#{what}'")).ok().out;
    assert!(eval("own.config.system.build.isoImage.drvPath").ends_with("-x86_64-linux.iso.drv"));
    let settings = eval(r#"own.config.environment.etc."nix-cfg-install.yaml".text"#);
    assert!(
        settings.contains("host: \"alpha\"\n") && settings.contains("not-covered: ["),
        "{settings}"
    );
    // It holds the same as what mkOfflineIso makes, but for the live system itself; the order depends on where it looked first.
    let held = |of: &str| {
        let paths = format!("eval --json path:/work#{of}.config.offlineInstaller.rebuildPaths");
        nix(
            &live,
            &format!("{paths} --apply 'all: builtins.sort builtins.lessThan (map (path: builtins.unsafeDiscardStringContext \"${{path}}\") all)'"),
        )
        .ok()
        .out
    };
    assert_eq!(held("own"), held("iso.live"));
}
