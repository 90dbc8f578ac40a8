//! The configuration in an ISO directory as a copy of another directory, and what of it was allowed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::copied::{Copied, Digests, digests, hash};
use super::super::flake_template::CONFIG_DIR;
use super::super::manifest::Manifest;
use super::doctor_tests::{KEY, faultless, look, put};
use super::*;
use crate::diagnostic::Severity;
use crate::interrupt::Interrupt;

const HARDWARE: &str = "{ lib, ... }: { nixpkgs.hostPlatform = lib.mkDefault \"x86_64-linux\"; }";

#[test]
fn what_differs_from_the_directory_that_was_copied_is_named_and_one_that_is_elsewhere_is_not_missed() {
    let (dir, tree) = (faultless(ConfigKind::Channel), tempfile::tempdir().unwrap());
    for name in ["configuration.nix", "hardware-configuration.nix"] {
        fs::copy(dir.path().join(CONFIG_DIR).join(name), tree.path().join(name)).unwrap();
    }
    let mut manifest = Manifest::load(dir.path()).unwrap();
    let runner = Runner::new(Vec::new(), Interrupt::default());
    let copied = Copied::now(tree.path(), &runner).unwrap().0;
    let files = digests(tree.path()).unwrap();
    manifest.configuration = vec![Copied { files, ..copied }];
    manifest.save(dir.path()).unwrap();
    assert_eq!(look(dir.path()), []);
    fs::write(tree.path().join("new.nix"), "{ }").unwrap();
    put(dir.path(), "hardware-configuration.nix", &format!("{HARDWARE}\n"));
    let [problem] = look(dir.path()).try_into().unwrap();
    let text = problem.to_string();
    assert_eq!((problem.code, problem.severity), ("origin-differs", Severity::Warning));
    for words in [
        "added: new.nix",
        "hardware-configuration.nix",
        "nix-cfg-iso refresh /",
        "Edited in the copy",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    // Nobody is sent to change what he cannot write to. Root can.
    let mode = |mode| fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o555);
    let text = look(dir.path())[0].to_string();
    mode(0o755);
    let is_refused = text.contains("You cannot write to /") && !text.contains("`nix-cfg-iso refresh");
    assert!(is_refused || nix::unistd::geteuid().is_root(), "{text}");
    fs::remove_dir_all(tree.path()).unwrap();
    assert_eq!(look(dir.path()), []);
    // Private keys are refused unless they were allowed.
    put(dir.path(), "id_ed25519", KEY);
    let [problem] = look(dir.path()).try_into().unwrap();
    assert_eq!((problem.code, problem.severity), ("tree-secret", Severity::Error));
    manifest.configuration[0].allowed_keys = Digests::from([("id_ed25519".to_owned(), hash(KEY.as_bytes()))]);
    manifest.save(dir.path()).unwrap();
    assert_eq!(look(dir.path()), []);
    // Only these.
    put(dir.path(), "id_ed25519", &format!("{KEY}\n"));
    assert_eq!(look(dir.path())[0].code, "tree-secret");
}

#[test]
fn a_directory_without_its_configuration_is_answered_with_the_command_that_copies_it() {
    let dir = faultless(ConfigKind::Channel);
    let said = || {
        let runner = Runner::new(Vec::new(), Interrupt::default());
        doctor(&runner, dir.path(), false, None).unwrap_err().to_string()
    };
    fs::remove_file(dir.path().join(CONFIG_DIR).join("configuration.nix")).unwrap();
    assert!(
        said().contains("has no configuration") && said().ends_with("--config TREE"),
        "{}",
        said()
    );
    fs::remove_dir_all(dir.path().join(CONFIG_DIR)).unwrap();
    let tree = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::load(dir.path()).unwrap();
    let runner = Runner::new(Vec::new(), Interrupt::default());
    manifest.configuration = vec![Copied::now(tree.path(), &runner).unwrap().0];
    manifest.save(dir.path()).unwrap();
    assert!(said().contains("` copies it again from /"), "{}", said());
}
