//! Links of the tree that lead nowhere, or out of it.

use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostic::{Diagnostic, LinkDefect, LintProblem};

/// Up to this many links with the same defect are reported one by one; trees with dotfiles can have dozens.
const FEW: usize = 3;

/// Warns of links that lead nowhere or out of the tree at `root`: they are copied as they are.
pub fn links(root: &Path) -> Vec<Diagnostic> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    let links = entries.filter(walkdir::DirEntry::path_is_symlink).filter_map(|entry| {
        let path = entry.path().strip_prefix(root).ok()?.to_owned();
        let target = std::fs::read_link(entry.path()).ok()?;
        Some((defect(root, &path, &target)?, path, target))
    });
    let links: Vec<(LinkDefect, PathBuf, PathBuf)> = links.collect();
    let is_many = |defect| links.iter().filter(|(other, ..)| *other == defect).count() > FEW;
    let single = links.iter().filter(|(defect, ..)| !is_many(*defect));
    let single = single.map(|(defect, path, target)| {
        let (defect, target) = (*defect, target.clone());
        Diagnostic::from(LintProblem::Link { defect, target }).at(path, None, None)
    });
    let many = [LinkDefect::Outside, LinkDefect::Broken]
        .into_iter()
        .filter(|defect| is_many(*defect));
    let many = many.map(|defect| {
        let paths = links
            .iter()
            .filter(|(other, ..)| *other == defect)
            .map(|(_, path, _)| path);
        let (count, first) = (paths.clone().count(), paths.take(FEW).cloned().collect());
        LintProblem::Links { defect, count, first }.into()
    });
    single.chain(many).collect()
}

fn defect(root: &Path, path: &Path, target: &Path) -> Option<LinkDefect> {
    match resolve(path.parent()?, target) {
        None => Some(LinkDefect::Outside),
        Some(inside) if root.join(&inside).symlink_metadata().is_err() => Some(LinkDefect::Broken),
        Some(_) => None,
    }
}

/// The path in the tree to which `link` in `directory` leads; `None` when it leaves the tree. Only names count.
fn resolve(directory: &Path, link: &Path) -> Option<PathBuf> {
    let mut inside = directory.to_owned();
    for component in link.components() {
        match component {
            Component::RootDir | Component::Prefix(_) => return None,
            Component::CurDir => {}
            Component::ParentDir => {
                if !inside.pop() {
                    return None;
                }
            }
            Component::Normal(name) => inside.push(name),
        }
    }
    Some(inside)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_links_that_are_broken_or_leave_the_tree_are_warned_of() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("a/file"), "").unwrap();
        for (name, link) in [
            ("good", "a/file"),
            ("a/up", "../a/file"),
            ("absolute", "/etc/passwd"),
            ("a/out", "../../x"),
            ("broken", "a/none"),
        ] {
            symlink(link, root.join(name)).unwrap();
        }
        let found: Vec<String> = links(root)
            .iter()
            .map(|problem| format!("{} {}", problem.code, problem.place.as_ref().unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                "tree-link-outside a/out",
                "tree-link-outside absolute",
                "tree-link-broken broken"
            ]
        );
    }

    #[test]
    fn many_links_of_a_kind_are_reported_in_one_warning_that_names_the_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            symlink("none", directory.path().join(name)).unwrap();
        }
        symlink("/etc/passwd", directory.path().join("x")).unwrap();
        let found = links(directory.path());
        let codes: Vec<&str> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["tree-link-outside", "tree-link-broken"]);
        let text = found[1].to_string();
        assert!(
            text.starts_with("4 links lead to something that does not exist\n"),
            "{text}"
        );
        assert!(text.contains("The first: a, b, c. Links are copied"), "{text}");
    }
}
