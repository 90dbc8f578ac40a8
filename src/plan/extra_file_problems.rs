//! Whether the files that a person brings can be put on the target, and have owners there.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use nix::fcntl::OFlag;

use super::request::Request;
use crate::diagnostic::{AccountKind, Diagnostic, ExtraFilesProblem};
use crate::live::target::{Target, open_inside};
use crate::nix::facts::Users;
use crate::text::similar;
use crate::tree::extra_files::{Account, ExtraFile, ExtraFiles, Kind};

/// What was asked to bring, if anything.
///
/// # Errors
/// As [`ExtraFiles::read`].
pub(super) fn read(request: &Request) -> Result<Option<ExtraFiles>> {
    let directory = request.extra_files.as_deref();
    Ok(directory.map(ExtraFiles::read).transpose()?)
}

/// The problems of `files` for a system with `users`, at `target` where that is mounted.
pub(super) fn problems(files: &ExtraFiles, users: Option<&Users>, target: Option<&Target>) -> Vec<Diagnostic> {
    let of_accounts = users.map(|users| unknown(&files.files, users)).unwrap_or_default();
    let in_the_way = files.files.iter().filter_map(|file| in_the_way(file, target?));
    of_accounts
        .into_iter()
        .chain(in_the_way)
        .map(Diagnostic::from)
        .collect()
}

/// The accounts that the system does not have, each with the first file that is to belong to it.
fn unknown(files: &[ExtraFile], users: &Users) -> Vec<ExtraFilesProblem> {
    let mut reported = BTreeSet::new();
    let mut problems = Vec::new();
    for file in files {
        let accounts = [
            (AccountKind::User, &file.owner, &users.names),
            (AccountKind::Group, &file.group, &users.groups),
        ];
        for (kind, account, known) in accounts {
            if let Some(Account::Name(name)) = account
                && !known.contains(name)
                && reported.insert((kind, name))
            {
                problems.push(ExtraFilesProblem::UnknownAccount {
                    kind,
                    name: name.clone(),
                    path: file.path.clone(),
                    nearest: similar(name, known.iter().map(String::as_str)).map(str::to_owned),
                });
            }
        }
    }
    problems
}

/// The problem of what is on the target in the place of `file`, and is of another kind. A link to a directory is one.
fn in_the_way(file: &ExtraFile, target: &Target) -> Option<ExtraFilesProblem> {
    let path = Path::new("/").join(&file.path);
    let is_there = target.inside_path(&path).symlink_metadata().is_ok();
    let is_directory = open_inside(target.root(), &path, OFlag::O_PATH)
        .and_then(|there| there.metadata())
        .is_ok_and(|meta| meta.is_dir());
    let wants_directory = matches!(file.kind, Kind::Directory(_));
    let path = target.inside_path(&path);
    (is_there && is_directory != wants_directory).then_some(ExtraFilesProblem::InTheWay { path })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tree::extra_files::MANIFEST;

    #[test]
    fn owners_that_the_system_does_not_have_and_what_is_in_the_way_are_reported_before_anything_is_written() {
        let (brought, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (directory, file) in [
            (&brought, "etc/key"),
            (&brought, "home/alice/id"),
            (&root, "etc/key/x"),
            (&root, "home"),
        ] {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        // Nobody writes to it.
        fs::write(brought.path().join("pipe"), "").unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let manifest = "/home/alice: { owner: alcie, group: 100 }\n/etc/key: { owner: root, group: wheels }\n";
        fs::write(brought.path().join(MANIFEST), manifest).unwrap();
        let users = Users {
            names: vec!["alice".into(), "root".into()],
            groups: vec!["wheel".into()],
            ..Users::default()
        };
        let files = ExtraFiles::read(brought.path()).unwrap();
        let found = problems(&files, Some(&users), Some(&Target::new(root.path())));
        let found: Vec<String> = found
            .into_iter()
            .map(|problem| format!("{} {}", problem.code, problem.remedy))
            .collect();
        let rename = "extra-files-in-the-way Rename what is there, or the extra file.";
        let meant = |name: &str| format!("extra-files-owner Did you mean `{name}`? Correct it in the manifest.");
        let expected = [meant("wheel"), meant("alice"), rename.into(), rename.into()];
        assert_eq!(found, expected);
        assert!(problems(&files, None, None).is_empty());
    }
}
