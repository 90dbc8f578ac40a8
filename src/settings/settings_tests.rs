//! What is a settings file, and what is wrong with one.

use std::fs;

use super::*;
use crate::tree::feature::{Feature, FeatureKind};

fn parse(text: &str) -> Result<Settings> {
    Settings::parse(text, Path::new("s.yaml"))
}

#[test]
fn every_key_that_is_documented_is_understood() {
    let settings = parse(
        "source: /a\nhost: h\nhardware-config: hosts/h/hardware-configuration.nix\nextra-files: /e\nnixpkgs: /n\nchannels: /c\ntarget: /t\n\
         medium: https://c.example\npublic-key: [\"c:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=\"]\n\
         online: true\nno-bootloader: true\nnot-covered: [{\"kind\":\"filesystem\",\"name\":\"zfs\",\"reason\":\"no room\"}]\n\
         offline-rebuild: /nix/store/h-offline-rebuild\nread-image: false\n\
         set: {timezone: Europe/Berlin, unfree: true}\nchoices: /nix/store/h-choices\n",
    )
    .unwrap();
    assert_eq!(
        settings,
        Settings {
            source: Some("/a".into()),
            host: Some("h".into()),
            hardware_config: Some("hosts/h/hardware-configuration.nix".into()),
            extra_files: Some("/e".into()),
            nixpkgs: Some("/n".into()),
            channels: Some("/c".into()),
            target: Some("/t".into()),
            medium: vec!["https://c.example".to_owned()],
            public_keys: vec!["c:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=".to_owned()],
            online: true,
            no_bootloader: true,
            not_covered: vec![NotCovered {
                feature: Feature {
                    kind: FeatureKind::Filesystem,
                    name: "zfs".into(),
                },
                reason: "no room".into(),
            }],
            offline_rebuild: Some("/nix/store/h-offline-rebuild".into()),
            set: BTreeMap::from([
                ("timezone".to_owned(), "Europe/Berlin".into()),
                ("unfree".to_owned(), true.into()),
            ]),
            places: settings.places.clone(),
            choices: Some("/nix/store/h-choices".into()),
            read_image: Some(false),
        }
    );
    let documented = include_str!("../../docs/settings.md");
    let written = serde_yaml::to_value(Settings::default()).unwrap();
    let keys: Vec<&str> = written
        .as_mapping()
        .unwrap()
        .keys()
        .map(|key| key.as_str().unwrap())
        .collect();
    assert_eq!(KEYS.map(|(key, _)| key).as_slice(), keys);
    for key in keys {
        assert!(
            documented.contains(&format!("`{key}`")),
            "docs/settings.md does not say what `{key}` is"
        );
    }
}

#[test]
fn all_unknown_keys_are_named_with_their_line_and_the_nearest_known_one() {
    let error = parse("host: a\nhardware_config: x\n\nzebra: 1\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`hardware_config` is not a setting\n  where: s.yaml:2:18\n"),
        "{error}"
    );
    assert!(error.contains("Did you mean `hardware-config`?"), "{error}");
    assert!(
        error.contains("`zebra` is not a setting\n  where: s.yaml:4:8\n"),
        "{error}"
    );
    assert!(error.contains("Known keys: source, host"), "{error}");
}

#[test]
fn a_path_is_absolute() {
    for (text, path) in [("target: \"\"", "\"\""), ("host: a\nsource: ../nixos", "\"../nixos\"")] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(&format!("cannot be {path}")), "{error}");
        let line = text.lines().count();
        assert!(error.contains(&format!("where: s.yaml:{line}:9\n")), "{error}");
    }
    assert_eq!(parse("target: null").unwrap(), Settings::default());
}

#[test]
fn all_wrong_values_are_reported_in_words_of_yaml_with_line_and_column() {
    let text = "host: 12\n\"online\": perhaps\ntarget:\n  - /mnt\nread-image: 1\nhardware-config: {a: b}\nno-bootloader: no\n\
                not-covered: [{kind: nonsense}]\nnixpkgs: x\nhostt: a\n";
    let error = parse(text).unwrap_err().to_string();
    for expected in [
        "`host` takes a name in one line, and this is the number 12\n  where: s.yaml:1:7\n  what to do: Write it in quotes: `host: \"…\"`",
        "`online` takes true or false, and this is the text \"perhaps\"\n  where: s.yaml:2:11\n  what to do: Write `online: true` or `online: false`.",
        "`target` takes an absolute path, and this is a list\n  where: s.yaml:3:1\n  what to do: Write `target: /…`",
        "`read-image` takes true or false, and this is the number 1\n  where: s.yaml:5:13\n",
        "`hardware-config` takes a path inside the configuration, and this is keys with values\n  where: s.yaml:6:18\n",
        "`no-bootloader` takes true or false, and this is the text \"no\"\n  where: s.yaml:7:16\n",
        "`not-covered` takes a list of entries with `kind`, `name` and `reason`, and this is another list\n  where: s.yaml:8:14\n",
        "`nixpkgs` cannot be \"x\"\n  where: s.yaml:9:10\n",
        "`hostt` is not a setting\n  where: s.yaml:10:8\n  what to do: Did you mean `host`?",
    ] {
        assert!(error.contains(expected), "{expected}\n\n{error}");
    }
}

#[test]
fn keys_that_are_set_twice_impossible_values_and_other_texts_are_refused() {
    for (text, expected) in [
        ("- host: a\n", "The settings are not keys with values: this is a list\n"),
        ("just words\n", "this is the text \"just words\"\n"),
        (
            "host: a\nhost: b\n",
            "`host` is set twice\n  where: s.yaml:2\n  what to do: Remove one",
        ),
        (
            "online: true\n\"online\" : true\n# host:\nhost: a\nhost: b\n",
            "`host` is set twice\n  where: s.yaml:5\n",
        ),
        (
            "{host: a, host: b}\n",
            "not valid YAML: duplicate entry with key \"host\"",
        ),
        (
            "host: \"a\\nb\"\n",
            "`host` takes a name in one line, and this is the text \"a\\nb\"\n  where: s.yaml:1:7",
        ),
        (
            "host: \"\"\n",
            "`host` takes a name in one line, and this is the text \"\"",
        ),
        (
            "target: //\n",
            "`target` cannot be \"/\"\n  where: s.yaml:1:9\n  why: That is the running system",
        ),
        (
            "hardware-config: ../x.nix\n",
            "takes a path inside the configuration, and this is the text \"../x.nix\"",
        ),
        (
            "hardware-config: /etc/x.nix\n",
            "takes a path inside the configuration, and this is the text",
        ),
        ("host: a\n  online: true\n", "s.yaml:2:9\n"),
        ("12: a\n", "`the number 12` is not a setting"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}\n\n{error}");
        for word in ["struct", "sequence", "expected a string"] {
            assert!(!error.contains(word), "{error}");
        }
    }
    assert_eq!(parse("online:\nhost: null\n").unwrap(), Settings::default());
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Settings::load(Some(Path::new("/nowhere/s.yaml")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("where: /nowhere/s.yaml\n  why: No such file"), "{error}");
}

#[test]
fn a_key_of_the_medium_overrides_that_of_the_live_system() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (etc, medium) = (path("etc.yaml"), path("iso.yaml"));
    let load = || Settings::layered(&[&etc, &medium]);
    assert_eq!(load().unwrap(), Settings::default());
    fs::write(&etc, "host: a\nonline: true\nnixpkgs: /n\n").unwrap();
    fs::write(&medium, "# none yet\n").unwrap();
    assert_eq!(load().unwrap().host.as_deref(), Some("a"));
    fs::write(&medium, "host: b\nonline: false\nhardware-config: null\n").unwrap();
    let settings = load().unwrap();
    assert_eq!(settings.host.as_deref(), Some("b"));
    assert!(!settings.online && settings.nixpkgs.as_deref() == Some(Path::new("/n")));
    fs::write(&medium, "host: null\n").unwrap();
    assert_eq!(load().unwrap().host, None);
    // The hardware configuration of one host is not that of another.
    fs::write(&etc, "host: a\nhardware-config: hosts/a/hardware-configuration.nix\n").unwrap();
    fs::write(&medium, "online: true\n").unwrap();
    assert!(load().unwrap().hardware_config.is_some());
    fs::write(&medium, "host: b\n").unwrap();
    assert_eq!(load().unwrap().hardware_config, None);
    fs::write(&medium, "host: a\n").unwrap();
    let same = load().unwrap();
    assert!(same.hardware_config_of(Some("a")).is_some() && same.hardware_config_of(Some("b")).is_none());
    fs::write(&medium, "\nhots: b\n").unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("iso.yaml:2") && error.contains("`host`"), "{error}");
}

#[test]
fn each_answer_has_the_place_where_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let first = write("first", "set:\n  keymap: de\n  timezone: Berlin\n");
    let place = |paths: &[&Path], key: &str| {
        Settings::layered(paths)
            .unwrap()
            .places
            .get(key)
            .map(ToString::to_string)
    };
    let shown = first.display();
    assert_eq!(place(&[&first], "timezone"), Some(format!("{shown}:3:13")));
    // A later file has all of them, or none.
    let other = write("other", "host: a\n");
    assert_eq!(place(&[&first, &other], "keymap"), Some(format!("{shown}:2:11")));
    let later = write("later", "set: { timezone: UTC }\n");
    assert_eq!(place(&[&first, &later], "keymap"), None);
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse("# nothing\n").unwrap(), Settings::default());
    assert_eq!(parse("").unwrap(), Settings::default());
}

#[test]
fn a_secret_key_in_the_place_of_a_public_one_is_not_repeated() {
    let secret = format!("room-1:{}", data_encoding::BASE64.encode(&[7; 64]));
    let said = checked_keys(&format!("public-key: {secret}\n"), Path::new("/s.yaml")).unwrap_err();
    let said = said.to_string();
    assert!(said.contains("a secret key") && !said.contains("Bwc"), "{said}");
}
