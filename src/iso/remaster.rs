//! Copies of an ISO image with other files in it, by xorriso.
//!
//! Its `-boot_image any replay` keeps what starts a machine (isolinux, the EFI partition, the partition tables) and the volume's
//! name and dates. What it does not keep is asked for here: Joliet, the GUIDs of the GPT, the padding inside the image (so that
//! the second GPT is in the last block), and directory names with a dot for readers that know ISO 9660 alone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use data_encoding::HEXLOWER;

use super::image_file::ImageIdentity;
use crate::diagnostic::{CustomizeProblem, Diagnostic, Problem, ProgramProblem};
use crate::process::{Finished, Invocation, Runner, Stream};

/// The lines of xorriso's report that are the same in a copy: all but those with positions and sizes.
const STABLE: [&str; 9] = [
    "El Torito cat path",
    "El Torito img path",
    "El Torito img opts",
    "System area options",
    "System area summary",
    "MBR partition path",
    "GPT disk GUID",
    "GPT partition GUID",
    "GPT partition path",
];

/// The date of all files in an image that nixpkgs makes (`SOURCE_DATE_EPOCH` of its builds).
const FILE_DATE: &str = "=315532800";

/// A file or a directory that replaces the one in the root of the image that has the same name.
pub struct Replacement {
    pub name: &'static str,
    pub source: PathBuf,
}

/// What xorriso says of an image.
pub struct Contents {
    /// The paths of the root directory and of its directories, as `/nix-cfg/flake.nix`.
    pub paths: BTreeSet<String>,
    /// What starts a machine, by [`STABLE`] lines.
    boot: Vec<String>,
}

impl Contents {
    pub fn read(runner: &Runner, image: &Path) -> Result<Self> {
        let report = ["-report_el_torito", "plain", "-report_system_area", "plain"];
        let listed = ["-find", "/", "-maxdepth", "2", "-exec", "echo", "--"];
        let call = xorriso().args(report_of(image)).args(report).args(listed);
        let text = run(runner, &call.quiet(), &mut || {})?;
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        let quoted = |line: &str| Some(line.strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
        let is_stable = |line: &&str| STABLE.iter().any(|known| line.starts_with(known));
        Ok(Self {
            paths: text.lines().filter_map(quoted).collect(),
            boot: text.lines().filter(is_stable).map(str::to_owned).collect(),
        })
    }

    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The problem of a `copy` that does not start a machine as this does.
    pub fn require_same_boot(&self, copy: &Self) -> Result<()> {
        if self.boot == copy.boot {
            return Ok(());
        }
        let without = |lines: &[String], others: &[String]| {
            let gone = lines.iter().filter(|line| !others.contains(line));
            gone.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        let (gone, new) = (without(&self.boot, &copy.boot), without(&copy.boot, &self.boot));
        Err(CustomizeProblem::BootChanged { gone, new }.into())
    }
}

/// Writes the copy `out`, which must not exist, of `image`. `watch` is called about once a second.
pub fn write(
    runner: &Runner,
    image: &Path,
    (identity, contents): (&ImageIdentity, &Contents),
    replacements: &[Replacement],
    out: &Path,
    watch: &mut dyn FnMut(),
) -> Result<()> {
    let mut call = xorriso()
        .args(report_of(image))
        .args(["-outdev".into(), address(out)])
        .args(["-boot_image", "any", "replay", "-padding", "included"])
        .args(["-compliance", "no_emul_toc:allow_dir_id_ext"])
        .args(["-volume_date", "all_file_dates", FILE_DATE]);
    if let Some(guid) = identity.disk_guid {
        let guid = format!("gpt_disk_guid={}", HEXLOWER.encode(&guid));
        call = call.args(["-boot_image", "any", &guid]);
    }
    if identity.has_joliet {
        call = call.args(["-joliet", "on"]);
    }
    for Replacement { name, source } in replacements {
        let path = format!("/{name}");
        if contents.has(&path) {
            call = call.args(["-rm_r", &path, "--"]);
        }
        call = call
            .args(["-map".into(), source.into(), OsString::from(&path)])
            // As the Nix store has them: of root, and only to be read.
            .args(["-find", &path, "-exec", "mkisofs_r", "--"]);
    }
    run(runner, &call.arg("-commit"), watch).map(drop)
}

/// Writes a new image with these files, by the names that they have in its root. `program`: a xorriso.
pub fn make(runner: &Runner, program: &Path, volume: &str, files: &[(&str, PathBuf)], out: &Path) -> Result<()> {
    let mut call = with_options(program)
        .args(["-outdev".into(), address(out)])
        .args(["-volid", volume, "-joliet", "on"]);
    for (name, source) in files {
        call = call.args(["-map".into(), source.into(), OsString::from(format!("/{name}"))]);
    }
    let call = call.args(["-find", "/", "-exec", "mkisofs_r", "--", "-commit"]);
    run(runner, &call, &mut || {}).map(drop)
}

/// Where the file `name` in the root of `image` begins, in bytes; `None` where it is not there, or in pieces. `program`: a xorriso.
pub fn position(runner: &Runner, program: &Path, image: &Path, name: &str) -> Result<Option<u64>> {
    let path = format!("/{name}");
    let call = with_options(program).args(report_of(image));
    let said = run(
        runner,
        &call.args(["-find", &path, "-exec", "report_lba", "--"]),
        &mut || {},
    );
    let said = said.map(|finished| String::from_utf8_lossy(&finished.stdout).into_owned())?;
    // A line for each section: its number, the first block of 2048 bytes, how many there are.
    let (mut first, mut next) = (None, None);
    for line in said.lines().filter_map(|line| line.strip_prefix("File data lba:")) {
        let mut numbers = line
            .split(',')
            .skip(1)
            .map_while(|field| field.trim().parse::<u64>().ok());
        let (Some(start), Some(blocks)) = (numbers.next(), numbers.next()) else {
            return Ok(None);
        };
        if next.is_some_and(|next| next != start) {
            return Ok(None);
        }
        first = first.or(Some(start * 2048));
        next = Some(start + blocks);
    }
    Ok(first)
}

/// Copies the file `name` in the root of `image` to `to`.
pub fn extract(runner: &Runner, image: &Path, name: &str, to: &Path) -> Result<()> {
    let call = xorriso().args(["-osirrox", "on"]).args(report_of(image));
    let call = call.args(["-extract".into(), OsString::from(format!("/{name}")), to.into()]);
    run(runner, &call, &mut || {}).map(drop)
}

/// Puts a checksum for checkisomd5 into `image`; `false` where the program for that is not installed.
pub fn implant_checksum(runner: &Runner, image: &Path) -> Result<bool> {
    let call = Invocation::new("implantisomd5").arg("--force").arg(image);
    match runner.run(&call, &mut |_, _| {}).and_then(Finished::success) {
        Err(error) if is_missing(&error) => Ok(false),
        outcome => outcome.map(|_| true),
    }
}

/// Without the start-up files of a person, and failing on what would be passed over.
fn xorriso() -> Invocation {
    with_options(Path::new("xorriso"))
}

fn with_options(program: &Path) -> Invocation {
    Invocation::new(program).args(["-no_rc", "-abort_on", "FAILURE", "-return_with", "SORRY", "32"])
}

fn report_of(image: &Path) -> [OsString; 2] {
    ["-indev".into(), address(image)]
}

/// A file for xorriso, whatever its name is.
fn address(file: &Path) -> OsString {
    let mut address = OsString::from("stdio:");
    address.push(file);
    address
}

fn run(runner: &Runner, call: &Invocation, watch: &mut dyn FnMut()) -> Result<Finished> {
    let finished = runner.run(call, &mut |stream, _| {
        if stream == Stream::Stderr {
            watch();
        }
    });
    match finished.and_then(Finished::success) {
        Err(error) if is_missing(&error) => Err(CustomizeProblem::NoXorriso.into()),
        outcome => outcome,
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let problem = error.downcast_ref::<Diagnostic>().map(|problem| &problem.problem);
    matches!(problem, Some(Problem::ProgramProblem(ProgramProblem::Missing { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_starts_otherwise_is_named_by_the_lines_that_differ() {
        let contents = |boot: &[&str]| Contents {
            paths: BTreeSet::new(),
            boot: boot.iter().map(|&line| line.to_owned()).collect(),
        };
        let (catalog, efi) = (
            "El Torito cat path : /.boot.cat",
            "El Torito img path :   2  /boot/efi.img",
        );
        let original = contents(&[catalog, efi]);
        original.require_same_boot(&contents(&[catalog, efi])).unwrap();
        let error = original.require_same_boot(&contents(&[catalog])).unwrap_err();
        let expected = CustomizeProblem::BootChanged {
            gone: vec!["El Torito img path : 2 /boot/efi.img".into()],
            new: vec![],
        };
        assert_eq!(error.to_string(), Diagnostic::from(expected).to_string());
    }
}
