//! Files that a person brings for the installed system cannot be put there.

use std::path::{Path, PathBuf};

use super::{Severity, Text, error, warning};
use crate::text::shell_word;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraFilesProblem {
    /// `error`: what the system says.
    Unreadable { error: String },
    Special,
    /// It would be below a directory that the installed system takes from elsewhere, or that is empty after a restart.
    NotKept { path: PathBuf },
    /// It is a directory in the place of a file that every installed system has, or something else in the place of a directory.
    OtherKind { path: PathBuf, is_directory: bool },
    /// The installed system mounts something at `at` that covers it. `path`: absolute.
    Hidden { path: PathBuf, at: String, cover: Cover },
    Manifest { fault: RuleFault },
    RuleWithoutFile { path: PathBuf },
    /// The installed system has no such user (or group).
    UnknownAccount { kind: AccountKind, name: String, path: PathBuf, nearest: Option<String> },
    /// The installed system makes the account only when it starts. `path`: on the target.
    AccountLater { kind: AccountKind, name: String, path: PathBuf },
    /// The installed system has something of its own at `path`.
    Replaced { path: PathBuf },
    /// On the target, a file is in the place of a directory, or a directory in that of a file.
    InTheWay { path: PathBuf },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    User,
    Group,
}

/// What covers a file in the installed system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    /// One that is not mounted at the target.
    FileSystem,
    /// Another directory. `kept`: what the file is there.
    Bind { kept: PathBuf },
    Memory,
}

/// What is wrong in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFault {
    /// `error`: what the YAML parser says.
    Yaml { error: String },
    NoMapping,
    Path { path: String },
    NoRule,
    Key { key: String },
    Account { key: String },
    Mode,
}

impl AccountKind {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

impl ExtraFilesProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unreadable { error: why } => error("extra-files-unreadable", "The extra files cannot be read")
                .because(why)
                .remedy("Name a directory that has the files by their paths in the installed system, such as etc/ssh/…"),
            Self::Special => error("extra-files-special", "An extra file is a named pipe, a socket or a device")
                .because("Only files, directories and links are copied.")
                .remedy("Remove it."),
            Self::NotKept { path } => error(
                "extra-files-not-kept",
                format!("The extra file /{} would not be kept", path.display()),
            )
            .because("/etc/nixos is the configuration, Nix owns /nix/store and /nix/var, and /dev, /proc, /run, /sys and /tmp are not on the disk.")
            .remedy("Remove it, put it elsewhere, or put it into the configuration."),
            Self::OtherKind { path, is_directory } => other_kind(path, *is_directory),
            Self::Hidden { path, at, cover } => cover.text(path, at),
            Self::Manifest { fault } => fault.text(),
            Self::RuleWithoutFile { path } => error(
                "extra-files-manifest",
                format!("The manifest names /{}, which is not among the extra files", path.display()),
            )
            .remedy("Correct the path, or remove the rule."),
            Self::UnknownAccount { kind, name, path, nearest } => error(
                "extra-files-owner",
                format!("The installed system has no {} `{name}`, to which /{} is to belong", kind.word(), path.display()),
            )
            .remedy(match nearest {
                Some(nearest) => format!("Did you mean `{nearest}`? Correct it in the manifest."),
                None => "Name another in the manifest, or its number.".to_owned(),
            }),
            Self::AccountLater { kind, name, path } => {
                let (program, at) = match kind {
                    AccountKind::User => ("chown", shell_word(name.as_ref())),
                    AccountKind::Group => ("chgrp", shell_word(name.as_ref())),
                };
                let inside = PathBuf::from("/").join(path);
                Text {
                    severity: Severity::Warning,
                    ..warning("extra-files-owner-later", format!("{} belongs to root for now", inside.display()))
                }
                .because(format!("The installed system creates the {} `{name}` only when it starts.", kind.word()))
                .remedy(format!("After the first start: sudo {program} -R {at} {}", shell_word(inside.as_os_str())))
            }
            Self::Replaced { path } => warning(
                "extra-files-replaced",
                format!("The installed system has its own /{} in the place of the extra file", path.display()),
            )
            .because("The configuration makes it, with `environment.etc` for instance.")
            .remedy("Remove it from the extra files, or from the configuration."),
            Self::InTheWay { path } => error(
                "extra-files-in-the-way",
                format!("The extra file cannot be put to {}", path.display()),
            )
            .because("A directory is in the place of a file there, or something else in the place of a directory.")
            .remedy("Rename what is there, or the extra file."),
        }
    }
}

fn other_kind(path: &Path, is_directory: bool) -> Text {
    let path = path.display();
    let (found, wanted) = if is_directory {
        ("a directory", "a file")
    } else {
        ("no directory", "a directory")
    };
    error(
        "extra-files-other-kind",
        format!("The extra file /{path} is {found}, and every installed system has {wanted} there"),
    )
    .because("The system could not be installed with it, after the disk was made.")
    .remedy(if is_directory {
        "Remove it. Such a file comes from the configuration."
    } else {
        "Remove it, or put it into a directory of that name."
    })
}

impl Cover {
    fn text(&self, path: &Path, at: &str) -> Text {
        let path = path.display();
        let text = error(
            "extra-files-hidden",
            format!("The installed system would not have the extra file {path}"),
        );
        match self {
            Self::FileSystem => text
                .because(format!("It mounts a file system at {at}, and none is mounted there now."))
                .remedy("Mount it, and run the same command again. Or put the file elsewhere."),
            Self::Bind { kept } => text
                .because(format!(
                    "The installed system takes {at} from elsewhere: {path} would be {}.",
                    kept.display()
                ))
                .remedy(format!("Name it {} among the extra files.", kept.display())),
            // What is needed only while it is installed, as secrets of the initrd, does its work.
            Self::Memory => Text {
                severity: Severity::Warning,
                ..text
            }
                .because(format!(
                    "It has what is below {at} in memory, which is empty after each start."
                ))
                .remedy("Put it where the configuration keeps what must survive."),
        }
    }
}

impl RuleFault {
    fn text(&self) -> Text {
        let fault = |what: String| error("extra-files-manifest", what);
        match self {
            Self::Yaml { error } => fault(format!("The manifest is not valid YAML: {error}")).remedy("Correct it."),
            Self::NoMapping => fault("The manifest has no paths with rules".to_owned())
                .remedy("Write one path a line, as in `/home/alice: { owner: alice }`."),
            Self::Path { path } => fault(format!("{path:?} is not an absolute path of the installed system"))
                .remedy("Write it as the installed system has it, beginning with /."),
            Self::NoRule => fault("A path in the manifest has no rule".to_owned())
                .remedy("Write one, as in `/home/alice: { owner: alice }`, or remove the path."),
            Self::Key { key } => {
                fault(format!("`{key}` is not a key of a rule")).remedy("The keys are: owner, group, mode.")
            }
            Self::Account { key } => fault(format!("`{key}` is neither a name nor a number"))
                .remedy("Name an account of the installed system, as in `owner: alice`."),
            Self::Mode => fault("`mode` is not of the form \"0640\"".to_owned())
                .remedy("Write three or four octal digits, in quotation marks: YAML reads 0o640 as another number."),
        }
    }
}
