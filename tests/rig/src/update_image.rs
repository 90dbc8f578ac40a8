//! Images with what the machine of [`crate::two_isos`] lacks.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::two_isos::{delta, directory, files_of, receipt};

/// Updates the machine from what is in /run/media/3.
pub const DELTA: &str = "nix-cfg-install update --progress plain --from /run/media/3";

/// Writes a receipt of the machine with changes, where `nix-cfg-iso` finds it by `name`.
pub fn receipt_with(name: &str, change: &dyn Fn(&mut Value)) {
    let mut receipt: Value = serde_json::from_str(&receipt()).unwrap();
    change(&mut receipt);
    fs::write(directory().join(name), receipt.to_string()).unwrap();
}

/// The store paths that a receipt has.
pub fn paths(receipt: &mut Value) -> &mut Vec<Value> {
    receipt["paths"].as_array_mut().unwrap()
}

/// Makes NAME.iso, and returns what was said of it and its files.
pub fn image(name: &str, since: &str) -> (String, PathBuf) {
    let said = delta(&format!("/work {since} --key update.secret --out {name}.iso")).ok();
    (said.out, files_of(&format!("{name}.iso")))
}

/// The image for the machine, and what was said of it.
pub fn for_machine() -> &'static (String, PathBuf) {
    static MADE: OnceLock<(String, PathBuf)> = OnceLock::new();
    MADE.get_or_init(|| {
        receipt_with("alpha.json", &|_| {});
        image("alpha", "--since alpha.json")
    })
}
