//! Channel configurations that look up more than nixpkgs: `<home-manager/nixos>`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rig::iso::{CONFIG, Emitted, Machine, OVERRIDE, boot, build, builder, nix, nix_cfg_iso};
use rig::{Live, edit, temporary, tree, write};
use tempfile::TempDir;

/// A channel in the shape of home-manager: a module with modules of its users inside, which looks up nixpkgs itself.
fn home_manager() -> TempDir {
    let channel = temporary();
    let module = r#"{ lib, config, pkgs, ... }:
let
  inherit (import <nixpkgs/lib>) version;
  user = { options.greeting = lib.mkOption { type = lib.types.str; default = "none"; }; };
in
{
  options.home.users = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule user); default = { }; };
  config.environment.etc = lib.mapAttrs' (name: one: lib.nameValuePair "home-${name}" {
    text = "${one.greeting} of ${import ../lib/place.nix}, ${version}\n";
  }) config.home.users;
}
"#;
    write(&channel, "nixos/default.nix", module);
    write(&channel, "lib/place.nix", "\"the channel\"");
    write(&channel, "lib/greeting.nix", "{ greeting = \"Hello\"; }");
    channel
}

/// The example tree with look-ups of each kind.
fn looking_up() -> TempDir {
    let tree = tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "    ./modules/greeter.nix\n",
        "    ./modules/greeter.nix\n    <home-manager/nixos>\n    <nixpkgs/nixos/modules/profiles/qemu-guest.nix>\n",
    );
    edit(
        &tree,
        "configuration.nix",
        "  system.stateVersion",
        "  home.users.alice = { ... }: { imports = [ ./home.nix ]; };\n  \
         system.copySystemConfiguration = true;\n  environment.etc.again.text = (import <nixpkgs> { }).cowsay.name + toString (builtins.pathExists <nixos-config>);\n  \
         system.stateVersion",
    );
    write(&tree, "home.nix", "{ imports = [ <home-manager/lib/greeting.nix> ]; }");
    tree
}

const NIXPKGS: &str = "github:NixOS/nixpkgs/nixos-24.05";
const HOME: &str = "home-manager=github:nix-community/home-manager/release-24.05";

/// The inputs, without a network and a lock.
fn overrides() -> String {
    format!("{OVERRIDE} --override-input home-manager path:/inputs/home-manager/source")
}

fn builder_with(version: &str, emitted: &Emitted, channel: &TempDir) -> Live {
    let source = format!("{}:/inputs/home-manager/source", channel.path().display());
    builder(version, emitted).with(&["--bind", &source])
}

#[test]
fn init_asks_for_each_channel_by_its_name_and_its_advice_works() {
    let (tree, directory) = (looking_up(), temporary());
    let dir = directory.path().join("iso");
    let init = |more: &[&str]| {
        let args = ["init", dir.to_str().unwrap(), "--config", tree.path().to_str().unwrap()];
        let said = nix_cfg_iso(&[&args, &["--nixpkgs", NIXPKGS][..], more].concat());
        (said.status.success(), String::from_utf8(said.stderr).unwrap())
    };
    let (worked, said) = init(&[]);
    assert!(!worked && !dir.exists(), "{said}");
    let advice = said.lines().find_map(|line| line.split_once("Add ")).unwrap().1;
    assert_eq!(advice, format!("--channel {HOME}"), "{said}");
    let (worked, said) = init(&advice.split(' ').collect::<Vec<_>>());
    assert!(worked, "{said}");
    let flake = fs::read_to_string(dir.join("flake.nix")).unwrap();
    assert!(
        flake.contains("channels = { inherit (inputs) home-manager; };"),
        "{flake}"
    );
}

#[test]
fn the_channels_of_a_configuration_are_on_the_iso_and_on_the_installed_system() {
    let (tree, channel, directory) = (looking_up(), home_manager(), temporary());
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", NIXPKGS, "--channel", HOME]);
    let overrides = overrides();
    let drv = format!(
        "eval --raw path:/work#iso.targets --apply 'targets: \
         (builtins.head targets).config.system.build.toplevel.drvPath' {overrides}"
    );
    let mut image = PathBuf::new();
    let mut drvs = BTreeSet::new();
    for version in ["2.8", "2.34", "2.26"] {
        let builder = builder_with(version, &emitted, &channel);
        drvs.insert(nix(&builder, &drv).ok().out);
        if version == "2.26" {
            image = build(&builder, &overrides);
            fs::rename(&image, directory.path().join("iso")).unwrap();
            image = directory.path().join("iso");
        }
    }
    // What is on the ISO is what each Nix comes to on the target: nothing is missing there.
    for version in ["2.8", "2.34"] {
        let live = boot(version, &image);
        let evaluated = live
            .sh(
                "setting() { sed -n \"s/^$1: \\\"\\(.*\\)\\\"/\\1/p\" /etc/nix-cfg-install.yaml; }
                 home=$(realpath $(setting channels)/home-manager) nixpkgs=$(setting nixpkgs)
                 nix-instantiate '<nixpkgs/nixos>' -A system -I nixos-config=/iso/nix-cfg/configuration.nix \
                   -I nixpkgs/nixos=$nixpkgs/nixos -I nixpkgs=$(realpath $nixpkgs/nixpkgs) -I home-manager=$home",
            )
            .ok();
        drvs.insert(evaluated.out.trim().to_owned());
        live.sh("nix-cfg-install --check").ok();
    }
    assert_eq!(drvs.len(), 1, "{drvs:?}");
    let live = boot("2.26", &image);
    live.install("").ok();
    let greeting = live.read("/mnt/nix/var/nix/profiles/system/etc/home-alice");
    assert!(greeting.starts_with("Hello of the channel, "), "{greeting}");
    live.sh("nix-store --store /mnt --verify --check-contents").ok();

    let machine = Machine::of("2.26", &live);
    let found = machine
        .sh("nix-instantiate --find-file home-manager; nix-instantiate --find-file nixpkgs; nix-collect-garbage > /dev/null
             nix-instantiate '<nixpkgs/nixos>' -A system")
        .ok()
        .out;
    let [home, nixpkgs, system] = found.lines().collect::<Vec<_>>()[..] else {
        panic!("{found}");
    };
    let profile = "/nix/var/nix/profiles/per-user/root/channels";
    let place = machine.sh(&format!("cat {home}/lib/place.nix")).ok().out;
    assert_eq!(place, "\"the channel\"");
    assert!(nixpkgs.contains("-nixos-24.05."), "{nixpkgs}");
    assert!(system.contains("-nixos-system-channel-demo-"), "{found}");
    // As `nix-channel --update NAME` wants to find the others: it keeps the directory of what this link leads to.
    let link = machine
        .sh(&format!("readlink {profile}/home-manager {profile}/nixos"))
        .ok()
        .out;
    for (name, target) in ["home-manager", "nixos"].iter().zip(link.lines()) {
        let (path, inside) = target.rsplit_once('/').unwrap();
        assert!(path.starts_with("/nix/store/") && inside == *name, "{link}");
    }
}

#[test]
fn the_doctor_reports_which_channel_is_not_there_and_how_to_add_it() {
    let (tree, channel) = (looking_up(), home_manager());
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", NIXPKGS, "--channel", HOME]);
    let live = builder_with("2.34", &emitted, &channel);
    let lock = overrides();
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso {lock}"
    ))
    .ok();
    let doctor = |change: &str| live.sh(&format!("cd /tmp/iso && {change}; nix-cfg-iso doctor /tmp/iso"));
    let said = doctor("true").ok();
    assert!(
        said.out.contains("/tmp/iso can be built") && said.err.is_empty(),
        "{said:?}"
    );
    let said = doctor("sed -i '/^  imports = /a <more/x.nix>' nix-cfg/configuration.nix").fails(
        1,
        &["<more/x.nix> is looked up", "configuration.nix:5", "inputs.more = {"],
    );
    assert_eq!(said.err.matches("error: ").count(), 1, "{}", said.err);
    // Where only Nix knows that a file is read.
    doctor(
        "sed -i '/more/d; s|./modules/greeter.nix|(import ./modules/more.nix)|' nix-cfg/configuration.nix
         echo '{ imports = [ <more/x.nix> ]; }' > nix-cfg/modules/more.nix",
    )
    .fails(
        1,
        &[
            "looks up <more>, and there is no such channel",
            "--channel more=FLAKEREF",
        ],
    );
    doctor("echo '{ imports = [ <nixpkgs/typo.nix> ]; }' > nix-cfg/modules/more.nix")
        .fails(1, &["the channel `nixpkgs` has no typo.nix", "modules/more.nix:1"]);
}

#[test]
fn a_channel_that_is_not_on_the_medium_is_named_by_the_check() {
    let tree = looking_up();
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    live.install("--check").fails(
        3,
        &[
            "looks up <home-manager>, and there is no such channel",
            "--channel home-manager=FLAKEREF",
        ],
    );
}

#[test]
fn by_hand_all_channels_of_the_live_system_become_those_of_the_target() {
    let (tree, channel) = (looking_up(), home_manager());
    let source = format!("{}:/new/home-manager", channel.path().display());
    let live = Live::with_disk("2.26").iso_tree(tree.path()).with(&["--bind", &source]);
    live.sh(
        "nix-env -p /nix/var/nix/profiles/per-user/root/channels -i $(nix-store --add /new) --quiet || exit
         ls /nix/var/nix/profiles/per-user/root/channels/",
    )
    .ok();
    live.install("").ok();
    let machine = Machine::of("2.26", &live);
    let found = machine
        .sh("nix-instantiate --find-file home-manager/nixos nixpkgs/lib")
        .ok();
    assert_eq!(found.out.lines().count(), 2, "{found:?}");
}

#[test]
fn what_looks_up_the_configuration_itself_is_no_fault_beside_another_one() {
    let tree = tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "[ pkgs.cowsay ]",
        "[ pkgs.unfree-game ];\n  system.copySystemConfiguration = true",
    );
    let live = Live::with_disk("2.34").iso_tree(tree.path());
    let said = live.install("--check").fails(3, &["unfree-game"]);
    assert!(!said.err.contains("nixos-config"), "{}", said.err);
}

#[test]
fn what_is_fetched_with_a_hash_while_the_configuration_is_evaluated_is_on_the_iso() {
    let source = temporary();
    write(
        &source,
        "default.nix",
        "{ environment.etc.fetched.text = \"fetched\"; }",
    );
    let bind = format!("{}:/inputs/more/source", source.path().display());
    let hash = Live::bare("2.26")
        .with(&["--bind", &bind])
        .sh("nix-hash --type sha256 --base32 /inputs/more/source");
    let tree = tree("channel");
    let fetch = format!(
        "(builtins.fetchTarball {{ url = \"https://example.invalid/more.tar.gz\"; sha256 = \"{}\"; }})",
        hash.ok().out.trim()
    );
    edit(
        &tree,
        "configuration.nix",
        "    ./modules/greeter.nix\n",
        &format!("    ./modules/greeter.nix\n    {fetch}\n"),
    );
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", NIXPKGS]);
    let flake = fs::read_to_string(emitted.dir().join("flake.nix")).unwrap();
    assert!(flake.contains(&fetch), "{flake}");
    // The rig has only what is in these directories.
    let builder = builder("2.26", &emitted).with(&["--bind", &bind]);
    builder
        .sh("nix-store --add-fixed --recursive sha256 /inputs/more/source")
        .ok();
    let image = build(&builder, OVERRIDE);
    for nix in ["2.8", "2.26", "2.34"] {
        boot(nix, &image).install("--check").ok();
    }
    let live = boot("2.26", &image);
    live.install("").ok();
    assert_eq!(live.sh("cat /mnt/nix/store/*-etc-fetched").ok().out, "fetched");
}
