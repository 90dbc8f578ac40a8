//! Several values for one option.

use super::super::*;
use crate::nix::facts::Volume;

#[test]
fn all_values_that_the_files_of_a_person_give_twice_are_one_problem() {
    let tree = tempfile::tempdir().unwrap();
    for name in ["disk.nix", "configuration.nix"] {
        std::fs::write(tree.path().join(name), "{ }").unwrap();
    }
    let tree = Tree::new(tree.path(), Path::new("hardware-configuration.nix"), true);
    let definition = |file: &str, value: &str| Definition {
        file: format!("/etc/nixos/{file}"),
        value: value.into(),
    };
    let twice = || {
        vec![
            definition("disk.nix", "/dev/a"),
            definition("configuration.nix", "/dev/b"),
        ]
    };
    let system = |name: &str, set: Vec<Definition>| FileSystem {
        name: name.into(),
        set,
        ..FileSystem::default()
    };
    let problem = |systems: Vec<FileSystem>, luks: Vec<Volume>| {
        let disks = Disks {
            file_systems: systems,
            luks,
            ..Disks::default()
        };
        let facts = Facts {
            disks: Some(disks),
            ..Facts::default()
        };
        own_contradictions(&facts, &tree)
    };
    let once = vec![definition("disk.nix", "/dev/a")];
    assert!(problem(vec![system("/", once.clone())], Vec::new()).is_none());
    let luks = Volume {
        name: "c".into(),
        set: twice(),
        ..Volume::default()
    };
    let found = problem(
        vec![system("/", twice()), system("/a", once), system("/b", twice())],
        vec![luks],
    );
    let found = found.unwrap();
    assert_eq!(found.place.as_ref().unwrap().to_string(), "disk.nix");
    for option in [
        "fileSystems.\"/\".device",
        "fileSystems.\"/b\".device",
        "boot.initrd.luks.devices.\"c\".device",
    ] {
        let lines = format!("{option}:\n  /dev/a in disk.nix\n  /dev/b in configuration.nix");
        assert!(found.why.contains(&lines), "{}", found.why);
    }
    assert!(!found.why.contains("\"/a\""), "{}", found.why);
}
