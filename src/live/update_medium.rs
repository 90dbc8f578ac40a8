//! What a running machine is updated from: a whole ISO, which brings a live system, or an image with only what machines lack, which uses
//! the programs of the machine itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, mknod};

use super::installation_medium::{LIVE_SYSTEM, SIGNED, SIGNED_PATH, STORE_IMAGE, STORE_IMAGE_HASH, host_in};
use super::live_mounts::{below, bind, mount_new};
use crate::diagnostic::{Damage, Diagnostic, MediumProblem, SupplyProblem, UpdateProblem};
use crate::files::{names, open_anything, read_text, sha256};
use crate::interrupt::Interrupted;
use crate::process::{Invocation, Runner};
use crate::progress::{Reporter, Unit};
use crate::store_path::{STORE, containing, store_name};
use crate::tree::snapshot::Copier;

/// Where it is mounted in the live system; `/iso` has the files of an ISO, from there or from what is signed.
pub const MEDIUM: &str = "/medium";

/// Root's channels (nixos/modules/installer/cd-dvd/channel.nix).
pub const CHANNELS_PROFILE: &str = "/nix/var/nix/profiles/per-user/root/channels";

/// What an ISO's store is registered with.
const REGISTRATION: &str = "/nix/store/nix-path-registration";

/// Where what is signed is unpacked, below the root of the live system.
const VERIFIED: &str = "verified";

/// What makes the live system.
pub struct LiveSystemOfIso {
    /// The toplevel of the ISO's live system: which ISO it is.
    pub system: PathBuf,
    /// The store path of its channel, or a directory in it.
    channel: Option<PathBuf>,
    /// The system whose programs run.
    pub(super) programs: PathBuf,
    /// The directory with its files for /etc.
    pub(super) etc: PathBuf,
    /// Whether the machine's own store has what the medium has not.
    pub is_delta: bool,
}

impl LiveSystemOfIso {
    /// Mounts the `medium`, which may have to be `signed`, and its store below `root`, with memory above it, as an ISO does when it is started.
    ///
    /// # Errors
    /// [`MediumProblem::NotOurs`] when something else is there; [`UpdateProblem::NotSigned`], [`UpdateProblem::OtherStore`] and
    /// [`UpdateProblem::WholeIso`]; what `mount` says.
    pub(super) fn mount(
        (medium, signed): (&Path, bool),
        root: &Path,
        (runner, report): (&Runner, &Reporter),
    ) -> Result<Self> {
        let at = below(root, Path::new(MEDIUM));
        mount_medium(medium, &at, runner)?;
        let is_delta = at.join(SIGNED).is_dir();
        if signed && !is_delta {
            let medium = medium.to_owned();
            return Err(UpdateProblem::WholeIso { medium }.into());
        }
        let files = if is_delta {
            verified(medium, &at.join(SIGNED), root, runner)?
        } else {
            at.clone()
        };
        bind(&files, &root.join("iso"), MsFlags::empty())?;
        let text = read_text(&files.join(LIVE_SYSTEM), 1 << 16)
            .map_err(|error| not_ours(medium, &anyhow!("{LIVE_SYSTEM} cannot be read: {error}")))?;
        let value = |key: &str| {
            text.lines()
                .find_map(|line| Some(line.strip_prefix(key)?.trim().into()))
        };
        let system: PathBuf =
            value("system:").ok_or_else(|| not_ours(medium, &anyhow!("{LIVE_SYSTEM} names no system")))?;
        let programs = if is_delta {
            fs::canonicalize("/run/current-system").context("Failed to find the system of this machine")?
        } else {
            system.clone()
        };
        let image = at.join(STORE_IMAGE);
        let hash = files.join(STORE_IMAGE_HASH);
        let lacking = [(&image, STORE_IMAGE, true), (&hash, STORE_IMAGE_HASH, is_delta)];
        if let Some((_, name, _)) = lacking.iter().find(|(path, _, is_needed)| *is_needed && !path.exists()) {
            return Err(not_ours(medium, &anyhow!("It has no {name}.")));
        }
        if is_delta {
            compare(&image, &hash, (runner, report))?;
        }
        mount_store(&image, root, is_delta, runner)?;
        Ok(Self {
            etc: if is_delta {
                "/iso/etc".into()
            } else {
                system.join("etc")
            },
            channel: value("channel:"),
            system,
            programs,
            is_delta,
        })
    }

    /// Its registration of the store, in the live system, for a machine that is `host`.
    ///
    /// # Errors
    /// [`UpdateProblem::NotForHost`] when the medium has nothing for that.
    pub fn registration(&self, host: Option<&str>) -> Result<Vec<u8>> {
        let file = if self.is_delta {
            let directory = Path::new("/iso/registration");
            let (host, hosts) = (host_in(host).to_owned(), names(directory));
            if !hosts.contains(&host) {
                return Err(UpdateProblem::NotForHost { host, hosts }.into());
            }
            directory.join(host)
        } else {
            REGISTRATION.into()
        };
        fs::read(&file).with_context(|| format!("Failed to read {}", file.display()))
    }

    /// Gives the live system, which was entered and whose store is registered, its channel.
    ///
    /// # Errors
    /// When Nix refuses it.
    pub fn install_channel(&self, runner: &Runner) -> Result<()> {
        let Some(channel) = self.channel.as_deref().and_then(|path| containing(path.to_str()?)) else {
            return Ok(());
        };
        fs::create_dir_all(Path::new(CHANNELS_PROFILE).parent().unwrap_or(Path::new("/")))?;
        let install = Invocation::new("nix-env").args(["--profile", CHANNELS_PROFILE, "--install", channel, "--quiet"]);
        runner.output(&install).map(drop)
    }
}

fn mount_medium(medium: &Path, at: &Path, runner: &Runner) -> Result<()> {
    if medium.is_dir() {
        return bind(medium, at, MsFlags::empty());
    }
    let options = if medium.is_file() { "ro,loop" } else { "ro" };
    let invocation = Invocation::new("mount").args(["-t", "iso9660", "-o", options]);
    let mounted = runner.output(&invocation.arg(medium).arg(at));
    mounted
        .map(drop)
        .map_err(|error| unless_interrupted(error, |error| not_ours(medium, error)))
}

fn not_ours(medium: &Path, error: &anyhow::Error) -> anyhow::Error {
    let (medium, error) = (medium.to_owned(), format!("{error:#}"));
    MediumProblem::NotOurs { medium, error }.into()
}

/// What `explain` makes of an error that is no interruption.
fn unless_interrupted(error: anyhow::Error, explain: impl FnOnce(&anyhow::Error) -> anyhow::Error) -> anyhow::Error {
    if error.is::<Interrupted>() {
        error
    } else {
        explain(&error)
    }
}

/// Compares the `image` of the store with the hash that is signed: before the kernel reads anything of it.
fn compare(image: &Path, signed: &Path, (runner, report): (&Runner, &Reporter)) -> Result<()> {
    let what = |path: &Path| format!("Failed to read {}", path.display());
    let wanted = read_text(signed, 1 << 10).with_context(|| what(signed))?;
    // It may be a pipe.
    let file = open_anything(image).with_context(|| what(image))?;
    let total = file.metadata()?.len();
    let found = sha256(file, &mut |done| {
        report.progress(done, total, Unit::Bytes, STORE_IMAGE);
        runner.interrupt().check()
    });
    if found.with_context(|| what(image))? == wanted {
        Ok(())
    } else {
        Err(UpdateProblem::OtherStore.into())
    }
}

/// Mounts the `image` of the store. With `is_delta`, the machine's own store is below it.
fn mount_store(image: &Path, root: &Path, is_delta: bool, runner: &Runner) -> Result<()> {
    let lower = root.join("nix/.ro-store");
    let invocation = Invocation::new("mount").args(["-t", "squashfs", "-o", "ro,loop"]);
    let mounted = runner.output(&invocation.arg(image).arg(&lower));
    // One that was cut off has no beginning, or not the tables at its end.
    mounted.map_err(|error| {
        unless_interrupted(error, |error| {
            let file = Some(STORE_IMAGE.to_owned());
            let problem = Diagnostic::from(SupplyProblem::Damaged(Damage::Unreadable { file }));
            problem.raw(format!("{error:#}")).into()
        })
    })?;
    let mut all = lower.display().to_string();
    if is_delta {
        let hidden = root.join("nix/.hidden");
        hide(&lower, &hidden)?;
        all = format!("{all}:{}:{STORE}", hidden.display());
    }
    let above = root.join("nix/.rw-store");
    let (upper, work) = (above.join("store"), above.join("work"));
    let options = format!("lowerdir={all},upperdir={},workdir={}", upper.display(), work.display());
    mount_new("overlay", &root.join("nix/store"), &options)
}

/// Makes in `hidden` what hides of the machine's store what the image has as well: an overlay would merge two directories of a name, and
/// the machine's may be left over from a copy that was cut off. It takes a device with the number 0 for a name that is not there
/// (Documentation/filesystems/overlayfs.rst, "whiteouts").
fn hide(image: &Path, hidden: &Path) -> Result<()> {
    let names = names(image).into_iter();
    for name in names.filter(|name| Path::new(STORE).join(name).symlink_metadata().is_ok()) {
        let path = hidden.join(name);
        mknod(&path, SFlag::S_IFCHR, Mode::empty(), 0).with_context(|| format!("Failed to make {}", path.display()))?;
    }
    Ok(())
}

/// Has the machine's Nix unpack what is `signed` on the medium into memory, if it trusts the key. Returns where it is.
fn verified(medium: &Path, signed: &Path, root: &Path, runner: &Runner) -> Result<PathBuf> {
    // Nix makes directories in it, and what it verifies is what is read below.
    let cache = root.join(SIGNED);
    copy(signed, &cache, runner).map_err(|error| unless_interrupted(error, |error| not_ours(medium, error)))?;
    let Info {
        path,
        keys,
        names_itself,
    } = Info::read(&cache).map_err(|error| not_ours(medium, &error))?;
    if names_itself {
        return Err(UpdateProblem::NotSigned { keys }.into());
    }
    let from = format!("file://{}", cache.display());
    let to = format!("local?root={}", root.join(VERIFIED).display());
    let copy = Invocation::new("nix").args(["copy", "--option", "require-sigs", "true", "--from", &from, "--to", &to]);
    if let Err(error) = runner.output(&copy.arg(&path)) {
        let verify = Invocation::new("nix").args(["store", "verify", "--sigs-needed", "1", "--store", &from]);
        let code = runner.run(&verify.arg(&path), &mut |_, _| {})?.status.code();
        // The sum of 1 for damaged contents, 2 for signatures that are not trusted, and 4 for what cannot be read (`nix store verify
        // --help`).
        return Err(match code {
            Some(code) if code & 2 != 0 => UpdateProblem::NotSigned { keys }.into(),
            Some(1..) => SupplyProblem::Damaged(Damage::Path { path }).into(),
            _ => error,
        });
    }
    Ok(below(&root.join(VERIFIED), Path::new(&path)))
}

/// Copies files and directories, and refuses pipes, which would be waited for.
fn copy(from: &Path, to: &Path, runner: &Runner) -> Result<()> {
    let copier = Copier {
        owners: None,
        interrupt: runner.interrupt(),
        exclude: None,
    };
    fs::create_dir(to)?;
    let problems = copier.copy(&File::open(from)?.into(), to)?.problems;
    ensure!(problems.is_empty(), "{SIGNED} has something that is no file");
    Ok(())
}

/// What a binary cache with one store path says of it.
struct Info {
    path: String,
    /// The names of the keys that it is signed with.
    keys: Vec<String>,
    /// Whether its name is made of its contents: Nix takes such a path without a signature (`ValidPathInfo::checkSignatures`).
    names_itself: bool,
}

impl Info {
    fn read(cache: &Path) -> Result<Self> {
        let mut infos = names(cache).into_iter().filter(|name| name.ends_with(".narinfo"));
        let (Some(info), None) = (infos.next(), infos.next()) else {
            return Err(anyhow!("{SIGNED} has not one store path"));
        };
        let text = read_text(&cache.join(info), 1 << 16)?;
        let values = |key: &'static str| {
            text.lines()
                .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(": "))
        };
        // A key may sign other things as well, as that of a binary cache does.
        let is_update = |path: &&str| containing(path) == Some(path) && store_name(path) == SIGNED_PATH;
        let path = values("StorePath").next().filter(is_update);
        let names = values("Sig").filter_map(|value| Some(value.split_once(':')?.0.to_owned()));
        Ok(Self {
            path: path.context("It has no update")?.to_owned(),
            keys: names.collect(),
            names_itself: text.lines().any(|line| line.starts_with("CA:")),
        })
    }
}
