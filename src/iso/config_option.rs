//! The directory that `--config` names.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::diagnostic::{Diagnostic, Diagnostics, IsoConfigProblem, Problem, SourceProblem};
use crate::files::names;
use crate::text::similar;
use crate::tree::source::{self, Source};
use crate::tree::special_files::special_files;

/// Opens the configuration in `path`.
///
/// # Errors
/// As [`source::choose`], and an [`IsoConfigProblem`] where a person can be told what to write. [`Diagnostics`]: what in it would
/// hang whoever opens it.
pub fn open(path: &Path) -> Result<Source> {
    let source = source::choose(Some((path, "--config")), &[], None).map_err(|error| {
        let problem = error.downcast_ref().and_then(|error| explain(path, error));
        problem.map_or(error, Into::into)
    })?;
    let special = special_files(path);
    if special.is_empty() {
        Ok(source)
    } else {
        Err(Diagnostics(special).into())
    }
}

fn explain(path: &Path, error: &Diagnostic) -> Option<IsoConfigProblem> {
    let given = || path.to_owned();
    let Problem::SourceProblem(problem) = &error.problem else {
        return None;
    };
    match problem {
        SourceProblem::NotFound { error, .. } => Some(match fs::symlink_metadata(path) {
            Err(kind) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&kind.kind()) => absent(path),
            _ => IsoConfigProblem::Unreadable {
                path: given(),
                error: error.clone(),
            },
        }),
        SourceProblem::NoDirectory { .. } if path.is_file() => Some(IsoConfigProblem::File {
            path: given(),
            directory: directory_of(path),
        }),
        SourceProblem::NoDirectory { error, .. } => Some(IsoConfigProblem::Unreadable {
            path: given(),
            error: error.clone(),
        }),
        SourceProblem::NoEntryPoint { nested, .. } => Some(IsoConfigProblem::NoEntryPoint {
            path: given(),
            nested: nested.clone(),
        }),
        SourceProblem::Host { hosts, .. } => Some(IsoConfigProblem::NoEntryPoint {
            path: given(),
            nested: hosts.first().map(|host| path.join(host)),
        }),
        _ => None,
    }
}

/// What was meant with a path where nothing is.
fn absent(path: &Path) -> IsoConfigProblem {
    let text = path.to_string_lossy();
    let given = path.to_owned();
    if text.starts_with('~') {
        return IsoConfigProblem::Tilde { path: given };
    }
    let (reference, host) = match text.split_once('#') {
        Some((reference, fragment)) => (reference, Some(fragment)),
        None => (&*text, None),
    };
    let (scheme, named) = reference.split_once(':').unwrap_or(("", reference));
    if host.is_some() || !scheme.is_empty() && !scheme.contains('/') {
        let named = Path::new(named.split('?').next().unwrap_or_default());
        let directory = if named.is_file() {
            directory_of(named)
        } else {
            named.to_owned()
        };
        let host = host.and_then(|host| host.rsplit('.').find(|part| !part.is_empty()));
        return IsoConfigProblem::Reference {
            given,
            directory: directory.is_dir().then_some(directory),
            host: host.map(str::to_owned),
        };
    }
    let parent = directory_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = names(&parent);
    let directories = beside
        .iter()
        .map(String::as_str)
        .filter(|name| parent.join(name).is_dir());
    let similar = similar(&name, directories).map(|name| path.with_file_name(name));
    IsoConfigProblem::Missing { path: given, similar }
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => ".".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path) -> String {
        open(path).unwrap_err().to_string()
    }

    #[test]
    fn what_nobody_can_read_is_named_before_it_is_opened() {
        let tree = tempfile::tempdir().unwrap();
        for name in ["flake.nix", "pipe"] {
            nix::unistd::mkfifo(&tree.path().join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        let said = said(tree.path());
        assert!(
            said.contains("where: flake.nix") && said.contains("where: pipe"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_directory_is_answered_with_the_directory_to_name() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("nixos");
        fs::create_dir(&tree).unwrap();
        let shown = tree.display();
        assert!(said(&tree).contains("neither flake.nix nor configuration.nix"));
        fs::write(tree.join("flake.nix"), "{ }").unwrap();
        open(&tree).unwrap();
        let instead = format!("--config {shown}");
        let with_host = format!("--config {shown} --host laptop");
        for (given, expected) in [
            (format!("{shown}/flake.nix"), instead.as_str()),
            (format!("{shown}/flake.nix#laptop"), &with_host),
            (format!("{shown}#laptop"), &with_host),
            (format!("{shown}#nixosConfigurations.laptop"), &with_host),
            (format!("path:{shown}?dir=x#laptop"), &with_host),
            (format!("{shown}#"), &instead),
            ("github:me/nixos#laptop".to_owned(), "--config DIRECTORY --host laptop"),
            (place.path().join("nixso").display().to_string(), &instead),
            ("~/nixos".to_owned(), "--config ~/DIRECTORY, or write the whole path."),
            ("/nonexistent/nixos".to_owned(), "--config DIRECTORY"),
            (place.path().display().to_string(), &instead),
        ] {
            let text = said(Path::new(&given));
            assert!(
                text.ends_with(expected),
                "{given}: {expected} is not the end of\n{text}"
            );
            assert!(!text.contains("medium"), "{text}");
        }
    }
}
