//! What an image holds: enough for every machine of the family, and nothing more; what needs more is refused when the image is
//! evaluated, or by the installer.

use std::fs;
use std::path::Path;

use rig::iso::{CONFIG, Emitted, OVERRIDE, boot, build, builder, nix};
use rig::{Live, Outcome, edit, edit_text, project, tree, write};

/// For each variant of nix/variants.nix a machine of tests/machines that asks for what only that one brings.
const MACHINES: [(&str, &str); 11] = [
    ("uefi", "vmware"),
    ("encrypted", "thinkpad-x1-luks-btrfs"),
    ("metal", "hetzner-raid"),
    ("grub", "grub-luks-boot"),
    ("guests", "hyper-v"),
    ("zfs", "xps-zfs"),
    ("zfs-grub", "zfs-on-grub"),
    ("bcachefs", "bcachefs-virtualbox"),
    ("locales", "language-and-keys"),
    ("broadcom", "macbook-broadcom"),
    ("parallels", "parallels"),
];

/// A machine's file whose root is the disk of the rig (`/dev/sda` stands for it). What the machine itself has at / and
/// elsewhere is not mounted here and would be refused; it is at /machine, where the initrd needs its tools all the same.
fn with_the_disk_of_the_rig(text: &str) -> String {
    let moved = text
        .replace("fileSystems.\"/", "fileSystems.\"/machine/")
        .replace("\"/machine/\"", "\"/machine\"")
        .replace("\"/machine/boot", "\"/boot");
    format!(
        "{}\n  fileSystems.\"/\" = {{ device = \"/dev/sda\"; fsType = \"ext4\"; }};
           fileSystems.\"/machine\".neededForBoot = true;\n}}\n",
        moved.trim_end().strip_suffix('}').unwrap()
    )
}

/// Installs from `image` on a machine of tests/machines, after `before` has run there.
fn install_on(image: &Path, name: &str, before: &str) -> (Live, Outcome) {
    let file = project().join("tests/machines").join(name).with_extension("nix");
    let text = fs::read_to_string(&file).unwrap();
    let firmware = if text.contains("starts from a BIOS") {
        "bios"
    } else {
        "efi"
    };
    let live = boot("2.26", image).with(&["--firmware", firmware]);
    // The disk has another name each time.
    let said = live.sh(&format!(
        "cat > /machine.nix << 'END'\n{}END
         mkdir -p /mnt/etc/nixos
         sed \"s|/dev/sda|$(findmnt -no SOURCE /mnt)|\" /machine.nix > /mnt/etc/nixos/hardware-configuration.nix
         # The key that the installer makes where /boot is encrypted.
         if grep -q crypto_keyfile /machine.nix; then mkdir -p /mnt/boot && echo key > /mnt/boot/crypto_keyfile.bin; fi
         {before}
         nix-cfg-install --progress plain",
        with_the_disk_of_the_rig(&text)
    ));
    (live, said)
}

#[test]
fn an_iso_with_the_frontier_installs_on_every_variant_and_names_what_is_taken_from_it() {
    let tree = tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "time.timeZone",
        "nixpkgs.config.allowUnfree = true;\n  time.timeZone",
    );
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);

    holds_what_is_needed_and_no_more(&builder, &image);
    every_machine_installs(&image);
    what_is_taken_away_is_named(&image);
}

/// On the image are the closures of the system, of the frontier and of the live system, and what they are made with.
fn holds_what_is_needed_and_no_more(builder: &Live, image: &Path) {
    let closures = "eval --json path:/work#iso.live.config.offlineInstaller.closures --apply 'all:
        let plain = map builtins.unsafeDiscardStringContext; only = builtins.head all;
        in { paths = plain only.storePaths; variants = builtins.attrNames only.drvs; }'";
    let said = nix(builder, &format!("{closures} {OVERRIDE}")).ok().out;
    let closure: serde_json::Value = serde_json::from_str(&said).unwrap();
    let covered: Vec<&str> = closure["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    // `choices` is tried in answers.rs.
    for name in &covered {
        for part in name.split('+') {
            let tried = MACHINES.iter().any(|(variant, _)| *variant == part);
            assert!(
                tried || ["target", "choices"].contains(&part),
                "no machine tries {part}"
            );
        }
    }
    let paths: Vec<&str> = closure["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    let toplevel = nix(
        builder,
        &format!(
            "eval --raw path:/work#iso.targets --apply 'targets: (builtins.head targets).config.system.build.toplevel.outPath' {OVERRIDE}"
        ),
    )
    .ok()
    .out;
    let live = boot("2.26", image);
    let needed = format!(
        "nix-store -qR {toplevel} $(readlink -f /run/current-system) {}",
        paths.join(" ")
    );
    let more = live
        .sh(&format!(
            "({needed}) | sed s,/nix/store/,, | LC_ALL=C sort -u > /needed
             ls /nix/.ro-store | LC_ALL=C sort | comm -23 - /needed
             grep -e '[.]tar$' -e gcc /needed || true"
        ))
        .ok()
        .out;
    assert_eq!(
        more, "nix-path-registration\n",
        "more than is needed, a source or a compiler is on the image"
    );

    look_at_parts(builder, &paths, &toplevel);
}

fn every_machine_installs(image: &Path) {
    let mut failures = Vec::new();
    for (variant, name) in MACHINES {
        let (live, said) = install_on(image, name, "");
        if said.code == 0 {
            live.sh("nix-store --store /mnt --verify --check-contents").ok();
        } else {
            failures.push(format!("{variant}: {name}\n{}", said.err));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn what_is_taken_away_is_named(image: &Path) {
    let take = "nix-store --delete --ignore-liveness /nix/store/*-zfs-user-2.2";
    let missing = "zfs-user-2.2 (from environment.systemPackages) is not on this medium";
    let (_, said) = install_on(image, "xps-zfs", take);
    assert!(!said.err.contains("made without"), "{}", said.err);
    said.fails(3, &[missing]);
    // Left out when the image was made, it is refused with that reason; a machine that does not ask for it is not.
    let left_out = format!(
        "{take}; sed -i 's|^not-covered: .*|not-covered: [{{\"kind\":\"filesystem\",\"name\":\"zfs\",\"reason\":\"no room for it\"}}]|' \
         /etc/nix-cfg-install.yaml; grep -q room /etc/nix-cfg-install.yaml || exit 9"
    );
    let (_, said) = install_on(image, "xps-zfs", &left_out);
    said.fails(
        3,
        &[
            "made without what this machine needs: zfs",
            "the ISO does not have it: no room for it.",
            missing,
        ],
    );
    install_on(image, "vmware", &left_out).1.ok();
}

/// `nix-cfg-iso why` and `size`, where the image was built.
fn look_at_parts(builder: &Live, frontier: &[&str], toplevel: &str) {
    let ask = |what: &str| {
        builder.sh(&format!(
            "{CONFIG}\nnix-cfg-iso {what} -- --no-write-lock-file {OVERRIDE}"
        ))
    };
    let zfs = frontier.iter().find(|path| path.ends_with("-zfs-user-2.2")).unwrap();
    let said = ask(&format!("why /work {zfs}/bin/zfs-user")).ok().out;
    assert!(
        said.contains("needed to rebuild system-path for the variant zfs; "),
        "{said}"
    );
    assert!(said.contains("building it takes a compiler"), "{said}");
    assert!(!said.contains("needed to run the installed system"), "{said}");
    let said = ask(&format!("why /work {toplevel}")).ok().out;
    assert!(
        said.contains("needed to run the installed system: nixos-system-channel-demo-"),
        "{said}"
    );
    let other = format!("/nix/store/{}-htop-3.3.0", "0".repeat(32));
    ask(&format!("why /work {other}")).fails(1, &["is not on this ISO"]);
    ask("why /work htop").fails(1, &["htop is not a store path"]);

    let table = ask("size /work").ok().out;
    let column = table.find("paths").unwrap() + "paths".len();
    for part in [
        "installed system",
        "frontier, for several variants",
        "frontier, only for zfs",
        "live system",
        "all, before",
    ] {
        let line = table
            .lines()
            .find(|line| line.starts_with(part))
            .unwrap_or_else(|| panic!("{part}\n{table}"));
        let paths: usize = line[column - 8..column].trim().parse().unwrap();
        assert!(paths > 0, "{table}");
        assert!(!line.contains("and what they need"), "something is not built: {table}");
    }
}

/// Hosts that differ from the first in one thing each, and whether they take over its variants.
const HOSTS: [(&str, &str, bool); 9] = [
    ("first", "", true),
    ("text", "environment.etc.motd.text = \"Welcome\";", true),
    ("user", "users.users.bert.isNormalUser = true;", true),
    ("package", "environment.systemPackages = [ pkgs.htop ];", false),
    ("unfree", "nixpkgs.config.allowUnfree = true;", false),
    (
        "stronger",
        "boot.loader.systemd-boot.enable = nixpkgs.lib.mkForce true;",
        false,
    ),
    ("raid", "boot.swraid.enable = false;", false),
    ("keys", "console.keyMap = \"us\";", false),
    (
        "loader",
        "boot.loader.grub = { enable = true; device = \"/dev/sda\"; }; boot.loader.systemd-boot.enable = false;",
        false,
    ),
];

#[test]
fn hosts_that_are_made_of_the_same_packages_share_what_other_machines_need() {
    let tree = tree("flake");
    let modules: Vec<String> = HOSTS
        .iter()
        .map(|(name, module, _)| format!("{name} = {{ {module} }};\n"))
        .collect();
    let flake = "{ inputs = {
            nixpkgs.url = \"github:NixOS/nixpkgs/nixos-24.05\";
            tools = { url = \"github:example/tools\"; inputs.nixpkgs.follows = \"nixpkgs\"; };
            dotfiles = { url = \"github:example/dotfiles\"; flake = false; };
          };
          outputs = { nixpkgs, ... }: {
            nixosConfigurations = builtins.mapAttrs (name: module: nixpkgs.lib.nixosSystem {
              modules = [
                ./hardware-configuration.nix
                { networking.hostName = name; users.users.ada.isNormalUser = true; }
                { boot.loader.systemd-boot.enable = nixpkgs.lib.mkDefault true; }
                module
              ];
            }) (let pkgs = nixpkgs.legacyPackages.x86_64-linux; in { MODULES });
          };
        }";
    write(&tree, "flake.nix", &flake.replace("MODULES", &modules.concat()));
    let [hosts, hardware] = ["hosts", "hardware-configuration.nix"].map(|name| tree.path().join(name));
    fs::rename(hosts.join("alpha/hardware-configuration.nix"), hardware).unwrap();
    fs::remove_dir_all(hosts).unwrap();
    let names: Vec<&str> = HOSTS.iter().flat_map(|(name, ..)| ["--host", name]).collect();
    let emitted = Emitted::new(tree.path(), &names);
    let builder = builder("2.34", &emitted);
    let systems = "iso: let inherit (iso.live.config.offlineInstaller) closures described; in
        map (one: (builtins.head (builtins.filter (host: host.drv == one.facts.roots.target) described)).name) closures";
    let said = nix(&builder, &format!("eval --json path:/work#iso --apply '{systems}'"))
        .ok()
        .out;
    let shared: Vec<String> = serde_json::from_str(&said).unwrap();
    let expected: Vec<&str> = HOSTS
        .iter()
        .map(|&(name, _, alike)| if alike { "first" } else { name })
        .collect();
    assert_eq!(shared, expected);

    let image = build(&builder, "");
    for host in ["text", "user"] {
        let choose = format!("echo 'host: {host}' >> /etc/nix-cfg-install.yaml");
        for machine in ["xps-zfs", "grub-luks-boot", "thinkpad-x1-luks-btrfs"] {
            let (live, said) = install_on(&image, machine, &choose);
            said.ok();
            assert_eq!(
                live.read("/mnt/nix/var/nix/profiles/system/etc/hostname"),
                format!("{host}\n")
            );
        }
    }
}

#[test]
fn where_import_from_derivation_is_forbidden_a_list_stands_in_as_long_as_it_is_fresh() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let live = builder("2.26", &emitted);
    live.sh("cp -rL /work /tmp/pinned && chmod -R u+w /tmp/pinned").ok();
    let eval =
        format!("eval --raw path:/tmp/pinned#iso.drvPath {OVERRIDE} --option allow-import-from-derivation false");
    nix(&live, &eval).fails(1, &["nix-cfg-iso pin"]);
    let pin = format!(
        "{CONFIG}\nnix-cfg-iso pin /tmp/pinned -- --no-write-lock-file {OVERRIDE} --option allow-import-from-derivation false"
    );
    assert!(live.sh(&pin).ok().out.contains("closureList = ./closure.json;"));
    live.sh("sed -i 's|settings = |closureList = ./closure.json;\\n        &|' /tmp/pinned/flake.nix")
        .ok();
    nix(&live, &eval).ok();
    live.sh("sed -i s/Lisbon/Madrid/ /tmp/pinned/nix-cfg/configuration.nix")
        .ok();
    nix(&live, &eval).fails(1, &["does not match this configuration", "nix-cfg-iso pin DIR"]);
    live.sh(&pin).ok();
    nix(&live, &eval).ok();
}

#[test]
fn a_package_that_is_compiled_from_self_is_refused_when_the_iso_is_evaluated_and_configuration_is_not() {
    let with = |what: &str| {
        let tree = tree("flake");
        edit(
            &tree,
            "flake.nix",
            "{\n      nixpkgs,",
            "{\n      self,\n      nixpkgs,",
        );
        edit(
            &tree,
            "flake.nix",
            "tools.nixosModules.default",
            &format!("tools.nixosModules.default\n            ({{ pkgs, ... }}: {what})"),
        );
        let emitted = Emitted::new(tree.path(), &["--host", "alpha"]);
        nix(&builder("2.26", &emitted), "eval --raw path:/work#iso.drvPath")
    };
    with("{ environment.etc.hosts.source = \"${self}/hosts\"; }").ok();
    let package = "pkgs.run \"site-1.0\" { inherit (pkgs) stdenv; site = \"${self}/hosts\"; } \"mkdir -p $out/bin\"";
    with(&format!("{{ environment.systemPackages = [ ({package}) ]; }}"))
        .fails(100, &["site-1.0, for system-path", "(`self`)"]);
}

#[test]
fn what_a_configuration_builds_while_it_is_evaluated_is_built_again_on_the_target_from_what_the_iso_was_given() {
    let tree = tree("flake");
    let source = r#"(pkgs.fetchurl "repository.tar" "a repository\n")"#;
    let module = format!(
        r#"tools.nixosModules.default
            ({{ pkgs, ... }}: {{
              environment.etc."made".text = builtins.readFile (pkgs.glue "made" {{ }} "cat ${{{source}}} > $out");
            }})"#
    );
    edit(&tree, "flake.nix", "tools.nixosModules.default", &module);
    let emitted = Emitted::new(tree.path(), &["--host", "alpha"]);
    let builder = builder("2.26", &emitted);
    let source_there = "echo 'a repository' > /tmp/repository.tar && nix-store --add-fixed sha256 /tmp/repository.tar";
    builder.sh(&format!("{CONFIG}\n{source_there}")).ok();
    let image = build(&builder, "");
    boot("2.26", &image)
        .install("")
        .fails(3, &["repository.tar", "is not on this medium"]);
    let given = format!(
        "modules = [ {{ offlineInstaller.extraStorePaths = let pkgs = inputs.config.nixosConfigurations.alpha.pkgs; in [ {source} ]; }} ]"
    );
    edit_text(&emitted.dir().join("flake.nix"), "modules = [ ]", &given);
    let live = boot("2.26", &build(&builder, ""));
    live.install("").ok();
    let system = "/mnt/nix/var/nix/profiles/system";
    assert_eq!(live.read(&format!("{system}/etc/made")), "a repository\n");
}
