//! Calamares on an ISO is the one that nixpkgs has in its cache: nothing here compiles it, and another target changes text only.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::process::ExitCode;

use common::edit_text;
use common::iso::{Emitted, boot, build, builder, calamares, nix};
use common::real::{self, plain};

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

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(an_iso_has_the_stock_calamares_and_starts_it_with_our_configuration),
            plain(another_target_changes_no_package_of_the_live_system),
        ],
    )
}
