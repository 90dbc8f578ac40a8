//! The flake inputs of an ISO, and its locks.

use super::{Text, error};

/// A finding of `nix-cfg-iso doctor` about an input or a flake.lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoInputProblem {
    /// The input is a directory of this machine, outside of the configuration.
    Outside { name: String, url: String },
    /// The ISO's flake.lock has the form of an older Nix than `nix`, a version, reads.
    OldLock { nix: String },
    /// The ISO's flake.lock has the form of Nix 2.26, and `nix` is older.
    NewLock { nix: String },
    /// The live system's Nix cannot read how the configuration's flake.lock locks `input`.
    LockOfTarget { nix: String, input: String },
    /// The live system's Nix does not know `inputs.self.NAME`.
    SelfOfTarget { nix: String, name: String },
    /// Inputs, as Nix strings, that cannot be downloaded and that no host uses.
    Unused { inputs: String },
    /// Something cannot be downloaded: an input, or what a derivation is made from, by name where Nix names it. `unused`: the
    /// inputs that could be excluded, as Nix strings.
    Fetch { name: Option<String>, unused: String },
}

impl IsoInputProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Outside { name, url } => error(
                "input-outside",
                format!("The input `{name}` is outside of the configuration: {url}"),
            )
            .because("The target gets only the configuration, and evaluates it with the same lock.")
            .remedy(format!(
                "Move it into the configuration and write inputs.{name}.url = \"path:./DIRECTORY\", or publish it where \
                 everybody can fetch it; then run `nix flake lock`."
            )),
            Self::OldLock { nix } => lock_form(format!(
                "The ISO's flake.lock was written by an older Nix, and this is Nix {nix}"
            ))
            .remedy("Remove flake.lock from the directory of the ISO: Nix writes it again, from that of the configuration."),
            Self::NewLock { nix } => lock_form(format!(
                "The ISO's flake.lock was written by Nix 2.26 or newer, and this is Nix {nix}"
            ))
            .remedy("Build the ISO with Nix 2.26 or newer, or remove flake.lock from the directory of the ISO."),
            Self::LockOfTarget { nix, input } => lock_form(format!(
                "The live system's Nix {nix} cannot read how flake.lock locks the input `{input}`"
            ))
            .remedy(
                "Give the live system another Nix, with `nix.package` in `modules` of flake.nix; or remove the input: the \
                 configuration can use its own files without one.",
            ),
            Self::SelfOfTarget { nix, name } => error(
                "flake-attribute-unknown",
                format!("The live system's Nix {nix} does not know `inputs.self.{name}`"),
            )
            .because("Nix 2.27 is the first that does. An older one refuses the whole flake.")
            .remedy(
                "Give the live system another Nix, with `nix.package` in `modules` of flake.nix; or remove it: the ISO has all files \
                 of the configuration, those of its submodules among them.",
            ),
            Self::Unused { inputs } => error(
                "fetch-unused",
                format!("The ISO would bring inputs that cannot be fetched, and that no host uses: {inputs}"),
            )
            .because("It brings all inputs in flake.lock, so that every part of the flake can be evaluated on the target.")
            .remedy(format!(
                "If you have no access to them, exclude them: unusedInputs = [ {inputs} ]; in flake.nix, beside `hosts`."
            )),
            Self::Fetch { name, unused } => error(
                "fetch",
                format!("{} cannot be fetched", name.as_deref().unwrap_or("Something that the ISO needs")),
            )
            .because("The ISO is built with a network: there is none, or the address is no longer valid, or it wants a key or a password. None can be typed here: ssh-agent or a credential helper of git has to have it.")
            .remedy(format!(
                "Try again; `nix flake update NAME` in the configuration takes a newer one. If the hosts do not use it, \
                 exclude it: unusedInputs = [ {unused} ]; in flake.nix, beside `hosts`."
            )),
        }
    }
}

fn lock_form(what: String) -> Text {
    error("lock-style", what)
        .because("Nix 2.26 changed how an input inside of the flake is locked, and neither version reads the form of the other.")
}
