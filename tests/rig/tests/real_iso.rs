//! With each real nixpkgs of `NIXPKGS`: the ISO of each kind of configuration is evaluated, purely and without a
//! network. Nothing is built.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use rig::evaluator::{CHANNEL, Evaluator, Stored, store};
use rig::iso::{CONFIG, Emitted};
use rig::real::{self, Tree, on_each_tree, on_each_tree_with};
use rig::{copy, edit_text, project, run, temporary, write};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server as people write it.
const SERVER: &str = r#"{ pkgs, ... }:
{
  imports = [ ./hardware-configuration.nix ];
  boot.loader.systemd-boot.enable = true;
  networking.hostName = "server";
  environment.systemPackages = [ pkgs.htop ];
  users.users.ada = {
    isNormalUser = true;
    initialHashedPassword = "x";
  };
  system.stateVersion = "24.05";
}
"#;

fn server(system: &str) -> TempDir {
    let tree = temporary();
    write(&tree, "configuration.nix", SERVER);
    let hardware = fs::read_to_string(project().join("tests/trees/channel/hardware-configuration.nix")).unwrap();
    write(
        &tree,
        "hardware-configuration.nix",
        &hardware.replace("x86_64-linux", system),
    );
    tree
}

/// What the frontier costs, and that it covers, is shown in tests/closure.rs.
fn without_frontier(emitted: &Emitted) {
    edit_text(
        &emitted.dir().join("flake.nix"),
        "desktop =",
        "closure = \"runtime\";\n        desktop =",
    );
}

/// Emits the directory that makes the ISO of a channel configuration, into `dest`.
fn emit_channel(evaluator: &Evaluator, tree: &Path, dest: &Path) {
    let emitted = Emitted::new(tree, &CHANNEL);
    without_frontier(&emitted);
    evaluator.lock(emitted.dir(), "nixos-24.05", None);
    copy(emitted.dir(), dest);
}

fn a_real_nixpkgs_gives_the_calamares_iso_of_a_channel_and_a_flake_on_every_nix(tree: &Tree) {
    let directories = temporary();
    let directory = |name: &str| directories.path().join(name);
    let mut drvs = Vec::new();
    for version in ["2.26", "2.34"] {
        let evaluator = Evaluator::new(version, &tree.path, &[(directories.path(), "/directories")]);
        if drvs.is_empty() {
            emit_channel(&evaluator, server("x86_64-linux").path(), &directory("channel"));
            let emitted = Emitted::new(evaluator.flake(server("x86_64-linux")).path(), &[]);
            without_frontier(&emitted);
            copy(emitted.dir(), &directory("flake"));
        }
        let images = ["channel", "flake"].map(|name| evaluator.image(&format!("/directories/{name}")));
        assert!(
            images.iter().all(|image| image.ends_with("-x86_64-linux.iso.drv")),
            "{images:?}"
        );
        drvs.push(images);
        // The target evaluates the flake by itself, and comes to the system that is on the ISO.
        let toplevel = "config.system.build.toplevel.drvPath";
        let on_iso = evaluator.eval(&format!(
            "--raw path:/directories/flake#iso.targets --apply 'all: (builtins.head all).{toplevel}'"
        ));
        let on_target = evaluator.eval(&format!(
            "--raw path:/directories/flake/nix-cfg#nixosConfigurations.server.{toplevel}"
        ));
        assert_eq!(on_iso.out, on_target.out);
    }
    assert_eq!(drvs[0], drvs[1], "2.26 and 2.34 make different images");
}

/// With what any answer needs, for each desktop.
fn stock_nixos_becomes_an_iso_that_asks_for_all_that_can_be_answered(tree: &Tree) {
    let directories = temporary();
    let evaluator = Evaluator::new("2.26", &tree.path, &[(directories.path(), "/directories")]);
    let branch = format!("nixos-{}", tree.release.split('-').next().unwrap());
    let nixpkgs = format!("github:NixOS/nixpkgs/{branch}");
    let emitted = Emitted::init(&["--stock", "gnome,plasma6,none", "--nixpkgs", &nixpkgs]);
    evaluator.lock(emitted.dir(), &branch, None);
    copy(emitted.dir(), &directories.path().join("stock"));
    let looked_at = "iso: let inherit (iso.live.config.offlineInstaller) closures described; in {
         image = iso.drvPath;
         decided = map (one: one.asked.decided) described;
         frontier = map (one: one.facts.counts.frontier_outputs) closures;
         uncovered = map (one: one.uncovered) closures;
       }";
    let said = evaluator.eval(&format!("--json path:/directories/stock#iso --apply '{looked_at}'"));
    let said: Value = serde_json::from_str(&said.out).unwrap();
    assert!(
        said["image"].as_str().unwrap().ends_with("-x86_64-linux.iso.drv"),
        "{said}"
    );
    assert_eq!(said["decided"], json!([{}, {}, {}]));
    assert_eq!(said["uncovered"], json!([[], [], []]));
    let frontier: Vec<u64> = serde_json::from_value(said["frontier"].clone()).unwrap();
    eprintln!("outputs in the frontiers: {frontier:?}");
    assert!(
        frontier.iter().all(|outputs| (100..700).contains(outputs)),
        "{frontier:?}"
    );
}

fn the_example_of_nix_offline_iso_becomes_the_same_iso_on_every_nix(tree: &Tree) {
    let example = Path::new(&real::value("NIX_OFFLINE_ISO").unwrap()).join("nix-cfg");
    let directories = temporary();
    let drvs = ["2.26", "2.34"].map(|version| {
        let evaluator = Evaluator::new(version, &tree.path, &[(directories.path(), "/directories")]);
        let directory = directories.path().join("example");
        if !directory.exists() {
            emit_channel(&evaluator, &example, &directory);
        }
        evaluator.image("/directories/example")
    });
    assert!(drvs[0].ends_with("-x86_64-linux.iso.drv"), "{drvs:?}");
    assert_eq!(drvs[0], drvs[1], "2.26 and 2.34 make different images");
}

fn the_flake_at_the_top_gives_packages_a_template_and_an_iso_for_the_other_processor(tree: &Tree) {
    let directories = temporary();
    let directory = |name: &str| directories.path().join(name);
    fs::create_dir(directory("top")).unwrap();
    // Without target/ and what is not committed.
    let tracked = "cd \"$0\" && git ls-files -z | xargs -0 cp --parents -t \"$1\"";
    run(
        "sh",
        &[
            "-c",
            tracked,
            project().to_str().unwrap(),
            directory("top").to_str().unwrap(),
        ],
    );
    let evaluator = Evaluator::new("2.26", &tree.path, &[(directories.path(), "/directories")]);
    evaluator.lock(&directory("top"), "nixos-26.05", None);
    let top = store(&evaluator.live, "/directories/top");

    outputs_are_there(&evaluator);
    the_template_makes_an_iso(&evaluator, &top, &directory("own"));
    the_other_processor_has_an_iso(&evaluator, &top, &directory("arm"));
}

/// The packages, checks, shell and formatter of the project's flake, for both processors.
fn outputs_are_there(evaluator: &Evaluator) {
    let drvs = "all: builtins.mapAttrs (_: builtins.mapAttrs (_: package: package.drvPath)) all";
    for output in ["packages", "checks"] {
        let said = evaluator.eval(&format!("--json path:/directories/top#{output} --apply '{drvs}'"));
        let said: Value = serde_json::from_str(&said.out).unwrap();
        for system in ["x86_64-linux", "aarch64-linux"] {
            for (name, drv) in said[system].as_object().unwrap() {
                assert!(
                    drv.as_str().unwrap().contains("-nix-cfg-install-"),
                    "{output}.{system}.{name}: {drv}"
                );
            }
        }
    }
    // The tools in the shell, and the formatter, are not in every tree of NIXPKGS.
    for output in ["devShells", "formatter"] {
        let said = evaluator.eval(&format!(
            "--json path:/directories/top#{output} --apply builtins.attrNames"
        ));
        assert_eq!(said.out.trim(), r#"["aarch64-linux","x86_64-linux"]"#);
    }
}

/// As a person with a flake of their own begins.
fn the_template_makes_an_iso(evaluator: &Evaluator, top: &Stored, own: &Path) {
    let begin = "mkdir /tmp/own && cd /tmp/own && nix flake init -t path:/directories/top && cp -r /tmp/own /shared/";
    evaluator.live.sh(&format!("{CONFIG}\nmkdir /shared; {begin}")).ok();
    copy(&evaluator.live.state.path().join("live/upper/shared/own"), own);
    edit_text(
        &own.join("flake.nix"),
        "flake = self;",
        "flake = self; closure = \"runtime\";",
    );
    evaluator.lock(own, "nixos-26.05", Some(top));
    let image = evaluator.image("/directories/own");
    assert!(image.ends_with("-x86_64-linux.iso.drv"), "{image}");
}

/// For the other processor, with programs that are built from source, and with all that the frontier needs.
fn the_other_processor_has_an_iso(evaluator: &Evaluator, top: &Stored, arm: &Path) {
    let more = ["--system", "aarch64-linux", "--build-helper"];
    let emitted = Emitted::new(server("aarch64-linux").path(), &[&CHANNEL[..], &more].concat());
    evaluator.lock(emitted.dir(), "nixos-24.05", Some(top));
    copy(emitted.dir(), arm);
    let pinned = "cp -r /directories/arm /shared/ && nix-cfg-iso pin /shared/arm -- --no-write-lock-file";
    evaluator.live.sh(&format!("{CONFIG}\n{pinned}")).ok();
    let list = evaluator.live.state.path().join("live/upper/shared/arm/closure.json");
    fs::copy(list, arm.join("closure.json")).unwrap();
    edit_text(
        &arm.join("flake.nix"),
        "desktop =",
        "closureList = ./closure.json; offlineRebuild = true;\n        desktop =",
    );
    let said = evaluator.eval("--raw path:/directories/arm#iso.drvPath");
    assert!(said.out.ends_with("-aarch64-linux.iso.drv"), "{}", said.out);
    // All that nixos-generate-config can write is known on this processor, too.
    assert!(said.err.contains("parallels (a guest of"), "{}", said.err);
    assert!(
        !said.err.contains("nixos-generate-config of this nixpkgs"),
        "{}",
        said.err
    );
    let list: Value = serde_json::from_str(&fs::read_to_string(arm.join("closure.json")).unwrap()).unwrap();
    eprintln!(
        "aarch64-linux: {} outputs in the frontier",
        list[0]["counts"]["frontier_outputs"]
    );
}

fn the_channel_on_the_machine_rebuilds_the_system_from_what_its_iso_held(tree: &Tree) {
    let emitted = Emitted::new(server("x86_64-linux").path(), &CHANNEL);
    without_frontier(&emitted);
    let evaluator = Evaluator::new("2.26", &tree.path, &[(emitted.dir(), "/work")]);
    evaluator.lock(emitted.dir(), "nixos-24.05", None);
    let toplevel = "all: (builtins.head all).config.system.build.toplevel.drvPath";
    let on_iso = evaluator
        .eval(&format!("--raw path:/work#iso.targets --apply '{toplevel}'"))
        .out;
    // The channel as an ISO makes it (installer/cd-dvd/channel.nix), at another path and with files of its own.
    let found = evaluator.live.sh(&format!(
        "{CONFIG}
         mkdir /channel && cp -r {} /channel/nixos && chmod u+w /channel/nixos
         printf .20240529.3333333 > /channel/nixos/.version-suffix
         drv=$(nix-instantiate '<nixpkgs/nixos>' -A system -I nixpkgs=/channel/nixos -I nixos-config=/work/nix-cfg/configuration.nix)
         nix-cfg-iso frontier target={on_iso} channel=$drv --out /frontier.json && cat /frontier.json",
        evaluator.nixpkgs.path
    ));
    let found: Value = serde_json::from_str(&found.ok().out).unwrap();
    let frontier = found["frontier"].as_array().unwrap();
    assert!(frontier.len() > 100, "{found}");
    for one in frontier {
        assert_eq!(
            one["variants"],
            json!(["target", "channel"]),
            "only one of both needs {one}"
        );
    }
}

/// The ISO that serves a room, what the others start, and the units of both, which the systemd of this machine reads.
fn a_room_is_evaluated_with_what_starts_in_it(tree: &Tree) {
    let directories = temporary();
    let evaluator = Evaluator::new("2.26", &tree.path, &[(directories.path(), "/directories")]);
    let directory = directories.path().join("room");
    emit_channel(&evaluator, server("x86_64-linux").path(), &directory);
    let key = "room-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    let room = format!("room = {{ publicKey = \"{key}\"; address = \"10.213.0.1/24\"; }};\n        desktop =");
    edit_text(&directory.join("flake.nix"), "desktop =", &room);
    // Of the ISO itself.
    let module = "{ offlineInstaller = { unattended.enable = true; cache.publicKeys = [ \"cache-1:AAAA\" ]; }; }";
    edit_text(
        &directory.join("flake.nix"),
        "modules = [",
        &format!("modules = [ {module}"),
    );
    let unit =
        |of: &str, name: &str| format!("iso.{of}.live.config.systemd.units.\"nix-cfg-install-{name}.service\".text");
    let looked_at = format!(
        "iso: builtins.mapAttrs (_: builtins.unsafeDiscardStringContext) {{
             room = iso.room.drvPath;
             netboot = iso.netboot.drvPath;
             server = {};
             medium = {};
             answers = {};
             settings = iso.netboot.live.config.environment.etc.\"nix-cfg-install.yaml\".text;
         }}",
        unit("room", "room"),
        unit("netboot", "medium"),
        unit("netboot", "answers"),
    );
    let said = evaluator.eval(&format!("--json path:/directories/room#iso --apply '{looked_at}'"));
    let said: Value = serde_json::from_str(&said.out).unwrap();
    let text = |name: &str| said[name].as_str().unwrap();
    assert!(text("room").ends_with("-x86_64-linux.iso.drv"), "{said}");
    assert!(text("netboot").ends_with("-netboot.drv"), "{said}");
    assert!(text("settings").contains(key), "{said}");
    // The harmonia of 24.05 is 0.7, and has no list of keys.
    let s = if tree.release == "24.05" { "" } else { "S" };
    let signs_by = format!("Environment=\"SIGNS_BY=SIGN_KEY_PATH{s}\"\n");
    assert!(text("server").contains(&signs_by), "{said}");
    for name in ["server", "medium", "answers"] {
        // Nothing is built: the program of a unit is not there.
        let unit = regex_lite::Regex::new("(?m)^ExecStart=.*$").unwrap();
        let file = directories.path().join(format!("{name}.service"));
        fs::write(&file, &*unit.replace(text(name), "ExecStart=/bin/true")).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(file)
            .output()
            .unwrap();
        assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    }
}

/// Where a desktop is on the ISO, neither that nor a splash screen takes the console from the countdown.
fn nothing_but_the_countdown_is_started_on_the_console(tree: &Tree) {
    let directories = temporary();
    let evaluator = Evaluator::new("2.26", &tree.path, &[(directories.path(), "/directories")]);
    // GNOME's is called display-manager.service; Plasma's has that as an alias on 26.11.
    for desktop in ["gnome", "plasma6"] {
        let directory = directories.path().join(desktop);
        emit_channel(&evaluator, server("x86_64-linux").path(), &directory);
        let flake = directory.join("flake.nix");
        edit_text(&flake, "desktop = \"gnome\"", &format!("desktop = \"{desktop}\""));
        edit_text(
            &flake,
            " modules = [",
            " modules = [ { offlineInstaller.unattended.enable = true; }",
        );
        let looked_at = "live: let inherit (live.config) boot systemd; in {
             splash = boot.plymouth.enable;
             console = builtins.elem \"systemd.unit=multi-user.target\" boot.kernelParams;
             managers = map (unit: builtins.elem \"multi-user.target\" unit.wantedBy) (builtins.filter
               (unit: builtins.elem \"display-manager.service\" unit.aliases) (builtins.attrValues systemd.services)
               ++ live.lib.optional (systemd.services ? display-manager) systemd.services.display-manager);
           }";
        let said = evaluator.eval(&format!(
            "--json path:/directories/{desktop}#iso.live --apply '{looked_at}'"
        ));
        let said: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(said, json!({ "splash": false, "console": true, "managers": [false] }));
    }
}

/// With what building on any hardware needs, and without the live system of the ISO.
fn what_an_update_image_is_made_from_needs_no_live_system(tree: &Tree) {
    let directories = temporary();
    let evaluator = Evaluator::new("2.26", &tree.path, &[(directories.path(), "/directories")]);
    let server = server("x86_64-linux");
    let intel = "hardware.cpu.intel.updateMicrocode = true; fileSystems";
    edit_text(&server.path().join("hardware-configuration.nix"), "fileSystems", intel);
    let emitted = Emitted::new(server.path(), &[&CHANNEL[..], &["--desktop", "none"]].concat());
    evaluator.lock(emitted.dir(), "nixos-24.05", None);
    copy(emitted.dir(), &directories.path().join("channel"));
    let looked_at = "iso: let counts = paths: map builtins.length
         [ paths (builtins.filter (path: builtins.match \".*-microcode-intel-.*\" \"${path}\" != null) paths) ]; in {
         delta = iso.delta.drvPath;
         same = iso.outPath == \"${iso.delta.live.config.system.build.isoImage}\";
         counts = map (one: map counts [ one.closure.commonPaths one.closure.storePaths ])
           iso.delta.live.config.offlineInstaller.described;
       }";
    let said = evaluator.eval(&format!("--json path:/directories/channel#iso --apply '{looked_at}'"));
    let said: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(said["same"], true, "it is of another ISO");
    // Those of any machine and in all, each with what only machines with such a processor need.
    let counts: Vec<[[u64; 2]; 2]> = serde_json::from_value(said["counts"].clone()).unwrap();
    eprintln!("outputs that any machine needs, and in all: {counts:?}");
    let [[[common, 0], [all, 1]]] = counts[..] else {
        panic!("{said}")
    };
    assert!(50 < common && common < all, "{said}");
    let delta = said["delta"].as_str().unwrap();
    assert!(delta.ends_with("-nix-cfg-delta.drv"), "{said}");
    let query = format!("nix-store --query --requisites {delta}");
    let needed = evaluator.live.sh(&query).ok().out;
    assert!(needed.contains("-nixos-system-server-"), "{needed}");
    let live = ["-nixos-system-nixos-", ".iso.drv"];
    assert!(!live.iter().any(|name| needed.contains(name)), "{needed}");
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            on_each_tree(a_room_is_evaluated_with_what_starts_in_it),
            on_each_tree(nothing_but_the_countdown_is_started_on_the_console),
            on_each_tree(what_an_update_image_is_made_from_needs_no_live_system),
            on_each_tree(a_real_nixpkgs_gives_the_calamares_iso_of_a_channel_and_a_flake_on_every_nix),
            on_each_tree_with(
                &["NIX_OFFLINE_ISO"],
                the_example_of_nix_offline_iso_becomes_the_same_iso_on_every_nix,
            ),
            on_each_tree(stock_nixos_becomes_an_iso_that_asks_for_all_that_can_be_answered),
            on_each_tree(the_flake_at_the_top_gives_packages_a_template_and_an_iso_for_the_other_processor),
            on_each_tree(the_channel_on_the_machine_rebuilds_the_system_from_what_its_iso_held),
        ],
    )
}
