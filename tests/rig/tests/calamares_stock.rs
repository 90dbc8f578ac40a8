//! Calamares on an ISO is the one that nixpkgs has in its cache: nothing here compiles it, and another target changes text only.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use rig::evaluator::{CHANNEL, IsoEvaluator};
use rig::iso::{Emitted, boot, build, builder, calamares, nix};
use rig::real::{self, Tree, for_each_tree, long, plain};
use rig::upstream::{IN_NIXPKGS, PAGES, in_nixpkgs};
use rig::{Live, edit_text, project, shipped, temporary, write};
use serde_json::Value;
use tempfile::TempDir;

/// The .drv files of a graph that make a Calamares: `…-calamares-3.4.2.drv`.
fn calamares_in(graph: &str) -> Vec<&str> {
    let is_version = |rest: &str| {
        rest.strip_suffix(".drv")
            .is_some_and(|rest| !rest.contains(char::is_alphabetic))
    };
    let is_calamares = |drv: &&str| drv.split_once("-calamares-").is_some_and(|(_, rest)| is_version(rest));
    graph.lines().filter(is_calamares).collect()
}

fn an_iso_has_the_stock_calamares_and_starts_it_with_our_configuration() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let builder = builder("2.26", &emitted);
    let eval = |what: &str| nix(&builder, &format!("eval --raw {what}")).ok().out;
    let stock = eval("--impure --expr '(import /inputs/nixpkgs/source { }).calamares.drvPath'");
    let image = eval("path:/work#iso.drvPath");
    let graph = builder.sh(&format!("nix-store -qR {image}")).ok().out;
    assert_eq!(calamares_in(&graph), [stock.trim()]);

    let live = boot("2.26", &build(&builder, ""));
    let sh = |script: &str| live.sh(script).ok().out;
    // pkexec finds the action by the path of the program, with all links followed.
    let program = sh("readlink -f /run/current-system/sw/bin/calamares");
    let sw = "/run/current-system/sw/share";
    let policy = sh(&format!("cat {sw}/polkit-1/actions/*"));
    assert!(policy.contains(&format!("exec.path\">{}<", program.trim())), "{policy}");
    assert!(sh(&format!("cat {sw}/applications/calamares.desktop")).contains("pkexec calamares"));
    // The stock program, with upstream's arguments and our files.
    let wrapper = sh(&format!("cat {program}"));
    let stock = builder.sh(&format!("nix-store -q --outputs {stock}")).ok().out;
    assert!(
        wrapper.contains(&format!("exec {}/bin/calamares --xdg-config ", stock.trim())),
        "{wrapper}"
    );
    let settings = calamares(&live, "settings.conf");
    assert!(
        settings.contains("calamares-nixos-extensions-offline/lib/calamares/modules"),
        "{settings}"
    );
}

fn another_target_changes_no_package_of_the_live_system() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let builder = builder("2.26", &emitted);
    let eval = |what: &str| nix(&builder, &format!("eval --raw path:/work#iso.{what}")).ok().out;
    let looked_at = [
        "drvPath",
        "live.config.system.path.drvPath",
        "live.pkgs.calamares-nixos.drvPath",
    ];
    let before = looked_at.map(eval);
    let host = emitted.dir().join("nix-cfg/hosts/alpha/default.nix");
    edit_text(
        &host,
        "services.greeter.enable = true;",
        "services.greeter.enable = false;",
    );
    let after = looked_at.map(eval);
    assert_ne!(before[0], after[0], "the image does not depend on its target");
    assert_eq!(before[1..], after[1..]);
}

/// What the ISO of a server with these packages says of itself, as JSON.
fn iso(on: &IsoEvaluator, desktop: &str, packages: &str, what: &str) -> Value {
    let tree = temporary();
    let hardware = project().join("tests/closure/hardware-configuration.nix");
    fs::copy(hardware, tree.path().join("hardware-configuration.nix")).unwrap();
    let configuration =
        "{ pkgs, ... }: { imports = [ ./hardware-configuration.nix ]; boot.loader.systemd-boot.enable = true;
       users.users.ada = { isNormalUser = true; initialHashedPassword = \"x\"; }; system.stateVersion = \"24.05\";";
    let configuration = format!("{configuration} environment.systemPackages = [ {packages} ]; }}\n");
    write(&tree, "configuration.nix", &configuration);
    let emitted = Emitted::new(tree.path(), &[&CHANNEL[..], &["--desktop", desktop]].concat());
    let runtime = "closure = \"runtime\";\n        desktop =";
    edit_text(&emitted.dir().join("flake.nix"), "desktop =", runtime);
    on.evaluator.lock(emitted.dir(), "nixos-24.05", None);
    on.eval(desktop, &emitted, &format!("iso: {what}"))
}

fn sh(on: &IsoEvaluator, script: &str) -> String {
    on.evaluator.live.sh(script).ok().out
}

/// Calamares is the one of this nixpkgs, and nothing but our wrapper uses it where there is one: not its entry in the menu, not
/// what starts it by itself.
fn the_stock_calamares_is_on_the_iso(on: &IsoEvaluator, desktop: &str) {
    let iso = iso(on, desktop, "", "iso.drvPath");
    let graph = sh(on, &format!("nix-store -qR {iso}"));
    let stock = "let stock = import /inputs/nixpkgs/source { system = \"x86_64-linux\"; };
                 in [ stock.calamares.drvPath stock.calamares-nixos.drvPath ]";
    let stock = on.evaluator.eval(&format!("--impure --json --expr '{stock}'")).out;
    let [program, for_nixos]: [String; 2] = serde_json::from_str(&stock).unwrap();
    let wrapped = graph.lines().find(|drv| drv.ends_with("-calamares-nixos-offline.drv"));
    let used = if wrapped.is_some() { &program } else { &for_nixos };
    assert_eq!(calamares_in(&graph), [used]);
    if let Some(wrapped) = wrapped {
        let referrers = sh(on, &format!("nix-store -q --referrers {program}"));
        let of_the_iso: Vec<&str> = referrers
            .lines()
            .filter(|drv| *drv != program && graph.lines().any(|on_iso| on_iso == *drv))
            .collect();
        assert_eq!(of_the_iso, [wrapped]);
    }
}

fn another_target_changes_text_only(on: &IsoEvaluator) {
    let looked_at = "{ drv = iso.drvPath; path = iso.live.config.system.path.drvPath; }";
    let [before, after] = ["", "pkgs.hello"].map(|packages| iso(on, "gnome", packages, looked_at));
    assert_ne!(before["drv"], after["drv"], "the image does not depend on its target");
    assert_eq!(before["path"], after["path"]);
    let named = |of: &Value| {
        let graph = sh(on, &format!("nix-store -qR {}", of["drv"]));
        let named = graph
            .lines()
            .filter(|drv| drv.contains("-calamares-"))
            .map(str::to_owned);
        let mut named: Vec<String> = named.filter(|drv| !drv.ends_with("-calamares-targets.drv")).collect();
        named.sort();
        named
    };
    assert_eq!(named(&before), named(&after));
}

/// Where the ISO's derivations of Calamares are, and the commands of the three that are ours.
struct Recipes {
    paths: Value,
    directory: TempDir,
}

impl Recipes {
    fn new(on: &IsoEvaluator, tree: &Tree) -> Self {
        let what = "let inherit (iso.live) pkgs config; package = config.offlineInstaller.package;
              targets = config.environment.etc.\"nix-cfg-install/calamares\".source;
            in {
              drvs = map (drv: drv.drvPath) [ pkgs.calamares-nixos-extensions pkgs.calamares-nixos targets ];
              paths = builtins.mapAttrs (_: builtins.unsafeDiscardStringContext) {
                stock = pkgs.calamares.outPath; extensions = pkgs.calamares-nixos-extensions.unchanged.outPath;
                package = \"${package}\"; wrapper = pkgs.calamares-nixos.outPath; targets = \"${targets}\";
              };
            }";
        let said = iso(on, "gnome", "", what);
        let directory = temporary();
        for (at, drv) in said["drvs"].as_array().unwrap().iter().enumerate() {
            let shown = sh(
                on,
                &format!("nix --extra-experimental-features nix-command derivation show {drv}"),
            );
            let shown: Value = serde_json::from_str(&shown).unwrap();
            let environment = &shown[drv.as_str().unwrap()]["env"];
            let command = environment["buildCommand"].as_str().unwrap();
            write(
                &directory,
                &at.to_string(),
                &format!("out={}\n{command}", environment["out"]),
            );
        }
        let hook = Path::new(&tree.path).join("pkgs/build-support/setup-hooks/make-wrapper.sh");
        let hook = fs::read_to_string(hook).unwrap().replace("@shell@", "/bin/bash");
        write(
            &directory,
            "hook",
            &format!("{hook}\ndie() {{ echo \"$@\" >&2; exit 1; }}\n"),
        );
        Self {
            paths: said["paths"].clone(),
            directory,
        }
    }

    fn path(&self, name: &str) -> &str {
        self.paths[name].as_str().unwrap()
    }

    /// What they need: Debian's Calamares as the stock one (its policy as nixpkgs patches it), the sources in that nixpkgs, and
    /// the size of a system. And where a live system has its etc.
    fn given(&self) -> String {
        let [stock, extensions, package, targets] =
            ["stock", "extensions", "package", "targets"].map(|name| self.path(name));
        format!(
            "mkdir -p {stock}/bin {stock}/share/applications {stock}/share/polkit-1/actions {package}
             printf '#!/bin/bash\nexec /usr/bin/calamares \"$@\"\n' > {stock}/bin/calamares
             chmod +x {stock}/bin/calamares
             cp /usr/share/applications/calamares.desktop {stock}/share/applications/
             sed 's|/usr/bin/calamares|{stock}/bin/calamares|' /usr/share/polkit-1/actions/io.calamares.calamares.policy \
               > {stock}/share/polkit-1/actions/calamares.policy
             grep -q {stock}/bin/calamares {stock}/share/polkit-1/actions/calamares.policy
             cp -r /extensions {extensions}
             ln -s /programs {package}/bin
             size=$(grep -o '/nix/store/[^ /]*-closure-info/total-nar-size' /recipes/2)
             mkdir $(dirname $size)
             echo 12000000000 > $size
             mkdir -p /run/current-system/etc/nix-cfg-install
             ln -s {targets} /run/current-system/etc/nix-cfg-install/calamares
             "
        )
    }
}

/// The three derivations that are ours, realised without a stdenv: their commands, with nixpkgs' own makeWrapper, on the
/// sources in that nixpkgs and with Debian's Calamares 3.4 in the place of the stock one. What comes of it is started.
fn what_the_iso_builds_of_calamares_starts_with_all_pages(on: &IsoEvaluator, tree: &Tree) {
    let recipes = Recipes::new(on, tree);
    let extensions = in_nixpkgs(&tree.path, Some(recipes.path("extensions")));
    let programs = shipped("nix-cfg-iso");
    let live = [
        (recipes.directory.path(), "/recipes"),
        (extensions.path(), "/extensions"),
        (programs.parent().unwrap(), "/programs"),
    ]
    .into_iter()
    .fold(Live::bare("2.34").with(&["--calamares", "3.4"]), |live, (what, at)| {
        live.with(&["--bind", &format!("{}:{at}", what.display())])
    });
    let build = "for recipe in 0 1 2; do (cd /tmp; source /recipes/hook; source /recipes/$recipe); done";
    live.sh(&format!("set -eu -o pipefail\n{}\n{build}", recipes.given()))
        .ok();

    let (stock, wrapper) = (recipes.path("stock"), recipes.path("wrapper"));
    let policy = live.read(&format!("{wrapper}/share/polkit-1/actions/calamares.policy"));
    assert!(
        policy.contains(&format!("{wrapper}/bin/calamares")) && !policy.contains(stock),
        "{policy}"
    );
    live.sh(&format!(
        "test -e {wrapper}/share/applications/calamares.desktop && test ! -L {wrapper}/bin/calamares"
    ))
    .ok();
    let log = live.sh(&format!(
        "export QT_QPA_PLATFORM=offscreen QT_QUICK_BACKEND=software PYTHONDONTWRITEBYTECODE=1
         export XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8 XDG_DATA_DIRS=/usr/share
         {wrapper}/bin/calamares -d -D8 > /log 2>&1 & calamares=$!
         for i in $(seq 300); do grep -q 'view steps loaded' /log && break; sleep 0.1; done
         sleep 0.5; kill $calamares; cat /log"
    ));
    let log = log.ok().out;
    for page in PAGES {
        let loaded = format!("ViewModule \"{page}@{page}\" loading complete");
        assert!(log.contains(&loaded), "no page {page}\n{log}");
    }
    // These and the installation.
    assert!(log.contains("8 view steps loaded") && !log.contains("ERROR"), "{log}");
}

type Row = (String, Box<dyn FnOnce() + Send>);
type OnNixpkgs = Box<dyn FnOnce(&IsoEvaluator, &Tree) + Send>;

/// The live systems with Calamares that a nixpkgs has.
fn live_systems(tree: &Tree) -> Vec<String> {
    let directory = Path::new(&tree.path).join("nixos/modules/installer/cd-dvd");
    let files = fs::read_dir(directory).unwrap();
    let name = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap().file_name().into_string().unwrap();
        let name = file.strip_prefix("installation-cd-graphical-")?.strip_suffix(".nix")?;
        let name = if name == "combined" {
            Some(name)
        } else {
            name.strip_prefix("calamares-")
        };
        name.map(str::to_owned)
    };
    let mut names: Vec<String> = files.filter_map(name).collect();
    names.sort();
    names
}

fn rows(tree: &Tree) -> Vec<Row> {
    let evaluator: Arc<OnceLock<IsoEvaluator>> = Arc::default();
    let row = |name: String, test: OnNixpkgs| -> Row {
        let (evaluator, tree) = (evaluator.clone(), tree.clone());
        let run = move || test(evaluator.get_or_init(|| IsoEvaluator::new("2.26", &tree)), &tree);
        (name, Box::new(run))
    };
    let mut rows = Vec::new();
    if Path::new(&tree.path).join(IN_NIXPKGS).exists() {
        let name = "what_the_iso_builds_of_calamares_starts_with_all_pages";
        let test = Box::new(what_the_iso_builds_of_calamares_starts_with_all_pages);
        rows.push(row(name.to_owned(), test));
    }
    let another_target = Box::new(|on: &IsoEvaluator, _: &Tree| another_target_changes_text_only(on));
    rows.push(row("another_target_changes_text_only".to_owned(), another_target));
    for desktop in live_systems(tree) {
        let name = format!("the_stock_calamares_is_on_the_iso/{desktop}");
        let test = Box::new(move |on: &IsoEvaluator, _: &Tree| {
            the_stock_calamares_is_on_the_iso(on, &desktop);
        });
        rows.push(row(name, test));
    }
    rows
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(an_iso_has_the_stock_calamares_and_starts_it_with_our_configuration),
            plain(another_target_changes_no_package_of_the_live_system),
            long(for_each_tree("the_stock_calamares_is_on_the_iso", rows)),
        ],
    )
}
