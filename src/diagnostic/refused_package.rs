//! The packages that nixpkgs refuses to evaluate.

use super::{Text, error};

/// Why nixpkgs refuses a package. `package` is its name with the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageProblem {
    Unfree { package: String },
    /// `issues`: the known vulnerabilities, one each.
    Insecure { package: String, issues: Vec<String> },
    /// `handler`: the package's name in `nixpkgs.config.problems.handlers`, where this nixpkgs has that option (26.05).
    Broken { package: String, handler: Option<String> },
    /// `platform`: the one that was asked for.
    Platform { package: String, platform: Option<String> },
    /// The list of problems that nixpkgs has had since 26.05. `handlers`: the options that turn each into a warning.
    Listed { package: String, problems: Vec<String>, handlers: Vec<String> },
    /// Another reason, which completes a sentence that begins with the package.
    Other { package: String, reason: String },
    /// Since 26.05 nixpkgs does not always name the package.
    Unnamed { message: String },
}

impl PackageProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unfree { package } => error(
                "unfree",
                format!("The package {package} is not free software, and the configuration does not allow it"),
            )
            .because("nixpkgs refuses packages with an unfree licence by default.")
            .remedy("Set `nixpkgs.config.allowUnfree = true;` in the configuration, or remove the package."),
            Self::Insecure { package, issues } => error(
                "insecure",
                format!("The package {package} has known vulnerabilities, and the configuration does not permit it"),
            )
            .because(match issues.as_slice() {
                [] => "nixpkgs marks it as insecure.".to_owned(),
                issues => format!("nixpkgs marks it as insecure:\n{}", issues.join("\n")),
            })
            .remedy(format!(
                "Remove the package, or use a nixpkgs that has a newer one. To use it all the same: \
                 `nixpkgs.config.permittedInsecurePackages = [ \"{package}\" ];`"
            )),
            Self::Broken { package, handler } => {
                error("broken", format!("The package {package} is marked as broken"))
                    .because("Its maintainers know that it does not build or does not work in this nixpkgs.")
                    .remedy(format!(
                        "Remove the package, or use a nixpkgs in which it works. To try it all the same: `{}`",
                        match handler {
                            Some(name) => format!("nixpkgs.config.problems.handlers.{name}.broken = \"warn\";"),
                            None => "nixpkgs.config.allowBroken = true;".to_owned(),
                        }
                    ))
            }
            Self::Platform { package, platform } => error(
                "package-platform",
                format!("The package {package} is not available for this platform"),
            )
            .because(match platform {
                Some(platform) => format!("nixpkgs has it only for other platforms than {platform}."),
                None => "nixpkgs has it only for other platforms.".to_owned(),
            })
            .remedy(
                "Remove the package from the configuration. To try it all the same: \
                 `nixpkgs.config.allowUnsupportedSystem = true;`",
            ),
            Self::Listed { package, problems, handlers } => refused(package).because(problems.join("\n")).remedy(format!(
                "Remove the package, or do as the message says. To use it all the same: {}",
                handlers.iter().map(|option| format!("`{option} = \"warn\";`")).collect::<Vec<_>>().join(" ")
            )),
            Self::Other { package, reason } => refused(package)
                .because(format!("It {reason}."))
                .remedy("Remove the package, or change what `nixpkgs.config` forbids."),
            Self::Unnamed { message } => error("package-refused", "nixpkgs refuses a package of the configuration")
                .because(message)
                .remedy("Remove the package, or use another nixpkgs."),
        }
    }
}

fn refused(package: &str) -> Text {
    error("package-refused", format!("nixpkgs refuses the package {package}"))
}
