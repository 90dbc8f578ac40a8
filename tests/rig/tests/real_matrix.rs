//! What `make real` shows of each nixpkgs of `NIXPKGS`: the ISO of {channel, flake} × {server, GNOME, Plasma 6} × {frontier,
//! runtime} evaluates, purely and without a network.

use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use rig::evaluator::{CHANNEL, Evaluator, IsoEvaluator};
use rig::iso::Emitted;
use rig::real::{self, for_each_tree, long};
use rig::{edit_text, project, rows, temporary, write};
use tempfile::TempDir;

/// One ISO.
#[derive(Clone, Copy)]
struct Iso {
    flake: bool,
    /// A system of tests/closure/systems.nix.
    system: &'static str,
    closure: &'static str,
}

impl Iso {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for flake in [false, true] {
            for system in ["server", "gnome", "plasma6"] {
                for closure in ["runtime", "frontier"] {
                    all.push(Self { flake, system, closure });
                }
            }
        }
        all
    }

    fn name(self) -> String {
        let kind = if self.flake { "flake" } else { "channel" };
        format!("{kind}/{}/{}", self.system, self.closure)
    }

    /// The configuration, on the machine of tests/closure.
    fn tree(self) -> TempDir {
        let tree = temporary();
        for file in ["systems.nix", "hardware-configuration.nix"] {
            fs::copy(project().join("tests/closure").join(file), tree.path().join(file)).unwrap();
        }
        let configuration = format!("{{ imports = [ (import ./systems.nix).{} ]; }}\n", self.system);
        write(&tree, "configuration.nix", &configuration);
        tree
    }

    /// The directory that makes the ISO.
    fn emitted(self, evaluator: &Evaluator) -> Emitted {
        let desktop = if self.system == "server" { "none" } else { self.system };
        let desktop = ["--desktop", desktop];
        let emitted = if self.flake {
            Emitted::new(evaluator.flake(self.tree()).path(), &desktop)
        } else {
            let emitted = Emitted::new(self.tree().path(), &[&CHANNEL[..], &desktop].concat());
            evaluator.lock(emitted.dir(), "nixos-24.05", None);
            emitted
        };
        let closure = format!("closure = \"{}\";\n        desktop =", self.closure);
        edit_text(&emitted.dir().join("flake.nix"), "desktop =", &closure);
        emitted
    }

    fn evaluate(self, on: &IsoEvaluator) {
        let counts = if self.closure == "runtime" {
            "[ ]"
        } else {
            "map (closure: closure.facts.counts) iso.live.config.offlineInstaller.closures"
        };
        let what = format!(
            "iso: {{
               drv = iso.drvPath; counts = {counts};
               store = iso.live.config.fileSystems.\"/nix/.ro-store\".options;
             }}"
        );
        let name = self.name().replace('/', "-");
        let said = on.eval(&name, &self.emitted(&on.evaluator), &what);
        assert!(said["drv"].as_str().unwrap().ends_with(".iso.drv"), "{said}");
        // Once, although upstream asks for it as well from 26.11 on.
        let options = said["store"].as_array().unwrap();
        let times = |option: &str| options.iter().filter(|one| *one == option).count();
        assert_eq!((times("loop"), times("threads=multi")), (1, 1), "{options:?}");
        if self.closure == "frontier" {
            let counts = &said["counts"][0];
            let number = |key: &str| counts[key].as_u64().unwrap();
            // A frontier that holds nothing, or nearly everything, is not one.
            assert!(number("frontier_outputs") > 100, "{counts}");
            assert!(number("full_outputs") > 9 * number("frontier_outputs"), "{counts}");
            rows::counts(counts.clone());
        }
    }
}

type Row = (String, Box<dyn FnOnce() + Send>);

fn main() -> ExitCode {
    let isos = for_each_tree("the_iso_of_each_kind_of_configuration", |tree| {
        let evaluator: Arc<OnceLock<IsoEvaluator>> = Arc::default();
        let row = |iso: Iso| -> Row {
            let (evaluator, tree) = (evaluator.clone(), tree.clone());
            let run = move || iso.evaluate(evaluator.get_or_init(|| IsoEvaluator::new("2.34", &tree)));
            (iso.name(), Box::new(run))
        };
        Iso::all().into_iter().map(row).collect()
    });
    real::run(file!(), vec![long(isos)])
}
