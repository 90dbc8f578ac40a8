//! A reader follows the README: its commands are taken from its text and run by a shell, one after the other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rig::documented::commands;
use rig::iso::{CONFIG, boot, miniature, stocked};
use rig::{Live, edit, project, run, shipped, tree};
use tempfile::TempDir;

/// In place of the nixpkgs that builds the programs from source: the static programs that were built already. Everything else
/// of the project's flake is its own.
const BUILT_ALREADY: &str = r#"{
  outputs = { self }:
    let
      lib = import ./lib // { addMetaAttrs = meta: package: package // { meta = package.meta // meta; }; };
      buildRustPackage = { pname, version, meta, ... }: derivation {
        name = "${pname}-${version}";
        system = "x86_64-linux";
        builder = "${./tools}/busybox";
        args = [ "sh" "-c" "${./tools}/busybox mkdir -p $out/bin && ${./tools}/busybox cp ${./programs}/* $out/bin/" ];
      } // { inherit pname version; meta = { inherit (meta) mainProgram; }; };
      callPackage = file: _: import file { inherit lib; rustPlatform = { inherit buildRustPackage; }; installShellFiles = null; stdenv = null; };
    in {
      inherit lib;
      legacyPackages.x86_64-linux.pkgsStatic = { inherit callPackage; };
    };
}"#;

/// The flake example with the README's host.
fn configuration() -> TempDir {
    let tree = tree("flake");
    fs::rename(tree.path().join("hosts/alpha"), tree.path().join("hosts/laptop")).unwrap();
    edit(&tree, "flake.nix", "alpha", "laptop");
    tree
}

/// The programs and the flake of the project, as its repository has them.
fn repository() -> TempDir {
    let directory = rig::temporary();
    let [own, built] = ["project", "built"].map(|name| directory.path().join(name));
    fs::create_dir_all(built.join("programs")).unwrap();
    fs::create_dir(&own).unwrap();
    for name in ["nix-cfg-install", "nix-cfg-iso"] {
        fs::copy(shipped(name), built.join("programs").join(name)).unwrap();
    }
    fs::write(built.join("flake.nix"), BUILT_ALREADY).unwrap();
    rig::copy(&miniature().join("lib"), &built.join("lib"));
    fs::create_dir(built.join("tools")).unwrap();
    fs::copy(miniature().join("bootstrap/bin/busybox"), built.join("tools/busybox")).unwrap();
    for name in ["flake.nix", "Cargo.toml"] {
        fs::copy(project().join(name), own.join(name)).unwrap();
    }
    rig::copy(&project().join("nix"), &own.join("nix"));
    directory
}

/// What the commands say of the project's repository, and what it is here, without a network.
const REPOSITORY: [&str; 2] = ["github:nix-cfg-install/nix-cfg-install", "path:/root/project"];

/// What the reader's machine has, and this one lacks: the project's repository, `sudo`, a stick.
const MACHINE: &str = r#"
mkdir -p /usr/local/sbin
printf '#!/bin/sh\nexec "$@"\n' > /usr/local/sbin/sudo && chmod +x /usr/local/sbin/sudo
ln -s /stick.img /dev/sdX
cp -r /repository/project /root/project
nix flake lock path:/root/project --override-input nixpkgs path:/repository/built
cp -r /configuration /root/nixos
"#;

#[test]
fn the_quick_start_ends_with_an_installed_machine() {
    let (configuration, repository) = (configuration(), repository());
    let bind = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let live = Live::bare("2.34").with(&["--bind", &bind(configuration.path(), "/configuration")]);
    let live = stocked(
        live.with(&["--bind", &bind(repository.path(), "/repository")]),
        &miniature(),
    );
    let steps = commands("README.md", "Quick start");
    let [create, build, write, channel] = steps.as_slice() else {
        panic!("the quick start has other steps: {steps:#?}");
    };
    assert!(channel.contains("nix-channel"), "{channel}");
    let keep = &commands("README.md", "The programs")[0];
    let [named, here] = REPOSITORY;
    let steps = [create, build, write, keep].map(|block| block.replace(named, here));
    let known = "/root/.nix-profile/bin/nix-cfg-iso --version";
    live.sh(&format!("set -eu\n{CONFIG}\n{MACHINE}\n{}{known}", steps.concat()))
        .ok();
    // The machine is started from the stick. A disk is mounted at /mnt: the commands that partition one are typed in the
    // virtual machine of tests/vm/scenarios/by_hand_uefi.py.
    let live = boot("2.34", &live.state.path().join("live/upper/stick.img"));
    let by_hand = commands("README.md", "By hand");
    let [_mounts, install] = by_hand.as_slice() else {
        panic!("other steps: {by_hand:#?}");
    };
    live.sh(&format!("set -eu\n{install}")).ok();
    let hostname = live.read("/mnt/nix/var/nix/profiles/system/etc/hostname");
    assert_eq!(hostname, "laptop\n");
    assert!(
        live.read("/mnt/etc/nixos/hosts/laptop/hardware-configuration.nix")
            .contains("by-uuid")
    );
}

#[test]
fn the_programs_of_a_release_are_downloaded_checked_and_run() {
    let home = rig::temporary();
    // `make dist`, without building the programs again.
    run("make", &["--silent", "-C", project().to_str().unwrap(), "docs"]);
    let programs = "target/x86_64-unknown-linux-gnu/release";
    run(project().join(".ci/dist").to_str().unwrap(), &[programs, "target/docs"]);
    rig::copy(configuration().path(), &home.path().join("nixos"));
    // In place of the network: what `make dist` made.
    let curl = home.path().join("curl");
    let dist = project().join("target/dist");
    let from = "https://github.com/nix-cfg-install/nix-cfg-install/releases/latest/download";
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = -LO ] && [ \"$(dirname \"$2\")\" = {from} ] && exec cp \"{}/$(basename \"$2\")\" .\n",
        dist.display()
    );
    fs::write(&curl, script).unwrap();
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let download = &commands("README.md", "The programs")[1];
    let said = Command::new("bash")
        .args(["-euc", download])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    for file in [
        "my-iso/flake.nix",
        "nix-cfg-install/man/nix-cfg-install.1",
        "nix-cfg-install/man/nix-cfg-iso-init.1",
        "nix-cfg-install/completions/_nix-cfg-iso",
        "nix-cfg-install/completions/nix-cfg-install.bash",
        "nix-cfg-install/completions/nix-cfg-iso.fish",
    ] {
        assert!(home.path().join(file).exists(), "{file} is not there");
    }
}
