//! What of a configuration cannot be copied, or not be kept in a copy.

use std::path::PathBuf;

use super::{Text, error, warning};

/// Why a file of the configuration cannot be installed as it is. The place of the problem is the first such file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyProblem {
    /// `error`: what the system says.
    Unreadable { error: String },
    Special(SpecialFile),
    WorldWritable,
    SystemAccount { name: String },
    UnknownOwner { uid: u32 },
    SetId,
    HardLink { other: PathBuf },
    /// `.git` is no directory, and names one.
    RepositoryElsewhere,
    /// The name of an extended attribute; access lists are some as well.
    Attribute { name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialFile {
    NamedPipe,
    Socket,
    Device,
}

const FIRST: &str = "This is the first such file; there may be more.";

impl CopyProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unreadable { error: why } => error("tree-unreadable", "A file of the configuration cannot be read")
                .because(why)
                .remedy("Copy the configuration again. An input/output error means a bad medium; `dmesg` says more."),
            Self::Special(file) => {
                let name = match file {
                    SpecialFile::NamedPipe => "a named pipe",
                    SpecialFile::Socket => "a socket",
                    SpecialFile::Device => "a device",
                };
                error("tree-special-file", format!("The configuration contains {name}"))
                    .because("Nix reads only files, directories and links, and a copy of it would be useless.")
                    .remedy("Remove it from the configuration.")
            }
            Self::WorldWritable => error("tree-world-writable", "Every user of this system can change the configuration")
                .because(format!("It becomes the system that root runs. {FIRST}"))
                .remedy("chmod -R o-w TREE. On a FAT or NTFS stick, copy the configuration to a directory of your own first."),
            Self::SystemAccount { name } => error(
                "tree-owner",
                format!("The configuration belongs to the system account `{name}`"),
            )
            .because("A service could have written it, and it becomes the system that root runs.")
            .remedy("If it is yours: chown -R root TREE"),
            Self::UnknownOwner { uid } => warning(
                "tree-owner-unknown",
                format!("The configuration belongs to user {uid}, who has no account here"),
            )
            .because("It was probably written on another machine."),
            Self::SetId => warning("tree-set-id", "A setuid or setgid bit in the configuration is not kept")
                .because(format!("Everything that is installed belongs to root. {FIRST}"))
                .remedy("If it is needed, set it again in the installed system (chmod)."),
            Self::HardLink { other } => warning(
                "tree-hard-link",
                "A file of the configuration that has two names becomes two files",
            )
            .because(format!("Its other name is {}: a hard link. {FIRST}", other.display()))
            .remedy("If both should change together, make one of them a symbolic link (ln -s)."),
            Self::RepositoryElsewhere => warning(
                "tree-git-elsewhere",
                "The configuration is installed without its git repository",
            )
            .because("It is a worktree or a submodule: .git only names a repository that the installed system does not have, and Nix could not read the configuration through it.")
            .remedy("To keep the history, install a clone: git clone TREE NEW."),
            Self::Attribute { name } => warning(
                "tree-attributes",
                format!("The attribute {name} in the configuration is not kept"),
            )
            .because(format!(
                "A copy has neither extended attributes nor access lists, and Nix ignores them. {FIRST}"
            ))
            .remedy("If it is needed, set it again in the installed system (setfattr, setfacl)."),
        }
    }
}
