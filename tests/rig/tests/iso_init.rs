//! `nix-cfg-iso init`: what it writes, what it refuses, and what is left of it when it fails.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rig::iso::{CONFIG, Emitted, builder, nix, nix_cfg_iso};
use rig::{edit_text, shipped, tree};

#[test]
fn the_same_input_gives_the_same_bytes_and_an_update_leaves_them() {
    let tree = tree("channel");
    let args = ["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"];
    let (one, two) = (Emitted::new(tree.path(), &args), Emitted::new(tree.path(), &args));
    let said = nix_cfg_iso(&["update", two.dir().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&said.stdout).ends_with("is up to date.\n"),
        "{said:?}"
    );
    rig::run(
        "diff",
        &["-r", one.dir().to_str().unwrap(), two.dir().to_str().unwrap()],
    );
}

#[test]
fn a_reader_who_went_away_is_no_failure_and_a_full_disk_is_one() {
    let (tree, directory) = (tree("channel"), rig::temporary());
    let init = format!(
        "cd {}; init() {{ sleep 0.2; {} init $1 --config {} --nixpkgs x; echo $? > code; }}",
        directory.path().display(),
        shipped("nix-cfg-iso").display(),
        tree.path().display()
    );
    let code = |script: &str| {
        rig::run("bash", &["-c", &format!("{init}; {script}")]);
        fs::read_to_string(directory.path().join("code")).unwrap()
    };
    assert_eq!(code("init a 2>&1 | true"), "0\n");
    assert_eq!(code("init b > /dev/full"), "1\n");
    assert!(directory.path().join("a").exists() && !directory.path().join("b").exists());
}

#[test]
fn a_wrong_host_or_desktop_is_named_with_what_there_is() {
    let (tree, directory) = (tree("flake"), rig::temporary());
    let dir = directory.path().join("iso");
    let args = [
        "init",
        dir.to_str().unwrap(),
        "--config",
        tree.path().to_str().unwrap(),
        "--host",
        "alphas",
    ];
    let said = nix_cfg_iso(&args);
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && !dir.exists(), "{text}");
    for words in ["no host `alphas`; did you mean `alpha`?", "It has: alpha, beta."] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(!text.contains("hardware"), "{text}");
    let emitted = Emitted::miniature("flake", &["--host", "alpha", "--hardware-config", "hw.nix"]);
    edit_text(
        &emitted.dir().join("flake.nix"),
        "hosts = [ \"alpha\" ]",
        "hosts = [ \"gamma\" ]",
    );
    let live = builder("2.26", &emitted);
    nix(&live, "eval --raw path:/work#iso.drvPath").fails(1, &["no nixosConfigurations.gamma", "It has: alpha, beta."]);
    // The same from the doctor, of an ISO directory whose host the flake lost.
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso; sed -i 's/gamma/alphas/' /tmp/iso/flake.nix
         sed -i 's/\"alpha\"/\"alphas\"/' /tmp/iso/installer/manifest.json; rm /tmp/iso/nix-cfg-install.yaml
         touch /tmp/iso/nix-cfg-install.yaml; nix-cfg-iso doctor /tmp/iso"
    ))
    .fails(
        1,
        &[
            "The flake has no host `alphas`; did you mean `alpha`?",
            "It has: alpha, beta.",
            "`hosts` in flake.nix",
        ],
    );
    let emitted = Emitted::miniature("flake", &["--host", "alpha", "--desktop", "cde"]);
    let live = builder("2.26", &emitted);
    nix(&live, "eval --raw path:/work#iso.drvPath").fails(1, &["has no live system `cde`"]);
}

#[test]
fn an_init_that_is_killed_leaves_nothing_in_the_way_of_the_next_one() {
    let (tree, directory) = (tree("channel"), rig::temporary());
    let dir = directory.path().join("iso");
    let init = || {
        let mut command = Command::new(shipped("nix-cfg-iso"));
        command
            .arg("init")
            .arg(&dir)
            .arg("--config")
            .arg(tree.path())
            .args(["--nixpkgs", "nixpkgs"]);
        command
    };
    let mut complete = false;
    for wait in 0..40 {
        let mut child = init().stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(wait * 2));
        let _ = child.kill();
        child.wait().unwrap();
        if dir.exists() {
            assert!(dir.join("installer/manifest.json").exists() && dir.join("nix-cfg/configuration.nix").exists());
            fs::remove_dir_all(&dir).unwrap();
            complete = true;
        }
    }
    assert!(complete, "it was always killed too early");
    assert!(init().output().unwrap().status.success());
    let names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["iso"], "something was left behind");
}

#[test]
fn an_error_is_shown_where_backtraces_are_asked_for() {
    let mut command = Command::new(shipped("nix-cfg-iso"));
    let said = command
        .args(["doctor", "/nowhere"])
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(1) && text.contains("/nowhere"), "{said:?}");
}
