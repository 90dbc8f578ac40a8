//! An ISO directory whose configuration was changed where it came from.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::choices::InitOptions;
use super::super::init::init;
use super::*;
use crate::interrupt::Interrupt;

/// A configuration and the ISO directory of it.
struct Iso {
    tree: TempDir,
    directory: TempDir,
}

impl Iso {
    /// Of a channel configuration.
    fn new() -> Self {
        Self::of(&[("configuration.nix", "{ }"), ("old.nix", "{ }")], &[])
    }

    fn of(files: &[(&str, &str)], hosts: &[&str]) -> Self {
        let iso = Self {
            tree: tempfile::tempdir().unwrap(),
            directory: tempfile::tempdir().unwrap(),
        };
        for (name, text) in files {
            iso.put(name, text);
        }
        let options = InitOptions {
            program: "nix-cfg-iso".into(),
            dir: iso.dir(),
            config: Some(iso.tree.path().to_owned()),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            desktop: "gnome".to_owned(),
            nixpkgs: hosts.is_empty().then(|| "nixpkgs".to_owned()),
            channels: Vec::new(),
            subscriptions: Vec::new(),
            system: Some("x86_64-linux".to_owned()),
            hardware_config: None,
            build_helper: true,
            stock: Vec::new(),
            allow_secrets: false,
        };
        init(&options, Path::new("/nowhere"), Path::new("/nowhere"), &mut |_| Ok(())).unwrap();
        iso
    }

    fn dir(&self) -> PathBuf {
        self.directory.path().join("iso")
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn copy(&self, name: &str) -> PathBuf {
        self.dir().join(CONFIG_DIR).join(name)
    }

    fn options(&self) -> RefreshOptions {
        RefreshOptions {
            program: "nix-cfg-iso".into(),
            dir: self.dir(),
            config: None,
            dry_run: false,
            allow_secrets: false,
            discard_edits: false,
        }
    }

    fn refresh(&self) -> Result<String, String> {
        refresh_with(&self.options())
    }

    fn refused(&self, words: &[&str]) {
        let before = digests(&self.dir()).unwrap();
        let said = self.refresh().unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word} is not in\n{said}");
        }
        assert_eq!(digests(&self.dir()).unwrap(), before);
    }
}

/// What is said: the notes, or the errors.
fn refresh_with(options: &RefreshOptions) -> Result<String, String> {
    let path = std::env::var_os("PATH").unwrap();
    let runner = Runner::new(vec![("PATH".into(), path)], Interrupt::default());
    let mut shown = Vec::new();
    let mut show = |lines: &[String]| {
        shown.extend(lines.to_owned());
        Ok(())
    };
    match refresh(options, &runner, &mut show) {
        Ok(report) => Ok([shown, report.notes].concat().join("\n")),
        Err(error) => Err(format!("{}\n{error}", shown.join("\n"))),
    }
}

#[test]
fn the_changes_are_shown_and_copied_and_all_else_in_the_directory_stays() {
    let iso = Iso::new();
    fs::write(iso.dir().join("flake.nix"), "mine").unwrap();
    iso.put("configuration.nix", "{ imports = [ ./new.nix ]; }");
    iso.put("new.nix", "{ }");
    fs::remove_file(iso.tree.path().join("old.nix")).unwrap();
    let dry_run = RefreshOptions {
        dry_run: true,
        ..iso.options()
    };
    let before = digests(&iso.dir()).unwrap();
    let said = refresh_with(&dry_run).unwrap();
    let changes = "added: new.nix\nchanged: configuration.nix\nremoved: old.nix\n";
    assert!(
        said.contains(changes) && said.ends_with("Nothing was written."),
        "{said}"
    );
    assert_eq!(digests(&iso.dir()).unwrap(), before);
    let said = iso.refresh().unwrap();
    assert!(
        said.contains(changes) && said.contains("Next:\n    nix-cfg-iso doctor /"),
        "{said}"
    );
    assert!(!said.contains("nix flake update"), "{said}");
    assert_eq!(fs::read_to_string(iso.dir().join("flake.nix")).unwrap(), "mine");
    assert_eq!(
        digests(&iso.dir().join(CONFIG_DIR)).unwrap(),
        digests(iso.tree.path()).unwrap()
    );
    assert!(iso.refresh().unwrap().contains("No file has changed."));
    // Nothing temporary is left.
    let names: Vec<String> = crate::files::names(&iso.dir());
    assert_eq!(names, ["flake.nix", "installer", "nix-cfg", "nix-cfg-install.yaml"]);
}

#[test]
fn an_edit_in_the_copy_is_not_lost_without_being_asked_for() {
    let iso = Iso::new();
    fs::write(iso.copy("configuration.nix"), "{ mine = 1; }").unwrap();
    iso.refused(&["\n      configuration.nix\n", "--discard-edits"]);
    let dry_run = RefreshOptions {
        dry_run: true,
        ..iso.options()
    };
    let said = refresh_with(&dry_run).unwrap_err();
    assert!(
        said.starts_with("changed: configuration.nix\n") && said.contains("--discard-edits"),
        "{said}"
    );
    // The same edit in the origin.
    iso.put("configuration.nix", "{ mine = 1; }");
    iso.refresh().unwrap();
    fs::create_dir(iso.copy(".git")).unwrap();
    iso.refused(&[".git"]);
    let discard = RefreshOptions {
        discard_edits: true,
        ..iso.options()
    };
    refresh_with(&discard).unwrap();
    assert!(!iso.copy(".git").exists());
}

#[test]
fn a_process_that_was_killed_leaves_the_old_or_the_new_configuration_and_its_record() {
    for is_new in [false, true] {
        let iso = Iso::new();
        iso.put("configuration.nix", "{ new = 1; }");
        // As it is around the exchange.
        let mut manifest = Manifest::load(&iso.dir()).unwrap();
        let files = digests(iso.tree.path()).unwrap();
        let old = manifest.configuration[0].clone();
        manifest.configuration.push(Copied { files, ..old });
        manifest.save(&iso.dir()).unwrap();
        fs::create_dir_all(iso.dir().join(".nix-cfg-iso-killed/nix-cfg")).unwrap();
        if is_new {
            fs::copy(iso.tree.path().join("configuration.nix"), iso.copy("configuration.nix")).unwrap();
        }
        let said = iso.refresh().unwrap();
        assert_eq!(said.contains("No file has changed."), is_new, "{said}");
        assert!(said.contains("changed: configuration.nix") != is_new, "{said}");
        assert!(!iso.dir().join(".nix-cfg-iso-killed").exists());
        assert_eq!(Manifest::load(&iso.dir()).unwrap().configuration.len(), 1);
    }
}

#[test]
fn what_init_would_refuse_is_refused_and_the_copy_stays() {
    let iso = Iso::of(
        &[
            ("flake.nix", "{ outputs = i: { nixosConfigurations.a = 1; }; }"),
            ("hardware-configuration.nix", "{ }"),
        ],
        &["a"],
    );
    iso.put("flake.nix", "{ outputs = i: { nixosConfigurations.ab = 1; }; }");
    let key = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n";
    iso.put("keys.txt", key);
    iso.refused(&["It has: ab.", "keys.txt:1", "add --allow-secrets"]);
    // As that says.
    let flake = iso.dir().join("flake.nix");
    let text = fs::read_to_string(&flake).unwrap();
    fs::write(&flake, text.replace("\"a\"", "\"ab\"")).unwrap();
    assert!(!iso.refresh().unwrap_err().contains("It has: ab."));
    fs::write(&flake, text).unwrap();
    iso.put("flake.nix", "{ outputs = i: { nixosConfigurations.a = 2; }; }");
    let allow = RefreshOptions {
        allow_secrets: true,
        ..iso.options()
    };
    let named = "--allow-secrets allows: keys.txt:1 (a private age key).";
    assert!(refresh_with(&allow).unwrap().contains(named));
    // What was allowed stays allowed, and nothing else: neither another file nor another key in this one.
    assert!(iso.refresh().unwrap().contains(named));
    iso.put("keys.txt", &key.replacen('Q', "P", 1));
    iso.refused(&["keys.txt:1"]);
    iso.put("keys.txt", key);
    iso.put("more.txt", key);
    iso.refused(&["more.txt:1"]);
    fs::remove_file(iso.tree.path().join("more.txt")).unwrap();
    let of_copy = RefreshOptions {
        config: Some(iso.dir().join(CONFIG_DIR)),
        ..iso.options()
    };
    let error = refresh_with(&of_copy).unwrap_err();
    assert!(error.contains("the directory in which you edit"), "{error}");
    fs::remove_file(iso.tree.path().join("flake.nix")).unwrap();
    iso.put("configuration.nix", "{ }");
    iso.refused(&["is a channel configuration now"]);
    fs::remove_dir_all(iso.tree.path()).unwrap();
    iso.refused(&["--config TREE"]);
}

#[test]
fn a_configuration_that_was_removed_from_the_directory_is_copied_again() {
    let iso = Iso::new();
    fs::remove_dir_all(iso.dir().join(CONFIG_DIR)).unwrap();
    assert!(iso.refresh().unwrap().contains("added: configuration.nix"));
    assert!(iso.copy("old.nix").exists());
}

#[test]
fn a_directory_whose_name_is_not_utf_8_is_found_again() {
    let iso = Iso::new();
    let outside = tempfile::tempdir().unwrap();
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"odd \xff");
    let odd = outside.path().join(odd);
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("configuration.nix"), "{ odd = 1; }").unwrap();
    let named = RefreshOptions {
        config: Some(odd.clone()),
        ..iso.options()
    };
    refresh_with(&named).unwrap();
    fs::write(odd.join("configuration.nix"), "{ odd = 2; }").unwrap();
    assert!(iso.refresh().unwrap().contains("changed: configuration.nix"));
}

#[test]
fn a_damaged_record_is_called_so_and_a_pipe_in_the_directory_does_not_hold_the_program_up() {
    let iso = Iso::new();
    let manifest = iso.dir().join("installer/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    iso.refused(&["The record of /", " is damaged\n  where: /", "manifest.json:"]);
    fs::write(&manifest, text).unwrap();
    let settings = iso.dir().join("nix-cfg-install.yaml");
    fs::remove_file(&settings).unwrap();
    nix::unistd::mkfifo(&settings, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = iso.refresh().unwrap_err();
    assert!(said.contains("a named pipe\n  where: nix-cfg-install.yaml"), "{said}");
}

#[test]
fn a_channel_that_the_flake_does_not_have_is_refused() {
    let iso = Iso::new();
    iso.put("configuration.nix", "{ imports = [ <home-manager/nixos> ]; }");
    iso.refused(&["inputs.home-manager"]);
}

#[test]
fn another_directory_can_be_copied_and_is_remembered_and_a_lock_that_has_to_follow_is_named() {
    let flake = "{ outputs = i: { nixosConfigurations.a = 1; }; }";
    let files = [("flake.nix", flake), ("hardware-configuration.nix", "{ }")];
    let (iso, other) = (Iso::of(&files, &["a"]), Iso::of(&files, &["a"]));
    let locked = r#"{ "nodes": { "config": { "locked": { "path": "./nix-cfg", "type": "path" }, "parent": [] },
        "root": { "inputs": { "config": "config" } } }, "root": "root", "version": 7 }"#;
    fs::write(iso.dir().join(FLAKE_LOCK), locked).unwrap();
    other.put("flake.nix", &flake.replace('1', "2"));
    let elsewhere = RefreshOptions {
        config: Some(other.tree.path().to_owned()),
        ..iso.options()
    };
    let update = format!("nix flake update config --flake path:{}", iso.dir().display());
    let said = refresh_with(&elsewhere).unwrap();
    assert!(said.contains("changed: flake.nix") && !said.contains(&update), "{said}");
    other.put("flake.lock", "{ }");
    assert!(iso.refresh().unwrap().contains(&update));
    // Nix 2.25 and older lock all of it.
    fs::write(
        iso.dir().join(FLAKE_LOCK),
        locked.replace("\"type\"", "\"narHash\": \"sha256-x\", \"type\""),
    )
    .unwrap();
    other.put("hardware-configuration.nix", "{ x = 1; }");
    assert!(iso.refresh().unwrap().contains(&update));
}

#[test]
fn a_directory_of_an_earlier_version_is_refreshed_once_it_is_said_from_where() {
    let iso = Iso::new();
    let mut manifest = Manifest::load(&iso.dir()).unwrap();
    manifest.configuration.clear();
    manifest.save(&iso.dir()).unwrap();
    iso.refused(&["--config TREE"]);
    let named = RefreshOptions {
        config: Some(iso.tree.path().to_owned()),
        ..iso.options()
    };
    refresh_with(&named).unwrap();
    iso.refresh().unwrap();
}
