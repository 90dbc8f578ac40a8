//! The settings that `nix-cfg-iso customize` puts on an ISO.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde_yaml::{Mapping, Value};

use super::all_at_once::keep;
use crate::diagnostic::{Diagnostic, SettingsProblem};
use crate::interrupt::Interrupt;
use crate::settings::{STANDARD_PATHS, Settings};

/// The text of `file`, which is read only once because it may be a pipe, and all that is wrong with the settings in it and with the
/// pairs of keys and values in `set`.
///
/// # Errors
/// Other errors than those of settings.
pub(super) fn checked(
    file: Option<&Path>,
    set: &[(String, String)],
    interrupt: &Interrupt,
) -> Result<(Option<String>, Vec<Diagnostic>)> {
    let mut problems = Vec::new();
    let mut read = None;
    if let Some(file) = file {
        read = keep(Settings::text(file, interrupt), &mut problems)?;
        if let Some(text) = &read {
            keep(Settings::parse(text, file), &mut problems)?;
        }
    }
    interrupt.check()?;
    let mut known = BTreeSet::new();
    for (key, value) in set {
        let mut found = Vec::new();
        let one = Mapping::from_iter([(key.as_str().into(), typed(value))]);
        keep(
            Settings::parse(&serde_yaml::to_string(&one)?, Path::new("--set")),
            &mut found,
        )?;
        if !known.insert(key) {
            found.push(SettingsProblem::Twice { key: key.clone() }.into());
        }
        let place = format!("--set {key}={value}");
        problems.extend(found.into_iter().map(|problem| problem.at(&place, None, None)));
    }
    Ok((read, problems))
}

/// The text of the settings file `old` with the pairs in `set`.
///
/// # Errors
/// When `old` is not YAML.
pub(super) fn text(old: &str, set: &[(String, String)]) -> Result<String> {
    if set.is_empty() {
        return Ok(old.to_owned());
    }
    let mut keys: Mapping = serde_yaml::from_str::<Option<Mapping>>(old)
        .context("The settings on the ISO are not YAML")?
        .unwrap_or_default();
    for (key, value) in set {
        keys.insert(key.as_str().into(), typed(value));
    }
    Ok(format!(
        "# Settings that `nix-cfg-iso customize` changed. They override those in {}.\n{}",
        STANDARD_PATHS[0],
        serde_yaml::to_string(&keys)?
    ))
}

/// A value of the command line: a switch, `null` for the default, and otherwise a text, which YAML could take for something else.
fn typed(value: &str) -> Value {
    match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostics;

    fn pairs(set: &[(&str, &str)]) -> Vec<(String, String)> {
        set.iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn settings_are_added_to_those_that_are_there() {
        let set = |old: &str, set: &[(&str, &str)]| text(old, &pairs(set)).unwrap();
        assert_eq!(set("# mine\nhost: a\n", &[]), "# mine\nhost: a\n");
        let changed = set(
            "# mine\nhost: a\nonline: true\n",
            &[("host", "no"), ("target", "/t"), ("online", "false")],
        );
        let read = Settings::parse(&changed, Path::new("s.yaml")).unwrap();
        assert_eq!((read.host.as_deref(), read.online), (Some("no"), false));
        assert_eq!(read.target.as_deref(), Some(Path::new("/t")));
        assert!(set("# none\n", &[("host", "null")]).ends_with("host: null\n"));
    }

    #[test]
    fn all_settings_that_are_wrong_are_named() {
        let right = pairs(&[("host", "no"), ("online", "true"), ("target", "null")]);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("s.yaml");
        std::fs::write(&file, "host: b\n").unwrap();
        let checked = |file: Option<&Path>, set: &[_]| super::checked(file, set, &Interrupt::default());
        assert_eq!(checked(None, &right).unwrap(), (None, Vec::new()));
        assert_eq!(
            checked(Some(&file), &right).unwrap(),
            (Some("host: b\n".to_owned()), Vec::new())
        );
        let wrong = [
            ("hots", "a"),
            ("target", "mnt"),
            ("online", "perhaps"),
            ("host", "a\nb"),
            ("target", "/"),
            ("read-image", ""),
        ];
        let found = Diagnostics(checked(Some(Path::new("/nowhere/s.yaml")), &pairs(&wrong)).unwrap().1).to_string();
        for text in [
            "/nowhere/s.yaml\n  why: No such file",
            "--set hots=a\n",
            "Did you mean `host`?",
            "--set target=mnt\n  why: It is not an absolute path",
            "--set online=perhaps\n",
            "`host` takes a name in one line, and this is the text \"a\\nb\"\n  where: --set host=a\u{fffd}b\n",
            "`target` cannot be \"/\"\n  where: --set target=/\n",
            "`target` is set twice\n  where: --set target=/\n",
            "`read-image` takes true or false, and this is the text \"\"\n",
        ] {
            assert!(found.contains(text), "{text}: {found}");
        }
    }
}
