//! Which files are brought, to whom they belong, and what is refused.

use std::collections::BTreeMap;
use std::fs;

use super::*;

fn directory(files: &[&str], manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "secret").unwrap();
    }
    if !manifest.is_empty() {
        fs::write(directory.path().join(MANIFEST), manifest).unwrap();
    }
    directory
}

fn read(files: &[&str], manifest: &str) -> Result<ExtraFiles, Vec<String>> {
    let directory = directory(files, manifest);
    let said = |problem: &Diagnostic| format!("{}: {}", problem.place.as_ref().unwrap().file.display(), problem.what);
    let strip = |text: String| text.replace(&format!("{}/", directory.path().display()), "");
    ExtraFiles::read(directory.path()).map_err(|Diagnostics(problems)| problems.iter().map(said).map(strip).collect())
}

#[test]
fn a_directory_for_files_is_closed_and_one_that_everybody_needs_is_not() {
    let files = read(
        &[
            "etc/ssh/key",
            "var/lib/sops-nix/key.txt",
            "root/.ssh/id",
            "persist/etc/ssh/key",
        ],
        "",
    )
    .unwrap();
    let modes: BTreeMap<&str, u32> = files
        .files
        .iter()
        .filter_map(|file| match file.kind {
            Kind::Directory(mode) => Some((file.path.to_str().unwrap(), mode)),
            _ => None,
        })
        .collect();
    let open = [
        "etc",
        "etc/ssh",
        "persist",
        "persist/etc",
        "persist/etc/ssh",
        "var",
        "var/lib",
    ];
    let closed = ["root", "root/.ssh", "var/lib/sops-nix"];
    assert_eq!(modes.len(), open.len() + closed.len());
    assert!(open.iter().all(|path| modes[path] == 0o755), "{modes:?}");
    assert!(closed.iter().all(|path| modes[path] == 0o700), "{modes:?}");
    assert_eq!(files.count(), 4);
    assert!(files.paths().any(|path| path == "/etc/ssh/key"));
}

#[test]
fn owners_hold_below_their_directory_and_a_mode_for_its_path_alone() {
    let manifest = "/home/alice: { owner: alice }\n/home/alice/.ssh/id:\n  mode: \"0640\"\n  group: 100\n";
    let files = read(&["home/alice/.ssh/id", "home/bob"], manifest).unwrap();
    let file = |path: &str| files.files.iter().find(|file| file.path == Path::new(path)).unwrap();
    let id = file("home/alice/.ssh/id");
    assert_eq!(id.owner, Some(Account::Name("alice".into())));
    assert_eq!((id.group.clone(), id.mode), (Some(Account::Id(100)), Some(0o640)));
    assert_eq!(
        (file("home/bob").owner.clone(), file("home/alice/.ssh").mode),
        (None, None)
    );
}

#[test]
fn all_that_cannot_be_brought_is_reported_at_once() {
    let manifest = "/etc/key: { mode: 640, user: root }\n/etc/absent: { owner: root }\netc/key: {}\n/../up: {}\n/: {}\n\
                    /etc/b: { owner: [], mode: \"0o640\" }\n";
    let files = ["etc/key", "etc/b", "etc/nixos/configuration.nix", "run/secrets/a"];
    let said = read(&files, manifest).unwrap_err();
    assert_eq!(
        said,
        [
            "extra-files.yaml: `mode` is not of the form \"0640\"",
            "extra-files.yaml: `user` is not a key of a rule",
            "extra-files.yaml: \"etc/key\" is not an absolute path of the installed system",
            "extra-files.yaml: \"/../up\" is not an absolute path of the installed system",
            "extra-files.yaml: \"/\" is not an absolute path of the installed system",
            "extra-files.yaml: `owner` is neither a name nor a number",
            "extra-files.yaml: `mode` is not of the form \"0640\"",
            "etc/nixos/configuration.nix: The extra file /etc/nixos/configuration.nix would not be kept",
            "run/secrets/a: The extra file /run/secrets/a would not be kept",
            "extra-files.yaml: The manifest names /etc/absent, which is not among the extra files",
        ]
    );
}

#[test]
fn what_the_system_has_as_a_directory_is_no_file_and_the_other_way_round() {
    let kinds = |files: &[&str]| read(files, "").map(|files| files.count());
    for path in DIRECTORIES {
        let said = kinds(&[path]).unwrap_err();
        assert!(
            said[0].contains("is no directory, and every installed system has"),
            "{said:?}"
        );
        assert_eq!(said.len(), 1, "{said:?}");
    }
    for path in FILES {
        let said = kinds(&[&format!("{path}/x")]).unwrap_err();
        assert!(
            said[0].contains("is a directory, and every installed system has a file"),
            "{said:?}"
        );
    }
    assert_eq!(kinds(&["etc/passwd", "var/lib/x", "boot/x", "bin/x"]).unwrap(), 4);
    // A link would be followed.
    let brought = directory(&["persist/x"], "");
    std::os::unix::fs::symlink("persist", brought.path().join("var")).unwrap();
    assert!(ExtraFiles::read(brought.path()).is_err());
}

#[test]
fn the_path_of_what_cannot_be_read_is_not_said_twice() {
    let error = WalkDir::new("/absent").into_iter().next().unwrap().unwrap_err();
    assert_eq!(words(&error), "No such file or directory (os error 2)");
}

#[test]
fn what_is_no_directory_no_file_or_no_manifest_is_named() {
    let directory = directory(&["a"], "- a\n");
    nix::unistd::mkfifo(&directory.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = |path: &Path| {
        let Err(Diagnostics(problems)) = ExtraFiles::read(path) else {
            panic!("it was read")
        };
        problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>()
    };
    assert_eq!(
        said(directory.path()),
        [
            "The manifest has no paths with rules",
            "An extra file is a named pipe, a socket or a device"
        ]
    );
    for path in ["a", "absent"] {
        assert_eq!(said(&directory.path().join(path)), ["The extra files cannot be read"]);
    }
    fs::write(directory.path().join(MANIFEST), "{").unwrap();
    assert!(said(directory.path())[0].starts_with("The manifest is not valid YAML"));
    fs::write(directory.path().join(MANIFEST), "[".repeat(60_000)).unwrap();
    assert!(said(directory.path())[0].ends_with("more than 128 levels"));
}

#[test]
fn what_is_made_beside_the_longest_name_has_a_name_that_a_file_system_takes() {
    let directory = tempfile::tempdir().unwrap();
    for (first, other) in [("x", "y"), ("ä", "ö")] {
        let long = first.repeat(254 / first.len());
        let names = [long.clone(), long[first.len()..].to_owned() + other].map(OsString::from);
        for name in &names {
            fs::write(directory.path().join(name), "").unwrap();
            for made in [new_name(name), around("", name, ".before-2026-11-30T12-34-56Z")] {
                fs::write(directory.path().join(made), "").unwrap();
            }
        }
    }
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2 * 2 * 3,
        "none has another's name"
    );
    assert_eq!(new_name(OsStr::new("key")), ".key.nix-cfg-install");
}
