//! Links of the tree that lead nowhere, or out of it.

use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::report::Problem;

/// Warns of links that lead nowhere or out of the tree at `root`: they are kept as they are.
#[must_use]
pub fn links(root: &Path) -> Vec<Problem> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    entries
        .filter(walkdir::DirEntry::path_is_symlink)
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(root).ok()?;
            let link = std::fs::read_link(entry.path()).ok()?;
            judge_link(root, path, &link)
        })
        .collect()
}

fn judge_link(root: &Path, path: &Path, link: &Path) -> Option<Problem> {
    let resolved = resolve(path.parent()?, link);
    let problem = match resolved {
        None => Problem::warning(
            "tree-link-outside",
            format!("A link leads out of the configuration, to {}", link.display()),
        )
        .because("On the installed system something else may be there, or nothing."),
        Some(inside) if root.join(&inside).symlink_metadata().is_err() => Problem::warning(
            "tree-link-broken",
            format!("A link leads to {}, which does not exist", link.display()),
        )
        .because("It is kept as it is."),
        Some(_) => return None,
    };
    Some(problem.at(path, None, None).remedy("Nothing, if that is meant."))
}

/// Where `link`, standing in `folder`, leads inside the tree; `None` when it leaves it. Only names are looked at.
fn resolve(folder: &Path, link: &Path) -> Option<PathBuf> {
    let mut inside = folder.to_owned();
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
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
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
}
