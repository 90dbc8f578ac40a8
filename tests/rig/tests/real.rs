//! With each real nixpkgs of `NIXPKGS`, and its stock nixos-install.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rig::real::{self, Tree, on_each_tree, server};
use rig::{Live, copy, project, same, temporary};

fn a_real_nixpkgs_is_evaluated_and_what_is_not_on_the_medium_is_reported(tree: &Tree) {
    for nix in tree.versions() {
        let (live, _tree) = server(nix, tree, "environment.systemPackages = [ pkgs.htop ];");
        let said = live.install("").fails(
            3,
            &[
                "(from environment.systemPackages) is not on this medium",
                "more packages are not on this medium",
                "the ISO was made from another configuration",
            ],
        );
        let log = live.sh("cat /var/log/nix-cfg-install/*.log").ok().out;
        assert!(log.contains(" derivations, "), "{}\n{log}", said.err);
        assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n");
    }
}

/// nix/package.nix lists the sources; Cargo must be able to build the programs from what is on its list.
fn the_nix_package_has_all_of_its_sources(tree: &Tree) {
    let live = Live::bare("2.34").with(&[
        "--bind",
        &format!("{}:/nixpkgs", tree.path),
        "--bind",
        &format!("{}:/project", project().display()),
    ]);
    let script = "nix-instantiate --eval --read-write-mode --raw -E 'import /project/nix/package.nix {
      lib = import /nixpkgs/lib;
      rustPlatform.buildRustPackage = package: toString package.src;
      installShellFiles = null;
      stdenv = { hostPlatform = null; buildPlatform.canExecute = _: true; };
    }'";
    let source = live.sh(script).ok().out;
    let directory = temporary();
    let source = Path::new(&source).file_name().unwrap();
    copy(&live.state.path().join("live/store").join(source), directory.path());
    let check = Command::new(env!("CARGO"))
        .args([
            "check",
            "--quiet",
            "--offline",
            "--locked",
            "--bins",
            "--example",
            "package-docs",
        ])
        .env("CARGO_TARGET_DIR", project().join("target"))
        .current_dir(directory.path())
        .status();
    assert!(check.unwrap().success());
}

fn the_errors_of_a_real_nixpkgs_are_explained(tree: &Tree) {
    let cases: &[(&str, &[&str])] = &[
        (
            "services.opensh.enable = true;",
            &["There is no option `services.opensh`", "where: configuration.nix"],
        ),
        (
            "time.timeZone = 7;",
            &[
                "The option `time.timeZone` takes another type of value",
                "where: configuration.nix",
            ],
        ),
        (
            "environment.systemPackages = [ pkgs.htpo ];",
            &["There is no attribute `htpo`", "where: configuration.nix"],
        ),
        (
            "environment.systemPackages = [ pkgs.unrar ];",
            &["is not free software", "allowUnfree = true"],
        ),
        (
            "boot.loader.grub.enable = lib.mkForce true;",
            &["The configuration contradicts itself", "boot.loader.grub.devices"],
        ),
        (
            "users.users.eve = { isNormalUser = true; isSystemUser = true; };",
            &["The configuration contradicts itself", "users.users.eve.isSystemUser"],
        ),
        (
            "imports = [ ./x.nix ];",
            &["`imports` is defined twice", "where: configuration.nix"],
        ),
    ];
    for nix in tree.versions() {
        for (more, texts) in cases {
            let (live, _tree) = server(nix, tree, more);
            live.install("").fails(3, texts);
        }
    }
}

fn several_faults_of_a_real_configuration_are_found_in_one_run(tree: &Tree) {
    let more = "users.mutableUsers = false; services.opensh.enable = true; environment.systemPackages = [ pkgs.htop ];
        users.users.eve = { isNormalUser = true; isSystemUser = true; };";
    let (live, _tree) = server("2.26", tree, more);
    live.with(&["--firmware", "bios"]).install("--check").fails(
        3,
        &[
            "There is no option `services.opensh`",
            "Exactly one of users.users.eve.isSystemUser and users.users.eve.isNormalUser must be set",
            "Nobody could log in to the installed system",
            "systemd-boot) needs UEFI",
            "(from environment.systemPackages) is not on this medium\n  where: configuration.nix:",
        ],
    );
}

fn the_kernels_the_pools_the_databases_and_the_report_of_a_real_nixos_are_known(tree: &Tree) {
    let more = "services.postgresql = { enable = true; package = pkgs.postgresql_15; };
        services.mysql = { enable = true; package = pkgs.mariadb; };
        boot.loader.systemd-boot.memtest86.enable = true;
        specialisation.other.configuration.boot.initrd.kernelModules = [ \"nvme\" ];
        networking.hostId = \"deadbeef\";
        boot.zfs.forceImportRoot = false;
        fileSystems.\"/var\" = { device = \"rpool/var\"; fsType = \"zfs\"; };
        fileSystems.\"/data\" = { device = \"tank/data\"; fsType = \"zfs\"; };";
    let has_facter = Path::new(&tree.path).join("nixos/modules/hardware/facter").exists();
    let report = "hardware.facter.report.smbios.system = { manufacturer = \"A\"; product = \"B\"; };";
    let more = format!("{more}{}", if has_facter { report } else { "" });
    let (live, _directory) = server("2.34", tree, &more);
    let log = live
        .sh("nix-cfg-install --check --log /tmp/log > /dev/null 2>&1; cat /tmp/log")
        .ok()
        .out;
    let fact = |name: &str| -> serde_json::Value {
        let found = log
            .lines()
            .find_map(|line| line.split_once(&format!("nix-cfg-install: {name} ")));
        serde_json::from_str(found.unwrap_or_else(|| panic!("no {name}: {log}")).1).unwrap()
    };
    let files = fact("boot_files");
    let [own, other] = files["systems"].as_array().unwrap().as_slice() else {
        panic!("{files}")
    };
    assert!(own["kernel"].as_str().unwrap().ends_with("/bzImage"), "{files}");
    assert!(own["initrd"].as_str().unwrap().ends_with("/initrd"), "{files}");
    assert!(
        own["kernel"] == other["kernel"] && own["initrd"] != other["initrd"],
        "{files}"
    );
    assert_eq!(files["extra"][0]["name"], "efi/memtest86/memtest.efi");
    let zfs = fact("zfs");
    assert_eq!(zfs["host_id"], "deadbeef");
    let mut pools: Vec<&str> = zfs["not_forced"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pool| pool.as_str())
        .collect();
    pools.sort_unstable();
    assert_eq!(pools, ["rpool", "tank"]);
    let databases = fact("identity")["databases"].clone();
    let version = |name: &str| databases[name].as_str().unwrap().to_owned();
    assert!(version("postgresql").starts_with("15."), "{databases}");
    assert!(version("mysql").starts_with('1'), "{databases}");
    assert_eq!(fact("facter")["machine"]["system"], if has_facter { "A B" } else { "" });
}

fn the_bar_moves_with_the_work_of_a_real_evaluation(tree: &Tree) {
    let (live, _tree) = server("2.26", tree, "");
    let mut parts = Vec::new();
    // The first has a guess at how much it will be; the second knows what the first left.
    for _ in 0..2 {
        let said = live.sh(
            "nix-cfg-install --check --progress json | while IFS= read -r line; do echo \"$EPOCHREALTIME $line\"; done",
        );
        let events: Vec<(f64, serde_json::Value)> = said
            .out
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(at, event)| (at.parse().unwrap(), serde_json::from_str(event).unwrap()))
            .filter(|(_, event): &(f64, serde_json::Value)| event["unit"] == "evaluated")
            .collect();
        assert!(events.len() > 20, "{}\n{}", said.out, said.err);
        for pair in events.windows(2) {
            let [(before, old), (after, new)] = pair else {
                unreachable!()
            };
            let number = |event: &serde_json::Value, key: &str| event[key].as_f64().unwrap();
            assert!(number(new, "fraction") >= number(old, "fraction"), "{old} {new}");
            // It moves where work was done, and only there.
            let worked = number(new, "done") > number(old, "done");
            assert_eq!(worked, number(new, "fraction") > number(old, "fraction"), "{old} {new}");
            assert!(after - before < 5.0, "nothing for {} s: {old} {new}", after - before);
        }
        let last = &events.last().unwrap().1;
        parts.push((last["done"].as_u64().unwrap(), last["total"].as_u64().unwrap()));
    }
    let (done, total) = parts[1];
    assert!(done > 5_000 && done * 10 > total * 7, "{parts:?}");
}

/// The stock script of a nixpkgs; it moved with 25.05.
fn stock_nixos_install(nixpkgs: &Tree) -> PathBuf {
    let places = [
        "nixos/modules/installer/tools/nixos-install.sh",
        "pkgs/by-name/ni/nixos-install/nixos-install.sh",
    ];
    let mut places = places.iter().map(|place| Path::new(&nixpkgs.path).join(place));
    places.find(|place| place.exists()).unwrap()
}

fn the_stock_nixos_install_leaves_the_same_disk_as_the_stand_in(nixpkgs: &Tree) {
    let script = stock_nixos_install(nixpkgs);
    let uuid = ["--target-uuid", "01234567-89ab-cdef-0123-456789abcdef"];
    for (tree, args) in [("channel", ""), ("flake", "--host alpha")] {
        let live = || {
            Live::with_disk("2.26")
                .with(&uuid)
                .iso_tree(&project().join("target/rig/trees").join(tree))
        };
        let stock = live().stock(&script);
        stock.install(args).ok();
        let tool = stock.sh("cat /usr/local/bin/nixos-install").ok().out;
        assert!(!tool.contains("Stands in for"), "the stock script was not used");
        let stand_in = live().with(&["--stand-ins"]);
        stand_in.install(args).ok();
        same(&stock.fingerprint(), &stand_in.fingerprint(), "the disks differ");
    }
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            on_each_tree(a_real_nixpkgs_is_evaluated_and_what_is_not_on_the_medium_is_reported),
            on_each_tree(the_nix_package_has_all_of_its_sources),
            on_each_tree(the_errors_of_a_real_nixpkgs_are_explained),
            on_each_tree(several_faults_of_a_real_configuration_are_found_in_one_run),
            on_each_tree(the_kernels_the_pools_the_databases_and_the_report_of_a_real_nixos_are_known),
            on_each_tree(the_bar_moves_with_the_work_of_a_real_evaluation),
            on_each_tree(the_stock_nixos_install_leaves_the_same_disk_as_the_stand_in),
        ],
    )
}
