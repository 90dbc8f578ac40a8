//! What `nix-cfg-iso init` asks on a terminal if its options do not say all that it has to know. A command line that does is
//! never answered with a question.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::iso_args::Init;
use crate::diagnostic::{Diagnostic, IsoOptionProblem, Severity};
use crate::iso::{choices, hosts};
use crate::text::{printable, shell_word};
use crate::tree::nix_files::nix_files;
use crate::tree::source::{self, CONFIGURATION_NIX, ConfigKind, FLAKE_NIX};
use crate::tree::syntax::{Name, NixFile};

/// Where this machine has what suggests an answer; it need not exist.
pub struct Suggestions<'a> {
    /// The directory of this machine's own configuration.
    pub etc_nixos: &'a Path,
    /// The file that says which release of NixOS this machine runs.
    pub os_release: &'a Path,
    /// What `~` means.
    pub home: Option<PathBuf>,
}

/// Lines that a person types, and the questions. The terminal itself edits the line, so it works on every kind of terminal.
pub struct Dialogue<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

/// Asks for what is missing in `args`, and gives whether it asked. If something has to be asked, the rest that is not given
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
    let source = source::choose(Some((&config, "--config")), &[]);
    let tree = args.config.insert(config).as_path();
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
        ConfigKind::Channel if args.nixpkgs.is_none() => {
            let release = choices::release(machine.os_release);
            if asked || release.is_none() {
                asked = true;
                args.nixpkgs = Some(dialogue.nixpkgs(release.as_deref())?);
            }
        }
        _ => {}
    }
    if asked && args.desktop.is_none() {
        args.desktop = Some(dialogue.desktop(tree)?);
    }
    Ok(asked)
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
    pub fn new(input: &'a mut dyn BufRead, output: &'a mut dyn Write) -> Self {
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
            match source::choose(Some((&path, "--config")), &[]) {
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

    fn nixpkgs(&mut self, release: Option<&str>) -> Result<String> {
        let question = "nixpkgs of the configuration, a flake reference";
        self.ask(question, Some(release.unwrap_or(choices::EXAMPLE)), |answer| {
            choices::nixpkgs_fault(answer).map_or(Ok(answer.to_owned()), |problem| Err(reason(&problem)))
        })
    }

    fn desktop(&mut self, tree: &Path) -> Result<String> {
        let is_named = |text: &str| {
            let mut paths = NixFile::parse(text).all_bindings().map(|binding| binding.path);
            paths.any(|path| path.iter().filter_map(Name::literal).any(|name| name == PLASMA))
        };
        let has_plasma = nix_files(tree).any(|(_, text)| text.contains(PLASMA) && is_named(&text));
        let default = if has_plasma { PLASMA } else { choices::DEFAULT_DESKTOP };
        let question = "Desktop of the live system: gnome, plasma6, combined or none";
        self.ask(question, Some(default), |answer| {
            choices::desktop_fault(answer).map_or(Ok(answer.to_owned()), |problem| Err(reason(&problem)))
        })
    }

    /// Asks until `read` accepts the answer. An empty one is the default.
    fn ask<T>(&mut self, question: &str, default: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Result<T> {
        let hint = default.map_or_else(String::new, |default| format!(" [{default}]"));
        loop {
            write!(self.output, "{}: ", printable(&format!("{question}{hint}")))?;
            self.output.flush()?;
            let mut line = Vec::new();
            if self
                .input
                .read_until(b'\n', &mut line)
                .context("Failed to read the answer")?
                == 0
            {
                self.say("")?;
                return Err(IsoOptionProblem::NoAnswer.into());
            }
            let line = String::from_utf8_lossy(&line);
            let answer = match line.trim() {
                "" => default.unwrap_or_default(),
                answer => answer,
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

/// The desktop of NixOS that has an ISO of its own beside GNOME's.
const PLASMA: &str = "plasma6";

/// What is wrong with an answer, in a line.
fn reason(problem: &Diagnostic) -> String {
    let more = if problem.why.is_empty() {
        &problem.remedy
    } else {
        &problem.why
    };
    format!("{}. {more}", problem.what)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::super::iso_args::{Args, Command};
    use super::*;

    /// The options, and what was said, with these answers.
    fn answered(options: &[&str], tree: &Path, answers: &str) -> (Result<bool>, Init, String) {
        let line = ["nix-cfg-iso", "init", "iso"].iter().chain(options);
        let Command::Init(mut args) = Args::try_parse_from(line).unwrap().command else {
            panic!("not init");
        };
        let machine = Suggestions {
            etc_nixos: tree,
            os_release: &tree.join("os-release"),
            home: Some(tree.parent().unwrap().to_owned()),
        };
        let (mut input, mut output) = (answers.as_bytes(), Vec::new());
        let asked = complete(&mut args, &machine, &mut Dialogue::new(&mut input, &mut output));
        (asked, args, String::from_utf8(output).unwrap())
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(tree.path().join(name), text).unwrap();
        }
        tree
    }

    const TWO: (&str, &str) = (
        "flake.nix",
        "{ outputs = i: { nixosConfigurations = { alpha = 1; beta = 2; }; }; }",
    );

    #[test]
    fn a_command_line_that_says_everything_is_asked_nothing() {
        let (one, two) = (
            tree(&[("flake.nix", "{ outputs = i: { nixosConfigurations.only = 1; }; }")]),
            tree(&[TWO]),
        );
        let nixos = [
            ("configuration.nix", "{ }"),
            ("os-release", "ID=nixos\nVERSION_ID=\"26.05\"\n"),
        ];
        let (nixos, other) = (tree(&nixos), tree(&[("configuration.nix", "{ }")]));
        for (tree, more) in [
            (&one, [].as_slice()),
            (&two, &["--host", "beta"]),
            (&two, &["--host", "wrong"]),
            (&nixos, &[]),
            (&other, &["--nixpkgs", "nixpkgs"]),
        ] {
            let options = [["--config", tree.path().to_str().unwrap()].as_slice(), more].concat();
            let (asked, args, said) = answered(&options, tree.path(), "");
            assert_eq!((asked.unwrap(), said.as_str()), (false, ""), "{options:?}");
            assert_eq!(args.desktop, None);
        }
        let (asked, ..) = answered(&["--config", "/nonexistent"], one.path(), "");
        assert!(!asked.unwrap());
    }

    #[test]
    fn what_is_missing_is_asked_with_defaults_until_the_answer_can_be_used() {
        let tree = tree(&[
            TWO,
            ("desktop.nix", "{ services.desktopManager.plasma6.enable = true; }"),
        ]);
        let answers = "~/nowhere\n\n\ngamma\nalpha  beta\nK D E\n\n";
        let (asked, args, said) = answered(&[], tree.path(), answers);
        assert!(asked.unwrap());
        assert_eq!(args.config.as_deref(), Some(tree.path()));
        assert_eq!(args.hosts, ["alpha", "beta"]);
        assert_eq!(args.desktop.as_deref(), Some("plasma6"));
        for text in [
            "/nowhere",
            "Hosts in the configuration: alpha, beta\n",
            "The flake has no host `gamma`. It has: alpha, beta.\n",
            "`K D E` is not a name of a live system. Use gnome",
        ] {
            assert!(said.contains(text), "{text} is not in {said}");
        }
        assert_eq!(said.matches("Host to install").count(), 3, "{said}");
        let words = command(OsStr::new("nix-cfg-iso"), &args);
        let expected = format!(
            "nix-cfg-iso init iso --config {} --host alpha --host beta --desktop plasma6",
            tree.path().display()
        );
        assert_eq!(words, expected);
        let (asked, again, _) = answered(
            &shlex::split(&words)
                .unwrap()
                .iter()
                .skip(3)
                .map(String::as_str)
                .collect::<Vec<_>>(),
            tree.path(),
            "",
        );
        assert!(!asked.unwrap() && again.hosts == args.hosts);
    }

    #[test]
    fn a_channel_configuration_is_asked_for_its_nixpkgs() {
        let tree = tree(&[("configuration.nix", "{ }")]);
        let config = ["--config", tree.path().to_str().unwrap()];
        let (_, args, said) = answered(&config, tree.path(), "githup:NixOS/nixpkgs\n\n\n");
        assert_eq!(args.nixpkgs.as_deref(), Some(choices::EXAMPLE));
        assert_eq!(args.desktop.as_deref(), Some("gnome"));
        assert!(said.contains("githup"), "{said}");
        // The release of this machine is the default where something else has to be asked.
        fs::write(tree.path().join("os-release"), "ID=nixos\nVERSION_ID=24.05\n").unwrap();
        let (_, args, _) = answered(&[], tree.path(), "\n\nnone\n");
        assert_eq!(args.nixpkgs.as_deref(), Some("github:NixOS/nixpkgs/nixos-24.05"));
        assert_eq!(args.desktop.as_deref(), Some("none"));
    }

    #[test]
    fn the_end_of_the_input_ends_it() {
        let tree = tree(&[TWO]);
        for answers in ["", "\n", "\nalpha\n", "\nalpha\nK D E"] {
            let (asked, ..) = answered(&[], tree.path(), answers);
            let error = asked.unwrap_err().to_string();
            assert!(error.contains("The input ended"), "{error}");
        }
    }
}
