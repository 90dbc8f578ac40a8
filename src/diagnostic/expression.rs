//! What Nix and the NixOS modules find wrong in the configuration itself.

use super::{Text, error, warning};

/// Why the configuration cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpressionProblem {
    /// Assertions of NixOS modules that failed, in their own words.
    Assertion { message: String },
    /// A warning of a NixOS module, in its own words.
    Warning { message: String },
    OptionMissing { option: String },
    /// `definitions`: the two definitions with their files, as Nix lists them.
    OptionConflict { option: String, definitions: String },
    /// As [`Self::OptionConflict`], where hardware-configuration.nix has one of the definitions.
    FileSystemConflict { option: String, definitions: String },
    /// `wanted`: the type of the option in nixpkgs' words.
    OptionType { option: String, wanted: String },
    OptionUnset { option: String },
    /// `error`: what the parser of Nix says.
    Syntax { error: String },
    /// `first`: `FILE:LINE:COLUMN` of the first definition.
    DefinedTwice { name: String, first: String },
    UndefinedVariable { name: String },
    /// `similar`: names that Nix suggests.
    AttributeMissing { name: String, similar: Option<String> },
    FileMissing { path: String },
    Recursion,
    /// `builtins.readFile` of a file that is no text.
    BinaryFile { path: String },
    /// A file that Nix cannot copy into its store.
    SpecialFile { path: String },
}

impl ExpressionProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Assertion { message } => error("assertion", "The configuration contradicts itself")
                .because(message)
                .remedy("An assertion of a NixOS module failed. Change the options that it names."),
            Self::Warning { message } => warning("nixos-warning", "A NixOS module warns about the configuration")
                .because(message)
                .remedy("Follow the message. The installation continues without."),
            Self::OptionMissing { option } => error("option-missing", format!("There is no option `{option}`"))
                .because("It is misspelt, or it belongs to another release of NixOS or to a module that is not imported.")
                .remedy("Correct or remove it."),
            Self::OptionConflict { option, definitions } => conflict(option, definitions),
            Self::FileSystemConflict { option, definitions } => file_system_conflict(option, definitions),
            Self::OptionType { option, wanted } => error(
                "option-type",
                format!("The option `{option}` takes another type of value: {wanted}"),
            )
            .remedy("Correct the value."),
            Self::OptionUnset { option } => {
                error("option-unset", format!("The option `{option}` has no value")).remedy(unset_remedy(option))
            }
            Self::Syntax { error: words } => error("syntax", "A file of the configuration is not valid Nix")
                .because(words)
                .remedy("Correct it at the place above, or just before it."),
            Self::DefinedTwice { name, first } => {
                error("defined-twice", format!("`{name}` is defined twice in one attribute set"))
                    .because(format!("The first definition is at {first}."))
                    .remedy("Merge the two.")
            }
            Self::UndefinedVariable { name } => error("undefined-variable", format!("The name `{name}` is not defined"))
                .because("It is misspelt, or this nixpkgs has no package or argument of that name.")
                .remedy("Correct or remove it."),
            Self::AttributeMissing { name, similar } => {
                error("attribute-missing", format!("There is no attribute `{name}`"))
                    .because("This nixpkgs has no package or option of that name.")
                    .remedy(match similar {
                        Some(similar) => format!("Nix knows similar names: {similar}."),
                        None => "Correct or remove it. If it is a package, look it up in the nixpkgs release that the ISO is made from.".to_owned(),
                    })
            }
            Self::FileMissing { path } => error(
                "file-missing",
                format!("The configuration uses the file {path}, which does not exist"),
            )
            .because("It was not copied with the configuration, or it exists only on the machine where the configuration was written.")
            .remedy("Add the file to the configuration, or remove what uses it."),
            Self::Recursion => error("recursion", "The configuration is infinitely recursive")
                .because("A value depends on itself. Often `imports` or `mkIf` use `config` or `pkgs` where they cannot.")
                .remedy("Check the place above. With -v, the log contains Nix's trace."),
            Self::BinaryFile { path } => error("file-binary", format!("The configuration reads {path}, which is not a text file"))
                .because("It contains a NUL byte, which no string of Nix can have: it may be encrypted, or damaged.")
                .remedy("Decrypt the file, or use its path instead of its content."),
            Self::SpecialFile { path } => error(
                "tree-special-file",
                format!("{path} is not a regular file, a directory or a symbolic link"),
            )
            .remedy("Remove it from the configuration."),
        }
    }
}

fn conflict(option: &str, definitions: &str) -> Text {
    let what = format!("The option `{option}` is set to two different values");
    error("option-conflict", what)
        .because(definitions)
        .remedy("Remove one of the definitions, or give one of them precedence with `lib.mkForce VALUE`.")
}

fn file_system_conflict(option: &str, definitions: &str) -> Text {
    let what = format!("`{option}` is set by the configuration and by this machine's hardware-configuration.nix");
    error("file-system-conflict", what).because(definitions).remedy(
        "Remove it from the configuration: hardware-configuration.nix has what is mounted. With disko, set \
         `disko.enableConfig = false;`.",
    )
}

fn unset_remedy(option: &str) -> &'static str {
    if option.starts_with("fileSystems") || matches!(option, "nixpkgs.hostPlatform" | "nixpkgs.system") {
        "This is usually set in hardware-configuration.nix: make sure that the configuration imports it."
    } else {
        "Set it in the configuration."
    }
}
