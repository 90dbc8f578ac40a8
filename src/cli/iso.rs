//! `nix-cfg-iso`: parses the command line, runs the command, and returns the exit code.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use super::exit_code;
use super::init_questions::{Dialogue, Suggestions, command, complete};
use super::iso_args::{Args, Command, Customize, Delta, Doctor, Init, Refresh};
use super::iso_internal_args::{CalamaresTargets, Internal};
use super::typed_lines::TypedLines;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::interrupt::{INTERRUPTED, Interrupt, Interrupted};
use crate::iso::calamares_config::{self, InstalledSystems};
use crate::iso::choices::{InitOptions, InitReport, default_desktop};
use crate::iso::customize::{self, CustomizeOptions, PHASES};
use crate::iso::delta::{self, DeltaOptions};
use crate::iso::doctor::{self, MachineToCome};
use crate::iso::enrol::{self, EnrolOptions};
use crate::iso::generate_config::HardwareFeatures;
use crate::iso::image_closure::ImageClosure;
use crate::iso::image_contents::ImageOutput;
use crate::iso::init;
use crate::iso::refresh::{self, RefreshOptions};
use crate::iso::update::update;
use crate::iso::{fleet_answers, pin, size, why};
use crate::nix::environment::initial_heap;
use crate::plan::machine;
use crate::process::Runner;
use crate::progress::{Format, Reporter};
use crate::text::{printable, shell_word, without_numbers};
use crate::tree::source::ETC_NIXOS;

/// The exit code when it fails, or reports errors.
const FAILED: u8 = 1;

/// Runs `nix-cfg-iso`, and returns its exit code.
pub fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(fail(error)),
    }
}

fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Init(args) => init(args),
        Command::Doctor(args) => doctor(&args),
        Command::Refresh(args) => refresh(args),
        Command::Update(args) => say(&update(&args.dir, &programs()?)?),
        Command::Customize(args) => customize(args),
        Command::Why(args) => {
            let runner = runner()?;
            say(&why::why(&runner, &flake(args.dir, args.nix_args), &args.path)?)
        }
        Command::Size(args) => {
            let runner = runner()?;
            let image = flake(args.dir, args.nix_args).image(&runner)?;
            print(&size::table(&runner, &image)?)
        }
        Command::Answers(args) => {
            let path = fleet_answers::write(&args.dir)?;
            say(&[format!(
                "Wrote {}. Edit it, and put it on a stick with the label NIXCFG, or on an ISO: nix-cfg-iso customize ISO OUT.iso --answers {}",
                path.display(),
                shell_word(path.as_os_str()),
            )])
        }
        Command::Delta(args) => delta(args),
        Command::Enrol(args) => say(&enrol::enrol(&EnrolOptions {
            dir: args.dir,
            keys: args.keys,
            secrets: args.secrets,
            dry_run: args.dry_run,
        })?),
        Command::Pin(args) => {
            let path = pin::file(&args.dir)?;
            let text = pin::pin(&runner()?, &flake(args.dir, args.nix_args))?;
            fs::write(&path, text).with_context(|| format!("Failed to write {}", path.display()))?;
            say(&[format!(
                "Wrote {}. Name it in flake.nix, beside `settings`: closureList = ./{};",
                path.display(),
                pin::FILE,
            )])
        }
        Command::Internal(command) => internal(command),
    }
}

/// What the modules in nix/ run.
fn internal(command: Internal) -> Result<()> {
    match command {
        Internal::Frontier(args) => write_json(&args.out, &ImageClosure::of(&args.roots, &args.trees)?),
        Internal::HardwareFeatures(args) => {
            let written = HardwareFeatures::read(args.generate_config.as_deref(), &args.filesystems)?;
            write_json(&args.out, &written)
        }
        Internal::CalamaresConfig(args) => say(&calamares_config::derive(&args.package, &args.helper, &args.targets)?),
        Internal::CalamaresTargets(args) => calamares_targets(args),
    }
}

fn init(mut args: Init) -> Result<()> {
    let (os_release, programs) = (Path::new("/etc/os-release"), programs()?);
    let mut asked = false;
    if args.stock.is_empty() && io::stdin().is_terminal() && io::stderr().is_terminal() {
        // Whoever answers questions learns first that it would be for nothing.
        let mistakes = init::mistakes(&init_options(&args), &programs, os_release)?;
        if !mistakes.is_empty() {
            return Err(Diagnostics(mistakes).into());
        }
        asked = ask(&mut args, os_release)?;
    }
    // Before the directory appears: where nothing can be written to stdout, nothing is done.
    let mut tell = |report: &InitReport| {
        report.warnings.iter().for_each(show);
        if asked {
            complain(&format!(
                "The same without questions:\n    {}\n",
                command(&invoked_as(), &args)
            ));
        }
        say(&report.notes)
    };
    let next = init::init(&init_options(&args), &programs, os_release, &mut tell);
    say(&[next.map_err(nothing_written)?])
}

/// Asks for what is missing, and returns whether there was something.
fn ask(args: &mut Init, os_release: &Path) -> Result<bool> {
    let machine = Suggestions {
        etc_nixos: Path::new(ETC_NIXOS),
        os_release,
        home: std::env::var_os("HOME").map(PathBuf::from),
        subscriptions: subscriptions(),
    };
    let typed = TypedLines::of_stdin(Interrupt::on_signals()?);
    let (mut next, mut stderr) = (|| typed.next(), io::stderr());
    complete(args, &machine, &mut Dialogue::new(&mut next, &mut stderr)).map_err(nothing_written)
}

fn nothing_written(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Interrupted>() {
        error.context("Interrupted. Nothing was written.")
    } else {
        error
    }
}

fn init_options(args: &Init) -> InitOptions {
    InitOptions {
        program: invoked_as(),
        dir: args.dir.clone(),
        config: args.config.clone(),
        hosts: args.hosts.clone(),
        desktop: args
            .desktop
            .clone()
            .unwrap_or_else(|| default_desktop(&args.stock).to_owned()),
        nixpkgs: args.nixpkgs.clone(),
        channels: args.channels.clone(),
        subscriptions: subscriptions(),
        system: args.system.clone(),
        hardware_config: args.hardware_config.clone(),
        build_helper: args.build_helper,
        allow_secrets: args.allow_secrets,
        stock: args.stock.clone(),
    }
}

fn refresh(args: Refresh) -> Result<()> {
    let options = RefreshOptions {
        program: invoked_as(),
        dir: std::path::absolute(&args.dir).context("Failed to find the working directory")?,
        config: args.config,
        dry_run: args.dry_run,
        allow_secrets: args.allow_secrets,
        discard_edits: args.discard_edits,
    };
    let report = refresh::refresh(&options, &runner()?, &mut say)?;
    report.warnings.iter().for_each(show);
    say(&report.notes)
}

/// This program as it was called: a name that the shell finds, or a path (`nix run`).
fn invoked_as() -> OsString {
    std::env::args_os().next().unwrap_or_else(|| "nix-cfg-iso".into())
}

/// Where nix-channel keeps the channels of this user, and of root, who builds the system.
fn subscriptions() -> Vec<PathBuf> {
    let homes = [std::env::var_os("HOME").map(PathBuf::from), Some("/root".into())];
    homes
        .into_iter()
        .flatten()
        .map(|home| home.join(".nix-channels"))
        .collect()
}

fn doctor(args: &Doctor) -> Result<()> {
    // Before signals only raise a flag: a pipe may have no other end.
    let machine = args.machine.as_ref().map(|file| {
        Ok::<_, anyhow::Error>(MachineToCome {
            report: machine::load(file)?,
            file: file.clone(),
            host: args.host.clone(),
        })
    });
    let machine = machine.transpose()?;
    let mut environment = environment();
    // What evaluates a configuration here has the channels of the ISO.
    environment.retain(|(name, _)| name != "NIX_PATH");
    let runner = Runner::new(environment, Interrupt::on_signals()?);
    // `path:` takes an absolute path, or one that begins with a dot.
    let dir = std::path::absolute(&args.dir).context("Failed to find the working directory")?;
    let problems = doctor::doctor(&runner, &dir, !args.no_eval, machine.as_ref())?;
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    warnings.iter().for_each(show);
    if !errors.is_empty() {
        return Err(Diagnostics(errors).into());
    }
    say(&[doctor::summary(&dir, !args.no_eval)]
        .into_iter()
        .chain(machine.map(|machine| machine.summary()))
        .collect::<Vec<_>>())
}

fn customize(args: Customize) -> Result<()> {
    let options = CustomizeOptions {
        iso: args.iso,
        out: args.out,
        set: args.set,
        settings: args.settings,
        config: args.config,
        allow_secrets: args.allow_secrets,
        extra_files: args.extra_files,
        answers: args.answers,
    };
    let reporter = Reporter::new(Format::Auto.renderer(), &PHASES);
    let done = customize::customize(&runner()?, &options, &reporter);
    // Its bar goes before anything else is said.
    drop(reporter);
    let done = done?;
    done.warnings.iter().for_each(show);
    say(&done.notes)
}

fn delta(args: Delta) -> Result<()> {
    let options = DeltaOptions {
        image: flake(args.dir, args.nix_args),
        since: args.since,
        key: args.key,
        out: args.out,
    };
    let reporter = Reporter::new(Format::Auto.renderer(), &delta::PHASES);
    let done = delta::delta(&runner()?, &options, &reporter);
    // Its bar goes before anything else is said.
    drop(reporter);
    say(&done?)
}

fn runner() -> Result<Runner> {
    Ok(Runner::new(environment(), Interrupt::on_signals()?))
}

/// Programs get the environment of the person who makes the image: the network, the keys and the settings. Three things differ:
/// * Flakes need not be on in a person's own Nix.
/// * The kernel stops a program in a process group of its own that asks on the terminal (`tty_check_change`, SIGTTIN). git and
///   ssh (8.4) fail instead, or ask in a window.
/// * [`initial_heap`].
fn environment() -> Vec<(OsString, OsString)> {
    let mut config = std::env::var_os("NIX_CONFIG").unwrap_or_default();
    config.push("\nextra-experimental-features = nix-command flakes\n");
    let mut all: Vec<_> = std::env::vars_os().collect();
    let more: [(OsString, OsString); 3] = [
        ("NIX_CONFIG".into(), config),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
        ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
    ];
    for (name, value) in more.into_iter().chain(initial_heap()) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    all
}

fn flake(reference: String, nix_args: Vec<OsString>) -> ImageOutput {
    ImageOutput { reference, nix_args }
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    fs::write(path, text).with_context(|| format!("Failed to write {}", path.display()))
}

fn calamares_targets(args: CalamaresTargets) -> Result<()> {
    let known = InstalledSystems {
        closure_bytes: args.closure_bytes,
        users: (args.no_users || !args.users.is_empty()).then_some(args.users),
        decided: args.decided,
        hosts: args.hosts,
        desktops: args.desktops,
        open: args.open,
        without: args.without,
        layouts: args.layouts,
    };
    say(&calamares_config::derive_targets(
        &args.upstream,
        &args.package,
        &args.out,
        &known,
    )?)
}

/// The directory of this program: what it ships stands beside it.
fn programs() -> Result<PathBuf> {
    let program = std::env::current_exe().context("Failed to find this program's own file")?;
    Ok(program.parent().unwrap_or(Path::new("/")).to_owned())
}

/// One line each.
fn say(lines: &[String]) -> Result<()> {
    print(&lines.iter().flat_map(|line| [line, "\n"]).collect::<String>())
}

/// Writes to stdout. A reader who went away (`| head`) has seen enough.
fn print(text: &str) -> Result<()> {
    match io::stdout()
        .write_all(printable(text).as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("Failed to write to stdout"),
        _ => Ok(()),
    }
}

/// Writes to stderr; an error in writing is ignored, because nobody could read it.
fn complain(text: &str) {
    drop(writeln!(io::stderr(), "{}", printable(text)));
}

fn show(problem: &Diagnostic) {
    let heading = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    complain(&format!("{heading}: {problem}\n"));
}

/// Shows why it failed, and returns the exit code.
fn fail(error: anyhow::Error) -> u8 {
    if error.is::<Interrupted>() {
        complain(&format!("error: {error}"));
        return INTERRUPTED;
    }
    let problems = match error.downcast::<Diagnostics>() {
        Ok(Diagnostics(problems)) => Ok(problems),
        Err(error) => error.downcast::<Diagnostic>().map(|problem| vec![problem]),
    };
    match problems {
        Ok(problems) => {
            problems.iter().for_each(show);
            exit_code::of(&problems, FAILED)
        }
        Err(error) => {
            complain(&format!("error: {}", without_numbers(&format!("{error:#}"))));
            FAILED
        }
    }
}
