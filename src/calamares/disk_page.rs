//! What the page "Disk" leaves in globalStorage: words for the page of the summary, which shows all of it as HTML, and JSON for this
//! program in a comment. On the page it is a property of Calamares' own module `packagechooserq`: QML can write no other key in
//! Calamares 3.3.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use crate::diagnostic::{CalamaresProblem, Diagnostic};
use crate::plan::OfferedDisk;

/// What was chosen.
#[derive(Debug, Deserialize)]
pub struct DiskPage {
    /// The host whose layout it is for; empty where the ISO has one.
    pub host: String,
    /// By their names in the layout.
    pub disks: BTreeMap<String, ChosenDisk>,
    /// That of the encrypted volumes, where the page asked for one.
    pub passphrase: Option<SecretString>,
}

/// A disk that was chosen.
#[derive(Debug, Deserialize)]
pub struct ChosenDisk {
    /// As the page showed it.
    pub shown: OfferedDisk,
    /// What was typed to confirm it.
    pub typed: String,
}

const COMMENT: (&str, &str) = ("<!--", "-->");

/// Reads what the page left. `None`: it is none of that.
pub fn read(text: &str) -> Option<DiskPage> {
    let (_, json) = text.split_once(COMMENT.0)?;
    serde_json::from_str(json.strip_suffix(COMMENT.1)?).ok()
}

impl DiskPage {
    /// What keeps the chosen disks from being erased: the machine has these `offered`, and `host` was chosen.
    #[must_use]
    pub fn problems(&self, offered: &[OfferedDisk], host: &str) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        if self.host != host {
            problems.push(CalamaresProblem::OtherHost {
                chosen: host.to_owned(),
                shown: self.host.clone(),
            });
        }
        for ChosenDisk { shown, typed } in self.disks.values() {
            if !offered.contains(shown) {
                let device = shown.device.clone();
                let now = offered.iter().find(|disk| disk.device == device);
                let holds = now.map(|disk| disk.holds.clone());
                problems.push(CalamaresProblem::ChangedDisk { device, holds });
            }
            if !shown.holds.is_empty() && *typed != shown.name {
                let name = shown.name.clone();
                problems.push(CalamaresProblem::NotTyped { name });
            }
        }
        problems.into_iter().map(Diagnostic::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn offered(name: &str, holds: &[&str]) -> Value {
        json!({
            "device": format!("/dev/disk/by-id/{name}"), "name": name, "identity": "8:0 7", "model": "Disk", "size": "1.00 TB",
            "holds": holds, "uses": [],
        })
    }

    fn page(disk: &Value, typed: &str) -> DiskPage {
        let json = json!({ "host": "", "disks": { "main": { "shown": disk, "typed": typed } }, "passphrase": "a --\\u003e b" });
        read(&format!("main: sda &amp; more<!--{json}-->")).unwrap()
    }

    fn codes(page: &DiskPage, offered: &[Value], host: &str) -> Vec<&'static str> {
        let offered: Vec<OfferedDisk> = serde_json::from_value(offered.into()).unwrap();
        let problems = page.problems(&offered, host).into_iter();
        problems.map(|problem| problem.code).collect()
    }

    #[test]
    fn only_the_disk_that_was_shown_and_confirmed_is_taken() {
        let (empty, full) = (offered("sda", &[]), offered("sda", &["/dev/sda1 (1T ntfs)"]));
        let all = [offered("sdb", &[]), full.clone()];
        assert_eq!(codes(&page(&full, "sda"), &all, ""), [""; 0]);
        assert_eq!(codes(&page(&empty, ""), std::slice::from_ref(&empty), ""), [""; 0]);
        for typed in ["", "sd", "sda ", "SDA", "/dev/sda", "sdb"] {
            assert_eq!(codes(&page(&full, typed), &all, ""), ["calamares-disk-not-confirmed"]);
        }
        // Its contents, or the disk itself, are others.
        assert_eq!(codes(&page(&empty, ""), &all, ""), ["calamares-disk-changed"]);
        for (key, other) in [
            ("identity", json!("8:0 8")),
            ("size", json!("2.00 TB")),
            ("uses", json!(["mounted at /home"])),
            ("device", json!("/dev/disk/by-id/other")),
        ] {
            let mut now = full.clone();
            now[key] = other;
            assert_eq!(
                codes(&page(&full, "sda"), &[now], ""),
                ["calamares-disk-changed"],
                "{key}"
            );
        }
        let both = [
            "calamares-disk-host",
            "calamares-disk-changed",
            "calamares-disk-not-confirmed",
        ];
        assert_eq!(codes(&page(&full, ""), &[], "alpha"), both);
    }

    #[test]
    fn what_is_not_what_the_page_leaves_is_not_guessed_at() {
        for text in ["", "main: sda", "main<!--{}-->", "<!--", "<!--{\"host\": \"\"", "-->"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
