//! Which file of the tree is this machine's hardware-configuration.nix. docs/settings.md has the rules.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use rnix::ast::{self, AstToken};
use walkdir::WalkDir;

use super::nix_files::nix_files;
use super::source::{CONFIGURATION_NIX, ConfigKind};
use crate::diagnostic::Diagnostic;

/// The name that nixos-generate-config gives the file.
pub const HARDWARE_CONFIGURATION: &str = "hardware-configuration.nix";

/// The file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Relative to the tree; it need not exist in it.
    pub path: PathBuf,
    /// Why this one: a sentence for the user.
    pub reason: String,
    /// Whether some file of the tree imports it by a path (a static look; Nix decides).
    pub imported: bool,
}

/// Chooses the file in the tree at `root`. `named` is the path from the settings or the command line.
///
/// # Errors
/// A [`Diagnostic`] when several files would do (it lists them), or `named` leaves the tree.
pub fn choose(root: &Path, kind: ConfigKind, host: Option<&str>, named: Option<&Path>) -> Result<Hardware> {
    let imported = imports(root, HARDWARE_CONFIGURATION);
    let chosen = |path: PathBuf, reason: String| Hardware {
        imported: imported.contains(&path),
        path,
        reason,
    };
    if let Some(path) = named {
        let path = normal(path).ok_or_else(|| {
            Diagnostic::error(
                "hardware-path",
                format!("{} is not a path inside the tree", path.display()),
            )
            .remedy("Give a path relative to the top of the configuration, without `..`.")
        })?;
        return Ok(chosen(path, "it was named in the settings".to_owned()));
    }
    let candidates = candidates(root);
    let fits: Vec<&PathBuf> = match host {
        Some(host) => candidates.iter().filter(|path| is_under(path, host)).collect(),
        None => Vec::new(),
    };
    match (candidates.as_slice(), fits.as_slice()) {
        ([], _) => absent(root, kind, &imported, chosen),
        ([only], _) => Ok(chosen(only.clone(), "it is the only one in the tree".to_owned())),
        (_, [one]) => Ok(chosen(
            (*one).clone(),
            format!("it is in the folder of the host {}", host.unwrap_or("")),
        )),
        (all, _) => {
            let top = PathBuf::from(HARDWARE_CONFIGURATION);
            if kind == ConfigKind::Channel && all.contains(&top) {
                return Ok(chosen(top, "it is beside configuration.nix".to_owned()));
            }
            Err(ambiguous(all).into())
        }
    }
}

/// None in the tree: where a file imports it although it is missing (people keep it out of git), else beside
/// configuration.nix.
fn absent(
    root: &Path,
    kind: ConfigKind,
    imported: &[PathBuf],
    chosen: impl Fn(PathBuf, String) -> Hardware,
) -> Result<Hardware> {
    match imported {
        [] => {}
        [one] => {
            return Ok(chosen(
                one.clone(),
                "the tree imports it and does not have it".to_owned(),
            ));
        }
        several => return Err(ambiguous(several).into()),
    }
    let beside: Vec<PathBuf> = files_named(root, CONFIGURATION_NIX)
        .into_iter()
        .map(|path| path.with_file_name(HARDWARE_CONFIGURATION))
        .collect();
    let path = match (kind, beside.as_slice()) {
        (ConfigKind::Flake, [one]) => one.clone(),
        _ => PathBuf::from(HARDWARE_CONFIGURATION),
    };
    Ok(chosen(
        path,
        "the tree has none, so it is put beside configuration.nix".to_owned(),
    ))
}

fn ambiguous(paths: &[PathBuf]) -> Diagnostic {
    let list: Vec<String> = paths.iter().map(|path| format!("  {}", path.display())).collect();
    Diagnostic::error(
        "hardware-ambiguous",
        format!("Several files could be this machine's {HARDWARE_CONFIGURATION}"),
    )
    .because(format!("These would do:\n{}", list.join("\n")))
    .remedy("Say which with --hardware-config PATH, or `hardware-config: PATH` in the settings.")
}

fn candidates(root: &Path) -> Vec<PathBuf> {
    files_named(root, HARDWARE_CONFIGURATION)
}

/// All files of that name in the tree, relative to it, sorted; the git database is left out.
fn files_named(root: &Path, name: &str) -> Vec<PathBuf> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| entry.file_name() != ".git")
        .flatten()
        .filter(|entry| entry.file_name() == name && !entry.file_type().is_dir())
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_owned()))
        .collect()
}

fn is_under(path: &Path, folder: &str) -> bool {
    path.parent()
        .is_some_and(|parent| parent.components().any(|part| part.as_os_str() == folder))
}

/// The path without `.` and `..`; `None` when it is absolute or leaves the tree.
pub(super) fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!out.as_os_str().is_empty()).then_some(out)
}

/// The paths of files named `name` that any Nix file of the tree names by a relative path literal, relative to the
/// tree, sorted, without duplicates.
pub(super) fn imports(root: &Path, name: &'static str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = importers(root, name).map(|(_, imported)| imported).collect();
    found.sort();
    found.dedup();
    found
}

/// The first file of the tree that names the hardware file `wanted` by a relative path literal.
#[must_use]
pub fn importer(root: &Path, wanted: &Path) -> Option<PathBuf> {
    let mut importers = importers(root, HARDWARE_CONFIGURATION);
    importers.find(|(_, imported)| imported == wanted).map(|(file, _)| file)
}

/// The files of the tree that name a file named `name`, each with the file that it names.
fn importers(root: &Path, name: &'static str) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    // Parsing is slow, and most files do not name it.
    let files = nix_files(root).filter(move |(_, text)| text.contains(name));
    files.flat_map(move |(file, text)| {
        let literals = path_literals(&text, name).into_iter();
        literals.filter_map(move |literal| Some((file.clone(), normal(&file.with_file_name(literal))?)))
    })
}

fn path_literals(text: &str, name: &str) -> Vec<PathBuf> {
    let root = rnix::Root::parse(text).syntax();
    let tokens = root.descendants_with_tokens().filter_map(rnix::NodeOrToken::into_token);
    tokens
        .filter_map(ast::PathContent::cast)
        .map(|token| token.syntax().text().to_owned())
        .filter(|text| text.starts_with('.') && text.rsplit('/').next() == Some(name))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn pick(files: &[(&str, &str)], kind: ConfigKind, host: Option<&str>, named: Option<&str>) -> Result<Hardware> {
        choose(tree(files).path(), kind, host, named.map(Path::new))
    }

    #[test]
    fn the_only_file_is_taken_wherever_it_is() {
        let files = [("flake.nix", "{}"), ("system/host/x/hardware-configuration.nix", "{}")];
        let chosen = pick(&files, ConfigKind::Flake, Some("other"), None).unwrap();
        assert_eq!(chosen.path, Path::new("system/host/x/hardware-configuration.nix"));
        assert!(!chosen.imported);
    }

    #[test]
    fn among_several_the_folder_of_the_host_decides() {
        let files = [
            ("hosts/a/hardware-configuration.nix", "{}"),
            ("hosts/b/hardware-configuration.nix", "{}"),
            ("hosts/b/default.nix", "{ imports = [ ./hardware-configuration.nix ]; }"),
        ];
        let chosen = pick(&files, ConfigKind::Flake, Some("b"), None).unwrap();
        assert_eq!(chosen.path, Path::new("hosts/b/hardware-configuration.nix"));
        assert!(chosen.imported);
        let error = pick(&files, ConfigKind::Flake, Some("c"), None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("hosts/a/hardware-configuration.nix\n      hosts/b/hardware-configuration.nix"),
            "{error}"
        );
    }

    #[test]
    fn a_channel_configuration_takes_the_top_one_of_several() {
        let files = [
            ("hardware-configuration.nix", "{}"),
            ("old/hardware-configuration.nix", "{}"),
        ];
        assert_eq!(
            pick(&files, ConfigKind::Channel, None, None).unwrap().path,
            Path::new(HARDWARE_CONFIGURATION)
        );
        pick(&files, ConfigKind::Flake, None, None).unwrap_err();
    }

    #[test]
    fn a_missing_file_goes_where_the_tree_imports_it() {
        let files = [
            ("flake.nix", "{}"),
            (
                "machines/x/default.nix",
                "{ imports = [ ./hardware-configuration.nix ../../common.nix ]; }",
            ),
        ];
        let chosen = pick(&files, ConfigKind::Flake, None, None).unwrap();
        assert_eq!(chosen.path, Path::new("machines/x/hardware-configuration.nix"));
        assert!(chosen.imported);
    }

    #[test]
    fn a_missing_file_that_nothing_imports_goes_beside_configuration_nix() {
        let files = [
            ("flake.nix", "{}"),
            ("nixos/configuration.nix", "# ./hardware-configuration.nix\n{ }"),
        ];
        let chosen = pick(&files, ConfigKind::Flake, None, None).unwrap();
        assert_eq!(chosen.path, Path::new("nixos/hardware-configuration.nix"));
        assert!(!chosen.imported, "a comment is no import");
    }

    #[test]
    fn the_named_file_goes_before_all_and_must_stay_inside() {
        let files = [("hardware-configuration.nix", "{}")];
        let chosen = pick(&files, ConfigKind::Channel, None, Some("./hosts/../hw.nix")).unwrap();
        assert_eq!(chosen.path, Path::new("hw.nix"));
        for bad in ["/etc/passwd", "../x.nix", "a/../..", "."] {
            pick(&files, ConfigKind::Channel, None, Some(bad)).unwrap_err();
        }
    }
}
