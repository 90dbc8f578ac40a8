//! How small an offline closure is, and that it is enough: with each real nixpkgs of `NIXPKGS`, and in the rig with real builds.

mod closure_answers;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use closure_answers::{answered, stock_completed, stock_template};
use nix_cfg_install::for_tests::ImageClosure;
use nix_cfg_install::for_tests::store_name;
use nix_cfg_install::for_tests::{Feature, FeatureKind, NotCovered};
use nix_cfg_install::for_tests::{Graph, Id};
use nix_cfg_install::for_tests::{Leaves, frontier};
use nix_cfg_install::for_tests::{Work, nearest_option};
use rig::real::{self, Tree, for_each_tree, on_each_tree};
use rig::{Live, project, rows, shipped};
use serde::Deserialize;

/// What tests/closure/evaluate.nix gives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    automatic: Vec<Feature>,
    facts: ImageClosure,
    refuse: Vec<NotCovered>,
    skipped: BTreeMap<String, String>,
    uncovered: Vec<NotCovered>,
    store_paths: Vec<String>,
    changed: BTreeMap<String, String>,
}

/// A live system with an empty store, a real nixpkgs, and this project.
struct Evaluator {
    live: Live,
}

impl Evaluator {
    fn new(nixpkgs: &str) -> Self {
        let tool = shipped("nix-cfg-iso");
        let live = Live::new("2.26").with(&[
            "--empty-store",
            "--bind",
            &format!("{nixpkgs}:/nixpkgs"),
            "--bind",
            &format!("{}:/project/tests", project().join("tests").display()),
            "--bind",
            &format!("{}:/project/nix", project().join("nix").display()),
            "--bind",
            &format!("{}:/tool/nix-cfg-iso", tool.display()),
        ]);
        Self { live }
    }

    /// Evaluates `what` of `system` with `more` arguments, as Nix, and tells what it took.
    fn eval(&self, system: &str, more: &str, what: &str) -> Result<String, String> {
        let expression = format!(
            "(import /project/tests/closure/evaluate.nix {{ nixpkgs = /nixpkgs; system = \"{system}\"; tool = \"${{/tool/nix-cfg-iso}}\"; {more} }}){what}"
        );
        let said = self.live.sh(&format!(
            "export NIX_SHOW_STATS=1 NIX_SHOW_STATS_PATH=/stats
             nix eval --impure --json --extra-experimental-features nix-command --option fsync-metadata false \
             --option substituters '' --expr '{expression}'"
        ));
        if said.code != 0 {
            return Err(said.err);
        }
        rows::figures(&self.live.read("/stats"));
        Ok(said.out)
    }

    /// Evaluates all of it.
    fn evaluate(&self, system: &str, more: &str) -> Result<Evaluated, String> {
        Ok(serde_json::from_str(&self.eval(system, more, "")?).unwrap())
    }

    fn graph(&self, drv: &str) -> Graph {
        let upper = self.live.state.path().join("live/upper");
        Graph::read_with(&[drv], |path| {
            fs::read(upper.join(path.trim_start_matches('/'))).with_context(|| path.to_owned())
        })
        .unwrap()
    }
}

/// What is to be done for `graph` on a medium that holds the frontier and those outputs of `image`'s glue that `kept` picks.
fn work(graph: &Graph, facts: &ImageClosure, image: &Graph, kept: impl Fn(&Graph, Id) -> bool) -> Work {
    let glue = frontier(image, &Leaves::new(image), image.roots()).glue;
    let glue = glue.into_keys().filter(|id| kept(image, *id));
    let there: HashSet<&str> = facts
        .frontier
        .iter()
        .flat_map(|carried| carried.outputs.values().map(String::as_str))
        .chain(glue.flat_map(|id| image.nodes()[id].outputs.iter().map(|output| &*output.path)))
        .collect();
    let all = graph.nodes().iter().flat_map(|node| &node.outputs);
    let invalid = all.filter(|output| !there.contains(&*output.path));
    graph.work(&invalid.map(|output| output.path.to_string()).collect())
}

/// The hardware configurations of tests/machines that this nixpkgs can describe, in the order of their names. A file says
/// what it needs: "Only where FILE has TEXT."
fn machines(tree: &Tree) -> Vec<String> {
    let described = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("# Only where ")?.strip_suffix('.'))
            .all(|needs| {
                let (file, text) = needs.split_once(" has ").unwrap();
                fs::read_to_string(Path::new(&tree.path).join(file)).is_ok_and(|nixpkgs| nixpkgs.contains(text))
            })
    };
    let mut names: Vec<String> = fs::read_dir(project().join("tests/machines"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "nix") && described(file))
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// The variants.nix of this project is kept up by hand: whatever is found automatically is to be written there.
fn assert_all_known(evaluated: &Evaluated) {
    assert_eq!(evaluated.automatic, [], "covered automatically");
    assert_eq!(evaluated.uncovered, [], "not covered");
}

/// The image of a system, with the frontier of its family.
struct Family {
    evaluator: Evaluator,
    facts: ImageClosure,
    image: Graph,
}

impl Family {
    fn new(tree: &Tree, system: &str) -> Self {
        let (family, skipped) = Self::on(Evaluator::new(&tree.path), system);
        assert_eq!(skipped, BTreeMap::new());
        family
    }

    /// With the variants that cannot be, too.
    fn on(evaluator: Evaluator, system: &str) -> (Self, BTreeMap<String, String>) {
        let cowsay = "changed.cowsay = { pkgs, ... }: { environment.systemPackages = [ pkgs.cowsay ]; };";
        let evaluated = evaluator.evaluate(system, cowsay).unwrap();
        assert_all_known(&evaluated);
        assert_eq!(evaluated.store_paths.len(), evaluated.facts.counts.frontier_outputs);
        let image = evaluator.graph(evaluated.facts.roots["target"].to_str().unwrap());
        // An added package is missing, and nothing else is.
        let graph = evaluator.graph(&evaluated.changed["cowsay"]);
        let work = work(&graph, &evaluated.facts, &image, |_, _| false);
        assert!(!work.missing.is_empty());
        for source in &work.missing {
            let (option, package) = nearest_option(&source.wanted_by);
            assert_eq!(option.as_deref(), Some("environment.systemPackages"), "{source:?}");
            assert!(package.unwrap().starts_with("cowsay"), "{source:?}");
        }
        let facts = evaluated.facts;
        eprintln!("{system}: {:?}", facts.counts);
        let family = Self {
            evaluator,
            facts,
            image,
        };
        (family, evaluated.skipped)
    }

    /// A machine that the family was not made from needs nothing that the image does not hold.
    fn installs_on(&self, machine: &str) {
        let more = format!("machines.machine = /project/tests/machines/{machine}.nix;");
        let drv = self.evaluator.eval("server", &more, ".machines.machine").unwrap();
        self.has_all_for(&serde_json::from_str::<String>(&drv).unwrap());
    }

    /// `drv`, another system, is built from what the image holds, without a compiler.
    fn has_all_for(&self, drv: &str) {
        let graph = self.evaluator.graph(drv);
        let kinds = Leaves::new(&graph);
        let missing = |kept: fn(&Graph, Id) -> bool| work(&graph, &self.facts, &self.image, kept).missing;
        let all = |_: &Graph, _| true;
        assert_eq!(missing(all), [], "with all that the image's own system is made of");
        let rebuilt = |image: &Graph, id: Id| image.nodes()[id].substitutable;
        assert_eq!(
            missing(rebuilt),
            [],
            "with derivations that forbid substitution rebuilt"
        );
        assert_eq!(missing(|_, _| false), [], "from the frontier alone");
        let all = work(&graph, &self.facts, &self.image, |_, _| false);
        let leaves = graph.nodes().iter().enumerate();
        let leaves = leaves.filter(|(id, _)| kinds.leaf(*id).is_some());
        let carried: HashSet<String> = leaves.map(|(_, node)| store_name(&node.path)).collect();
        let compiled: Vec<&String> = all.build.iter().filter(|name| carried.contains(*name)).collect();
        assert_eq!(compiled, [&""; 0], "it compiles");
    }
}

/// A row for the family, and one for each machine of tests/machines.
fn family_and_machines(tree: &Tree) -> Vec<(String, Box<dyn FnOnce() + Send>)> {
    let shared: Arc<OnceLock<Option<Family>>> = Arc::default();
    let family = {
        let (shared, tree) = (shared.clone(), tree.clone());
        move || {
            let made = shared.get_or_init(|| catch_unwind(|| Family::new(&tree, "server")).ok());
            assert!(made.is_some(), "the family cannot be evaluated");
            shared.clone()
        }
    };
    let mut rows: Vec<(String, Box<dyn FnOnce() + Send>)> = Vec::new();
    let first = family.clone();
    rows.push(("family".to_owned(), Box::new(move || drop(first()))));
    let names = machines(tree);
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        let family = family.clone();
        let run = {
            let name = name.clone();
            move || family().get().unwrap().as_ref().unwrap().installs_on(&name)
        };
        rows.push((format!("machine/{name}"), Box::new(run)));
    }
    rows
}

fn any_answers_need_nothing_that_the_image_does_not_hold(tree: &Tree) {
    let family = Family::new(tree, "open");
    let open = serde_json::from_str(&family.evaluator.eval("open", "", ".open").unwrap()).unwrap();
    let all: Vec<String> = (0..30).map(|n| answered(n, &open)).collect();
    for some in all.chunks(5) {
        let modules: Vec<String> = some
            .iter()
            .zip(0..)
            .map(|(text, n)| format!("a{n} = {text};"))
            .collect();
        let more = format!("changed = {{ {} }};", modules.concat());
        let drvs = family.evaluator.eval("open", &more, ".changed").unwrap();
        let drvs: BTreeMap<String, String> = serde_json::from_str(&drvs).unwrap();
        let different: HashSet<&String> = drvs.values().collect();
        assert_eq!(different.len(), some.len());
        for drv in drvs.values() {
            family.has_all_for(drv);
        }
    }
}

/// Stock NixOS, as it is completed with answers and for a machine.
fn a_stock_desktop_needs_nothing_that_the_image_does_not_hold(tree: &Tree) {
    let template = stock_template("gnome", tree.release.split('-').next().unwrap());
    let directory = rig::temporary();
    rig::write(&directory, "configuration.nix", &template);
    let mut evaluator = Evaluator::new(&tree.path);
    let bind = format!("{}:/stock", directory.path().display());
    evaluator.live = evaluator.live.with(&["--bind", &bind]);
    let (family, skipped) = Family::on(evaluator, "stock");
    // They are unfree.
    let unfree = |name: &String| ["broadcom", "parallels"].contains(&name.as_str());
    assert!(skipped.keys().all(unfree), "{skipped:?}");
    let open = serde_json::from_str(&family.evaluator.eval("stock", "", ".open").unwrap()).unwrap();
    for n in [0, 7, 14, 21, 28, 29] {
        rig::write(&directory, &format!("{n}.nix"), &stock_completed(n, &template, &open));
        let more = format!("others.completed = /stock/{n}.nix;");
        let drv = family.evaluator.eval("stock", &more, ".others.completed").unwrap();
        family.has_all_for(&serde_json::from_str::<String>(&drv).unwrap());
    }
}

fn three_real_systems_need_a_small_part_of_their_build_closure(tree: &Tree) {
    let evaluator = Evaluator::new(&tree.path);
    for (system, most) in [("server", 300), ("gnome", 700), ("plasma6", 700)] {
        let evaluated = evaluator.evaluate(system, "").unwrap();
        let counts = &evaluated.facts.counts;
        eprintln!("{system}: {counts:?}");
        assert_eq!(evaluated.skipped, BTreeMap::new(), "{system}");
        assert!(counts.frontier_outputs < most, "{system}: {counts:?}");
        assert!(
            counts.full_outputs > 9 * counts.frontier_outputs,
            "{system}: {counts:?}"
        );
        assert!(counts.frontier_sources <= 1, "{system}: {counts:?}");
    }
}

fn what_nixos_generate_config_can_write_is_covered_or_named(tree: &Tree) {
    let evaluator = Evaluator::new(&tree.path);
    // Without unfree packages these variants cannot be. One that is dropped is refused by the installer, with the reason, and
    // so is nothing else that can be installed.
    let evaluated = evaluator
        .evaluate(
            "server",
            "variants = { zfs = false; bcachefs = false; }; more = { lib, ... }: { nixpkgs.config = lib.mkForce { }; };",
        )
        .unwrap();
    assert_all_known(&evaluated);
    let reason = |name: &str| {
        let refused = evaluated.refuse.iter().find(|one| one.feature.name == name);
        refused.map(|one| one.reason.clone())
    };
    let dropped = |name: &str| Some(format!("the image was built without it ({name})"));
    assert_eq!(reason("zfs"), dropped("zfs"));
    assert_eq!(reason("bcachefs"), dropped("bcachefs"));
    for covered in [
        "xfs",
        "ext3",
        "overlay",
        "networking.enableIntel2200BGFirmware",
        "virtualisation.hypervGuest.enable",
    ] {
        assert_eq!(reason(covered), None, "{covered}");
    }
    // Nobody is told to take Broadcom's driver where it has known vulnerabilities.
    let broadcom = "config.boot.kernelPackages.broadcom_sta";
    let script = fs::read_to_string(Path::new(&tree.path).join(GENERATE_CONFIG)).unwrap();
    let mut unfree = vec![("hardware.parallels.enable", "parallels", "prl-tools")];
    if script.contains(broadcom) {
        unfree.push((broadcom, "broadcom", "broadcom-sta"));
    }
    let mut skipped = vec!["bcachefs", "zfs", "zfs-grub"];
    for (name, variant, package) in unfree {
        let reason = reason(name).unwrap();
        assert!(reason.contains(&format!("does not allow {package}")), "{reason}");
        skipped.push(variant);
    }
    skipped.sort_unstable();
    assert_eq!(evaluated.skipped.keys().collect::<Vec<_>>(), skipped);
    // A typing error in a name is not a variant that was dropped.
    let error = evaluator
        .evaluate("server", "variants = { zsf = false; };")
        .err()
        .unwrap();
    assert!(error.contains("There is no variant zsf"), "{error}");
}

/// In nixpkgs.
const GENERATE_CONFIG: &str = "nixos/modules/installer/tools/nixos-generate-config.pl";

fn a_newer_nixos_generate_config_does_not_pass_unseen(tree: &Tree) {
    let script = fs::read_to_string(Path::new(&tree.path).join(GENERATE_CONFIG)).unwrap();
    let known = "push @attrs, \"virtualisation.hypervGuest.enable = true;\"";
    assert!(script.contains(known));
    let newer = rig::temporary();
    let file = newer.path().join("nixos-generate-config.pl");
    let more = "push @attrs, \"hardware.sensor.iio.enable = true;\"; push @attrs, \"hardware.npu.intel.enable = true;\"; \
                push @modulePackages, \"config.boot.kernelPackages.rtl8821ce\"";
    fs::write(&file, script.replace(known, &format!("{more}; {known}"))).unwrap();
    let mut evaluator = Evaluator::new(&tree.path);
    evaluator.live = evaluator
        .live
        .with(&["--bind", &format!("{}:/nixpkgs/{GENERATE_CONFIG}", file.display())]);
    let evaluated = evaluator.evaluate("server", "").unwrap();
    let feature = |kind, name: &str| Feature {
        kind,
        name: name.to_owned(),
    };
    let sensor = feature(FeatureKind::Attribute, "hardware.sensor.iio.enable");
    let driver = feature(FeatureKind::Package, "config.boot.kernelPackages.rtl8821ce");
    assert_eq!(evaluated.automatic, [sensor, driver]);
    let only_for = |variant: &str| {
        let carried = &evaluated.facts.frontier;
        carried
            .iter()
            .any(|one| one.variants.iter().any(|name| name == variant))
    };
    assert!(only_for("hardware.sensor.iio.enable") && only_for("config.boot.kernelPackages.rtl8821ce"));
    let absent = NotCovered {
        feature: feature(FeatureKind::Attribute, "hardware.npu.intel.enable"),
        reason: "it is not a boolean option".to_owned(),
    };
    assert!(evaluated.refuse.contains(&absent));
    assert_eq!(evaluated.uncovered, [absent]);
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            for_each_tree("family_and_machines", family_and_machines),
            on_each_tree(any_answers_need_nothing_that_the_image_does_not_hold),
            on_each_tree(a_stock_desktop_needs_nothing_that_the_image_does_not_hold),
            on_each_tree(three_real_systems_need_a_small_part_of_their_build_closure),
            on_each_tree(what_nixos_generate_config_can_write_is_covered_or_named),
            on_each_tree(a_newer_nixos_generate_config_does_not_pass_unseen),
        ],
    )
}
