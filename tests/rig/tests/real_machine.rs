//! A real NixOS, with nixpkgs' own modules and tools and Debian's programs (tests/debian-nixos): its ISO is built, boots in a
//! virtual machine without a network device, and installs a machine, which starts from its disk.
//!
//! Only for the releases of nixpkgs whose units fit the systemd of Debian's sid.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use rig::real::{self, Tree, for_each_tree, long, needing};
use rig::{Live, attach, copy, detach, edit_text, project, rows};
use serde_json::{Value, json};

/// The releases whose systemd is that of `tests/debian-nixos/packages.lock`.
const RELEASES: [&str; 1] = ["26.11"];

/// An image that is built and installed from.
struct Image {
    /// It is in target/debian-nixos/iso-NAME.
    name: &'static str,
    /// The configuration in tests/debian-nixos.
    tree: &'static str,
    /// What is changed in the flake.nix of `nix-cfg-iso init`, for sed.
    edit: &'static str,
    /// A definition that is added to the configuration.
    added: &'static str,
    file: OnceLock<PathBuf>,
}

impl Image {
    const fn new(name: &'static str, tree: &'static str, edit: &'static str, added: &'static str) -> Self {
        Self {
            name,
            tree,
            edit,
            added,
            file: OnceLock::new(),
        }
    }
}

const OFFLINE_REBUILD: &str = r"s/^ *desktop =/offlineRebuild = true;\n&/";

static PLAIN: Image = Image::new("plain", "server", "", "");
/// With what rebuilding it needs on the machine.
static CHANNEL: Image = Image::new("channel", "server", OFFLINE_REBUILD, "");
/// Two hosts.
static FLAKE: Image = Image::new("flake", "flake", OFFLINE_REBUILD, "");
/// With the whole build closure.
static FULL: Image = Image::new("full", "server", r#"s/^ *desktop =/closure = "full";\n&/"#, "");
/// The same, and the machine keeps it: 2 GB, most of it in small files.
static LARGE: Image = Image::new("large", "server", "", "system.includeBuildDependencies = true;");
/// Whose boot menu has the installation without questions.
static UNATTENDED: Image = Image::new(
    "unattended",
    "server",
    r"s/^ *modules = \[/& { offlineInstaller.unattended.enable = true; }/",
    "",
);

/// Runs a program of the project on a nixpkgs, and returns what it wrote to stdout.
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

/// The file of an image, which is built if no row has done it. Where all is built, that takes an evaluation only.
fn build<'a>(nixpkgs: &Tree, image: &'a Image) -> &'a Path {
    image.file.get_or_init(|| {
        let tree = tree_of(image);
        let hosts: &[&str] = match image.tree {
            "flake" => &["--host", "alpha", "--host", "beta"],
            _ => &[],
        };
        let arguments = [&["iso", tree.to_str().unwrap()], hosts].concat();
        let name = format!("iso-{}", image.name);
        let environment = [("EDIT", image.edit), ("NAME", &name)];
        let said = tool(nixpkgs, "tests/debian-nixos/build", &arguments, &environment);
        PathBuf::from(said.lines().last().unwrap())
    })
}

/// The directory of its configuration.
fn tree_of(image: &Image) -> PathBuf {
    let tree = project().join("tests/debian-nixos").join(image.tree);
    if image.added.is_empty() {
        return tree;
    }
    let changed = project().join(format!("target/debian-nixos/tree-{}", image.name));
    copy(&tree, &changed);
    let version = "  system.stateVersion";
    let more = format!("  {}\n{version}", image.added);
    edit_text(&changed.join("configuration.nix"), version, &more);
    changed
}

/// What is left of the making of an image, as text.
fn left(image: &Image, file: &str) -> String {
    let directory = project().join(format!("target/debian-nixos/iso-{}", image.name));
    fs::read_to_string(directory.join(file)).unwrap()
}

/// The size of an image, and what making it took, in this run or an earlier one with the same programs.
fn figures(nixpkgs: &Tree, image: &Image) -> Value {
    let file = build(nixpkgs, image);
    json!({
        "iso_mb": fs::metadata(file).unwrap().len() / 1_000_000,
        "wall_s": left(image, "seconds").trim().parse::<u64>().unwrap(),
        "evaluate_s": rows::figures(&left(image, "evaluation.json")).0,
    })
}

fn a_plain_image_is_built(nixpkgs: &Tree) {
    let mut figures = figures(nixpkgs, &PLAIN);
    figures["parts"] = json!(parts(&left(&PLAIN, "size")));
    rows::also(figures);
}

/// What `nix-cfg-iso size` printed: the size of each part before it is compressed.
fn parts(table: &str) -> BTreeMap<&str, String> {
    let part = |line| {
        let (name, figures) = str::split_once(line, "  ")?;
        let figures: Vec<&str> = figures.split_whitespace().collect();
        let &[_paths, number, unit] = figures.as_slice() else {
            panic!("{table}");
        };
        Some((name, format!("{number} {unit}")))
    };
    let lines = table.lines().skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(part).collect()
}

/// The bytes of the whole build closure of what the image installs: .drv files, sources, all outputs.
const BYTES: &str = r"
PATH=/run/current-system/sw/bin:$PATH
nix-store -qR --include-outputs /nix/store/*-nixos-system-server-*.drv |
  xargs nix --extra-experimental-features nix-command path-info --size | awk '{ bytes += $2 } END { print bytes }'
";

fn an_image_with_the_whole_build_closure_is_built(nixpkgs: &Tree) {
    let mut figures = figures(nixpkgs, &FULL);
    let bytes: f64 = live(build(nixpkgs, &FULL)).sh(BYTES).ok().out.trim().parse().unwrap();
    figures["closure_mb"] = (bytes / 1e6).round().into();
    rows::also(figures);
}

/// A live system of an image as it is, and an empty disk.
fn live(image: &Path) -> Live {
    Live::bare("2.34").with(&["--iso", image.to_str().unwrap(), "--target-size", "8G"])
}

/// What the files of dbus in every rebuilt system are made with, and nothing else refers to, is deleted from the live system's store.
const TAKEN_AWAY: &str = r"
PATH=/run/current-system/sw/bin:$PATH
nix-store --delete --ignore-liveness /nix/store/*-libxslt-[0-9.]* > /dev/null
";

fn a_path_that_is_taken_away_is_named(nixpkgs: &Tree) {
    let live = live(build(nixpkgs, &PLAIN));
    live.sh(TAKEN_AWAY).ok();
    let named = [
        "error: libxslt-",
        " is not on this medium",
        "Nothing was written to the target.",
    ];
    for options in ["--check", ""] {
        let script = format!("nix-cfg-install {options} --no-bootloader --progress plain");
        live.sh(&script).fails(3, &named);
    }
    assert_eq!(live.sh("cd /mnt && find .").ok().out, ".\n./lost+found\n");
}

/// The same system is installed by this project and by nixos-install alone, in turn, each time onto an empty disk of its own, with the
/// real tools; without a boot loader, because this machine's firmware is nobody's. Only the first time there is something to build:
/// what this machine's hardware needs. Each ends when its disk has everything.
const IN_TURN: &str = r#"
PATH=/run/current-system/sw/bin:$PATH
TIMEFORMAT='%R %U %S'
ours() {
  nix-cfg-install --no-bootloader --progress json > >(while read -r line; do echo $EPOCHREALTIME $line; done > /events) && sync -f /mnt
}
stock() {
  nixos-install --root /second --system $system --no-bootloader --no-root-passwd --no-channel-copy > /dev/null && sync -f /second
}
timed() {
  { time $1 2> /messages; } 2> /time || { cat /messages >&2; exit 1; }
  wait
  echo "$1 $(tail -n 1 /time)"
}
# The same UUID: the hardware configuration has it.
empty() {
  umount $1 2> /dev/null
  mkfs.ext4 -q -F -U 01234567-89ab-cdef-0123-456789abcdef $2 && mount -t ext4 $2 $1
}
truncate -s 8G /first.img /second.img && mkdir /second
ATTACH
trap 'DETACH' EXIT
empty /mnt $first
timed ours
cat /events
system=/nix/store/$(basename $(readlink /mnt/nix/var/nix/profiles/system-1-link))
for round in 1 2; do
  empty /second $second
  timed stock
  empty /mnt $first
  timed ours
  [ /mnt$system -ef /mnt$(readlink /mnt/nix/var/nix/profiles/system-1-link) ] || exit 1
done
nix --extra-experimental-features nix-command path-info -S --store /mnt $system
"#;

fn stock_beside_ours(nixpkgs: &Tree) {
    let live = live(build(nixpkgs, &PLAIN));
    let script = IN_TURN
        .replace(
            "ATTACH",
            &(attach("/first.img", "first") + &attach("/second.img", "second")),
        )
        .replace("DETACH", &(detach("first") + &detach("second")));
    let said = live.sh(&script).ok().out;
    // The wall and the CPU seconds of each time.
    let timed = |who: &str| -> (Vec<f64>, Vec<f64>) {
        let lines = said.lines().filter_map(|line| line.strip_prefix(who));
        let times = lines.map(|times| {
            let times: Vec<f64> = times.split_whitespace().map(|second| second.parse().unwrap()).collect();
            (times[0], times[1] + times[2])
        });
        times.unzip()
    };
    let (mut ours, stock) = (timed("ours "), timed("stock "));
    let (built_wall, built_cpu) = (ours.0.remove(0), ours.1.remove(0));
    let closure: u64 = said.split_whitespace().last().unwrap().parse().unwrap();
    rows::also(json!({
        "wall_ratio": ours.0.iter().sum::<f64>() / stock.0.iter().sum::<f64>(),
        "ours": { "wall_s": ours.0, "cpu_s": ours.1 },
        "stock": { "wall_s": stock.0, "cpu_s": stock.1 },
        "ours_with_build": { "wall_s": built_wall, "cpu_s": built_cpu, "phases_s": phases(said.lines()) },
        "closure_mb": closure / 1_000_000,
    }));
}

/// One whole installation, on hardware of which nothing is built yet. The older program wants a FAT file system at /boot, also where it
/// installs no boot loader, and knows fewer settings.
const ONCE: &str = r#"
PATH=/run/current-system/sw/bin:$PATH
TIMEFORMAT=%R
file=/mnt/etc/nixos/hardware-configuration.nix
nixos-generate-config --root /mnt 2> /dev/null && rm /mnt/etc/nixos/configuration.nix
sed -i "s|/.*/target.img|$(findmnt -no SOURCE /mnt)|; \$ d" $file
echo 'fileSystems."/boot" = { device = "/dev/disk/by-uuid/12CE-A600"; fsType = "vfat"; }; }' >> $file
grep '^nixpkgs:' /etc/nix-cfg-install.yaml > /older.yaml
{ time { PROGRAM --no-bootloader > /messages 2>&1 && sync -f /mnt; }; } 2> /time || { cat /messages >&2; exit 1; }
cat /time
"#;

/// Where this project was before its copy went on while the system is built (OLDER), and today: in turn, from the same image.
fn older_beside_ours(nixpkgs: &Tree) {
    let older = format!("{}:/older", real::value("OLDER").unwrap());
    let image = build(nixpkgs, &LARGE);
    let once = |program: &str| -> f64 {
        let live = live(image).with(&["--bind", &older]);
        live.sh("true").ok();
        fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
        live.sh(&ONCE.replace("PROGRAM", program))
            .ok()
            .out
            .trim()
            .parse()
            .unwrap()
    };
    let rounds = [(); 3].map(|()| (once("/older --settings /older.yaml"), once("nix-cfg-install")));
    let (older, ours): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
    rows::also(json!({
        "wall_vs_before": ours.iter().sum::<f64>() / older.iter().sum::<f64>(),
        "before_wall_s": older,
        "wall_s": ours,
    }));
}

/// How long each phase took, from the installer's events with the second of each.
fn phases<'a>(events: impl Iterator<Item = &'a str>) -> Value {
    let mut all: BTreeMap<String, f64> = BTreeMap::new();
    let mut current: Option<(String, f64)> = None;
    let events = events.filter_map(|line| line.split_once(" {"));
    for (second, event) in events {
        let (second, event): (f64, Value) = (
            second.parse().unwrap(),
            serde_json::from_str(&format!("{{{event}")).unwrap(),
        );
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
fn scenario(nixpkgs: &Tree, name: &str, image: &Image) {
    let image = build(nixpkgs, image);
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

type Row = (String, Box<dyn FnOnce() + Send>);
type Named = (&'static str, fn(&Tree));

fn rows_of(tree: &Tree, rows: &[Named]) -> Vec<Row> {
    if !RELEASES.contains(&tree.release.as_str()) {
        return Vec::new();
    }
    let row = |&(name, run): &Named| -> Row {
        let tree = tree.clone();
        (format!("debian/{name}"), Box::new(move || run(&tree)))
    };
    rows.iter().map(row).collect()
}

fn of_a_channel(tree: &Tree) -> Vec<Row> {
    let rows: [Named; 7] = [
        ("iso/plain", a_plain_image_is_built),
        ("iso/channel", |nixpkgs| rows::also(figures(nixpkgs, &CHANNEL))),
        ("iso/full", an_image_with_the_whole_build_closure_is_built),
        ("a_path_that_is_taken_away_is_named", a_path_that_is_taken_away_is_named),
        ("stock_beside_ours", stock_beside_ours),
        ("uefi", |nixpkgs| scenario(nixpkgs, "uefi", &CHANNEL)),
        ("unattended", |nixpkgs| scenario(nixpkgs, "unattended", &UNATTENDED)),
    ];
    rows_of(tree, &rows)
}

fn of_a_flake(tree: &Tree) -> Vec<Row> {
    let rows: [Named; 2] = [
        ("iso/flake", |nixpkgs| rows::also(figures(nixpkgs, &FLAKE))),
        ("bios", |nixpkgs| scenario(nixpkgs, "bios", &FLAKE)),
    ];
    rows_of(tree, &rows)
}

fn main() -> ExitCode {
    let tests = vec![
        long(for_each_tree("a_real_machine", of_a_channel)),
        long(needing(
            &["DISKO"],
            for_each_tree("a_real_machine_of_a_flake", of_a_flake),
        )),
        long(needing(
            &["OLDER"],
            for_each_tree("older_beside_ours", |tree| {
                rows_of(tree, &[("older_beside_ours", older_beside_ours)])
            }),
        )),
    ];
    real::run(file!(), tests)
}
