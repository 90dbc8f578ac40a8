//! `nix-cfg-iso delta`: an image to update machines from that holds only what they lack of the ISO.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::BASE64;
use serde::Deserialize;

use super::all_at_once::keep;
use super::earlier_iso::EarlierIso;
use super::flake_reference::local_directory;
use super::flake_template::INSTALLER_DIR;
use super::image_contents::ImageOutput;
use super::image_file::ImageIdentity;
use super::output_file::{directory_of, publish, require_new};
use super::remaster;
use super::signed_update::sign;
use super::staging::{MODE, PREFIX};
use crate::diagnostic::{DeltaProblem, Diagnostics};
use crate::files::{names, open_anything, read_text};
use crate::live::earlier_receipt::Receipt;
use crate::live::installation_medium::{SIGNED, STORE_IMAGE, host_in};
use crate::locked_directory::LockedDirectory;
use crate::process::{Invocation, PATHS_PER_CALL, Runner};
use crate::progress::{Phase, Reporter};
use crate::store::database::{self, Record};
use crate::text::bytes;

/// What the bar is divided into.
pub const PHASES: [Phase; 2] = [
    Phase {
        name: "build",
        title: "Building what is on the ISO",
        seconds: 60.0,
    },
    Phase {
        name: "write",
        title: "Writing the image",
        seconds: 20.0,
    },
];

/// The options of the command line.
#[derive(Debug)]
pub struct DeltaOptions {
    pub image: ImageOutput,
    /// The receipts of the machines, and ISOs that they were installed from.
    pub since: Vec<PathBuf>,
    /// The secret key.
    pub key: PathBuf,
    /// The file to write.
    pub out: PathBuf,
}

/// The label of the image, which a desktop shows for the stick.
const VOLUME: &str = "NIXCFG_UPDATE";

/// Makes the image, and returns what to say of it.
///
/// # Errors
/// [`DeltaProblem`]s, all at once; those of Nix, of the programs that write the image, and of the file system. Nothing has the name
/// of the image then.
pub fn delta(runner: &Runner, options: &DeltaOptions, reporter: &Reporter) -> Result<Vec<String>> {
    reporter.phase(&PHASES[0]);
    let Checked {
        out,
        mut machines,
        isos,
        key_name,
    } = checked(options)?;
    let directory = directory_of(&out);
    let what = || format!("Failed to create a directory in {}", directory.display());
    let staging = LockedDirectory::create(directory, PREFIX, MODE).with_context(what)?;
    let parts = Parts(staging.path().join("parts"));
    options.image.build(runner, ".delta", &parts.0)?;
    let description = parts.description()?;
    for iso in &isos {
        machines.extend(parts.machines_of(runner, iso, &description.names)?);
    }
    let needed = Needed::of(&parts, &machines)?;

    reporter.phase(&PHASES[1]);
    let store = staging.path().join(STORE_IMAGE);
    for paths in needed.lacking().chunks(PATHS_PER_CALL) {
        // A second call adds to the image. As in nixpkgs (nixos/lib/make-squashfs.nix, 26.11).
        let call = Invocation::new(parts.0.join("bin/mksquashfs"))
            .args(paths.iter().copied())
            .arg(&store)
            .args(["-no-hardlinks", "-keep-as-directory", "-all-root", "-b", "1048576"])
            .args(["-quiet", "-no-progress"])
            .args(&description.compression);
        runner.output(&call.long())?;
    }
    let cache = LockedDirectory::private().context("Failed to create a directory for temporary files")?;
    sign(runner, (&parts.signed()?, &store), &options.key, cache.path())?;
    let new = staging.path().join("new.iso");
    let program = fs::canonicalize(parts.0.join("bin/nix-cfg-install")).context("The installer is not there")?;
    let files = [
        (STORE_IMAGE, store),
        (SIGNED, cache.path().to_owned()),
        ("nix-cfg-install", program),
    ];
    remaster::make(runner, &parts.0.join("bin/xorriso"), VOLUME, &files, &new)?;
    let written = File::open(&new).and_then(|file| {
        file.sync_all()?;
        file.metadata()
    });
    let size = written
        .with_context(|| format!("Failed to write {}", new.display()))?
        .len();
    runner.interrupt().check()?;
    publish(&new, &out, &options.out)?;
    Ok(needed.said(&options.out, size, description.whole_size(), &key_name))
}

/// What the options name.
struct Checked {
    /// The absolute path of the file to write.
    out: PathBuf,
    machines: Vec<Machine>,
    /// ISOs that others were installed from.
    isos: Vec<PathBuf>,
    /// The name in the key.
    key_name: String,
}

/// A machine by its receipt, or any that was installed from an ISO.
struct Machine {
    file: PathBuf,
    host: String,
    has: BTreeSet<String>,
}

/// Looks at all that the options name, and reports everything that is wrong with it at once.
fn checked(options: &DeltaOptions) -> Result<Checked> {
    let mut problems = Vec::new();
    let out = keep(require_new(Path::new(""), &options.out), &mut problems)?;
    let key = keep(key_name(options).map_err(Into::into), &mut problems)?;
    let (mut machines, mut isos) = (Vec::new(), Vec::new());
    for file in &options.since {
        match open_anything(file).and_then(|open| ImageIdentity::read(&open)) {
            Ok(Some(_)) => isos.push(file.clone()),
            _ => machines.extend(keep(machine(file).map_err(Into::into), &mut problems)?),
        }
    }
    let dir = local_directory(&options.image.reference);
    if let Some(out) = out.as_ref().filter(|out| is_inside(out, dir)) {
        let (out, dir) = (out.clone(), dir.to_owned());
        problems.push(DeltaProblem::ImageInside { out, dir }.into());
    }
    let installer = dir.join(INSTALLER_DIR);
    if installer.is_dir() && !installer.join("delta.nix").is_file() {
        let dir = dir.to_owned();
        problems.push(DeltaProblem::OlderDirectory { dir }.into());
    }
    match (out, key) {
        (Some(out), Some(key_name)) if problems.is_empty() => Ok(Checked {
            out,
            machines,
            isos,
            key_name,
        }),
        _ => Err(Diagnostics(problems).into()),
    }
}

fn machine(file: &Path) -> Result<Machine, DeltaProblem> {
    let receipt = || file.to_owned();
    let bad = |error| DeltaProblem::NotAReceipt { file: receipt(), error };
    let text = read_text(file, 1 << 26).map_err(|error| bad(error.to_string()))?;
    let read = Receipt::parse(text.as_bytes()).map_err(bad)?;
    Ok(Machine {
        has: read.paths.ok_or_else(|| DeltaProblem::NoPaths { file: receipt() })?,
        host: host_in(read.host.as_deref()).to_owned(),
        file: receipt(),
    })
}

/// Whether a file is in `dir`, if there is such a directory.
fn is_inside(file: &Path, dir: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    dir.is_dir() && real(file).starts_with(real(dir))
}

/// The name in the secret key.
fn key_name(options: &DeltaOptions) -> Result<String, DeltaProblem> {
    let file = || options.key.clone();
    let text = read_text(&options.key, 1 << 12).map_err(|error| DeltaProblem::UnreadableKey {
        file: file(),
        error: error.to_string(),
    })?;
    let dir = local_directory(&options.image.reference).to_owned();
    if is_inside(&options.key, &dir) {
        return Err(DeltaProblem::KeyInside { file: file(), dir });
    }
    let (name, key) = text.trim().split_once(':').unwrap_or_default();
    match BASE64.decode(key.as_bytes()) {
        // Both halves of an Ed25519 key.
        Ok(key) if key.len() == 64 && !name.is_empty() => Ok(name.to_owned()),
        Ok(key) if key.len() == 32 => Err(DeltaProblem::PublicKey { file: file() }),
        _ => Err(DeltaProblem::BadKey { file: file() }),
    }
}

/// What nix/delta.nix builds.
struct Parts(PathBuf);

/// What it says of the ISO.
#[derive(Deserialize)]
struct Description {
    /// Arguments for mksquashfs.
    compression: Vec<String>,
    /// The hosts, each with what is in the names of its systems.
    names: Vec<(String, String)>,
    /// The output with the whole ISO, which need not be there.
    iso: PathBuf,
}

impl Description {
    /// Bytes of the whole ISO, if it was built here.
    fn whole_size(&self) -> Option<u64> {
        let directory = self.iso.join("iso");
        let image = directory.join(names(&directory).first()?);
        Some(image.metadata().ok()?.len())
    }
}

impl Parts {
    fn description(&self) -> Result<Description> {
        let text = fs::read(self.0.join("delta.json")).context("Failed to read what the ISO is made with")?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// What is signed besides the hash of the image of the store.
    fn signed(&self) -> Result<PathBuf> {
        fs::canonicalize(self.0.join("signed")).context("Failed to read what is signed")
    }

    /// What machines surely have that were installed from `iso`, for each host that it installs: of its system what machines with any
    /// hardware have as well.
    fn machines_of(&self, runner: &Runner, iso: &Path, names: &[(String, String)]) -> Result<Vec<Machine>> {
        let earlier = EarlierIso::read(runner, &self.0.join("bin"), iso)?;
        let mut machines = Vec::new();
        let systems: Vec<&str> = names.iter().map(|(_, system)| system.as_str()).collect();
        for (host, system) in names {
            if let Some(mut has) = earlier.system(system, &systems) {
                let common = self.closure("common", host)?;
                let common: BTreeSet<String> = common.into_iter().map(|record| record.path).collect();
                has.retain(|path| common.contains(path));
                let (file, host) = (iso.to_owned(), host.clone());
                machines.push(Machine { file, host, has });
            }
        }
        if machines.is_empty() {
            let (file, hosts) = (iso.to_owned(), names.iter().map(|(host, _)| host.clone()).collect());
            return Err(DeltaProblem::NoHost { file, hosts }.into());
        }
        Ok(machines)
    }

    /// What the ISO has for `host`, in all or in common.
    fn closure(&self, kind: &str, host: &str) -> Result<Vec<Record>> {
        let file = self.0.join(kind).join(host).join("registration");
        let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
        database::parse_registration(&text)
    }
}

/// What the machines' hosts need, by store paths: their bytes, and whether a machine lacks them.
struct Needed(BTreeMap<String, (u64, bool)>);

impl Needed {
    fn of(parts: &Parts, machines: &[Machine]) -> Result<Self> {
        let hosts = names(&parts.0.join("closures"));
        let other = |machine: &&Machine| !hosts.contains(&machine.host);
        let problem = |machine: &Machine| DeltaProblem::OtherHost {
            file: machine.file.clone(),
            host: machine.host.clone(),
            hosts: hosts.clone(),
        };
        let problems: Vec<_> = machines.iter().filter(other).map(|one| problem(one).into()).collect();
        if !problems.is_empty() {
            return Err(Diagnostics(problems).into());
        }
        let mut needed = BTreeMap::new();
        for machine in machines {
            for record in parts.closure("closures", &machine.host)? {
                let lacks = !machine.has.contains(&record.path);
                needed.entry(record.path).or_insert((record.nar_size, false)).1 |= lacks;
            }
        }
        if !needed.values().any(|(_, lacks)| *lacks) {
            return Err(DeltaProblem::NothingLacking.into());
        }
        Ok(Self(needed))
    }

    fn lacking(&self) -> Vec<&str> {
        let lacking = self.0.iter().filter(|(_, (_, lacks))| *lacks);
        lacking.map(|(path, _)| path.as_str()).collect()
    }

    /// The sentences about the image `out` of `size` bytes. `whole`: bytes of the ISO.
    fn said(&self, out: &Path, size: u64, whole: Option<u64>, key: &str) -> Vec<String> {
        let sum = |lacking: bool| -> u64 {
            let some = self.0.values().filter(|(_, lacks)| *lacks || !lacking);
            some.map(|(size, _)| size).sum()
        };
        let mut said = vec![
            format!("Wrote {}: {}.", out.display(), bytes(size)),
            format!(
                "It holds {} of {} store paths, {} of {} before compression; the machines have the others.",
                self.lacking().len(),
                self.0.len(),
                bytes(sum(true)),
                bytes(sum(false)),
            ),
        ];
        said.push(match whole {
            Some(whole) => format!(
                "The whole ISO has {}: it saves {}, and is {} % of it.",
                bytes(whole),
                bytes(whole.saturating_sub(size)),
                (100 * size).div_ceil(whole.max(1)),
            ),
            None => "How much it saves of the whole ISO cannot be said: that was not built here.".to_owned(),
        });
        said.push(format!(
            "Signed with {key}. Machines whose nix.settings.trusted-public-keys has its public half can be updated from it."
        ));
        said
    }
}
