//! The derived configuration in the real Calamares: all pages and jobs are found and loaded, with no complaint that upstream's
//! own configuration does not give, and what is asked of the machine is what was derived.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::gui::{at_version, fixture};
use common::{Live, at_hand, project};
use nix_cfg_install::iso::calamares_config::{Known, derive};
use tempfile::TempDir;

/// What Calamares says until it has looked at all requirements.
fn load(calamares: &str, folder: &Path) -> String {
    let share = folder.join("share/calamares");
    // Without such a folder Calamares ends at once.
    symlink("/usr/share/calamares/qml", share.join("qml")).unwrap();
    let branding = share.join("branding/nixos/branding.desc");
    if !branding.exists() {
        let rig = project().join("tests/rig/calamares/branding/rig/branding.desc");
        let text = fs::read_to_string(rig).unwrap();
        fs::write(branding, text.replace("componentName: rig", "componentName: nixos")).unwrap();
    }
    let settings: serde_json::Value =
        serde_yaml::from_str(&fs::read_to_string(share.join("settings.conf")).unwrap()).unwrap();
    let modules = settings["modules-search"][1].as_str().unwrap();
    let bind = |host: &Path, guest: &str| format!("{}:{guest}", host.display());
    let live = Live::bare("2.26").with(&[
        "--calamares",
        calamares,
        "--bind",
        &bind(&share, "/calamares"),
        "--bind",
        &bind(&folder.join("lib/calamares/modules"), modules),
    ]);
    let said = live.sh(
        "export QT_QPA_PLATFORM=offscreen QT_QUICK_BACKEND=software PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8
         calamares -d -X -c /calamares -D8 > /log 2>&1 & calamares=$!
         for i in $(seq 300); do
           grep -q 'Requirements model has' /log && grep -q 'No partitioning choice' /log && break
           sleep 0.1
         done
         sleep 0.5; kill $calamares; cat /log",
    );
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

/// Loads what is derived from `before`, and gives what Calamares complains of.
#[track_caller]
fn loads(calamares: &str, before: &TempDir, version: &str) -> BTreeSet<String> {
    let after = common::temporary();
    common::copy(before.path(), after.path());
    let known = Known {
        closure_bytes: 12_000_000_000,
        users: Some(vec!["alice".to_owned()]),
        ..Known::default()
    };
    derive(after.path(), &known).unwrap();
    let what = format!("{version} in Calamares {calamares}");
    let log = load(calamares, after.path());
    for page in [
        "welcome",
        "locale",
        "keyboard",
        "users",
        "partition",
        "summary",
        "finished",
    ] {
        assert!(
            log.contains(&format!("ViewModule \"{page}@{page}\" loading complete")),
            "{what}: no page {page}\n{log}"
        );
    }
    // These six, the installation, and the last.
    assert!(log.contains("8 view steps loaded"), "{what}\n{log}");
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

#[test]
fn a_derived_configuration_is_loaded_without_a_complaint_of_its_own() {
    for (calamares, name) in [("3.3", "early"), ("3.3", "middle"), ("3.3", "late"), ("3.4", "late")] {
        let complaints = loads(calamares, &fixture(name), name);
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

#[test]
fn what_is_derived_from_the_real_upstream_is_loaded_without_a_complaint_of_its_own() {
    let what = "loading what is derived from calamares-nixos-extensions";
    let Some(repository) = at_hand("CALAMARES_EXTENSIONS", what) else {
        return;
    };
    // Those after which the structure changed, and the newest.
    for (calamares, version) in [
        ("3.3", "0.2.5"),
        ("3.3", "0.3.11"),
        ("3.3", "0.3.14"),
        ("3.3", "0.3.15"),
        ("3.4", "0.3.15"),
    ] {
        let before = at_version(&repository, version);
        let own = loads(calamares, &before, version);
        let upstream = complaints(&load(calamares, before.path()));
        let new: Vec<_> = own.difference(&upstream).collect();
        assert!(new.is_empty(), "{version} in Calamares {calamares}: {new:#?}");
    }
}
