//! `nix-cfg-install --answers`: what the answers file has for this machine becomes what the command line would have asked for.

use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::disk_questions;
use super::install_args::Args;
use super::unattended_marks::marks;
use super::unattended_update::{UpdatedSystem, passphrase};
use crate::answers_file::{self, Answers, Entry, NamedDisks, NamedPassphrase};
use crate::apply::{plain_layout, stick};
use crate::diagnostic::{AnswersFileProblem, Diagnostic, Diagnostics, Place};
use crate::files::read_input;
use crate::live::answers::{self, Lists, Places};
use crate::live::block_devices::{SYS, identity, number};
use crate::live::decisions::Firmware;
use crate::live::disk_mark;
use crate::live::disks;
use crate::live::installer_facts::{BY_ID, InstallerFacts};
use crate::live::matched;
use crate::live::resume;
use crate::live::running_machine::MACHINE;
use crate::live::this_machine::{Candidate, LIVE, ThisMachine};
use crate::nix::disko::Mode;
use crate::plan::Plan;
use crate::plan::request::{PlainLayout, Request};
use crate::process::Runner;
use crate::progress::Reporter;
use crate::tree::source::OF_PERSON;

/// The answers file of an ISO.
const ON_ISO: &str = "/iso/nix-cfg-install.answers.yaml";

/// An installation by an answers file.
pub struct Job {
    /// What the command line would have been.
    pub args: Args,
    plain: Option<PlainLayout>,
    pub(super) disks: Vec<PathBuf>,
    /// What a disk is marked with when its file systems are made, and when the system is installed.
    made: String,
    pub(super) installed: String,
    /// The system that is updated.
    pub(super) updated: Option<UpdatedSystem>,
    /// The entry of this machine, and the file that has it.
    pub(super) entry: Entry,
    file: PathBuf,
    /// What files about this machine are called.
    pub(super) machine: String,
}

/// The installation that `args` asks for by an answers file. Nothing is written.
///
/// # Errors
/// [`Diagnostics`] with all that is wrong with the file, or, where nothing is, with what this machine lacks for it.
pub fn job(args: &Args, lists: &Lists, runner: &Runner, report: &Reporter) -> Result<Option<Job>> {
    let Some(named) = &args.answers_file else {
        return Ok(None);
    };
    let stick = stick::mount(runner)?;
    let file = find(named.as_deref(), stick.as_deref())?;
    report.note(&format!("Answers: {}.", file.display()));
    let text = read_input(&file, answers_file::LARGEST, runner.interrupt())
        .map_err(|error| answers_file::unreadable(&error, &file))?;
    let Answers {
        medium,
        public_keys,
        machines,
    } = answers_file::parse(&text, &file)?;
    let machine = ThisMachine::read(Path::new(LIVE), stick.as_deref());
    let entry =
        matched::entry(machines, &machine).map_err(|problem| Diagnostic::from(problem).at(&file, None, None))?;
    let line = entry.line;
    let known = Known {
        args,
        file: &file,
        machine: &machine,
        report,
        runner,
    };
    let of_answers: Vec<_> = answers::problems(&entry.set, lists, &Places::new())
        .into_values()
        .collect();
    let mut problems = Vec::new();
    let mut job = known.job(entry, &mut problems)?;
    if let Some(Job { args, .. }) = &mut job {
        args.medium
            .extend(medium.into_iter().filter(|_| known.args.medium.is_empty()));
        args.public_keys
            .extend(public_keys.into_iter().filter(|_| known.args.public_keys.is_empty()));
    }
    if problems.is_empty() && of_answers.iter().all(answers::is_unknown_value) {
        // The plan reports such a value, unless the configuration decides the answer.
        return Ok(job);
    }
    let at_entry = |problem: Diagnostic| {
        if problem.place.is_some() {
            problem
        } else {
            problem.at(&file, line, None)
        }
    };
    let all = of_answers.into_iter().chain(problems);
    Err(Diagnostics(all.map(at_entry).collect()).into())
}

/// The answers file: the one that was named, or that of the stick, or that of the ISO.
fn find(named: Option<&Path>, stick: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(std::path::absolute(named).unwrap_or_else(|_| named.to_owned()));
    }
    let on_stick = stick.map(|_| Path::new(stick::PLACE).join(answers_file::NAME));
    let places = on_stick.into_iter().chain([PathBuf::from(ON_ISO)]);
    // One that cannot be read is not passed over for another.
    let is_absent = |place: &PathBuf| fs::symlink_metadata(place).is_err_and(|error| error.kind() == NotFound);
    let found = places.into_iter().find(|place| !is_absent(place));
    found.ok_or_else(|| {
        AnswersFileProblem::Absent {
            places: vec![ON_ISO.into()],
        }
        .into()
    })
}

/// What a job is found with.
struct Known<'a> {
    args: &'a Args,
    file: &'a Path,
    machine: &'a ThisMachine,
    report: &'a Reporter,
    runner: &'a Runner,
}

impl Known<'_> {
    /// The job for the entry of this machine. `None` where `problems` has why not.
    fn job(&self, entry: Entry, problems: &mut Vec<Diagnostic>) -> Result<Option<Job>> {
        let chosen = match &entry.disks {
            Some(disks) => {
                matched::disks(disks, self.machine).map_err(|more| problems.extend(more.into_iter().map(Into::into)))
            }
            None => Ok(Vec::new()),
        };
        if let Some(NamedPassphrase::File(file)) = &entry.passphrase
            && let Err(problem) = disk_questions::in_file(file, self.runner.interrupt())
        {
            problems.push(problem.into());
        }
        let Ok(chosen) = chosen else { return Ok(None) };
        if entry.mode == answers_file::Mode::Update {
            return self.update(entry, &chosen, problems);
        }
        let (made, installed, is_made) = marks(&chosen, &entry, problems)?;
        if !problems.is_empty() {
            return Ok(None);
        }
        let mut job = Job {
            args: self.arguments(&entry),
            plain: None,
            disks: matched::paths(&chosen).cloned().collect(),
            made,
            installed,
            updated: None,
            entry,
            file: self.file.to_owned(),
            machine: self.machine.file_name(),
        };
        match (&job.entry.disks, chosen.as_slice()) {
            (Some(NamedDisks::One(_)), [(_, disk)]) => {
                job.plain = Some(self.plain(disk, &job.entry, job.made.clone(), is_made)?);
            }
            (Some(NamedDisks::Named(_)), _) => {
                job.args.disko = Some(if is_made { Mode::Mount } else { Mode::Wipe });
                let disk = |(name, disk): &(Option<String>, Candidate)| {
                    Some(format!("{}={}", name.as_ref()?, disk.lasting_name()))
                };
                job.args.disks = chosen.iter().filter_map(disk).collect();
                job.args.yes = true;
                if let Some(NamedPassphrase::File(file)) = &job.entry.passphrase {
                    job.args.passphrase_file = Some(file.clone());
                }
            }
            _ => {}
        }
        let erased = chosen.iter().map(|(_, disk)| disk.title());
        let what = if is_made { "Continuing on" } else { "To be erased:" };
        erased.for_each(|title| self.report.note(&format!("{what} {title}.")));
        Ok(Some(job))
    }

    /// The job of an update.
    fn update(
        &self,
        entry: Entry,
        chosen: &[(Option<String>, Candidate)],
        problems: &mut Vec<Diagnostic>,
    ) -> Result<Option<Job>> {
        if !problems.is_empty() {
            return Ok(None);
        }
        let chosen: Vec<&PathBuf> = matched::paths(chosen).collect();
        let passphrase = passphrase(&entry, self.runner.interrupt(), self.report)?;
        let updated = UpdatedSystem::find(
            self.machine,
            &chosen,
            passphrase.as_ref(),
            Path::new(MACHINE),
            (self.runner, self.report),
        );
        let updated = match updated {
            Ok(updated) => updated,
            Err(error) => {
                problems.extend(Diagnostics::of(error)?);
                return Ok(None);
            }
        };
        // A person may have brought another configuration for the same ISO.
        let is_of_iso = self.args.source.is_none() && !Path::new(OF_PERSON).exists();
        match updated.up_to_date()?.filter(|_| is_of_iso) {
            Some(problem) => problems.push(problem),
            None => self.report.note(&format!("To be updated: {}.", updated.title())),
        }
        let mut args = self.arguments(&entry);
        args.host = args.host.or(updated.receipt.host.clone());
        args.target = Some(MACHINE.into());
        Ok(Some(Job {
            args,
            plain: None,
            disks: vec![updated.disk().path.clone()],
            made: String::new(),
            installed: String::new(),
            updated: Some(updated),
            entry,
            file: self.file.to_owned(),
            machine: self.machine.file_name(),
        }))
    }

    /// The command line with what the entry has of it.
    fn arguments(&self, entry: &Entry) -> Args {
        let mut args = self.args.clone();
        args.host = entry.host.clone().or(args.host);
        args.extra_files = entry.extra_files.clone().or(args.extra_files);
        args
    }

    fn plain(&self, disk: &Candidate, entry: &Entry, mark: String, is_made: bool) -> Result<PlainLayout> {
        let passphrase = match &entry.passphrase {
            Some(NamedPassphrase::File(file)) => Some(disk_questions::in_file(file, self.runner.interrupt())?),
            // Before anything is written, and before the check, which takes its time.
            Some(NamedPassphrase::Prompt) if self.args.installs() => {
                Some(disk_questions::ask_passphrase(self.runner.interrupt(), self.report)?)
            }
            Some(NamedPassphrase::Prompt) => Some(String::new().into()),
            None => None,
        };
        Ok(PlainLayout {
            disk: disk.path.clone(),
            identity: number(&disk.path).map_or_else(String::new, |number| identity(Path::new(SYS), &number)),
            firmware: Firmware::of(Path::new(LIVE)),
            passphrase,
            mark,
            is_made,
        })
    }
}

impl Job {
    /// Whether an installation that this live system has begun is this one: its disk has what the entry asks for.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        let is_to_be_erased = self.entry.reinstall && self.args.disko == Some(Mode::Wipe);
        self.plain.as_ref().map_or(!is_to_be_erased, |plain| plain.is_made)
    }

    /// Looks whether the layout for disko has its answers in the file: nobody is there to be asked, and no disk is written that the file
    /// does not name.
    ///
    /// # Errors
    /// [`Diagnostics`] with all that the file lacks.
    pub fn answers(&self, plan: &Plan, report: &Reporter) -> Result<()> {
        let Some(layout) = &plan.disko else { return Ok(()) };
        let Some(NamedDisks::Named(named)) = &self.entry.disks else {
            return Ok(());
        };
        let at_entry = |problem: AnswersFileProblem| Diagnostic::from(problem).at(&self.file, self.entry.line, None);
        let others = layout
            .disks
            .iter()
            .filter(|disk| named.iter().all(|(name, _)| *name != disk.name));
        let disks: Vec<String> = others.map(|disk| format!("{} ({})", disk.name, disk.device)).collect();
        let mut problems = Vec::new();
        if !disks.is_empty() {
            problems.push(at_entry(AnswersFileProblem::UnnamedDisks { disks }));
        }
        let volumes = layout.asking.clone();
        match (&self.entry.passphrase, volumes.is_empty()) {
            (None, false) => problems.push(at_entry(AnswersFileProblem::NoPassphrase { volumes })),
            (Some(_), true) => report.problem(&at_entry(AnswersFileProblem::UnusedPassphrase)),
            _ => {}
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Diagnostics(problems).into())
        }
    }

    /// Where the answers about the system are written.
    pub fn places(&self) -> Places {
        let place = |key: &String| {
            let (file, line) = (self.file.clone(), self.entry.line);
            let place = Place {
                file,
                line,
                column: None,
            };
            (key.clone(), place)
        };
        self.entry.set.keys().map(place).collect()
    }

    /// Makes the request that of this job: its disk is still to be made, unless an earlier run of this live system mounted it.
    ///
    /// # Errors
    /// When the disk is in use, something else is mounted at the target, or a volume of another disk has the name of its root.
    pub fn ask(&self, request: &mut Request, runner: &Runner) -> Result<()> {
        if let Some(updated) = &self.updated {
            request.answers.extend(updated.receipt.chosen.clone());
            request.answers.extend(self.entry.set.clone());
            request.extra_files = None;
            request.update = Some(updated.update(&self.entry));
            return Ok(());
        }
        let Some(plain) = self.plain.clone() else { return Ok(()) };
        let target = request.target.root().to_owned();
        let at_target = plain_layout::mounted_at(&plain, &target, runner)?;
        plain_layout::no_other_volume(&plain)?;
        if request.target.is_mounted() {
            if at_target.is_empty() {
                return Err(AnswersFileProblem::TargetInUse { target }.into());
            }
            let is_begun = self.goes_on() && resume::begun(&target).is_some();
            if is_begun && (!self.args.installs() || plain_layout::has_passphrase(&plain, runner)?) {
                return Ok(());
            }
        }
        let grub_device = (plain.firmware == Firmware::Bios).then(|| plain.disk.display().to_string());
        let machine = InstallerFacts {
            grub_device,
            ..InstallerFacts::before_partitioning()
        };
        request.machine = machine.with_lasting_names(Path::new(BY_ID));
        request.decisions.boot_disk = request.machine.grub_device.clone().map(PathBuf::from);
        let room = size_of(&plain.disk).map(|size| size.saturating_sub(plain_layout::taken(&plain)));
        request.decisions.largest_disk = room.or(request.decisions.largest_disk);
        request.plain_layout = Some(plain);
        Ok(())
    }

    /// Marks the disks that a layout for disko was made on: a later run continues from here.
    ///
    /// # Errors
    /// When a disk cannot be written.
    pub fn mark_made(&self, runner: &Runner) -> Result<()> {
        self.mark(runner, &self.made).map(drop)
    }

    /// Whether the answers file is that of the stick.
    pub(super) fn is_from_stick(&self) -> bool {
        self.file.starts_with(stick::PLACE)
    }

    /// Marks the disks, but those without a partition table, and for UEFI those with an MBR: its boot entries have the identifier that
    /// is the mark (UEFI 2.10, 10.3.5.1). Returns whether one is marked.
    pub(super) fn mark(&self, runner: &Runner, guid: &str) -> Result<bool> {
        let is_bios = Firmware::of(Path::new(LIVE)) == Firmware::Bios;
        let mut is_marked = false;
        for disk in &self.disks {
            if let Some(found) = disk_mark::read(disk)?.filter(|found| is_bios || !disk_mark::is_mbr(found)) {
                plain_layout::mark(runner, disk, &disk_mark::in_table(guid, &found))?;
                is_marked = true;
            }
        }
        Ok(is_marked)
    }
}

/// Bytes of a disk.
fn size_of(disk: &Path) -> Option<u64> {
    disks::size(&Path::new("/sys/block").join(disk.file_name()?))
}
