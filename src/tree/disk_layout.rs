//! Where a tree says itself what file systems the machine has.

use std::fs;
use std::path::{Path, PathBuf};

use super::attributes::{Attribute, attributes};
use super::locate::in_tree;
use super::nix_files::nix_files;
use crate::diagnostic::Diagnostic;

/// A place that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLayout {
    /// Relative to the tree.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u32,
    /// Whether it is a layout for disko (`disko.devices`).
    pub disko: bool,
    /// The names of its disks, as far as they are written out.
    pub disks: Vec<String>,
}

/// The files of the tree at `root`, other than `hardware`, that set the root file system or have a layout for disko, each
/// with the first such place. A static look: whether a host uses it, only Nix knows.
#[must_use]
pub fn disk_layouts(root: &Path, hardware: &[PathBuf]) -> Vec<DiskLayout> {
    let files = nix_files(root)
        .filter(|(file, text)| !hardware.contains(file) && (text.contains("fileSystems") || text.contains("disko")));
    files.filter_map(|(file, text)| in_file(file, &text)).collect()
}

/// `problem` at the place that sets the file system `at`: in `file`, or, where that is disko's and not in the tree, in the one
/// layout that the tree has.
#[must_use]
pub fn at_file_system(problem: Diagnostic, root: &Path, hardware: &[PathBuf], file: &str, at: &str) -> Diagnostic {
    if let Some(file) = in_tree(file, root) {
        let text = fs::read_to_string(root.join(&file)).unwrap_or_default();
        let line = attributes(&text).and_then(|all| {
            let exact = all
                .iter()
                .find(|one| one.path.starts_with(&["fileSystems".to_owned(), at.to_owned()]));
            let some = || all.iter().find(|one| one.path[0] == "fileSystems");
            exact.or_else(some).map(|one| one.line)
        });
        return problem.at(file, line, None);
    }
    let mut layouts = disk_layouts(root, hardware);
    layouts.retain(|own| own.disko);
    match layouts.as_slice() {
        [one] => problem.at(&one.file, Some(one.line), None),
        _ => problem,
    }
}

fn in_file(file: PathBuf, text: &str) -> Option<DiskLayout> {
    let all = attributes(text)?;
    let found = all.iter().find_map(|one| {
        let names: Vec<&str> = one.path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["disko", "devices", ..] => Some((one.line, true)),
            ["fileSystems"] | ["fileSystems", "/", ..] => Some((one.line, false)),
            _ => None,
        }
    });
    let disk = |one: &Attribute| match one.path.as_slice() {
        [disko, devices, disk, name, ..] if [disko, devices, disk] == ["disko", "devices", "disk"] => {
            Some(name.clone())
        }
        _ => None,
    };
    let mut disks: Vec<String> = all
        .iter()
        .filter_map(disk)
        .filter(|name| !name.contains("${"))
        .collect();
    disks.dedup();
    found.map(|(line, disko)| DiskLayout {
        file,
        line,
        disko,
        disks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::CopyProblem;

    #[test]
    fn a_root_file_system_and_a_layout_for_disko_are_found_and_the_hardware_file_does_not_count() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(tree.path().join(name), text).unwrap();
        let hardware = [PathBuf::from("hardware-configuration.nix")];
        put(
            "hardware-configuration.nix",
            "{ fileSystems.\"/\".device = \"/dev/x\"; }",
        );
        put(
            "configuration.nix",
            "{\n  fileSystems.\"/data\".device = \"/dev/y\";\n}",
        );
        assert_eq!(disk_layouts(tree.path(), &hardware), []);
        put(
            "a.nix",
            "{ ... }:\n{\n  fileSystems = {\n    \"/\" = { device = \"/dev/z\"; };\n  };\n}",
        );
        let found = |index: usize| {
            let found = &disk_layouts(tree.path(), &hardware)[index];
            (found.file.display().to_string(), found.line, found.disko)
        };
        assert_eq!(found(0), ("a.nix".to_owned(), 4, false));
        put(
            "disk.nix",
            "{ disko.devices.disk.main = { device = \"/dev/sda\"; type = \"disk\"; }; }",
        );
        assert_eq!(found(1), ("disk.nix".to_owned(), 1, true));
        assert_eq!(disk_layouts(tree.path(), &hardware)[1].disks, ["main"]);
        put(
            "disk.nix",
            "{ x, ... }: { disko.devices = { disk = { a.type = \"disk\"; ${x} = { }; \"b c\" = import ./b.nix; }; }; }",
        );
        assert_eq!(disk_layouts(tree.path(), &hardware)[1].disks, ["a", "b c"]);
        let placed = |file: &str, at: &str| {
            let problem = at_file_system(CopyProblem::SetId.into(), tree.path(), &hardware, file, at);
            problem.place.map(|place| place.to_string())
        };
        let own_file = tree.path().join("configuration.nix").display().to_string();
        assert_eq!(placed(&own_file, "/data").as_deref(), Some("configuration.nix:2"));
        let of_disko = "/nix/store/x-source/module.nix";
        assert_eq!(placed(of_disko, "/").as_deref(), Some("disk.nix:1"));
        put("other.nix", "{ disko.devices = { }; }");
        assert_eq!(placed(of_disko, "/"), None, "it may be another host's");
    }
}
