//! A machine that was installed with `offlineRebuild` is rebuilt without a network and without the medium.

use rig::iso::{CONFIG, Emitted, Machine, OVERRIDE, boot, build, builder};
use rig::{Live, edit, edit_text, project, tree};

/// Asks for what the ISO can leave on the machine.
fn ask_for_rebuilds(emitted: &Emitted) {
    edit_text(
        &emitted.dir().join("flake.nix"),
        "desktop =",
        "offlineRebuild = true;\n        desktop =",
    );
}

const CHANNEL: &str = "nix-build '<nixpkgs/nixos>' -A system -I nixos-config=/etc/nixos/configuration.nix";
const FLAKE: &str = "nix build --print-out-paths \
                     path:/etc/nixos#nixosConfigurations.alpha.config.system.build.toplevel";

#[test]
fn a_channel_configuration_is_changed_and_rebuilt_on_the_machine_from_its_own_store() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    ask_for_rebuilds(&emitted);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let size = format!("{CONFIG}\nnix-cfg-iso size /work -- --no-write-lock-file {OVERRIDE}");
    let size = builder.sh(&size).ok().out;
    let told = size
        .lines()
        .find(|line| line.starts_with("With offlineRebuild, "))
        .unwrap_or_default();
    assert!(told.contains(" % of the system's own size."), "{size}");

    let live = boot("2.26", &image);
    let said = live.install("").ok();
    assert!(
        said.err.contains(" stay for rebuilding without a network."),
        "{}",
        said.err
    );
    let machine = Machine::of("2.26", &live);
    let change = "sed -i 's/channel-demo/renamed/; s/users.users.alice/users.users.bob/' /etc/nixos/configuration.nix";
    let said = machine
        .sh(&format!(
            "{change}\nnix-collect-garbage > /dev/null; cd /tmp && {CHANNEL}"
        ))
        .ok();
    let system = said.out.trim();
    let told = machine
        .sh(&format!("cat {system}/etc/hostname {system}/etc/users.spec"))
        .ok()
        .out;
    assert!(told.starts_with("renamed\n") && told.contains("bob:"), "{told}");
    // Another machine of the family, with all that it needs.
    machine
        .sh(&format!(
            "cp /zfs.nix /etc/nixos/hardware-configuration.nix && cd /tmp && {CHANNEL}"
        ))
        .ok();

    // It is this option that does it: without what the link keeps, there is nothing to build from.
    let said = machine.sh(&format!(
        "rm /nix/var/nix/gcroots/nix-cfg-install/offline-rebuild /tmp/result
         nix-collect-garbage > /dev/null && cd /tmp && {CHANNEL}"
    ));
    said.fails(1, &["Could not resolve host: example.invalid"]);
}

#[test]
fn a_flake_is_changed_and_rebuilt_on_the_machine_with_its_lock_and_nested_inputs() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    ask_for_rebuilds(&emitted);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, "");
    for version in ["2.26", "2.34"] {
        let live = boot(version, &image);
        live.install("").ok();
        let machine = Machine::of(version, &live);
        let said = machine
            .sh(&format!(
                "cp /etc/nixos/flake.lock /tmp && nix-collect-garbage > /dev/null
                 sed -i 's/networking.hostName = name/networking.hostName = \"renamed\"/' /etc/nixos/flake.nix
                 cd /tmp && {FLAKE} && cmp /tmp/flake.lock /etc/nixos/flake.lock"
            ))
            .ok();
        let told = machine.sh(&format!("cat {}/etc/hostname", said.out.trim())).ok().out;
        assert_eq!(told, "renamed\n");
    }
}

#[test]
fn an_iso_with_all_build_dependencies_compiles_when_it_installs_and_so_does_the_machine() {
    let tree = tree("channel");
    let everything = "system.includeBuildDependencies = true;\n  system.stateVersion";
    edit(&tree, "configuration.nix", "system.stateVersion", everything);
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    ask_for_rebuilds(&emitted);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    // A package that is on no medium, made by the compiler that only this one has.
    let compiled = "environment.systemPackages = [
        (pkgs.run \"site-1.0\" { inherit (pkgs) stdenv; } \"mkdir -p $out/bin && echo > $out/bin/site\")";
    edit(&tree, "configuration.nix", "environment.systemPackages = [", compiled);
    let live = boot("2.26", &image).tmp_tree(tree.path());
    live.sh("ls /nix/.ro-store | grep -e '-cowsay.*[.]tar$' && ls /nix/.ro-store | grep -e '-gcc-wrapper-'")
        .ok();
    live.install("").ok();
    live.sh("ls /mnt/nix/var/nix/profiles/system/sw/bin/site").ok();
    let machine = Machine::of("2.26", &live);
    machine
        .sh(&format!("nix-collect-garbage > /dev/null; sed -i s/site/other/g /etc/nixos/configuration.nix && cd /tmp && {CHANNEL}"))
        .ok();
}

#[test]
fn an_iso_that_could_not_be_rebuilt_from_is_refused_when_it_is_evaluated() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    ask_for_rebuilds(&emitted);
    edit_text(
        &emitted.dir().join("flake.nix"),
        "desktop =",
        "closure = \"runtime\";\n        desktop =",
    );
    let said = rig::iso::nix(&builder("2.26", &emitted), "eval --raw path:/work#iso.drvPath");
    said.fails(1, &["nothing is on the ISO that a rebuild could use"]);
}

#[test]
fn a_medium_without_what_is_to_be_kept_is_refused_before_anything_is_written() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("echo 'offline-rebuild: /nix/store/00000000000000000000000000000000-kept' > /etc/nix-cfg-install.yaml")
        .ok();
    live.install("").fails(
        3,
        &[
            "/nix/store/00000000000000000000000000000000-kept is not on the ISO",
            "Remove `offline-rebuild`",
        ],
    );
    assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n");
}
