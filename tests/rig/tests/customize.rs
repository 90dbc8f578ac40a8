//! `nix-cfg-iso customize`: what a changed ISO installs, what is refused, and what is left of a copy that was cut off.
//! Whether it boots, and what xorriso says of it, is in tests/vm/scenarios/customized.py.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rig::iso::{Emitted, OVERRIDE, boot, build, builder};
use rig::{edit, shipped, temporary, tree, write};

/// `nix-cfg-iso customize ARGS…` in `directory`, with something of a shell before it.
fn command(directory: &Path, before: &str, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    let program = shipped("nix-cfg-iso");
    command
        .args(["-c", &format!("{before} exec \"$@\""), "bash"])
        .arg(program)
        .arg("customize")
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn customize(directory: &Path, args: &[&str]) -> Output {
    command(directory, "", args).output().unwrap()
}

#[track_caller]
fn refused(said: &Output, texts: &[&str]) {
    let text = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{text}");
    for words in texts {
        assert!(text.contains(words), "not said: {words}\n{text}");
    }
}

#[track_caller]
fn says(said: &Output, words: &str) {
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains(words), "not said: {words}\n{text}");
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An image `a.iso` with these files, alone in a directory.
fn image(files: &[&str], store_bytes: u64) -> tempfile::TempDir {
    let (content, directory) = (temporary(), temporary());
    for file in files {
        write(&content, file, "# nothing\n");
    }
    if store_bytes > 0 {
        let store = File::create(content.path().join("nix-store.squashfs")).unwrap();
        store.set_len(store_bytes).unwrap();
    }
    let image = directory.path().join("a.iso");
    let (image, content) = (image.to_str().unwrap(), content.path().to_str().unwrap());
    rig::run(
        "xorriso",
        &[
            "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "IMAGE", "-o", image, content,
        ],
    );
    directory
}

const OURS: [&str; 2] = ["nix-cfg/configuration.nix", "nix-cfg-install.yaml"];

#[test]
fn a_changed_iso_has_another_configuration_and_settings_and_its_check_says_what_is_lacking() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let (directory, tree) = (temporary(), tree("channel"));
    let (iso, config) = (image.to_str().unwrap(), tree.path().to_str().unwrap());
    edit(
        &tree,
        "configuration.nix",
        "[ pkgs.cowsay ]",
        "[ pkgs.cowsay pkgs.htop ]",
    );
    let said = customize(directory.path(), &[iso, "lacking.iso", "--config", config]);
    assert!(said.status.success(), "{said:?}");
    let live = boot("2.26", &directory.path().join("lacking.iso"));
    live.install("--check").fails(3, &["htop"]);

    edit(&tree, "configuration.nix", "[ pkgs.cowsay pkgs.htop ]", "[ ]");
    let options = ["--config", config, "--set", "source=/tmp/mine", "--set", "online=false"];
    let said = customize(directory.path(), &[&["lacking.iso", "mine.iso"], &options[..]].concat());
    assert!(said.status.success(), "{said:?}");
    let live = boot("2.26", &directory.path().join("mine.iso"));
    live.install("--check").fails(3, &["/tmp/mine"]);
    // Back to what the live system has; the other settings of the ISO are as they were.
    let extra = temporary();
    write(&extra, "etc/secrets/key", "a key\n");
    let answers = "machines:\n- match: { serial: \"nobody's\" }\n  extra-files: keys\n";
    write(&directory, "answers.yaml", answers);
    let brought = [
        "--extra-files",
        extra.path().to_str().unwrap(),
        "--answers",
        "answers.yaml",
    ];
    let said = customize(
        directory.path(),
        &[&["mine.iso", "last.iso", "--set", "source=null"], &brought[..]].concat(),
    );
    assert!(said.status.success(), "{said:?}");
    says(&said, "The answers file names /iso/keys, which is not put on the ISO");
    let live = boot("2.26", &directory.path().join("last.iso"));
    live.install("--answers").fails(
        3,
        &[
            "The answers file has no entry for this machine",
            "/iso/nix-cfg-install.answers.yaml",
        ],
    );
    assert_eq!(
        live.sh("tail -n 3 /iso/nix-cfg-install.yaml; stat -c %a:%u /iso/nix-cfg /iso/nix-cfg/configuration.nix")
            .ok()
            .out,
        "source: null\nonline: false\nextra-files: /iso/nix-cfg-extra-files\n555:0\n444:0\n"
    );
    live.install("").ok();
    assert!(
        live.read("/mnt/etc/nixos/configuration.nix")
            .contains("systemPackages = [ ];")
    );
    assert_eq!(live.read("/mnt/etc/secrets/key"), "a key\n");
}

#[test]
fn an_iso_or_a_configuration_that_will_not_do_is_refused_and_nothing_is_written() {
    let (ours, mine) = (image(&OURS, 4096), tree("channel"));
    let config = mine.path().to_str().unwrap();
    let host = ["a.iso", "b.iso", "--set", "host=a"];
    for (files, store, lacking) in [(&OURS[1..], 4096, "/nix-cfg"), (&OURS[..], 0, "/nix-store.squashfs")] {
        let other = image(files, store);
        let said = customize(other.path(), &host);
        refused(
            &said,
            &["a.iso is not an ISO that installs", &format!("It has no {lacking}.")],
        );
        assert_eq!(names(other.path()), ["a.iso"]);
    }
    let room = image(&[&OURS[..], &["nix-cfg-room"]].concat(), 4096);
    let said = customize(room.path(), &["a.iso", "b.iso", "--config", config]);
    refused(&said, &["a.iso serves a room", "nix build path:DIR#iso.room"]);
    assert_eq!(names(room.path()), ["a.iso"]);
    let earlier = image(&OURS[..1], 4096);
    let said = customize(earlier.path(), &host);
    refused(&said, &["does not read settings from the ISO", "nix-cfg-iso update"]);
    assert!(
        customize(earlier.path(), &["a.iso", "b.iso", "--config", config])
            .status
            .success()
    );

    refused(
        &customize(ours.path(), &["a.iso", "a.iso", "--set", "host=a"]),
        &["a.iso is the ISO itself"],
    );
    let said = command(ours.path(), "PATH=/nowhere;", &host).output().unwrap();
    refused(&said, &["`xorriso` is not installed", "nix shell nixpkgs#xorriso"]);
    // What init refuses.
    rig::run("mkfifo", &[mine.path().join("pipe").to_str().unwrap()]);
    refused(
        &customize(ours.path(), &["a.iso", "b.iso", "--config", config]),
        &["pipe"],
    );
    refused(
        &customize(ours.path(), &["a.iso", "b.iso", "--config", "/etc"]),
        &["neither flake.nix nor"],
    );
    assert_eq!(names(ours.path()), ["a.iso"]);
    // Another kind of configuration is written, and said.
    let said = customize(
        ours.path(),
        &["a.iso", "b.iso", "--config", tree("flake").path().to_str().unwrap()],
    );
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && text.contains("made for a channel configuration"),
        "{text}"
    );
    refused(&customize(ours.path(), &host), &["b.iso exists"]);
}

#[test]
fn a_checksum_for_checkisomd5_is_put_back_or_missed() {
    // With less than that, checkisomd5 1.2.3 refuses what implantisomd5 has just written.
    let ours = image(&OURS, 4 << 20);
    let path = |name: &str| ours.path().join(name).display().to_string();
    rig::run("implantisomd5", &[&path("a.iso")]);
    let said = customize(ours.path(), &["a.iso", "b.iso", "--set", "host=a"]);
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && !text.contains("checkisomd5"), "{text}");
    rig::run("checkisomd5", &[&path("b.iso")]);
    // The sum is looked at: one that is not that of the image is found.
    let mut changed = fs::read(path("b.iso")).unwrap();
    let at = changed.windows(6).position(|bytes| bytes == b"host: ").unwrap();
    changed[at] = b'H';
    fs::write(path("b.iso"), changed).unwrap();
    let found = Command::new("checkisomd5").arg(path("b.iso")).output().unwrap();
    assert!(!found.status.success(), "{found:?}");
    fs::create_dir(path("bin")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/xorriso", path("bin/xorriso")).unwrap();
    let said = command(ours.path(), "PATH=$PWD/bin;", &["a.iso", "c.iso", "--set", "host=a"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && text.contains("no checksum for checkisomd5"),
        "{text}"
    );
}

#[test]
fn a_disk_that_is_full_before_or_becomes_so_leaves_no_image() {
    let ours = image(&OURS, 8 << 20);
    let args = |out: &'static str| ["a.iso", out, "--set", "host=a"];
    fs::create_dir(ours.path().join("small")).unwrap();
    let script = "unshare --mount bash -euc 'mount -t tmpfs -o size=4M small small; code=0; \"$@\" || code=$?; ls -A small; exit $code' bash";
    let script = script.replace("exit $code", "[ -z \"$(ls -A small)\" ]; exit $code");
    let said = Command::new("bash")
        .args(["-c", &format!("exec {script} \"$@\""), "bash"])
        .arg(shipped("nix-cfg-iso"))
        .arg("customize")
        .args(args("small/b.iso"))
        .current_dir(ours.path())
        .output()
        .unwrap();
    refused(&said, &["not enough space in", "The image takes", "are free"]);
    // What is written ends in the middle: a file may have 2 MiB.
    let said = command(ours.path(), "ulimit -f 2048;", &args("b.iso"))
        .output()
        .unwrap();
    refused(&said, &["xorriso"]);
    assert_eq!(names(ours.path()), ["a.iso", "small"]);
}

/// Waits until the copy is being written.
fn writing(directory: &Path) -> PathBuf {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let begun = names(directory)
            .into_iter()
            .find(|name| name.starts_with(".nix-cfg-iso-"));
        let file = begun.map(|name| directory.join(name).join("new.iso"));
        if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|meta| meta.len() > 1 << 20)) {
            return file;
        }
        assert!(Instant::now() < end, "nothing was written");
        thread::sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    rig::run("kill", &[&format!("-{name}"), &child.id().to_string()]);
}

#[test]
fn a_copy_that_was_cut_off_has_no_name_and_the_next_one_clears_it_away() {
    let ours = image(&OURS, 1 << 30);
    let args = ["a.iso", "b.iso", "--set", "host=a"];
    let child = command(ours.path(), "", &args).spawn().unwrap();
    writing(ours.path());
    signal(&child, "INT");
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(130), "{said:?}");
    assert_eq!(names(ours.path()), ["a.iso"]);

    let mut child = command(ours.path(), "", &args).spawn().unwrap();
    let left = writing(ours.path());
    signal(&child, "KILL");
    child.wait().unwrap();
    assert!(!ours.path().join("b.iso").exists() && left.exists());
    let said = customize(ours.path(), &args);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(names(ours.path()), ["a.iso", "b.iso"]);
}
