//! What `nix-cfg-iso init` asks on a terminal if its options do not say all that it has to know. A command line that does is
//! never answered with a question.

#[cfg(test)]
mod init_questions_tests;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::iso_args::Init;
use crate::diagnostic::{Diagnostic, IsoChannelProblem, IsoConfigProblem, IsoOptionProblem, Problem, Severity};
use crate::iso::{channels, choices, config_option, hosts};
use crate::text::{printable, shell_word};
use crate::tree::nix_files::nix_files;
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, FLAKE_NIX};
use crate::tree::syntax::{Name, NixFile};

/// Where this machine has what suggests an answer; it need not exist.
pub struct Suggestions<'a> {
    /// The directory of this machine's own configuration.
    pub etc_nixos: &'a Path,
    /// The file that says which release of NixOS this machine runs.
    pub os_release: &'a Path,
    /// What `~` means.
    pub home: Option<PathBuf>,
    /// Files in which nix-channel keeps the subscriptions, root's last.
    pub subscriptions: Vec<PathBuf>,
}

/// The next line that a person types, or `None` at the end of the input.
pub type NextLine<'a> = dyn FnMut() -> Result<Option<Vec<u8>>> + 'a;

/// Lines that a person types, and the questions. The terminal itself edits the line, so it works on every kind of terminal.
pub struct Dialogue<'a> {
    input: &'a mut NextLine<'a>,
    output: &'a mut dyn Write,
}

/// Asks for what is missing in `args`, and returns whether it asked. If something has to be asked, the rest that is not given
/// is asked as well, with its default.
///
/// # Errors
/// [`IsoOptionProblem::NoAnswer`] at the end of the input, and errors of the terminal.
pub fn complete(args: &mut Init, machine: &Suggestions, dialogue: &mut Dialogue) -> Result<bool> {
    let mut asked = args.config.is_none();
    let config = match args.config.take() {
        Some(config) => config,
        None => dialogue.configuration(machine)?,
    };
    let source = config_option::open(&config);
    let tree = &config.clone();
    args.config = Some(config);
    let Ok(source) = source else {
        // Named by an option; what is wrong with it is an error of `init`.
        return Ok(asked);
    };
    match source.kind {
        ConfigKind::Flake if args.hosts.is_empty() => {
            if let Some(candidates) = hosts::candidates(tree) {
                asked = true;
                args.hosts = dialogue.hosts(tree, &candidates)?;
            }
        }
        ConfigKind::Channel => {
            let of_machine = choices::nixpkgs_of_machine(machine.os_release, &machine.subscriptions);
            let missing = |args: &Init, nixpkgs: &str| missing_channels(tree, args, nixpkgs, machine);
            asked |= args.nixpkgs.is_none() && of_machine.is_none() || !missing(args, "").is_empty();
            if asked && args.nixpkgs.is_none() {
                args.nixpkgs = Some(dialogue.nixpkgs(of_machine.as_deref())?);
            }
            for (name, suggested) in missing(args, args.nixpkgs.as_deref().unwrap_or_default()) {
                let reference = dialogue.channel(&name, &suggested)?;
                args.channels.push((name, reference));
            }
        }
        ConfigKind::Flake => {}
    }
    if asked && args.desktop.is_none() {
        args.desktop = Some(dialogue.desktop(tree)?);
    }
    Ok(asked)
}

/// The channels that the configuration certainly looks up and the options do not name, each with a flake reference to suggest.
fn missing_channels(tree: &Path, args: &Init, nixpkgs: &str, machine: &Suggestions) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    channels::choose(tree, &args.channels, nixpkgs, &machine.subscriptions, &mut problems);
    let missing = problems.into_iter().filter_map(|problem| match problem.problem {
        Problem::IsoChannelProblem(IsoChannelProblem::Unnamed {
            name,
            reference,
            imported: true,
            ..
        }) => Some((name, reference)),
        _ => None,
    });
    missing.collect()
}

/// The command that gives these options, for a shell.
pub fn command(program: &OsStr, args: &Init) -> String {
    let Init {
        dir,
        config,
        hosts,
        desktop,
        nixpkgs,
        channels,
        system,
        hardware_config,
        build_helper,
        allow_secrets,
        // Nothing is asked then.
        stock: _,
    } = args;
    let mut words: Vec<OsString> = vec![program.to_owned(), "init".into(), dir.into()];
    let channels = channels
        .iter()
        .map(|(name, reference)| format!("{name}={reference}").into());
    let options = [
        ("--config", config.iter().map(OsString::from).collect::<Vec<_>>()),
        ("--host", hosts.iter().map(OsString::from).collect()),
        ("--desktop", desktop.iter().map(OsString::from).collect()),
        ("--nixpkgs", nixpkgs.iter().map(OsString::from).collect()),
        ("--channel", channels.collect()),
        ("--system", system.iter().map(OsString::from).collect()),
        (
            "--hardware-config",
            hardware_config.iter().map(OsString::from).collect(),
        ),
    ];
    for (option, values) in options {
        words.extend(values.into_iter().flat_map(|value| [option.into(), value]));
    }
    words.extend(build_helper.then_some("--build-helper".into()));
    words.extend(allow_secrets.then_some("--allow-secrets".into()));
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    words.join(" ")
}

impl<'a> Dialogue<'a> {
    pub fn new(input: &'a mut NextLine<'a>, output: &'a mut dyn Write) -> Self {
        Self { input, output }
    }

    fn configuration(&mut self, machine: &Suggestions) -> Result<PathBuf> {
        let has = |name| machine.etc_nixos.join(name).exists();
        let default = (has(FLAKE_NIX) || has(CONFIGURATION_NIX)).then(|| machine.etc_nixos.to_string_lossy());
        self.ask("Directory of the configuration", default.as_deref(), |answer| {
            // There is no shell here that does it.
            let path = match (answer.strip_prefix('~'), &machine.home) {
                (Some(""), Some(home)) => home.clone(),
                (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
                _ => answer.into(),
            };
            match config_option::open(&path) {
                Ok(_) => Ok(path),
                Err(error) => Err(error
                    .downcast::<Diagnostic>()
                    .map_or_else(|error| format!("{error:#}"), |problem| reason(&problem))),
            }
        })
    }

    fn hosts(&mut self, tree: &Path, candidates: &[String]) -> Result<Vec<String>> {
        if !candidates.is_empty() {
            self.say(&format!("Hosts in the configuration: {}", candidates.join(", ")))?;
        }
        self.ask("Host to install (several: with spaces between them)", None, |answer| {
            let wanted: Vec<String> = answer.split_whitespace().map(str::to_owned).collect();
            let mut problems = Vec::new();
            let hosts = hosts::choose(tree, &wanted, &mut problems);
            let error = problems.iter().find(|problem| problem.severity == Severity::Error);
            error.map_or(Ok(hosts), |problem| Err(reason(problem)))
        })
    }

    fn nixpkgs(&mut self, of_machine: Option<&str>) -> Result<String> {
        let question = "nixpkgs of the configuration, a flake reference";
        self.ask(question, Some(of_machine.unwrap_or(choices::EXAMPLE)), |answer| {
            choices::nixpkgs_fault(answer).map_or(Ok(answer.to_owned()), |problem| Err(reason(&problem)))
        })
    }

    fn channel(&mut self, name: &str, suggested: &str) -> Result<String> {
        let question = format!("Channel that the configuration looks up as <{name}>, a flake reference");
        let default = (suggested != channels::PLACEHOLDER).then_some(suggested);
        self.ask(&question, default, |answer| {
            channels::reference_fault(name, answer, suggested)
                .map_or(Ok(answer.to_owned()), |problem| Err(reason(&problem)))
        })
    }

    fn desktop(&mut self, tree: &Path) -> Result<String> {
        let is_named = |text: &str| {
            let mut paths = NixFile::parse(text).all_bindings().map(|binding| binding.path);
            paths.any(|path| {
                path.iter()
                    .filter_map(Name::literal)
                    .any(|name| name == choices::PLASMA)
            })
        };
        let has_plasma = nix_files(tree).any(|(_, text)| text.contains(choices::PLASMA) && is_named(&text));
        let default = if has_plasma {
            choices::PLASMA
        } else {
            choices::DEFAULT_DESKTOP
        };
        let question = "Desktop of the live system: gnome, plasma6, combined or none";
        self.ask(question, Some(default), |answer| {
            choices::desktop_fault(answer).map_or(Ok(answer.to_owned()), |problem| Err(reason(&problem)))
        })
    }

    /// Asks until `read` accepts the answer. An empty one is the default, if there is one.
    fn ask<T>(&mut self, question: &str, default: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Result<T> {
        let hint = default.map_or_else(String::new, |default| format!(" [{default}]"));
        loop {
            write!(self.output, "{}: ", printable(&format!("{question}{hint}")))?;
            self.output.flush()?;
            let line = match (self.input)() {
                Ok(Some(line)) => line,
                end => {
                    // Below what was typed.
                    self.say("")?;
                    end?;
                    return Err(IsoOptionProblem::NoAnswer.into());
                }
            };
            let line = String::from_utf8_lossy(&line);
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => {
                    self.say("  This has no default. Ctrl-C ends this, and nothing is written.")?;
                    continue;
                }
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(reason) => self.say(&format!("  {reason}"))?,
            }
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.output, "{}", printable(line)).context("Failed to write to the terminal")
    }
}

/// What is wrong with an answer, in a line. The remedy is omitted: it names options, which nobody has typed here.
fn reason(problem: &Diagnostic) -> String {
    use IsoConfigProblem::{File, Missing, NoEntryPoint, Reference};
    let meant = match &problem.problem {
        Problem::IsoConfigProblem(
            Missing {
                similar: Some(meant), ..
            }
            | NoEntryPoint {
                nested: Some(meant), ..
            }
            | File { directory: meant, .. }
            | Reference {
                directory: Some(meant), ..
            },
        ) => meant,
        Problem::IsoConfigProblem(_) => return format!("{}. {}", problem.what, problem.why).trim_end().to_owned(),
        _ if problem.why.is_empty() => return format!("{}. {}", problem.what, problem.remedy),
        _ => return format!("{}. {}", problem.what, problem.why),
    };
    format!("{}. Did you mean {}?", problem.what, meant.display())
}
