//! Calamares' configuration for an offline installer, derived from upstream's (calamares-nixos-extensions 0.2.2 to 0.3.15, and
//! 0.3.23, which nixpkgs 26.11 has in its own tree): its YAML is read, changed where it has to be, and all else stays.
//!
//! It comes in two parts. The package ([`derive`]) does not depend on the installed systems; the few files that do
//! ([`derive_targets`]) are text beside it. So another target changes text, and no package of the live system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_yaml::{Mapping, Value};

use super::calamares_chooser::{self, CHOOSER, HOST, HOST_CONF};
use super::calamares_disk::{self, DISK, DISK_CONF, Layouts};
use super::calamares_files::{self as files, STYLE};
use crate::diagnostic::{Diagnostic, IsoImageProblem};

/// What is known of the systems that the ISO installs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledSystems {
    /// The bytes that the largest of them takes on the disk.
    pub closure_bytes: u64,
    /// The normal users that all of them have; none at all where nobody can be added either; `None` when that is not known, or
    /// one can be.
    pub users: Option<Vec<String>>,
    /// The hosts that a person chooses from; with less than two there is nothing to choose.
    pub hosts: Vec<String>,
    /// Whether they are the desktops of stock NixOS.
    pub desktops: bool,
    /// What some of the systems leave open of what upstream asks on pages for more: [`UNFREE`], [`AUTOLOGIN`].
    pub open: Vec<String>,
    /// The pages whose questions the configurations of all of them answer, besides [`DECIDED`].
    pub decided: Vec<String>,
    /// The file systems that are not offered, because a boot loader of theirs could not read them.
    pub without: Vec<String>,
    /// The layouts for disko of those that have one.
    pub layouts: Layouts,
}

impl InstalledSystems {
    fn is_open(&self, key: &str) -> bool {
        self.open.iter().any(|open| open == key)
    }

    /// Whether layouts for disko make the disk, whichever host is chosen: Calamares omits no page for some of them.
    fn have_layouts(&self) -> bool {
        self.layouts.len() == self.hosts.len().max(1)
    }
}

/// Pages of upstream's whose answers a configuration has already given: the desktop, and unfree software, unless that is open.
const DECIDED: [&str; 3] = ["packagechooser", "packagechooserq", "notesqml"];
const UNFREE_PAGE: &str = "notesqml@unfree";

/// The keys of answers in [`InstalledSystems::open`].
const UNFREE: &str = "unfree";
const AUTOLOGIN: &str = "autologin";

/// The files of the configuration that depend on the installed systems.
pub const OF_TARGETS: [&str; 5] = [
    "settings.conf",
    "modules/welcome.conf",
    "modules/users.conf",
    "modules/packagechooser-host.conf",
    "modules/partition.conf",
];

/// How the time is spent, for the bar. The jobs that are not named here count 1 each.
const CHECK_WEIGHT: u64 = 8;
const INSTALL_WEIGHT: u64 = 80;

/// The instances of our module.
const CHECK: &str = "nixos@check";
const INSTALL: &str = "nixos@install";
const DISKO: &str = "nixos@disko";

/// Where a package has the configuration: nixpkgs' own copy (from 25.05 on) in the first, calamares-nixos-extensions in the
/// second. The branding is in the second in any case.
const CONFIGURATIONS: [&str; 2] = ["etc/calamares", SHARE];
const SHARE: &str = "share/calamares";

/// Where a package has its modules.
const MODULES: &str = "lib/calamares/modules";

/// Changes the copy of calamares-nixos-extensions in `package` (its configuration, and `lib/calamares/modules`) to ours.
/// The files [`OF_TARGETS`] become links into `targets`, where the live system has what [`derive_targets`] writes. Our module
/// starts `helper`. Returns what else is to be reported.
///
/// # Errors
/// A [`Diagnostic`] when the directory is not what is known of upstream; reading and writing.
pub fn derive(package: &Path, helper: &Path, targets: &Path) -> Result<Vec<String>> {
    let configuration = configuration_of(package);
    let modules = configuration.join("modules");
    // Where the machine is cannot be asked without a network.
    let locale = edited(&modules.join("locale.conf"), |text| {
        text.remove("geoip");
        Ok(())
    })?;
    write(&modules.join("locale.conf"), &locale)?;
    for (step, name) in [
        ("check", "Checking your NixOS configuration"),
        ("install", "Installing your NixOS configuration"),
        ("disko", "Installing your NixOS configuration"),
    ] {
        let instance = serde_json::json!({ "step": step, "name": name, "helper": helper });
        write(&modules.join(format!("nixos-{step}.conf")), &instance)?;
    }
    write(&modules.join(DISK_CONF), &calamares_disk::page())?;
    for name in OF_TARGETS {
        files::put_link(&configuration.join(name), &targets.join(name))?;
    }
    files::put_module(&package.join(MODULES).join("nixos"))?;
    let branding = package.join(SHARE).join("branding/nixos");
    files::put_link(&branding.join(STYLE), &targets.join(STYLE))?;
    calamares_disk::put_page(&branding, targets)?;
    files::put_status(&branding).map(Vec::from_iter)
}

/// Writes the files [`OF_TARGETS`] to the new directory `out`. They are changed from those in `upstream`, the unchanged
/// calamares-nixos-extensions, and use the modules in `package`, which [`derive`] changed. Returns what was done.
///
/// # Errors
/// A [`Diagnostic`] when `upstream` is not what is known of it; reading and writing.
pub fn derive_targets(upstream: &Path, package: &Path, out: &Path, known: &InstalledSystems) -> Result<Vec<String>> {
    let configuration = configuration_of(upstream);
    let mut notes = Vec::new();
    let mut sequence = edited(&configuration.join("settings.conf"), |text| {
        settings(text, known, &mut notes)
    })?;
    search(&mut sequence, upstream, package);
    let welcome = edited(&configuration.join("modules/welcome.conf"), |text| {
        welcome(text, known.closure_bytes, &mut notes);
        Ok(())
    })?;
    let users = edited(&configuration.join("modules/users.conf"), |text| {
        users(text, known, &mut notes);
        Ok(())
    })?;
    let partition = edited(&configuration.join("modules/partition.conf"), |text| {
        file_systems(text, &known.without, &mut notes);
        Ok(())
    })?;
    let modules = out.join("modules");
    fs::create_dir_all(&modules).with_context(|| format!("Failed to make {}", modules.display()))?;
    write(&out.join("settings.conf"), &sequence)?;
    write(&modules.join("welcome.conf"), &welcome)?;
    write(&modules.join("users.conf"), &users)?;
    write(&modules.join("partition.conf"), &partition)?;
    let chooser = if known.desktops {
        calamares_chooser::desktops(&configuration.join("modules"), &known.hosts)
    } else {
        calamares_chooser::machines(&known.hosts, |host| {
            known.layouts.contains_key(host) && !known.have_layouts()
        })
    };
    if known.have_layouts() {
        calamares_disk::put_layouts(out, &known.layouts)?;
    }
    write(&modules.join(HOST_CONF), &chooser)?;
    let asks_autologin = known.is_open(AUTOLOGIN);
    files::put_style(
        &upstream.join(SHARE).join("branding/nixos"),
        out,
        (!asks_autologin, !known.desktops),
    )?;
    if known.have_layouts() {
        notes.push("A page for the disk, in the place of the partitions: layouts for disko make them".to_owned());
    }
    if known.hosts.len() > 1 {
        notes.push(format!("A page for the host: {}", known.hosts.join(", ")));
    }
    Ok(notes)
}

/// Where `package` has its configuration.
fn configuration_of(package: &Path) -> PathBuf {
    let places = CONFIGURATIONS.map(|place| package.join(place));
    let is_there = |place: &&PathBuf| place.join("settings.conf").exists();
    places.iter().find(is_there).unwrap_or(&places[0]).clone()
}

fn edited(path: &Path, change: impl FnOnce(&mut Mapping) -> Result<()>) -> Result<Mapping> {
    let text = fs::read_to_string(path).with_context(|| format!("Failed to read {}", path.display()))?;
    let mut mapping: Mapping = serde_yaml::from_str(&text).map_err(|error| {
        Diagnostic::from(IsoImageProblem::CalamaresYaml {
            file: path.to_owned(),
            reason: error.to_string(),
        })
    })?;
    change(&mut mapping).with_context(|| format!("In {}", path.display()))?;
    Ok(mapping)
}

/// As JSON: it is YAML of which no reader sees a country code as a boolean.
fn write(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    let text = format!("# Written by nix-cfg-iso calamares-config.\n---\n{json}\n");
    fs::write(path, text).with_context(|| format!("Failed to write {}", path.display()))
}

fn settings(settings: &mut Mapping, known: &InstalledSystems, notes: &mut Vec<String>) -> Result<()> {
    let mut phases = list(settings, "sequence");
    let nobody = known.users.as_ref().is_some_and(Vec::is_empty);
    let mut asks = known.hosts.len() > 1;
    let mut found = false;
    let mut dropped = Vec::new();
    for phase in phases.iter_mut().filter_map(Value::as_mapping_mut) {
        if let Some(Value::Sequence(pages)) = phase.get_mut("show") {
            let chooses = |page: &Value| module(page.as_str().unwrap_or_default()).starts_with(CHOOSER);
            if known.desktops
                && asks
                && let Some(at) = pages.iter().position(chooses)
            {
                pages[at] = HOST.into();
                asks = false;
            }
            pages.retain(|page| {
                let name = page.as_str().unwrap_or_default();
                let is_kept = name == HOST || name == UNFREE_PAGE && known.is_open(UNFREE);
                let decided = DECIDED.contains(&module(name)) && !is_kept
                    || nobody && module(name) == "users"
                    || known.decided.iter().any(|page| page == module(name));
                if decided {
                    dropped.push(name.to_owned());
                }
                !decided
            });
            if known.have_layouts()
                && let Some(page) = pages.iter_mut().find(|page| *page == "partition")
            {
                *page = DISK.into();
            }
            // Only the first of them asks; the other shows how it ended.
            if let Some(at) = pages.iter().position(|page| page == "welcome").filter(|_| asks) {
                pages.insert(at + 1, HOST.into());
                asks = false;
            }
        }
        if let Some(Value::Sequence(jobs)) = phase.get_mut("exec") {
            jobs.retain(|job| !(nobody && job == "users"));
            found |= put_jobs(jobs, known.have_layouts());
        }
    }
    if !found {
        return Err(IsoImageProblem::CalamaresSequence.into());
    }
    settings.insert("sequence".into(), phases.into());
    if !dropped.is_empty() {
        notes.push(format!(
            "Pages that the configuration has decided: {}",
            dropped.join(", ")
        ));
    }
    set_instances(settings, known)?;
    // Calamares would end and leave the helper alone.
    settings.insert("disable-cancel-during-exec".into(), true.into());
    Ok(())
}

/// Puts our jobs among those of Calamares, where that of upstream is. `false`: it is not there.
fn put_jobs(jobs: &mut Vec<Value>, layouts_make_the_disk: bool) -> bool {
    let Some(at) = jobs.iter().position(|job| job == "nixos") else {
        return false;
    };
    if layouts_make_the_disk {
        // It checks before it makes the disk, and mounts it.
        jobs[at] = DISKO.into();
        jobs.retain(|job| job != "partition" && job != "mount");
    } else {
        jobs[at] = INSTALL.into();
        jobs.insert(0, CHECK.into());
    }
    true
}

/// Our modules come first, because Calamares takes the first of a name (3.3, modulesystem/ModuleManager.cpp). Newer nixpkgs
/// name those of the unchanged package by its store path.
fn search(settings: &mut Mapping, upstream: &Path, package: &Path) {
    let mut directories = list(settings, "modules-search");
    directories.retain(|directory| {
        !directory
            .as_str()
            .is_some_and(|directory| Path::new(directory).starts_with(upstream))
    });
    directories.insert(0, package.join(MODULES).display().to_string().into());
    settings.insert("modules-search".into(), directories.into());
}

/// The instances of the pages and jobs: ours, and those of upstream that are still used.
fn set_instances(settings: &mut Mapping, known: &InstalledSystems) -> Result<()> {
    let mut instances = list(settings, "instances");
    instances.retain(|instance| {
        let text = |key: &str| instance.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}@{}", text("module"), text("id"));
        // And the weight that newer nixpkgs give the job whose place is taken.
        let is_gone = DECIDED.contains(&text("module")) || text("module") == "nixos";
        !is_gone || name == UNFREE_PAGE && known.is_open(UNFREE)
    });
    if known.hosts.len() > 1 {
        instances.push(serde_yaml::to_value(
            serde_json::json!({ "id": "host", "module": CHOOSER, "config": HOST_CONF }),
        )?);
    }
    let jobs = if known.have_layouts() {
        instances.push(serde_yaml::to_value(
            serde_json::json!({ "id": "disk", "module": calamares_disk::MODULE, "config": DISK_CONF }),
        )?);
        &[("disko", CHECK_WEIGHT + INSTALL_WEIGHT)][..]
    } else {
        &[("check", CHECK_WEIGHT), ("install", INSTALL_WEIGHT)]
    };
    for (id, weight) in jobs {
        let mut instance = Mapping::new();
        instance.insert("id".into(), (*id).into());
        instance.insert("module".into(), "nixos".into());
        instance.insert("config".into(), format!("nixos-{id}.conf").into());
        instance.insert("weight".into(), (*weight).into());
        instances.push(instance.into());
    }
    settings.insert("instances".into(), instances.into());
    Ok(())
}

/// The module of `module` or `module@instance`.
fn module(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// The list at `key`; empty where it is absent or null.
fn list(mapping: &Mapping, key: &str) -> Vec<Value> {
    mapping
        .get(key)
        .and_then(Value::as_sequence)
        .cloned()
        .unwrap_or_default()
}

/// What a file system takes for itself, and what the first start needs.
const ROOM: f64 = 1.1;
const FIRST_START_GIB: f64 = 1.0;

#[allow(clippy::cast_precision_loss)] // One decimal is shown.
fn welcome(welcome: &mut Mapping, closure_bytes: u64, notes: &mut Vec<String>) {
    let Some(Value::Mapping(requirements)) = welcome.get_mut("requirements") else {
        return;
    };
    let gib = (closure_bytes as f64 / f64::from(1 << 30)).mul_add(ROOM, FIRST_START_GIB);
    let gib = (gib * 10.0).ceil() / 10.0;
    requirements.insert("requiredStorage".into(), gib.into());
    for key in ["check", "required"] {
        let mut words = list(requirements, key);
        words.retain(|word| word != "internet");
        if !words.iter().any(|word| word == "storage") {
            words.insert(0, "storage".into());
        }
        requirements.insert(key.into(), words.into());
    }
    notes.push(format!("Required: {gib} GiB of disk, and no internet"));
}

/// What the page of partitions offers where it erases a disk (Calamares 3.3, partition/Config.cpp). Older configurations have
/// no such list, and so no choice.
fn file_systems(partition: &mut Mapping, without: &[String], notes: &mut Vec<String>) {
    let mut offered = list(partition, "availableFileSystemTypes");
    let all = offered.len();
    offered.retain(|name| !without.iter().any(|other| name == other.as_str()));
    if offered.len() < all {
        partition.insert("availableFileSystemTypes".into(), offered.into());
        notes.push(format!(
            "Not offered, because GRUB cannot read what mkfs makes: {}",
            without.join(", ")
        ));
    }
}

fn users(users: &mut Mapping, known: &InstalledSystems, notes: &mut Vec<String>) {
    // Where the configuration says who is logged in without a password, it is not asked. Calamares 3.4 has the first of these two;
    // on the page of 3.3 the style sheet hides the question.
    users.insert("displayAutologin".into(), known.is_open(AUTOLOGIN).into());
    users.insert("doAutologin".into(), false.into());
    let Some([only]) = known.users.as_deref() else {
        return;
    };
    let mut login = Mapping::new();
    login.insert("value".into(), only.as_str().into());
    login.insert("editable".into(), false.into());
    let mut presets = users
        .get("presets")
        .and_then(Value::as_mapping)
        .cloned()
        .unwrap_or_default();
    presets.insert("loginName".into(), login.into());
    users.insert("presets".into(), presets.into());
    notes.push(format!("Login name: {only}, the only user of the configuration"));
}
