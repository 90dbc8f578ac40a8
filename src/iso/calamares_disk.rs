//! The page "Disk" in the place of "Partitions", for systems whose layout for disko makes the disk: an instance of Calamares' own module
//! `packagechooserq` with our QML, whose answer goes to globalStorage as `packagechooser_disk` (Calamares 3.3, packagechooser/Config.cpp).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calamares_files::put_link;

/// The module, the page and its configuration.
pub(super) const MODULE: &str = "packagechooserq";
pub(super) const DISK: &str = "packagechooserq@disk";
pub(super) const DISK_CONF: &str = "packagechooserq-disk.conf";

/// The page, by the name under which Calamares looks for it in the branding (libcalamaresui/utils/Qml.cpp).
const PAGE: (&str, &str) = (
    "packagechooserq@disk.qml",
    include_str!("../../calamares-module/branding/packagechooserq@disk.qml"),
);

/// What the page imports: the layouts of the systems, and the disks of the machine, which are listed when Calamares starts.
pub(super) const LAYOUTS: &str = "NixCfgLayouts.js";
const DISKS: (&str, &str) = ("NixCfgDisks.js", "/run/nix-cfg-install/disks.js");

/// A layout, as the page needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub disks: Vec<LayoutDisk>,
    /// Whether it has encrypted volumes whose passphrase a person types.
    pub asks: bool,
}

/// One of its disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutDisk {
    /// Its name in the layout.
    pub name: String,
    /// Whether what is on it is lost.
    pub destroy: bool,
}

/// The layouts by the hosts that have one; that of an ISO with a single system by the empty name.
pub type Layouts = BTreeMap<String, Layout>;

/// Puts the page into the branding in `directory`. `targets`: where the live system has what [`put_layouts`] writes.
pub(super) fn put_page(directory: &Path, targets: &Path) -> Result<()> {
    let file = directory.join(PAGE.0);
    fs::write(&file, PAGE.1).with_context(|| format!("Failed to write {}", file.display()))?;
    put_link(&directory.join(LAYOUTS), &targets.join(LAYOUTS))?;
    put_link(&directory.join(DISKS.0), Path::new(DISKS.1))
}

/// Writes the layouts to `out`: only where there is the page, so that nobody waits for the disks to be listed without it.
pub(super) fn put_layouts(out: &Path, layouts: &Layouts) -> Result<()> {
    let file = out.join(LAYOUTS);
    let text = format!("var layouts = {};\n", serde_json::to_string_pretty(layouts)?);
    fs::write(&file, text).with_context(|| format!("Failed to write {}", file.display()))
}

/// The configuration of the page.
pub(super) fn page() -> Value {
    json!({ "qmlSearch": "branding", "mode": "required", "method": "legacy", "labels": { "step": "Disk" } })
}
