//! What was asked for: by the command line, the settings, the graphical installer.

use std::path::Path;

use anyhow::Result;

use super::disk_questions;
use super::install_args::Args;
use super::prepared_target::{PreparedTarget, target_and_machine};
use crate::calamares::globals::Globals;
use crate::diagnostic::{Diagnostic, Diagnostics, PlanProblem};
use crate::live::answers::{self, Answers, Lists, Places};
use crate::live::decisions::Decisions;
use crate::live::installer_facts::InstallerFacts;
use crate::log_file::LogFile;
use crate::nix::environment::Channels;
use crate::plan::request::Request;
use crate::process::Runner;
use crate::progress::Reporter;
use crate::settings::Settings;
use crate::tree::source::{self, STANDARD_PLACES, Source};

const LIVE_LOGS: &str = "/var/log/nix-cfg-install";

/// The configuration that was named, or the one in the standard places; which and why is reported.
pub(super) fn choose_source(request: &Request, report: &Reporter) -> Result<Source> {
    let explicit = request.source.as_ref();
    let explicit = explicit.map(|(path, named_by)| (path.as_path(), *named_by));
    let source = source::choose(explicit, &STANDARD_PLACES.map(Path::new), request.host.as_deref())?;
    report.note(&source.reason);
    Ok(source)
}

/// The settings of the ISO, the channels that they name, and the answers that they and the command line have.
pub(super) fn settings_and_channels(
    settings: Result<Settings>,
    args: &Args,
    log: &LogFile,
    stamp: &str,
) -> Result<(Settings, Channels, Answered)> {
    let settings = settings?;
    if !nix::unistd::geteuid().is_root() {
        return Err(PlanProblem::NotRoot.into());
    }
    if !args.check
        && let Err(error) = log.also_to(&Path::new(LIVE_LOGS).join(format!("{stamp}.log")))
    {
        // The target's log is the one that counts.
        log::debug!("{error:#}");
    }
    let channels = Channels::find(settings.nixpkgs.as_deref(), settings.channels.as_deref())?;
    let lists = settings.choices.as_deref().map(Lists::read).unwrap_or_default();
    let (named, mut problems) = answers::parse(&args.answers);
    let mut places = settings.places.clone();
    places.retain(|key, _| !named.contains_key(key));
    let mut all = settings.answers();
    all.extend(named.clone());
    problems.extend(answers::problems(&all, &lists, &places).into_values());
    refuse_answers(problems)?;
    let answered = Answered {
        all,
        named,
        places,
        lists,
    };
    Ok((settings, channels, answered))
}

/// Refuses answers with these problems. Where all of them are values that the lists do not have, the plan does, unless the
/// configuration decides them.
fn refuse_answers(problems: Vec<Diagnostic>) -> Result<()> {
    if problems.iter().all(answers::is_unknown_value) {
        return Ok(());
    }
    Err(Diagnostics(problems).into())
}

/// What was answered.
pub(super) struct Answered {
    pub all: Answers,
    /// Those of the command line and of the answers file, which override those of an installation that was begun.
    pub named: Answers,
    /// Where the files have them.
    pub places: Places,
    /// What there was to choose from.
    pub lists: Lists,
}

/// The answers of the settings, with those of the pages for `machine` in their place. The keymap that its passphrase was typed with is
/// none of the latter, and replaces that of the settings all the same.
fn overridden(mut answers: Answers, pages: Answers, machine: &InstallerFacts) -> Answers {
    if machine.keymap_of_passphrase().is_some() {
        answers.remove("keymap");
    }
    answers.extend(pages);
    answers
}

/// Puts together what was asked for. An installation that Calamares began and a person finishes is mounted again. `goes_on`: one that was
/// begun may be the one that is asked for.
pub(super) fn request(
    (args, answered): (&Args, Answered),
    (globals, goes_on): (Option<&Globals>, bool),
    settings: Settings,
    runner: &Runner,
    report: &Reporter,
) -> Result<Request> {
    let Answered {
        all: mut answers,
        named,
        mut places,
        lists,
    } = answered;
    let target = args.target.clone().or(settings.target.clone());
    let mut disko = disk_questions::request(args, runner.interrupt())?;
    if let (Some(disko), Some(page)) = (&mut disko, globals.and_then(Globals::disk_page)) {
        disko.passphrase.clone_from(&page.passphrase);
    }
    let known = (globals, &lists, goes_on);
    let prepared = target_and_machine((args, disko.as_mut()), known, target, runner, report)?;
    let PreparedTarget { target, machine, begun } = prepared;
    let of_machine = || Decisions {
        no_boot_loader: machine.no_boot_loader,
        ..Decisions::of_machine(target.root())
    };
    let mut answered_now = globals.is_some() || !named.is_empty();
    if let Some(globals) = globals {
        let typed = globals.answers(&lists);
        places.retain(|key, _| !typed.contains_key(key));
        answers = overridden(answers, typed, &machine);
        refuse_answers(answers::problems(&answers, &lists, &places).into_values().collect())?;
    } else if let Some(begun) = begun {
        // A page overrides the settings, and a flag both.
        answered_now = true;
        places.retain(|key, _| !begun.contains_key(key));
        answers = overridden(settings.answers(), begun, &machine);
        answers.extend(named);
    }
    let source = args.source.clone().map(|path| (path, "--source"));
    let host = args.host.clone().or(machine.host.clone()).or(settings.host.clone());
    let of_settings = settings.hardware_config_of(host.as_deref());
    Ok(Request {
        decisions: globals.map_or_else(of_machine, |globals| globals.decisions(target.root())),
        source: source.or(settings.source.map(|path| (path, "the settings"))),
        host,
        host_of_iso: settings.host,
        hardware_config: args.hardware_config.clone().or(of_settings),
        disko,
        plain_layout: None,
        extra_files: args.extra_files.clone().or(settings.extra_files),
        not_covered: settings.not_covered,
        answers,
        answer_places: places,
        answered_now,
        lists,
        offline_rebuild: settings.offline_rebuild,
        must_be_mounted: !args.not_mounted,
        online: args.online || settings.online,
        no_bootloader: args.no_bootloader || settings.no_bootloader,
        target,
        machine,
        update: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keymap_of_the_settings_is_not_that_of_a_passphrase_that_was_typed_with_another() {
        let answers = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            answers::parse(&words).0
        };
        let settings = || answers(&["keymap=de", "timezone=UTC", "autologin=true"]);
        let page = || answers(&["autologin=false"]);
        let machine = |encrypted: bool| InstallerFacts {
            keymap: Some("us".to_owned()),
            disks: encrypted
                .then(|| ("main".to_owned(), "/dev/sda".to_owned()))
                .into_iter()
                .collect(),
            ..InstallerFacts::default()
        };
        assert_eq!(
            overridden(settings(), page(), &machine(true)),
            answers(&["timezone=UTC", "autologin=false"])
        );
        assert_eq!(
            overridden(settings(), page(), &machine(false)),
            answers(&["keymap=de", "timezone=UTC", "autologin=false"])
        );
    }
}
