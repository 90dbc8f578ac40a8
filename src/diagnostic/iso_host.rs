//! Which hosts of a flake an ISO installs.

use super::{Text, error, warning};

/// Why the hosts are not known, or not certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoHostProblem {
    /// flake.nix names several, and none was asked for.
    Several { hosts: Vec<String> },
    /// flake.nix names none, and none was asked for. `candidates` are the names of directories that usually hold hosts.
    None { candidates: Vec<String> },
    /// flake.nix has no nixosConfigurations; the flakes in these directories below it have.
    OtherFlakes { directories: Vec<String> },
    /// The flake has `hosts`, and `name` is not one of them.
    Unknown { name: String, hosts: Vec<String>, similar: Option<String> },
    /// The same, of the host of an ISO directory: its flake.nix and its settings name it.
    OfIso { name: String, hosts: Vec<String>, similar: Option<String> },
    /// The settings of an ISO directory name it, and its ISO has others.
    OfSettings { name: String, hosts: Vec<String> },
    /// Only an evaluation shows whether the flake has the host.
    Unverified { name: String, candidates: Vec<String>, similar: Option<String> },
}

const SELECT: &str = "Name it with --host NAME; repeat the option for several hosts. `nix flake show` lists them.";

impl IsoHostProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Several { hosts } => unclear(format!("The flake has several hosts: {}", hosts.join(", "))),
            Self::None { candidates } if candidates.is_empty() => unclear("flake.nix does not name a host".to_owned()),
            Self::None { candidates } => unclear("flake.nix does not name a host".to_owned()).because(format!(
                "The ISO has to know which host it installs. The directories suggest: {}.",
                candidates.join(", ")
            )),
            Self::OtherFlakes { directories } => unclear("flake.nix does not name a host".to_owned())
                .because(format!(
                    "It has no nixosConfigurations. Flakes that have them: {}.",
                    directories.join(", ")
                ))
                .remedy("Name the directory of the right one with --config."),
            Self::Unknown { name, hosts, similar } => {
                error("host-unknown", no_host(name, similar.as_deref()))
                    .because(format!("It has: {}.", hosts.join(", ")))
                    .remedy("Name one of these with --host.")
            }
            Self::OfIso { name, hosts, similar } => {
                error("host-unknown", no_host(name, similar.as_deref()))
                    .because(format!("It has: {}.", hosts.join(", ")))
                    .remedy(
                        "Correct `hosts` in flake.nix and `host` in nix-cfg-install.yaml, or write a new directory with \
                         `nix-cfg-iso init … --host NAME`.",
                    )
            }
            Self::OfSettings { name, hosts } => {
                error("host-not-on-iso", format!("The settings name the host `{name}`, which the ISO does not have"))
                    .because(format!("It would be installed wherever no other is named. `hosts` in flake.nix has: {}.", hosts.join(", ")))
                    .remedy("Change `host` in nix-cfg-install.yaml to one of these. Or remove that line: then the installer asks, if there are several.")
            }
            Self::Unverified { name, candidates, similar } => {
                let found = if candidates.is_empty() {
                    String::new()
                } else {
                    format!(" The names found in its files and directories: {}.", candidates.join(", "))
                };
                let similar = suggestion(similar.as_deref());
                warning("host-unverified", format!("It is not certain that the flake has a host `{name}`{similar}"))
                    .because(format!("The flake computes its hosts, and nothing was evaluated.{found}"))
                    .remedy("`nix-cfg-iso doctor` evaluates the host.")
            }
        }
    }
}

fn unclear(what: String) -> Text {
    error("host-unclear", what)
        .because("The ISO has to know which of the flake's nixosConfigurations it installs.")
        .remedy(SELECT)
}

/// That the flake has no host `name`; `similar` is one that it has.
pub(super) fn no_host(name: &str, similar: Option<&str>) -> String {
    format!("The flake has no host `{name}`{}", suggestion(similar))
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
