//! What in a tree is neither a file nor a directory nor a link: Nix reads none of it, and opening it may never end.

use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::sys::stat::SFlag;

use super::nix_files::files;
use crate::diagnostic::{CopyProblem, Diagnostic, SpecialFile};

/// The problem of the file at `path`, of a type that is none of these.
pub(crate) fn special_file(path: &Path, file_type: SFlag) -> Diagnostic {
    problem(
        path,
        match file_type {
            SFlag::S_IFIFO => SpecialFile::NamedPipe,
            SFlag::S_IFSOCK => SpecialFile::Socket,
            _ => SpecialFile::Device,
        },
    )
}

/// The problems of all such files in the tree at `root`, and of the links to pipes, which a reader of the link would wait for.
pub fn special_files(root: &Path) -> Vec<Diagnostic> {
    let special = |kind: FileType| {
        if kind.is_fifo() {
            Some(SpecialFile::NamedPipe)
        } else if kind.is_socket() {
            Some(SpecialFile::Socket)
        } else {
            (kind.is_block_device() || kind.is_char_device()).then_some(SpecialFile::Device)
        }
    };
    let found = files(root).filter_map(|path| {
        let file = root.join(&path);
        let kind = file.symlink_metadata().ok()?.file_type();
        let leads_to_pipe = || kind.is_symlink() && fs::metadata(&file).is_ok_and(|meta| meta.file_type().is_fifo());
        let special = special(kind).or_else(|| leads_to_pipe().then_some(SpecialFile::NamedPipe))?;
        Some(problem(&path, special))
    });
    found.collect()
}

fn problem(path: &Path, file: SpecialFile) -> Diagnostic {
    Diagnostic::from(CopyProblem::Special(file)).at(path, None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_could_not_be_read_is_named_and_a_link_to_one_that_never_answers() {
        let tree = tempfile::tempdir().unwrap();
        let path = |name: &str| tree.path().join(name);
        fs::create_dir(path("a")).unwrap();
        fs::write(path("a/file"), "").unwrap();
        nix::unistd::mkfifo(&path("a/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (name, target) in [
            ("link", "a/pipe"),
            ("masked", "/dev/null"),
            ("broken", "nowhere"),
            ("good", "a/file"),
        ] {
            std::os::unix::fs::symlink(target, path(name)).unwrap();
        }
        let found: Vec<String> = special_files(tree.path())
            .into_iter()
            .map(|problem| format!("{} {}", problem.place.unwrap(), problem.what))
            .collect();
        assert_eq!(
            found,
            [
                "a/pipe The configuration contains a named pipe",
                "link The configuration contains a named pipe",
                "socket The configuration contains a socket"
            ]
        );
    }
}
