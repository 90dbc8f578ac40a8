//! Private keys that an ISO would have.

use super::{PrivateKey, Text, error};

/// Why a configuration is not put on an ISO as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoSecretProblem {
    /// `found`: each place, as `FILE:LINE`, and what is there. `allow`: the command, or the option, that allows them.
    PrivateKeys { found: Vec<(String, PrivateKey)>, allow: String },
}

impl IsoSecretProblem {
    pub(super) fn text(&self) -> Text {
        let Self::PrivateKeys { found, allow } = self;
        let what = match found.as_slice() {
            [(_, key)] => format!("The configuration contains {}", key.name()),
            several => format!("The configuration contains {} private keys", several.len()),
        };
        let list = found.iter().map(|(place, key)| format!("\n{place} ({})", key.name()));
        error("tree-secret", what)
            .because(format!(
                "Everybody who has the ISO, and every user of an installed system, could read them:{}",
                list.collect::<String>()
            ))
            .remedy(format!(
                "Move them out of the configuration, or keep them there encrypted, for example with sops-nix or agenix. To put them \
                 on the ISO as they are: {allow}"
            ))
    }
}
