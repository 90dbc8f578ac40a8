//! `nix-cfg-iso init`: writes the ISO directory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::all_at_once::{keep, only_warnings};
use super::allowed_secrets::{self, Allowed};
use super::choices::{self, InitOptions, InitReport};
use super::copied::{Copied, Digests, digests, is_excluded};
use super::flake_template::{self, CONFIG_DIR, IsoSpec, build_command};
use super::manifest::Manifest;
use super::staging::{Staging, real_path, require_usable};
use super::{config_option, programs};
use crate::diagnostic::{Diagnostic, Diagnostics, IsoDirectoryProblem, Severity};
use crate::interrupt::Interrupt;
use crate::process::Runner;
use crate::text::shell_word;
use crate::tree::lint;
use crate::tree::snapshot::Copier;
use crate::tree::source::Source;

/// Writes the directory, and gives what to do next. `program_dir` is the directory of the running program; `os_release` is the
/// file of that name. `show` is called before the directory appears.
///
/// # Errors
/// [`Diagnostics`](crate::diagnostic::Diagnostics): all that is wrong with the options and the configuration; errors of `show` and
/// of the file system. Nothing was written then, and what existed before is as it was.
pub fn init(
    options: &InitOptions,
    program_dir: &Path,
    os_release: &Path,
    show: &mut dyn FnMut(&InitReport) -> Result<()>,
) -> Result<String> {
    let interrupt = Interrupt::on_signals()?;
    let mut problems = Vec::new();
    let mut report = InitReport::default();
    keep(require_usable(&options.dir), &mut problems)?;
    let Some(source) = keep(config_option::open(&options.config), &mut problems)? else {
        choices::without_source(options, &mut problems);
        return Err(Diagnostics(problems).into());
    };
    keep(require_outside(&options.dir, &options.config), &mut problems)?;
    report.notes.push(source.reason.clone());
    let spec = choices::spec(options, &source, os_release, (&mut report, &mut problems))?;
    let programs = if spec.build_helper {
        Vec::new()
    } else {
        keep(programs::load(program_dir, &spec.system), &mut problems)?.unwrap_or_default()
    };
    let known = Digests::new();
    let allowed = Allowed::with(options.allow_secrets, &known);
    let keys = allowed_secrets::look(&source.path, source.kind, allowed, "add --allow-secrets");
    problems.extend(keys.problems);
    report.notes.extend(keys.note);
    problems.extend(broken_files(&source));
    report.warnings = only_warnings(problems)?;
    let runner = Runner::new(std::env::vars_os().collect(), interrupt);
    let (copied, sentence) = Copied::now(&options.config, &runner)?;
    report.notes.push(sentence);
    let staging = Staging::create(&options.dir)?;
    let configuration = staging.path().join(CONFIG_DIR);
    copy_configuration(&source, &configuration, runner.interrupt(), &mut report)?;
    let copied = Copied {
        files: digests(&configuration)?,
        allowed_keys: keys.allowed,
        ..copied
    };
    write_files(staging.path(), spec, copied, &programs)?;
    show(&report)?;
    runner.interrupt().check()?;
    staging.publish()?;
    // `path:` takes an absolute path, or one that begins with a dot.
    let dir = std::path::absolute(&options.dir).context("Failed to find the working directory")?;
    Ok(format!(
        "Wrote {}. Next:\n    {} doctor {}\n    {}",
        dir.display(),
        shell_word(&options.program),
        shell_word(dir.as_os_str()),
        build_command(&dir)
    ))
}

/// Warns of files that are certainly read, and are not valid Nix or not there: in the end, Nix decides.
fn broken_files(source: &Source) -> impl Iterator<Item = Diagnostic> {
    let broken = lint::bad_modules(&source.path, source.kind).into_iter();
    broken.map(|module| Diagnostic {
        severity: Severity::Warning,
        ..module.problem
    })
}

fn write_files(dir: &Path, spec: IsoSpec, copied: Copied, programs: &[(&str, Vec<u8>)]) -> Result<()> {
    let files = flake_template::files(&spec, programs);
    for file in &files {
        file.write(dir)?;
    }
    Manifest {
        configuration: vec![copied],
        ..Manifest::new(spec, &files)
    }
    .save(dir)
}

/// Inside the configuration, the directory would be copied into itself, and with every later copy of the configuration. A
/// configuration inside the directory is the copy, which nobody edits.
pub(super) fn require_outside(dir: &Path, config: &Path) -> Result<()> {
    let real_config = fs::canonicalize(config).with_context(|| format!("Failed to read {}", config.display()))?;
    let real_dir = real_path(dir)?;
    if real_dir.starts_with(&real_config) {
        return Err(IsoDirectoryProblem::InsideConfiguration { dir: dir.to_owned() }.into());
    }
    if real_config.starts_with(&real_dir) {
        let (dir, config) = (dir.to_owned(), config.to_owned());
        return Err(IsoDirectoryProblem::ConfigurationInside { dir, config }.into());
    }
    Ok(())
}

/// Copies the configuration to `to`, a directory that does not exist. Warnings go to the report.
pub(super) fn copy_configuration(
    source: &Source,
    to: &Path,
    interrupt: &Interrupt,
    report: &mut InitReport,
) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("Failed to create {}", to.display()))?;
    let copier = Copier {
        owners: None,
        interrupt,
        exclude: Some(is_excluded),
    };
    let mut problems = copier.copy(&source.dir, to)?.problems;
    problems.extend(lint::lacking(to));
    report.warnings.extend(only_warnings(problems)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was shown.
    fn run_with(options: &InitOptions, os_release: &Path) -> Result<InitReport> {
        let mut shown = InitReport::default();
        let mut show = |report: &InitReport| {
            assert!(!options.dir.join("flake.nix").exists());
            shown.notes.clone_from(&report.notes);
            shown.warnings = report
                .warnings
                .iter()
                .map(|one| Diagnostic::example(&one.what, "", ""))
                .collect();
            Ok(())
        };
        init(options, Path::new("/nowhere"), os_release, &mut show)?;
        Ok(shown)
    }

    fn run(options: &InitOptions) -> Result<InitReport> {
        run_with(options, Path::new("/nowhere"))
    }

    fn options(dir: &Path, config: &Path) -> InitOptions {
        InitOptions {
            program: "nix-cfg-iso".into(),
            dir: dir.join("iso"),
            config: config.to_owned(),
            hosts: Vec::new(),
            desktop: "gnome".to_owned(),
            nixpkgs: Some("github:NixOS/nixpkgs/nixos-24.05".to_owned()),
            channels: Vec::new(),
            subscriptions: Vec::new(),
            system: Some("x86_64-linux".to_owned()),
            hardware_config: None,
            build_helper: true,
            allow_secrets: false,
        }
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("configuration.nix"), "{ }").unwrap();
        fs::create_dir(tree.path().join(".git")).unwrap();
        fs::create_dir(tree.path().join("empty")).unwrap();
        fs::create_dir_all(tree.path().join("empty/.nix-cfg-iso-killed/nix-cfg")).unwrap();
        std::os::unix::fs::symlink("/nix/store/x", tree.path().join("result")).unwrap();
        fs::write(tree.path().join("result-parser.nix"), "{ }").unwrap();
        tree
    }

    #[test]
    fn the_tree_is_copied_without_git_and_what_nix_build_left() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = options(dir.path(), tree.path());
        let report = run(&options).unwrap();
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        let copy = options.dir.join(CONFIG_DIR);
        for mine in ["configuration.nix", "empty", "result-parser.nix"] {
            assert!(copy.join(mine).exists(), "{mine} was missing");
        }
        assert!(!copy.join("empty/.nix-cfg-iso-killed").exists());
        assert!(!copy.join(".git").exists() && copy.join("result").symlink_metadata().is_err());
        let error = run(&options).unwrap_err();
        assert!(error.to_string().contains("not overwritten"), "{error}");
    }

    #[test]
    fn a_failure_leaves_nothing_that_is_in_the_way_of_the_next_try() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = options(dir.path(), tree.path());
        let pipe = tree.path().join("pipe");
        for exists in [false, true] {
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
            run(&options).unwrap_err();
            assert_eq!(options.dir.exists(), exists);
            fs::remove_file(&pipe).unwrap();
            run(&options).unwrap();
            fs::remove_dir_all(&options.dir).unwrap();
            fs::create_dir(&options.dir).unwrap();
        }
    }

    #[test]
    fn all_that_is_wrong_with_the_options_is_reported_at_once_and_a_misspelt_host_once() {
        let (tree, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for host in ["laptop", "desktop"] {
            put(&format!("hosts/{host}/hardware-configuration.nix"), "{ }");
        }
        put(
            "flake.nix",
            "{ outputs = i: { nixosConfigurations = { laptop = 1; desktop = 2; }; }; }",
        );
        let mut options = InitOptions {
            hosts: vec!["latop".to_owned()],
            nixpkgs: None,
            system: Some("riscv64-linux".to_owned()),
            desktop: "k d e".to_owned(),
            ..options(dir.path(), tree.path())
        };
        fs::create_dir(&options.dir).unwrap();
        fs::write(options.dir.join("mine"), "").unwrap();
        let codes = |options: &InitOptions| {
            let error = run(options).unwrap_err();
            let Diagnostics(problems) = error.downcast_ref().unwrap();
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
        };
        let mut expected = vec!["directory-not-empty", "host-unknown", "desktop", "system"];
        assert_eq!(codes(&options), expected);
        options.config = tree.path().join("flake.nix");
        expected[1] = "config-file";
        assert_eq!(codes(&options), expected);
        // Nothing certain is known of computed hosts.
        put("flake.nix", "{ outputs = i: { nixosConfigurations = f ./hosts; }; }");
        let options = InitOptions {
            config: tree.path().to_owned(),
            dir: dir.path().join("other"),
            system: None,
            desktop: "gnome".to_owned(),
            ..options
        };
        let warnings = run(&options).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].what.contains("did you mean `laptop`?"), "{warnings:?}");
    }

    #[test]
    fn a_file_that_is_not_valid_is_reported_and_copied() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        fs::write(tree.path().join("configuration.nix"), "{ x = }").unwrap();
        let warnings = run(&options(dir.path(), tree.path())).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].what.contains("configuration.nix is not valid Nix"),
            "{warnings:?}"
        );
    }

    #[test]
    fn what_is_fetched_is_named_with_its_place_and_a_bad_hash_is_left_out() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let hash = "0z".repeat(26);
        let fetch = |url: &str, hash: &str| format!("(fetchTarball {{ url = \"{url}\"; sha256 = \"{hash}\"; }})");
        let (good, bad) = (
            fetch("https://e.example/good", &hash),
            fetch("https://e.example/bad", "1"),
        );
        let text = format!("{{ imports = [\n  {good}\n  {bad}\n]; }}");
        fs::write(tree.path().join("configuration.nix"), text).unwrap();
        let options = options(dir.path(), tree.path());
        let warnings = run(&options).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].what.contains("The hash of https://e.example/bad"),
            "{warnings:?}"
        );
        let flake = fs::read_to_string(options.dir.join("flake.nix")).unwrap();
        assert!(
            flake.contains(&format!("builtins.{}", &good[1..])) && flake.contains(" # configuration.nix:2\n"),
            "{flake}"
        );
        assert!(!flake.contains("e.example/bad"), "{flake}");
    }

    #[test]
    fn nothing_is_written_where_nothing_can_be_shown() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = options(dir.path(), tree.path());
        let mut full = |_: &InitReport| anyhow::bail!("No space left on device");
        init(&options, Path::new("/nowhere"), Path::new("/nowhere"), &mut full).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_in_the_configuration_is_refused_before_it_is_copied_into_itself() {
        let tree = tree();
        let again = format!("gone/../../{}/y", tree.path().file_name().unwrap().display());
        for dir in ["iso", "empty/iso", "empty", "gone/../y", &again] {
            let options = InitOptions {
                dir: tree.path().join(dir),
                ..options(tree.path(), tree.path())
            };
            let error = run(&options).unwrap_err();
            assert!(error.to_string().contains("is inside the configuration"), "{error:#}");
        }
        assert!(!tree.path().join("iso").exists() && !tree.path().join("gone").exists());
    }

    #[test]
    fn the_release_of_this_nixos_is_the_default_nixpkgs() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = InitOptions {
            nixpkgs: None,
            ..options(dir.path(), tree.path())
        };
        let release = dir.path().join("os-release");
        fs::write(&release, "NAME=NixOS\nID=nixos\nVERSION_ID=\"24.05\"\n").unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "ID=debian\nVERSION_ID=\"12\"\n").unwrap();
        let error = run_with(&options, &other).unwrap_err().to_string();
        assert!(error.contains("nixpkgs of the configuration is not known"), "{error}");
        run_with(&options, &release).unwrap();
        let flake = fs::read_to_string(options.dir.join("flake.nix")).unwrap();
        assert!(flake.contains("github:NixOS/nixpkgs/nixos-24.05"), "{flake}");
    }
}
