//! Links of the tree that lead nowhere, or out of it.

use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostic::Diagnostic;

const OUTSIDE: &str = "tree-link-outside";
const BROKEN: &str = "tree-link-broken";

/// So many of a kind are told one by one; trees with dotfiles can have dozens.
const FEW: usize = 3;

/// Warns of links that lead nowhere or out of the tree at `root`: they are kept as they are.
#[must_use]
pub fn links(root: &Path) -> Vec<Diagnostic> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    let found = entries.filter(walkdir::DirEntry::path_is_symlink).filter_map(|entry| {
        let path = entry.path().strip_prefix(root).ok()?;
        let link = std::fs::read_link(entry.path()).ok()?;
        judge_link(root, path, &link)
    });
    let told = together(found.collect(), OUTSIDE, "lead out of the configuration");
    together(told, BROKEN, "lead to something that does not exist")
}

/// One problem for all with `code`, where there are many; `what` says what those links do.
fn together(problems: Vec<Diagnostic>, code: &str, what: &str) -> Vec<Diagnostic> {
    let is_one = |problem: &Diagnostic| problem.code == code;
    if problems.iter().filter(|problem| is_one(problem)).count() <= FEW {
        return problems;
    }
    let (many, mut others): (Vec<Diagnostic>, Vec<Diagnostic>) = problems.into_iter().partition(is_one);
    let places = many.iter().take(FEW).filter_map(|problem| problem.place.as_ref());
    let places: Vec<String> = places.map(ToString::to_string).collect();
    others.extend(many.first().map(|first| {
        Diagnostic::warning(first.code, format!("{} links {what}", many.len()))
            .because(format!("The first: {}. {}", places.join(", "), first.why))
            .remedy(&first.remedy)
    }));
    others
}

fn judge_link(root: &Path, path: &Path, link: &Path) -> Option<Diagnostic> {
    let resolved = resolve(path.parent()?, link);
    let problem = match resolved {
        None => Diagnostic::warning(
            OUTSIDE,
            format!("A link leads out of the configuration, to {}", link.display()),
        )
        .because("On the installed system something else may be there, or nothing."),
        Some(inside) if root.join(&inside).symlink_metadata().is_err() => Diagnostic::warning(
            BROKEN,
            format!("A link leads to {}, which does not exist", link.display()),
        )
        .because("Links are kept as they are."),
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

    #[test]
    fn many_links_of_a_kind_are_told_in_one_warning_that_names_the_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            symlink("none", folder.path().join(name)).unwrap();
        }
        symlink("/etc/passwd", folder.path().join("x")).unwrap();
        let found = links(folder.path());
        let codes: Vec<&str> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["tree-link-outside", "tree-link-broken"]);
        let text = found[1].to_string();
        assert!(
            text.starts_with("4 links lead to something that does not exist\n"),
            "{text}"
        );
        assert!(text.contains("The first: a, b, c. Links are kept"), "{text}");
    }
}
