//! `nix-cfg-iso update`: writes again what this version of the program writes otherwise, and keeps the user's edits.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::copied::{digests, hash};
use super::flake_template::{self, CONFIG_DIR, File};
use super::manifest::{Manifest, is_needed};
use super::{programs, stock};
use crate::text::shell_word;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is as this version writes it.
    Current,
    /// It was as an earlier version wrote it, or was not there, and is written.
    Written,
    /// The user edited or removed it, and this version has nothing new to say.
    Kept,
    /// The user edited or removed it, and this version writes it otherwise: that stands beside it.
    Beside,
}

/// Updates the emitted directory `dir`; `program_dir` is the directory of the running program. Returns one sentence for each file that
/// the user should know of.
///
/// # Errors
/// A [`crate::diagnostic::Diagnostic`] when the directory is none of ours or the programs to ship are missing; when the disk refuses.
pub fn update(dir: &Path, program_dir: &Path) -> Result<Vec<String>> {
    let manifest = Manifest::load(dir)?;
    let bundled = if manifest.spec.build_helper {
        Vec::new()
    } else {
        programs::load(program_dir, &manifest.spec.system)?
    };
    let mut files = flake_template::files(&manifest.spec, &bundled);
    files.extend(stock::files(&manifest.spec));
    let mut notes = Vec::new();
    let mut written = 0;
    for file in &files {
        let known = manifest.files.get(&file.path).map(String::as_str);
        let there = read(&dir.join(&file.path))?;
        let name = file.path.display();
        match fate(file, known, there.as_deref(), is_needed(dir, &file.path)) {
            Fate::Current => {}
            Fate::Written => {
                file.write(dir)?;
                written += 1;
            }
            Fate::Kept => notes.push(format!("Kept {name} as you left it.")),
            Fate::Beside => {
                let beside = File {
                    path: beside(&file.path),
                    ..file.clone()
                };
                beside.write(dir)?;
                notes.push(format!(
                    "Kept {name} as you left it. This version writes it otherwise: compare it with {}.",
                    beside.path.display()
                ));
            }
        }
    }
    notes.extend(remove_gone(dir, &manifest, &files)?);
    let before = manifest.version.clone();
    let is_copied = manifest.spec.state_version.is_none();
    let configuration = is_copied.then(|| configuration(dir, &manifest)).transpose()?;
    Manifest {
        configuration: manifest.configuration,
        ..Manifest::new(manifest.spec, &files)
    }
    .save(dir)?;
    notes.push(match written {
        0 => format!("What nix-cfg-iso wrote in {} is up to date.", dir.display()),
        _ => format!(
            "Updated {written} file{} in {} from {before} to {}.",
            if written == 1 { "" } else { "s" },
            dir.display(),
            env!("CARGO_PKG_VERSION")
        ),
    });
    notes.extend(configuration);
    Ok(notes)
}

/// A sentence of the configuration in `dir`, which is not updated.
fn configuration(dir: &Path, manifest: &Manifest) -> Result<String> {
    let copy = digests(&dir.join(CONFIG_DIR))?;
    let copied = manifest.copied(&copy);
    let refresh = format!("nix-cfg-iso refresh {}", shell_word(dir.as_os_str()));
    Ok(match copied.map(|copied| (&copied.from, copied.difference(&copy))) {
        Some((from, Some(difference))) if difference.is_empty() => format!("The configuration is that in {from}."),
        Some((from, Some(_))) => {
            format!("The configuration was not updated, and is not that in {from}; to copy it again: {refresh}")
        }
        Some((_, None)) | None => {
            format!("The configuration was not updated; to copy it again: {refresh} --config TREE")
        }
    })
}

/// Decides by the hash that was `known` and by what is `there`. `is_needed`: nothing can be built without it.
fn fate(file: &File, known: Option<&str>, there: Option<&[u8]>, is_needed: bool) -> Fate {
    let new = hash(&file.contents);
    let there = there.map(hash);
    match (there.as_deref(), known) {
        (Some(there), _) if there == new => Fate::Current,
        (None, None) => Fate::Written,
        (None, Some(_)) if is_needed => Fate::Written,
        (Some(there), Some(known)) if there == known => Fate::Written,
        (_, Some(known)) if known == new => Fate::Kept,
        (None, Some(_)) => Fate::Kept,
        (Some(_), _) => Fate::Beside,
    }
}

/// Removes what this version does not write any more, unless the user edited it.
fn remove_gone(dir: &Path, manifest: &Manifest, files: &[File]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (path, known) in &manifest.files {
        if files.iter().any(|file| file.path == *path) {
            continue;
        }
        let full = dir.join(path);
        match read(&full)? {
            None => {}
            Some(bytes) if hash(&bytes) == *known => {
                fs::remove_file(&full).with_context(|| format!("Failed to remove {}", full.display()))?;
            }
            Some(_) => notes.push(format!(
                "Kept {}, which is not used any more and which you edited.",
                path.display()
            )),
        }
    }
    Ok(notes)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        bytes => bytes
            .map(Some)
            .with_context(|| format!("Failed to read {}", path.display())),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::channels::Channels;
    use super::super::copied::Copied;
    use super::super::flake_template::IsoSpec;
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::process::Runner;
    use crate::tree::source::ConfigKind;

    fn spec() -> IsoSpec {
        IsoSpec {
            kind: ConfigKind::Channel,
            hosts: Vec::new(),
            desktop: "gnome".to_owned(),
            nixpkgs: "github:NixOS/nixpkgs/nixos-24.05".to_owned(),
            channels: Channels::new(),
            fetched: Vec::new(),
            system: "x86_64-linux".to_owned(),
            hardware_config: None,
            build_helper: false,
            state_version: None,
        }
    }

    /// Programs to ship, as far as they are looked at: the header of a static program for an x86 machine.
    fn programs() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut header = [0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18] = 62;
        for name in programs::NAMES {
            fs::write(dir.path().join(name), header).unwrap();
        }
        dir
    }

    /// A directory as an earlier version wrote it: with another text in each of `old`.
    fn emitted(old: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let bundled = programs::load(programs().path(), &spec().system).unwrap();
        let mut files = flake_template::files(&spec(), &bundled);
        for file in &mut files {
            if old.iter().any(|name| file.path == Path::new(name)) {
                file.contents = b"an earlier text".to_vec();
            }
        }
        files.push(File::text("installer/gone.nix", "an earlier text"));
        for file in &files {
            file.write(dir.path()).unwrap();
        }
        Manifest::new(spec(), &files).save(dir.path()).unwrap();
        dir
    }

    fn run(dir: &tempfile::TempDir) -> String {
        update(dir.path(), programs().path()).unwrap().join("\n")
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(dir.path().join(name)).unwrap()
    }

    fn edit(dir: &tempfile::TempDir, name: &str, old: &str, new: &str) {
        let before = text(dir, name);
        assert!(before.contains(old), "{before}");
        fs::write(dir.path().join(name), before.replace(old, new)).unwrap();
    }

    #[test]
    fn what_an_earlier_version_wrote_is_replaced_and_what_is_not_used_any_more_is_removed() {
        let dir = emitted(&["flake.nix", "installer/default.nix"]);
        let said = run(&dir);
        assert!(said.contains("Updated 2 files"), "{said}");
        assert!(text(&dir, "flake.nix").contains("mkOfflineIso"));
        assert!(!dir.path().join("installer/gone.nix").exists());
        let said = run(&dir);
        assert!(said.contains("is up to date.\n"), "{said}");
    }

    #[test]
    fn it_is_said_that_the_configuration_is_not_updated_and_whether_it_would_have_to_be() {
        let (dir, tree) = (emitted(&[]), tempfile::tempdir().unwrap());
        let ending = |words: &str| {
            let said = run(&dir);
            assert!(said.contains(words), "{words} is not in\n{said}");
        };
        ending("The configuration was not updated; to copy it again: nix-cfg-iso refresh /");
        for root in [tree.path().to_owned(), dir.path().join(CONFIG_DIR)] {
            File::text("configuration.nix", "{ }").write(&root).unwrap();
        }
        let runner = Runner::new(Vec::new(), Interrupt::default());
        let copied = Copied::now(tree.path(), &runner).unwrap().0;
        let files = digests(tree.path()).unwrap();
        let mut manifest = Manifest::load(dir.path()).unwrap();
        manifest.configuration = vec![Copied { files, ..copied }];
        manifest.save(dir.path()).unwrap();
        ending(&format!("The configuration is that in {}.", tree.path().display()));
        File::text("configuration.nix", "{ x = 1; }")
            .write(tree.path())
            .unwrap();
        ending("and is not that in /");
        assert!(run(&dir).ends_with(&format!("nix-cfg-iso refresh {}", dir.path().display())));
    }

    #[test]
    fn an_edit_is_kept_and_a_new_text_stands_beside_it_once() {
        let dir = emitted(&["flake.nix"]);
        for name in ["flake.nix", "nix-cfg-install.yaml"] {
            fs::write(dir.path().join(name), "mine").unwrap();
        }
        let said = run(&dir);
        assert!(
            said.contains("Kept flake.nix as you left it. This version writes it otherwise"),
            "{said}"
        );
        assert!(said.contains("Kept nix-cfg-install.yaml as you left it.\n"), "{said}");
        assert_eq!(text(&dir, "flake.nix"), "mine");
        assert!(text(&dir, "flake.nix.new").contains("mkOfflineIso"));
        fs::remove_file(dir.path().join("flake.nix.new")).unwrap();
        let said = run(&dir);
        assert!(said.contains("Kept flake.nix as you left it.\n"), "{said}");
        assert!(
            !dir.path().join("flake.nix.new").exists(),
            "it is offered again and again"
        );
    }

    #[test]
    fn what_is_missing_comes_back_if_the_flake_needs_it() {
        let dir = emitted(&[]);
        let needed = ["flake.nix", "nix-cfg-install.yaml", "installer/default.nix"];
        for name in needed {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("installer/gone.nix"), "mine").unwrap();
        let said = run(&dir);
        for name in needed {
            assert!(dir.path().join(name).exists(), "{name}");
        }
        assert!(said.contains("Updated 3 files"), "{said}");
        assert!(
            said.contains("Kept installer/gone.nix, which is not used any more"),
            "{said}"
        );
        // The flake of a person who does without the settings.
        fs::write(dir.path().join("flake.nix"), "mine").unwrap();
        fs::remove_file(dir.path().join("nix-cfg-install.yaml")).unwrap();
        run(&dir);
        assert!(!dir.path().join("nix-cfg-install.yaml").exists());
    }

    #[test]
    fn the_configurations_of_stock_nixos_are_written_again_unless_they_were_edited() {
        let spec = IsoSpec {
            hosts: ["gnome", "none"].map(str::to_owned).into(),
            state_version: Some("26.05".to_owned()),
            ..spec()
        };
        let dir = tempfile::tempdir().unwrap();
        let bundled = programs::load(programs().path(), &spec.system).unwrap();
        let mut files = flake_template::files(&spec, &bundled);
        files.extend(stock::files(&spec).into_iter().map(|file| File {
            contents: b"an earlier text".to_vec(),
            ..file
        }));
        for file in &files {
            file.write(dir.path()).unwrap();
        }
        Manifest::new(spec, &files).save(dir.path()).unwrap();
        fs::write(dir.path().join("nix-cfg/gnome/configuration.nix"), "mine").unwrap();
        let said = run(&dir);
        assert!(said.contains("Updated 3 files"), "{said}");
        assert!(
            said.contains("Kept nix-cfg/gnome/configuration.nix as you left it. This version"),
            "{said}"
        );
        assert!(!said.contains("The configuration"), "{said}");
        assert_eq!(text(&dir, "nix-cfg/gnome/configuration.nix"), "mine");
        for updated in ["gnome/configuration.nix.new", "none/configuration.nix"] {
            let text = text(&dir, &format!("nix-cfg/{updated}"));
            assert!(text.contains("stateVersion = \"26.05\""), "{text}");
        }
        // What the flake names comes back, and nothing else.
        let removed = dir.path().join("nix-cfg/none");
        fs::remove_dir_all(&removed).unwrap();
        assert!(run(&dir).contains("Updated 2 files"));
        edit(&dir, "flake.nix", " \"none\"", "");
        fs::remove_dir_all(&removed).unwrap();
        run(&dir);
        assert!(!removed.exists());
        edit(
            &dir,
            "nix-cfg/gnome/configuration.nix",
            "mine",
            "{ imports = [ ./disks.nix ]; }",
        );
        fs::remove_file(dir.path().join("nix-cfg/gnome/hardware-configuration.nix")).unwrap();
        assert!(run(&dir).contains("Kept nix-cfg/gnome/hardware-configuration.nix as you left it."));
    }

    #[test]
    fn a_directory_that_is_none_of_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let error = update(dir.path(), Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("was not written by nix-cfg-iso"), "{error}");
    }
}
