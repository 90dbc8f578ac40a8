//! The derived configuration in the real Calamares: all pages and jobs are found and loaded, with no complaint that upstream's
//! own configuration does not give, and what is asked of the machine is what was derived.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use nix_cfg_install::for_tests::InstalledSystems;
use rig::gui::{SHOW_PAGES, pages};
use rig::real::{self, Tree, plain, with};
use rig::upstream::{PAGES, at_version, derive_all, fixture, in_nixpkgs, on_each_tree_with_sources};
use serde_json::json;
use tempfile::TempDir;

/// What Calamares says until it has looked at all requirements.
fn load(calamares: &str, directory: &Path) -> String {
    load_until("No partitioning choice", calamares, directory)
}

/// What it says until it has said `last` as well. The machine has one disk.
fn load_until(last: &str, calamares: &str, directory: &Path) -> String {
    let live = pages(calamares, directory);
    let said = live.sh(&format!(
        "mkdir -p /run/nix-cfg-install
         echo 'var disks = [{{ device: \"/dev/disk/by-id/x\", name: \"sda\", model: \"x\", size: \"1 TB\", holds: [], uses: [] }}]' \
           > /run/nix-cfg-install/disks.js
         (export QT_QPA_PLATFORM=offscreen; {SHOW_PAGES}) > /log 2>&1 & calamares=$!
         for i in $(seq 300); do
           grep -q 'Requirements model has' /log && grep -q '{last}' /log && break
           sleep 0.1
         done
         sleep 0.5; kill $calamares; cat /log"
    ));
    said.ok().out
}

/// The complaints, without their time and without addresses.
fn complaints(log: &str) -> BTreeSet<String> {
    let lines = log
        .lines()
        .filter(|line| line.contains("WARNING") || line.contains("ERROR"));
    let word = |word: &str| if word.contains("0x") { "0x…" } else { word }.to_owned();
    let plain = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>();
    lines
        .map(|line| {
            let words = plain(line);
            let skip = usize::from(words[0].contains(':') && words[0].starts_with(char::is_numeric)) * 2;
            words[skip..].join(" ")
        })
        // What the function is called that complains in the next line.
        .filter(|line| line.starts_with("WARNING") || line.starts_with("ERROR"))
        .collect()
}

/// Loads what is derived from `before`, for an ISO with these hosts, and returns what Calamares complains of.
#[track_caller]
fn loads(calamares: &str, before: &TempDir, version: &str, hosts: &[&str], decided: &[&str]) -> BTreeSet<String> {
    loads_all(
        calamares,
        before,
        version,
        &InstalledSystems {
            users: Some(vec!["alice".to_owned()]),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            decided: decided.iter().map(|&page| page.to_owned()).collect(),
            ..InstalledSystems::default()
        },
    )
}

#[track_caller]
fn loads_all(calamares: &str, before: &TempDir, version: &str, known: &InstalledSystems) -> BTreeSet<String> {
    let known = InstalledSystems {
        closure_bytes: 12_000_000_000,
        ..known.clone()
    };
    let InstalledSystems {
        hosts, decided, open, ..
    } = &known;
    let after = derive_all(before.path(), &known).unwrap();
    let what = format!("{version} in Calamares {calamares}");
    let log = load(calamares, after.path());
    let shown = PAGES
        .iter()
        .filter(|page| !decided.iter().any(|decided| decided == *page));
    let mut pages: Vec<String> = shown.map(|page| format!("{page}@{page}")).collect();
    pages.extend((hosts.len() > 1).then(|| "packagechooser@host".to_owned()));
    pages.extend(
        open.contains(&"unfree".to_owned())
            .then(|| "notesqml@unfree".to_owned()),
    );
    for page in &pages {
        assert!(
            log.contains(&format!("ViewModule \"{page}\" loading complete")),
            "{what}: no page {page}\n{log}"
        );
    }
    // These and the installation.
    let steps = format!("{} view steps loaded", pages.len() + 1);
    assert!(log.contains(&steps), "{what}\n{log}");
    for requirement in [
        "\"storage\" satisfied? false mandatory? true",
        "\"ram\" satisfied? true mandatory? true",
        "storage :   14280766259", // 13.3 GiB
        "hasInternet :   unchecked",
    ] {
        assert!(log.contains(requirement), "{what}: {requirement}\n{log}");
    }
    assert!(!log.contains("\"internet\" satisfied"), "{what}\n{log}");
    complaints(&log)
}

fn a_derived_configuration_is_loaded_without_a_complaint_of_its_own() {
    let both = &["locale", "keyboard"][..];
    for (calamares, name, hosts, decided) in [
        ("3.3", "early", &[][..], &[][..]),
        ("3.3", "middle", &["alpha"], both),
        ("3.3", "late", &["alpha", "beta"], &["locale"]),
        ("3.4", "nixpkgs", &["alpha", "beta"], &[]),
        ("3.4", "nixpkgs", &["alpha"], both),
    ] {
        let complaints = loads(calamares, &fixture(name), name, hosts, decided);
        // The fixtures have no more than what is derived from: of the rest Calamares says that it is missing.
        let ours = [
            "QML",
            "GeneralRequirements",
            "\"nixos",
            "\"welcome",
            "\"users",
            "\"locale\"",
        ];
        let about_ours = |line: &&String| line.starts_with("ERROR") || ours.iter().any(|word| line.contains(word));
        let own: Vec<_> = complaints.iter().filter(about_ours).collect();
        assert!(own.is_empty(), "{name} in Calamares {calamares}: {own:#?}");
    }
}

fn the_page_for_the_disk_is_loaded_in_the_place_of_the_partitions() {
    let layout = json!({ "disks": [{ "name": "main", "destroy": true }], "asks": true });
    let known = InstalledSystems {
        layouts: serde_json::from_value(json!({ "": layout })).unwrap(),
        ..InstalledSystems::default()
    };
    for (calamares, name) in [("3.3", "late"), ("3.4", "nixpkgs")] {
        let after = derive_all(fixture(name).path(), &known).unwrap();
        let log = load_until(
            "packagechooserq@disk.qml\" QQmlComponent::Ready",
            calamares,
            after.path(),
        );
        assert!(
            log.contains("ViewModule \"packagechooserq@disk\" loading complete"),
            "{calamares}\n{log}"
        );
        for wrong in ["Could not create QML", "QML error", "partition@partition", "Error:"] {
            assert!(!log.contains(wrong), "{calamares}: {wrong}\n{log}");
        }
    }
}

fn the_pages_of_stock_nixos_are_loaded() {
    let stock = InstalledSystems {
        hosts: ["gnome", "none"].map(str::to_owned).into(),
        desktops: true,
        open: ["autologin", "unfree"].map(str::to_owned).into(),
        ..InstalledSystems::default()
    };
    for (calamares, name) in [("3.3", "late"), ("3.4", "nixpkgs")] {
        let complaints = loads_all(calamares, &fixture(name), name, &stock);
        let wrong: Vec<_> = complaints
            .iter()
            .filter(|line| line.contains("packagechooser"))
            .collect();
        assert!(wrong.is_empty(), "{name} in Calamares {calamares}: {wrong:#?}");
    }
}

fn what_is_derived_from_the_real_upstream_is_loaded_without_a_complaint_of_its_own(repository: &str) {
    // Those after which the structure changed, and the newest.
    for (calamares, version) in [
        ("3.3", "0.2.5"),
        ("3.3", "0.3.11"),
        ("3.3", "0.3.14"),
        ("3.3", "0.3.15"),
        ("3.4", "0.3.15"),
    ] {
        complains_no_more_than(calamares, &at_version(repository, version), version);
    }
}

fn what_is_derived_from_the_sources_in_nixpkgs_is_loaded_without_a_complaint_of_its_own(tree: &Tree) {
    complains_no_more_than("3.4", &in_nixpkgs(&tree.path, None), &tree.release);
}

/// What is derived from `upstream` is loaded, and Calamares complains of nothing that it does not complain of with `upstream`.
#[track_caller]
fn complains_no_more_than(calamares: &str, upstream: &TempDir, version: &str) {
    let own = loads(calamares, upstream, version, &["alpha", "beta"], &[]);
    let before = complaints(&load(calamares, upstream.path()));
    let new: Vec<_> = own.difference(&before).collect();
    assert!(new.is_empty(), "{version} in Calamares {calamares}: {new:#?}");
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(a_derived_configuration_is_loaded_without_a_complaint_of_its_own),
            plain(the_page_for_the_disk_is_loaded_in_the_place_of_the_partitions),
            plain(the_pages_of_stock_nixos_are_loaded),
            with(
                "CALAMARES_EXTENSIONS",
                what_is_derived_from_the_real_upstream_is_loaded_without_a_complaint_of_its_own,
            ),
            on_each_tree_with_sources(
                "what_is_derived_from_the_sources_in_nixpkgs_is_loaded_without_a_complaint_of_its_own",
                what_is_derived_from_the_sources_in_nixpkgs_is_loaded_without_a_complaint_of_its_own,
            ),
        ],
    )
}
