//! A real NixOS, with nixpkgs' own modules and tools and Debian's programs (tests/debian-nixos): its ISO is built, boots in a
//! virtual machine without a network device, and installs a machine, which starts from its disk.
//!
//! Only for the releases of nixpkgs whose units fit the systemd of Debian's sid.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use rig::real::{self, Tree, for_each_tree, long};
use rig::{Live, attach, detach, project, rows};
use serde_json::{Value, json};

/// The releases whose systemd is that of `tests/debian-nixos/packages.lock`.
const RELEASES: [&str; 1] = ["26.11"];

/// What stays on the machine for rebuilding it.
const OFFLINE_REBUILD: &str = "s/^ *desktop =/offlineRebuild = true;\\n&/";

/// Runs a program of the project on a nixpkgs, and gives what it wrote to stdout.
fn tool(nixpkgs: &Tree, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(project().join(program))
        .args(arguments)
        .current_dir(project())
        .env("NIXPKGS", &nixpkgs.path)
        .envs(environment.iter().copied())
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
    said
}

/// The image of a configuration in tests/debian-nixos. A second time it takes an evaluation only.
fn image(nixpkgs: &Tree, tree: &str) -> PathBuf {
    let directory = format!("tests/debian-nixos/{tree}");
    let hosts: &[&str] = if tree == "flake" {
        &["--host", "alpha", "--host", "beta"]
    } else {
        &[]
    };
    let edit = if tree == "server" { OFFLINE_REBUILD } else { "" };
    let arguments = [&["iso", &directory], hosts].concat();
    let said = tool(nixpkgs, "tests/debian-nixos/build", &arguments, &[("EDIT", edit)]);
    PathBuf::from(said.lines().last().unwrap())
}

fn an_iso_is_built(nixpkgs: &Tree, tree: &str) {
    let started = Instant::now();
    let image = image(nixpkgs, tree);
    let megabytes = fs::metadata(&image).unwrap().len() / 1_000_000;
    rows::also(json!({ "iso_mb": megabytes, "build_s": started.elapsed().as_secs() }));
}

/// One installation by this project and one by nixos-install alone, of the same system, each onto an empty disk of its own, with the
/// real tools; without a boot loader, because this machine's firmware is nobody's.
const BOTH: &str = r"
PATH=/run/current-system/sw/bin:$PATH
TIMEFORMAT='%R %U %S'
{ time nix-cfg-install --no-bootloader --progress json --log /log > >(
  while read -r line; do echo $EPOCHREALTIME $line; done > /events) 2> /messages; } 2> /ours || { cat /messages >&2; exit 1; }
system=/nix/store/$(basename $(readlink -f /mnt/nix/var/nix/profiles/system-1-link))
truncate -s 8G /second.img && mkfs.ext4 -q /second.img
ATTACH
mkdir /second && mount -t ext4 $second /second
{ time nixos-install --root /second --system $system --no-bootloader --no-root-passwd --no-channel-copy > /messages 2>&1; } 2> /stock
code=$?
wait
DETACH
[ $code = 0 ] || { cat /messages >&2; exit 1; }
tail -n 1 /ours; tail -n 1 /stock; nix --extra-experimental-features nix-command path-info -S --store /mnt $system; cat /events
";

fn stock_beside_ours(nixpkgs: &Tree) {
    let image = image(nixpkgs, "server");
    let live = Live::bare("2.34").with(&["--iso", image.to_str().unwrap(), "--target-size", "8G"]);
    let script = BOTH
        .replace("ATTACH", &attach("/second.img", "second"))
        .replace("DETACH", &detach("second"));
    let said = live.sh(&script).ok().out;
    let mut lines = said.lines();
    let mut times = || -> Vec<f64> {
        let times = lines.next().unwrap().split(' ');
        times.map(|second| second.parse().unwrap()).collect()
    };
    let (ours, stock) = (times(), times());
    let closure: u64 = lines
        .next()
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    rows::also(json!({
        "ours": { "wall_s": ours[0], "cpu_s": ours[1] + ours[2], "phases_s": phases(lines) },
        "stock": { "wall_s": stock[0], "cpu_s": stock[1] + stock[2] },
        "wall_ratio": ours[0] / stock[0],
        "closure_mb": closure / 1_000_000,
    }));
}

/// How long each phase took, from the installer's events with the second of each.
fn phases<'a>(events: impl Iterator<Item = &'a str>) -> Value {
    let mut all: BTreeMap<String, f64> = BTreeMap::new();
    let mut current: Option<(String, f64)> = None;
    for (second, event) in events.filter_map(|line| line.split_once(' ')) {
        let (second, event): (f64, Value) = (second.parse().unwrap(), serde_json::from_str(event).unwrap());
        if event["event"] == "phase" || event["event"] == "done" {
            if let Some((phase, began)) = current.take() {
                *all.entry(phase).or_default() += second - began;
            }
            current = event["phase"].as_str().map(|phase| (phase.to_owned(), second));
        }
    }
    json!(all)
}

/// Plays a scenario of tests/vm/real, whose files are then in target/real/NAME.
fn scenario(nixpkgs: &Tree, name: &str, tree: &str) {
    let image = image(nixpkgs, tree);
    let log = tool(
        nixpkgs,
        "tests/vm/run",
        &[&format!("real/{name}")],
        &[("REAL_ISO", image.to_str().unwrap())],
    );
    let directory = project().join("target/real").join(name);
    fs::write(directory.join("run.log"), log).unwrap();
    rows::also(json!({ "stages": stages(&directory) }));
}

/// When each stage of a scenario was reached, in seconds.
fn stages(directory: &Path) -> Value {
    let times = fs::read_to_string(directory.join("times.json")).unwrap();
    serde_json::from_str::<Value>(&times).unwrap()["stages"].take()
}

fn rows_of(tree: &Tree) -> Vec<(String, Box<dyn FnOnce() + Send>)> {
    if !RELEASES.contains(&tree.release.as_str()) {
        return Vec::new();
    }
    let row = |name: &str, run: fn(&Tree)| -> (String, Box<dyn FnOnce() + Send>) {
        let tree = tree.clone();
        (format!("debian/{name}"), Box::new(move || run(&tree)))
    };
    vec![
        row("iso/channel", |nixpkgs| an_iso_is_built(nixpkgs, "server")),
        row("iso/flake", |nixpkgs| an_iso_is_built(nixpkgs, "flake")),
        row("stock_beside_ours", stock_beside_ours),
        row("uefi", |nixpkgs| scenario(nixpkgs, "uefi", "server")),
    ]
}

fn main() -> ExitCode {
    real::run(file!(), vec![long(for_each_tree("a_real_machine", rows_of))])
}
