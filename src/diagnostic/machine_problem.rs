//! A report of a machine cannot be used, or a machine lacks what a configuration names.

use super::{Text, error, warning};

/// Why a file is no report of a machine, or what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineProblem {
    /// In the words of the system.
    Unreadable(String),
    /// `truncated`: it ends too early. `error`: in the parser's words.
    NotJson { truncated: bool, error: String },
    /// It is JSON, and neither of the two known reports.
    Unknown,
    /// Of another version than the `known` one.
    Version { found: Option<u64>, known: u64 },
    /// A field is missing or wrong. `path`: where (`disks[0].bytes`), or a dot; `error`: in the parser's words.
    Field { path: String, error: String },
    /// The hardware configuration in it is not valid Nix: at this line of it.
    HardwareSyntax { line: u32 },
    /// The ISO has several hosts, and nothing says which one the machine becomes.
    HostNeeded { hosts: Vec<String> },
    /// The machine does not have these disks of a layout for disko: their names in the layout, and their devices.
    LayoutDisks { disks: Vec<(String, String)> },
    /// `host` is not one of the hosts of the ISO.
    HostUnknown { host: String, hosts: Vec<String> },
}

const WRITE: &str = "Write it on that machine with `nix-cfg-install --describe > FILE`.";

impl MachineProblem {
    pub(super) fn text(&self) -> Text {
        let report = "The report of the machine cannot be read";
        match self {
            Self::Unreadable(why) => error("machine-report", report).because(why),
            Self::NotJson { truncated: true, .. } => error("machine-report", report).because("Its end is missing: the JSON stops in the middle."),
            Self::NotJson { error: why, .. } => error("machine-report", report).because(format!("It is not JSON: {why}.")),
            Self::Unknown => error("machine-report", report)
                .because("It is neither what `nix-cfg-install --describe` writes nor a report of nixos-facter."),
            Self::Version { found, known } => {
                let found = found.map_or("without a version".to_owned(), |found| format!("of version {found}"));
                error("machine-report", report).because(format!("It is {found}, and this program reads version {known}."))
            }
            Self::Field { path, error: why } => {
                let path = if path == "." { String::new() } else { format!("{path}: ") };
                error("machine-report", report).because(format!("A value in it is missing or wrong: {path}{why}."))
            }
            Self::HardwareSyntax { line } => error("machine-report", "The hardware configuration in the report is not valid Nix")
                .because(format!("The mistake is in line {line} of the text in `hardware_configuration`.")),
            Self::HostNeeded { hosts } => {
                return error("machine-host", "The ISO has several hosts, and nothing says which one the machine becomes")
                    .because(format!("It has: {}.", hosts.join(", ")))
                    .remedy("Name it with --host NAME.");
            }
            Self::LayoutDisks { disks } => return layout_disks(disks),
            Self::HostUnknown { host, hosts } if hosts.is_empty() => {
                return error("machine-host", format!("The ISO has no host `{host}`"))
                    .because("It installs a channel configuration, which has no hosts.")
                    .remedy("Omit --host.");
            }
            Self::HostUnknown { host, hosts } => {
                return error("machine-host", format!("The ISO has no host `{host}`"))
                    .because(format!("It has: {}.", hosts.join(", ")))
                    .remedy("Name one of these with --host.");
            }
        }
        .remedy(WRITE)
    }
}

fn layout_disks(disks: &[(String, String)]) -> Text {
    let devices: Vec<&str> = disks.iter().map(|(_, device)| device.as_str()).collect();
    let options = disks.iter().map(|(name, device)| format!("\ndisko.devices.disk.{name}.device = \"{device}\""));
    let what = format!("The layout for disko names a disk that this machine does not have: {}", devices.join(", "));
    warning("layout-disk-missing", what)
        .because(format!("The script of disko formats the disks that the configuration names:{}", options.collect::<String>()))
        .remedy("Name a disk of this machine there (`ls -l /dev/disk/by-id` lists them), or partition by hand.")
}
