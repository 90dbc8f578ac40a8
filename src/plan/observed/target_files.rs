//! Files of the installed system that are on the target already: a person put them there, or an earlier system did.

use std::collections::BTreeSet;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::live::target::open_inside;

/// Those of `paths` that exist below `root`.
pub fn present(root: &Path, paths: Vec<String>) -> BTreeSet<String> {
    let exists = |path: &String| path.starts_with('/') && open_inside(root, Path::new(path), OFlag::O_PATH).is_ok();
    paths.into_iter().filter(exists).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_where_they_do_in_the_installed_system() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("persist/ssh")).unwrap();
        fs::write(root.path().join("persist/ssh/key"), "").unwrap();
        symlink("/persist/ssh", root.path().join("ssh")).unwrap();
        // It exists here, and not there.
        symlink("/proc/self/stat", root.path().join("elsewhere")).unwrap();
        let paths = [
            "/ssh/key",
            "/persist/ssh/key",
            "/persist",
            "/elsewhere",
            "/../../proc",
            "",
            "ssh",
        ];
        let found = present(root.path(), paths.map(str::to_owned).into());
        assert_eq!(Vec::from_iter(found), ["/persist", "/persist/ssh/key", "/ssh/key"]);
        assert!(present(Path::new("/nonexistent"), vec!["/proc".to_owned()]).is_empty());
    }
}
