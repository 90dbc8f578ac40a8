//! How much is copied: what was announced. It takes as much of the disk as was said, and what does not fit is refused before.

use std::fs;

use rig::{Live, edit, tree};
use serde_json::Value;

/// Bytes of one NAR entry with 10 bytes are about 200; of one block, at least 1024.
const FILES: u32 = 12_000;

fn live(size: &str) -> (Live, tempfile::TempDir) {
    let tree = tree("channel");
    let directory = tree.path().join("many");
    fs::create_dir(&directory).unwrap();
    for number in 0..FILES {
        fs::write(directory.join(format!("file-{number}")), "0123456789").unwrap();
    }
    edit(
        &tree,
        "configuration.nix",
        "system.stateVersion",
        "environment.etc.many.source = ./many; system.stateVersion",
    );
    let disk = ["--target-size", size, "--target-inodes", "60000"];
    (Live::new("2.26").with(&disk).iso_tree(tree.path()), tree)
}

fn megabytes(text: &str) -> f64 {
    let number = regex_lite::Regex::new("needs about ([0-9.]+) MB").unwrap();
    number.captures(text).unwrap()[1].parse().unwrap()
}

#[test]
fn many_small_files_take_the_room_that_was_announced() {
    let (large, _tree) = live("400M");
    large.install("").ok();
    // Allocated blocks.
    let taken = large.sh("du -s -B 1 /mnt/nix/store /mnt/etc/nixos | cut -f 1").ok().out;
    let taken = taken.lines().map(|line| line.parse::<f64>().unwrap()).sum::<f64>() / 1e6;
    let nars = large.sh("nix-store --store /mnt -q --size $(nix-store --store /mnt -qR /mnt/nix/var/nix/profiles/system | sed s,^/mnt,,)");
    let nars: f64 = nars
        .ok()
        .out
        .lines()
        .map(|line| line.parse::<f64>().unwrap())
        .sum::<f64>()
        / 1e6;
    assert!(taken > nars + 20.0, "{taken} MB of {nars} MB: no small files");

    let (small, _tree) = live("60M");
    let said = small.sh("nix-cfg-install --progress json");
    assert_eq!(said.code, 3, "{}", said.err);
    let events = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let problems: Vec<Value> = events.filter(|event| event["event"] == "problem").collect();
    let problem = problems.iter().find(|problem| problem["code"] == "disk-too-small");
    let said = megabytes(problem.unwrap()["why"].as_str().unwrap());
    // What is only used to build is counted as well, and what is built is not.
    assert!(
        (said - taken).abs() < 0.05 * taken,
        "said {said} MB, and {taken} MB were taken"
    );
    assert_eq!(small.sh("ls -A /mnt").ok().out, "lost+found\n", "the disk was written");
}

/// The megabytes after `words` in one of `lines`; `None` where nothing is said of them.
fn announced(lines: &[String], words: &str) -> Option<f64> {
    let number = regex_lite::Regex::new(&format!("{words}([0-9.]+) (kB|MB)")).unwrap();
    let found = lines.iter().find_map(|line| number.captures(line))?;
    let count: f64 = found[1].parse().unwrap();
    Some(if &found[2] == "kB" { count / 1e3 } else { count })
}

#[test]
fn the_bar_has_the_total_that_was_announced_and_its_parts() {
    let flake = rig::project().join("target/rig/trees/flake");
    let live = Live::with_disk("2.26").iso_tree(&flake);
    let said = live.sh("nix-cfg-install --host alpha --progress json").ok();
    let events: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |event: &Value| event["text"].as_str().unwrap().to_owned();
    let lines: Vec<String> = events
        .iter()
        .filter(|event| event["event"] == "log")
        .map(text)
        .collect();
    let copied = announced(&lines, "^To copy: ").unwrap();
    let read = announced(&lines, "^To copy: .*; to read and verify: ").unwrap();
    let left = announced(&lines, "^Copying and reading [0-9]+ store paths: ").unwrap();
    // What is copied or read while the system is built depends on how long that takes.
    let ahead = announced(&lines, "^Copying and reading .*; ").unwrap_or(0.0);
    let verified = announced(&lines, "^Copying and reading [^;]*, ").unwrap_or(0.0);
    assert!(read > 0.0 && verified < read + 0.05, "{lines:#?}");
    assert!(ahead > 0.0 || read < verified + 0.05, "{lines:#?}");
    let total = left + ahead;
    // Of what is built there is little; of what is only used to build, little as well.
    let difference = total - (copied + read);
    assert!(
        difference.abs() < 0.05 * total,
        "{copied} and {read} announced, {total} copied and read"
    );
    let bar: Vec<f64> = events
        .iter()
        .filter(|event| event["event"] == "progress" && event["unit"] == "bytes")
        .map(|event| event["total"].as_f64().unwrap() / 1e6)
        .collect();
    assert!(
        !bar.is_empty() && bar.iter().all(|bar| (bar - left).abs() < 0.06),
        "{left}: {bar:?}"
    );
}
