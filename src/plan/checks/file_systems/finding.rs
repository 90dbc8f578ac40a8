//! What is compared: the file systems that a tree sets, and those that are mounted.

use std::path::{Path, PathBuf};

use crate::nix::facts::{Definition, FileSystem};
use crate::plan::hardware_files;
use crate::plan::observed::Mounted;
use crate::tree::locate::in_tree;

/// The tree whose configuration was evaluated.
pub struct Tree<'a> {
    /// The snapshot.
    pub root: &'a Path,
    /// This machine's hardware configuration in it, and the machine.nix beside it.
    pub hardware: Vec<PathBuf>,
    /// Whether nixos-generate-config wrote it for this run: then it has what is mounted.
    pub generated: bool,
    /// Whether the disk is partitioned already.
    pub partitioned: bool,
    /// Whether disko makes the file systems that the configuration sets.
    pub made_by_layout: bool,
}

impl<'a> Tree<'a> {
    /// The snapshot at `root`, whose hardware configuration is `hardware`, of a disk that is partitioned.
    pub fn new(root: &'a Path, hardware: &Path, generated: bool) -> Self {
        Self {
            root,
            hardware: hardware_files::files(root, hardware).unwrap_or_else(|_| vec![hardware.to_owned()]),
            generated,
            partitioned: true,
            made_by_layout: false,
        }
    }

    /// The tree at `root` while an ISO is made from it, whose hardware configuration is that of no machine, or absent.
    pub fn of_iso(root: &'a Path, hardware: &Path) -> Self {
        Self {
            root,
            hardware: vec![hardware.to_owned()],
            generated: false,
            partitioned: false,
            made_by_layout: false,
        }
    }

    /// Whether `file`, as Nix names it, is one of the hardware configuration.
    pub(super) fn is_hardware(&self, file: &str) -> bool {
        in_tree(file, self.root).is_some_and(|file| self.hardware.contains(&file))
    }

    /// The definition in `set` that is the user's own.
    pub(super) fn own<'b>(&self, set: &'b [Definition]) -> Option<&'b Definition> {
        set.iter().find(|definition| !self.is_hardware(&definition.file))
    }

    /// Whether only the hardware configuration sets `system`.
    pub(super) fn is_of_hardware(&self, system: &FileSystem) -> bool {
        !system.set.is_empty() && self.own(&system.set).is_none()
    }
}

/// A mount point at which the configuration differs from what is mounted, or may differ.
pub(super) struct Finding<'a> {
    pub at: &'a str,
    /// In the configuration; `None` where only the target has it.
    pub system: Option<&'a FileSystem>,
    /// At the target; `None` where nothing is mounted there.
    pub mounted: Option<&'a Mounted>,
}
