//! What Nix finds out about a configuration: its hosts, and the derivation of its toplevel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::activity::{LOG_FORMAT, Tracker, VERBOSE};
use super::environment::channels_in;
use super::explain;
use super::facts::{EXPRESSION, Facts};
use super::installed;
use super::lenience::Lenience;
use super::literal::{path_reference, string};
use super::open::{self, Open};
use crate::diagnostic::{Diagnostic, FlakeProblem};
use crate::locked_directory::LockedDirectory;
use crate::process::{Invocation, Runner, Stream};
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, ETC_NIXOS};

/// A configuration that can be evaluated.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The tree; the paths in errors are made relative to it.
    pub root: PathBuf,
    /// Channel or flake.
    pub kind: ConfigKind,
    /// Which of a flake's configurations; `None`: the only one, or the one named like this machine.
    pub host: Option<String>,
}

/// Hears of the parts of an evaluation; see [`evaluate`].
pub type OnPart<'a> = &'a mut dyn FnMut(u64, &str);

/// What one evaluation found.
#[derive(Debug)]
pub struct Evaluation {
    /// The values that the check looks at.
    pub facts: Facts,
    /// The toplevel, or why there is none. `None`: the flake has no host that fits; [`choose_host`] says more.
    pub toplevel: Result<Option<Evaluated>, Diagnostic>,
}

/// The toplevel of a configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Evaluated {
    /// The .drv of the toplevel, in the live system's store.
    pub drv: PathBuf,
    /// Its output.
    pub out: PathBuf,
}

/// The names of a flake's `nixosConfigurations`, sorted.
///
/// # Errors
/// An explained [`Diagnostic`] when Nix cannot evaluate the flake.
pub fn hosts(runner: &Runner, root: &Path) -> Result<Vec<String>> {
    let invocation = nix_eval(root, "nixosConfigurations").args(["--apply", "builtins.attrNames"]);
    let seen = Seen::itself(root);
    let text = run(runner, invocation, &seen, &mut Facts::default(), &mut |_, _| {})?;
    serde_json::from_str(&text).context("Nix printed host names that are not JSON")
}

/// Evaluates the configuration to its toplevel, once. Writes .drv files into the live system's store, and nothing else.
/// `on_part` hears of every file that is read and of every derivation that is instantiated: how many it were so far, and its
/// name.
///
/// # Errors
/// When Nix cannot be run, or prints what was not asked for. That the configuration cannot be evaluated is in the result.
pub fn evaluate(
    runner: &Runner,
    configuration: &Configuration,
    lenience: Lenience,
    on_part: OnPart<'_>,
) -> Result<Evaluation> {
    let mut facts = Facts::default();
    let said = ask(
        runner,
        configuration,
        (EXPRESSION, lenience.module().as_deref()),
        &mut facts,
        on_part,
    );
    let toplevel =
        match said {
            Ok(text) => Ok(serde_json::from_str(&text)
                .context("Nix printed an evaluation that is not the JSON that was asked for")?),
            Err(error) => Err(error.downcast::<Diagnostic>()?),
        };
    Ok(Evaluation { facts, toplevel })
}

/// What the configuration leaves open of what can be answered. `None`: the flake has no host that fits.
///
/// # Errors
/// An explained [`Diagnostic`] when the configuration cannot be evaluated.
pub fn open(runner: &Runner, configuration: &Configuration) -> Result<Option<Open>> {
    let asked = (open::EXPRESSION, None);
    let text = ask(runner, configuration, asked, &mut Facts::default(), &mut |_, _| {})?;
    serde_json::from_str(&text).context("Nix printed values that are not the JSON that was asked for")
}

/// What `expression`, a function of the configuration's evaluation, gives, as JSON. `module`: one more, as an expression.
pub(super) fn ask(
    runner: &Runner,
    configuration: &Configuration,
    (expression, module): (&str, Option<&str>),
    facts: &mut Facts,
    on_part: OnPart<'_>,
) -> Result<String> {
    let root = &configuration.root;
    match configuration.kind {
        ConfigKind::Channel => {
            let empty = LockedDirectory::private().context("Failed to make a temporary directory")?;
            let invocation = installed::at_etc_nixos(channel(expression, module), root, empty.path());
            let seen = Seen {
                at: Path::new(ETC_NIXOS),
                channels: &runner.variable("NIX_PATH").map(channels_in).unwrap_or_default(),
                root,
            };
            run(runner, invocation, &seen, facts, on_part)
        }
        ConfigKind::Flake => {
            let apply = of_flake(expression, configuration.host.as_deref(), module);
            let invocation = nix_eval(root, "nixosConfigurations").args(["--apply", &apply]);
            run(runner, invocation, &Seen::itself(root), facts, on_part)
        }
    }
}

/// Evaluates one of the systems that the emitted flake in `dir` installs, by its place among `iso.targets`, and with
/// `image` the image as well: why that cannot be evaluated is then in `toplevel`. The facts include the version of the live
/// system's Nix. `channels` are the names of those that the flake has.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_target(
    runner: &Runner,
    dir: &Path,
    channels: &[String],
    index: usize,
    image: bool,
) -> Result<Evaluation> {
    let after = if image { ISO } else { "" };
    let apply = format!(
        "iso: let target = ({EXPRESSION}) (builtins.elemAt iso.targets {index}); in
          builtins.trace \"nix-cfg-install: nix ${{builtins.toJSON iso.live.config.nix.package.version}}\"
          (builtins.deepSeq target ({after} target))"
    );
    let mut facts = Facts::default();
    let invocation = nix_eval(dir, "iso").args(["--apply", &apply]);
    let seen = Seen {
        channels,
        ..Seen::itself(dir)
    };
    let toplevel = match run(runner, invocation, &seen, &mut facts, &mut |_, _| {}) {
        Ok(text) => Ok(serde_json::from_str(&text).context("Nix printed an evaluation that is not JSON")?),
        Err(error) => Err(error.downcast::<Diagnostic>()?),
    };
    Ok(Evaluation { facts, toplevel })
}

/// Evaluates the image, and then traces what it is made without.
const ISO: &str = "builtins.seq iso.drvPath (builtins.trace
  \"nix-cfg-install: not_covered ${builtins.toJSON (iso.live.config.offlineInstaller.settings.not-covered or [ ])}\")";

fn channel(expression: &str, module: Option<&str>) -> Invocation {
    // `--eval` alone would not write the .drv files.
    let file = Path::new(ETC_NIXOS).join(CONFIGURATION_NIX);
    let invocation = Invocation::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--read-write-mode", "-I"])
        .arg(format!("nixos-config={}", file.display()));
    let Some(more) = module else {
        return invocation.args(["--expr", &format!("({expression}) (import <nixpkgs/nixos> {{ }})")]);
    };
    let module = format!("{{ imports = [ {} {more} ]; }}", string(&file.to_string_lossy()));
    invocation.args([
        "--expr",
        &format!("({expression}) (import <nixpkgs/nixos> {{ configuration = {module}; }})"),
    ])
}

/// From a flake's `nixosConfigurations`: reports their names, takes the host that was asked for or that fits, and evaluates it.
fn of_flake(expression: &str, host: Option<&str>, module: Option<&str>) -> String {
    let wanted = match host {
        Some(host) => format!("[ {} ]", string(host)),
        None => format!(
            "if builtins.length names == 1 then names else [ {} ]",
            string(&machine_name())
        ),
    };
    let os = module.map_or("os".to_owned(), |module| {
        format!("(os.extendModules {{ modules = [ {module} ]; }})")
    });
    format!(
        "hosts: let
  names = builtins.attrNames hosts;
  fitting = builtins.filter (name: hosts ? ${{name}}) ({wanted});
  os = hosts.${{builtins.head fitting}};
in builtins.trace \"nix-cfg-install: hosts ${{builtins.toJSON names}}\" (if fitting == [ ] then null else ({expression}) {os})"
    )
}

/// What NixOS calls every machine that was given no name, live systems among them (nixos/modules/tasks/network-interfaces.nix).
/// It says nothing of which host of a flake this machine is, even where one has that name.
const DEFAULT_NAME: &str = "nixos";

/// The name of the live system, where it was given one: a flake may have a host of that name.
#[must_use]
pub fn machine_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name == DEFAULT_NAME {
        String::new()
    } else {
        name.to_owned()
    }
}

/// `path:` and never the bare directory: a directory with `.git` would be read through git, which hides untracked files. The
/// lock is used as it is.
fn nix_eval(root: &Path, attribute: &str) -> Invocation {
    Invocation::new("nix")
        .args(["eval", "--json", "--no-write-lock-file"])
        .arg(format!("{}#{attribute}", path_reference(root)))
}

/// The tree, as Nix sees it.
struct Seen<'a> {
    root: &'a Path,
    /// Where Nix sees it.
    at: &'a Path,
    /// The names of the channels that Nix can look up.
    channels: &'a [String],
}

impl<'a> Seen<'a> {
    /// Where it is, without channels.
    fn itself(root: &'a Path) -> Self {
        Self {
            root,
            at: root,
            channels: &[],
        }
    }
}

/// Runs Nix and returns its stdout; the facts that it prints on stderr go to `facts`.
fn run(
    runner: &Runner,
    invocation: Invocation,
    seen: &Seen<'_>,
    facts: &mut Facts,
    on_part: OnPart<'_>,
) -> Result<String> {
    let mut tracker = Tracker::default();
    let invocation = invocation.args(LOG_FORMAT).arg(VERBOSE);
    let finished = runner.run(&invocation, &mut |stream, line| {
        if stream == Stream::Stderr {
            tracker.take(line);
            on_part(tracker.evaluated(), tracker.item());
        }
    })?;
    let said = tracker.said();
    let said: Vec<&str> = said.lines().filter(|line| !facts.take(line)).collect();
    if finished.status.success() {
        return Ok(finished.text()?.to_owned());
    }
    let said = said.join("\n");
    if let Some(problem) = installed::not_mounted(finished.status.code(), &said) {
        return Err(problem.into());
    }
    let said = said.replace(&format!("{}/", seen.at.display()), &format!("{}/", seen.root.display()));
    let context = explain::Context {
        root: Some(seen.root),
        channels: seen.channels,
    };
    Err(explain::recognize(&said, context).1.into())
}

/// The host to install: `wanted` (from a flag or the settings), the only one, or the one named like the machine.
///
/// `of_iso`: the host that the ISO was made for, if that is one.
///
/// # Errors
/// A [`Diagnostic`] that lists the hosts when `wanted` is not among them or nothing decides.
pub fn choose_host(
    hosts: &[String],
    (wanted, of_iso): (Option<&str>, Option<&str>),
    machine: Option<&str>,
) -> Result<(String, String)> {
    if hosts.is_empty() {
        return Err(FlakeProblem::NoHosts.into());
    }
    if let Some(host) = wanted {
        if hosts.iter().any(|known| known == host) {
            return Ok((
                host.to_owned(),
                "--host, the settings or the graphical installer name it".to_owned(),
            ));
        }
        let (host, hosts) = (host.to_owned(), hosts.to_owned());
        let of_iso = of_iso.filter(|of_iso| *of_iso != host).map(str::to_owned);
        return Err(FlakeProblem::HostUnknown { host, hosts, of_iso }.into());
    }
    match (hosts, machine) {
        ([only], _) => Ok((only.clone(), "it is the only one".to_owned())),
        (all, Some(machine)) if all.iter().any(|host| host == machine) => {
            Ok((machine.to_owned(), "this machine has that name".to_owned()))
        }
        _ => Err(FlakeProblem::HostAmbiguous {
            hosts: hosts.to_owned(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_named_one_the_only_one_or_the_machines_own() {
        let both = ["alpha".to_owned(), "beta".to_owned()];
        assert_eq!(
            choose_host(&both, (Some("beta"), None), Some("alpha")).unwrap().0,
            "beta"
        );
        assert_eq!(choose_host(&both[..1], (None, None), Some("nixos")).unwrap().0, "alpha");
        assert_eq!(choose_host(&both, (None, None), Some("alpha")).unwrap().0, "alpha");
        for error in [
            choose_host(&both, (Some("gamma"), None), None).unwrap_err(),
            choose_host(&both, (None, None), Some("nixos")).unwrap_err(),
        ] {
            assert!(error.to_string().contains("alpha, beta"), "{error}");
        }
        choose_host(&[], (None, None), None).unwrap_err();
        let typo = choose_host(&both, (Some("aplha"), None), None).unwrap_err().to_string();
        assert!(typo.contains("no host `aplha`; did you mean `alpha`?"), "{typo}");
        let other = choose_host(&both, (Some("gamma"), Some("beta")), None)
            .unwrap_err()
            .to_string();
        assert!(
            other.contains("has: alpha, beta. This ISO was made for beta.\n"),
            "{other}"
        );
    }
}
