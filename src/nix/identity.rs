//! Which machine a configuration is for, and since when it has its data: what an update must not change by mistake.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// As `facts.nix` and a receipt have it; each may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// `networking.hostName`.
    pub host_name: String,
    /// `system.stateVersion`: `24.05`.
    pub state_version: String,
    /// The versions of its databases, by their names in `services`: `postgresql`, `15.8`.
    pub databases: BTreeMap<String, String>,
}
