//! A nixos-generate-config that can write more than nix/variants.nix knows: in the rig, from evaluating the image to installing
//! from it on the machine that was described.

use std::path::Path;

use rig::iso::{CONFIG, Emitted, OVERRIDE, boot, build, builder, builder_with, nix};
use rig::{Live, Outcome, copy, edit_text, project, temporary, tree, write};
use tempfile::TempDir;

/// Options and packages of a newer nixpkgs: each asks for a package that nothing else asks for.
const MODULES: &str = r#"{ config, lib, pkgs, ... }:
let
  kernel = config.boot.kernelPackages;
  fs = type: builtins.elem type config.boot.supportedFilesystems;
in
{
  options.hardware = {
    gizmo.enable = lib.mkEnableOption "the gizmo";
    secret.enable = lib.mkEnableOption "what is unfree";
    hopeless.enable = lib.mkEnableOption "what nixpkgs itself forgot";
    brittle.enable = lib.mkEnableOption "what cannot be evaluated";
    level = lib.mkOption { type = lib.types.str; default = "low"; };
  };
  config = {
    boot.extraModulePackages = lib.optional config.hardware.secret.enable kernel.secret;
    environment.systemPackages =
      lib.optional config.hardware.gizmo.enable pkgs.gizmo
      ++ lib.optional (config.hardware.level == "high") pkgs.gauge
      ++ lib.optional (fs "fuse.newfs") pkgs.newfs-tools
      ++ lib.optional config.hardware.hopeless.enable pkgs.forgotten
      ++ lib.optional config.hardware.brittle.enable (throw "nobody can have this");
  };
}
"#;

/// In nixpkgs.
const GENERATE_CONFIG: &str = "nixos/modules/installer/tools/nixos-generate-config.pl";

/// What its nixos-generate-config can write besides.
const WRITTEN: &str = r#"
push @attrs, "hardware.gizmo.enable = true;" if $gizmo;
push @attrs, "hardware.secret.enable = true;" if $secret;
push @attrs, "hardware.brittle.enable = true;" if $brittle;
push @attrs, "hardware.absent.enable = true;" if $absent;
push @attrs, "hardware.level = \"high\";" if $high;
push @modulePackages, "config.boot.kernelPackages.newdriver";
push @imports, "(modulesPath + \"/hardware/new.nix\")";
"#;

/// The miniature nixpkgs, with the machines of the future.
fn newer_nixpkgs() -> TempDir {
    let directory = temporary();
    copy(&project().join("target/rig/nixpkgs"), directory.path());
    let at = |path: &str| directory.path().join(path);
    let modules = "nixos/modules";
    write(&directory, &format!("{modules}/new.nix"), MODULES);
    write(
        &directory,
        &format!("{modules}/tasks/filesystems/newfs.nix"),
        "# For supportedFilesystems.\"fuse.newfs\".\n{ }\n",
    );
    write(
        &directory,
        &format!("{modules}/hardware/new.nix"),
        "{ pkgs, ... }: { environment.systemPackages = [ pkgs.imported ]; }\n",
    );
    edit_text(&at(&format!("{modules}/module-list.nix")), "[\n", "[\n  ./new.nix\n");
    edit_text(
        &at(GENERATE_CONFIG),
        "push @attrs, \"boot.swraid",
        &format!("{WRITTEN}push @attrs, \"boot.swraid"),
    );
    edit_text(
        &at("pkgs/default.nix"),
        "  libtiny =",
        "  gizmo = package \"gizmo-1.0\" { };
  gauge = package \"gauge-1.0\" { };
  newfs-tools = package \"newfs-tools-1.0\" { };
  imported = package \"imported-1.0\" { };
  libtiny =",
    );
    edit_text(
        &at("pkgs/default.nix"),
        "      hyperv-daemons = { };",
        "      hyperv-daemons = { };\n      newdriver = { };\n      secret.unfree = true;",
    );
    directory
}

/// Installs from `image` on a machine in whose hardware configuration `what` stands after `before`; `first` is run there.
fn install_with(image: &Path, before: &str, what: &str, first: &str) -> Outcome {
    let live = boot("2.26", image);
    live.sh(&format!(
        "mkdir -p /mnt/etc/nixos
         nixos-generate-config --root /mnt --dir /etc/nixos > /dev/null 2>&1
         rm /mnt/etc/nixos/configuration.nix
         sed -i 's|^  {before}|& {what}|' /mnt/etc/nixos/hardware-configuration.nix
         grep -qF '{what}' /mnt/etc/nixos/hardware-configuration.nix || exit 9
         {first}
         nix-cfg-install --progress plain"
    ))
}

fn json(live: &Live, what: &str) -> serde_json::Value {
    let said = nix(
        live,
        &format!(
            "eval --json path:/work#iso.live.config.offlineInstaller.closures --apply 'all: (builtins.head all).{what}' {OVERRIDE}"
        ),
    );
    serde_json::from_str(&said.ok().out).unwrap()
}

/// What the family covers by itself.
const COVERED: [&str; 4] = [
    "hardware.gizmo.enable (attribute)",
    "/hardware/new.nix (import)",
    "config.boot.kernelPackages.newdriver (package)",
    "fuse.newfs (filesystem)",
];

/// What it cannot cover, and why.
const REFUSED: [(&str, &str); 4] = [
    (
        "hardware.secret.enable (attribute)",
        "the configuration does not allow secret",
    ),
    (
        "hardware.brittle.enable (attribute)",
        "evaluating the configuration for it fails",
    ),
    ("hardware.absent.enable (attribute)", "it is not a boolean option"),
    ("hardware.level (attribute)", "it is not a boolean option"),
];

#[test]
fn what_nobody_knows_yet_is_covered_or_refused_on_that_machine_alone_and_the_image_is_made_all_the_same() {
    let nixpkgs = newer_nixpkgs();
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder_with("2.26", &emitted, nixpkgs.path());
    let said = nix(&builder, &format!("eval --raw path:/work#iso.drvPath {OVERRIDE}")).ok();
    let other = nix(
        &builder_with("2.34", &emitted, nixpkgs.path()),
        &format!("eval --raw path:/work#iso.drvPath {OVERRIDE}"),
    );
    assert_eq!(other.ok().out, said.out, "2.26 and 2.34 make different images");
    for what in COVERED {
        assert!(said.err.contains(&format!("  {what}\n")), "{what}: {}", said.err);
    }
    for (what, why) in REFUSED {
        assert!(said.err.contains(&format!("  {what}: {why}")), "{what}: {}", said.err);
    }
    // One variant each, but for file systems.
    let mut machines: Vec<String> = serde_json::from_value(json(&builder, "drvs"))
        .map(|drvs: serde_json::Map<_, _>| drvs.into_iter().map(|(name, _)| name).collect())
        .unwrap();
    machines.retain(|name| name.contains(['.', '/']) || name == "fileSystems");
    machines.sort();
    assert_eq!(
        machines,
        [
            "/hardware/new.nix",
            "config.boot.kernelPackages.newdriver",
            "fileSystems",
            "hardware.gizmo.enable"
        ]
    );

    let image = build(&builder, OVERRIDE);
    let table = builder
        .sh(&format!(
            "{CONFIG}\nnix-cfg-iso size /work -- --no-write-lock-file {OVERRIDE}"
        ))
        .ok()
        .out;
    for part in [
        "frontier, only for hardware.gizmo.enable",
        "hardware.gizmo.enable (attribute)",
        "hardware.level (attribute): it is not",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }

    what_the_image_covers_is_installed_and_the_rest_refused(&image);
}

fn what_the_image_covers_is_installed_and_the_rest_refused(image: &Path) {
    let [imports, packages] = [r"imports = \[", r"boot.extraModulePackages = \["];
    let attributes = "boot.kernelModules = .*;";
    for (before, what) in [
        (attributes, "hardware.gizmo.enable = true;"),
        (imports, "(modulesPath + \"/hardware/new.nix\")"),
        (packages, "config.boot.kernelPackages.newdriver"),
        (
            attributes,
            "fileSystems.\"/data\" = { device = \"/dev/vdb\"; fsType = \"fuse.newfs\"; options = [ \"noauto\" ]; };",
        ),
    ] {
        install_with(image, before, what, "").ok();
    }
    install_with(image, attributes, "hardware.level = \"high\";", "").fails(
        3,
        &[
            "made without what this machine needs: hardware.level",
            "the ISO does not have it: it is not a boolean option.",
            "gauge-1.0 (from environment.systemPackages) is not on this medium",
        ],
    );
    let take = "nix-store --delete --ignore-liveness /nix/store/*-gizmo-1.0";
    install_with(image, attributes, "hardware.gizmo.enable = true;", take).fails(3, &["gizmo-1.0 (from"]);
    // The same attribute, on a machine that needs nothing for it.
    install_with(image, attributes, "hardware.level = \"low\";", "").ok();
}

#[test]
fn what_the_configuration_only_completes_is_whole_on_every_machine_of_the_family() {
    let tree = tree("channel");
    edit_text(
        &tree.path().join("hardware-configuration.nix"),
        "  nixpkgs.hostPlatform",
        "  fileSystems.\"/home\" = { device = \"/dev/mapper/cryptroot\"; fsType = \"ext4\"; };
  boot.initrd.luks.devices.cryptroot.device = \"/dev/sda2\";
  nixpkgs.hostPlatform",
    );
    edit_text(
        &tree.path().join("configuration.nix"),
        "  imports = [",
        "  fileSystems.\"/home\".options = [ \"noatime\" ];
  boot.initrd.luks.devices.cryptroot.keyFile = \"/key\";
  imports = [",
    );
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    nix(&builder, &format!("eval --raw path:/work#iso.drvPath {OVERRIDE}")).ok();
}

#[test]
fn an_image_is_made_where_the_script_cannot_be_read_and_where_a_variant_cannot_be_evaluated() {
    let nixpkgs = newer_nixpkgs();
    let modules = nixpkgs.path().join("nixos/modules");
    write(&nixpkgs, GENERATE_CONFIG, "print 'hardware.gizmo.enable = true;';\n");
    edit_text(
        &modules.join("hardware.nix"),
        "hardware.parallels.enable = mkEnableOption \"Parallels Tools\";",
        "",
    );
    edit_text(
        &modules.join("hardware.nix"),
        "++ lib.optional cfg.hardware.parallels.enable kernel.prl-tools",
        "",
    );
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder_with("2.26", &emitted, nixpkgs.path());
    let said = nix(&builder, &format!("eval --raw path:/work#iso.drvPath {OVERRIDE}")).ok();
    for text in [
        "is not known: it is not built as the known ones are: it has no `if ($showHardwareConfig) {`.",
        "parallels (a guest of Parallels Desktop (unfree)): evaluating the configuration for it fails",
        "fuse.newfs (filesystem)",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
    // A variant that the one who makes the image wrote is no less than the others, and its error is not passed over.
    let flake = emitted.dir().join("flake.nix");
    let variants = "variants.mine = { reason = \"mine\"; module = { pkgs, ... }: { environment.systemPackages = [ pkgs.gauge ]; }; }; desktop =";
    edit_text(&flake, "desktop =", variants);
    let frontier = json(&builder, "facts.frontier");
    let mine = frontier
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["variants"] == serde_json::json!(["mine"]));
    assert!(
        mine.unwrap()["drv"].as_str().unwrap().ends_with("-gauge-1.0.drv"),
        "{mine:?}"
    );
    edit_text(
        &flake,
        "environment.systemPackages = [ pkgs.gauge ];",
        "hardware.absent = true;",
    );
    nix(&builder, &format!("eval --raw path:/work#iso.drvPath {OVERRIDE}")).fails(1, &["hardware.absent"]);
}

#[test]
fn a_mistake_of_nixpkgs_itself_is_shown_with_the_way_to_leave_it_out() {
    let nixpkgs = newer_nixpkgs();
    edit_text(
        &nixpkgs.path().join(GENERATE_CONFIG),
        "push @attrs, \"boot.swraid",
        "push @attrs, \"hardware.hopeless.enable = true;\";\npush @attrs, \"boot.swraid",
    );
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder_with("2.26", &emitted, nixpkgs.path());
    let eval = format!("eval --raw path:/work#iso.drvPath {OVERRIDE}");
    let leave_out = "variants.\"hardware.hopeless.enable\" = false;";
    nix(&builder, &eval).fails(1, &["'forgotten'", leave_out]);
    // What another nixpkgs wrote may stay left out.
    let variants = format!("{leave_out} variants.\"hardware.of.another\" = false; desktop =");
    edit_text(&emitted.dir().join("flake.nix"), "desktop =", &variants);
    let said = nix(&builder, &eval).ok();
    let unknown = "cannot write what `variants` omits:\n  hardware.of.another\n";
    assert!(said.err.contains(unknown), "{}", said.err);
}
