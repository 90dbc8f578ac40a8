//! `nix-cfg-iso init`: what it writes, what it refuses, and what is left of it when it fails.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use rig::iso::{CONFIG, Emitted, builder, nix, nix_cfg_iso};
use rig::{edit_text, shipped, tree};

#[test]
fn the_same_input_gives_the_same_bytes_and_an_update_leaves_them() {
    let tree = tree("channel");
    let args = ["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"];
    let (one, two) = (Emitted::new(tree.path(), &args), Emitted::new(tree.path(), &args));
    let said = nix_cfg_iso(&["update", two.dir().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("is up to date.\nThe configuration is that in /"),
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
fn answers_that_are_there_stay_and_a_full_disk_leaves_none() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let dir = emitted.dir().to_str().unwrap();
    let (answers, shipped) = (
        emitted.dir().join("nix-cfg-install.answers.yaml"),
        shipped("nix-cfg-iso"),
    );
    let script = "mount -t tmpfs -o size=16M none /mnt && cp -r \"$0\" /mnt/iso
        head -c 32M /dev/zero > /mnt/fill 2> /dev/null
        \"$1\" answers /mnt/iso; code=$?
        [ ! -e /mnt/iso/nix-cfg-install.answers.yaml ] || exit 90
        rm /mnt/fill; \"$1\" answers /mnt/iso || exit 91; exit $code";
    let said = Command::new("unshare")
        .args(["--mount", "bash", "-c", script, dir])
        .arg(shipped)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.code() == Some(1) && text.contains("No space left"),
        "{said:?}"
    );
    fs::write(&answers, "mine").unwrap();
    assert!(!nix_cfg_iso(&["answers", dir]).status.success());
    assert_eq!(fs::read_to_string(&answers).unwrap(), "mine");
}

#[test]
fn hosts_that_a_person_has_added_have_their_entries_in_the_answers() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    let flake = emitted.dir().join("flake.nix");
    let text = fs::read_to_string(&flake).unwrap();
    assert!(text.contains("hosts = [ \"alpha\" ];"), "{text}");
    fs::write(&flake, text.replace("[ \"alpha\" ]", "[ \"alpha\" \"beta\" ]")).unwrap();
    assert!(
        nix_cfg_iso(&["answers", emitted.dir().to_str().unwrap()])
            .status
            .success()
    );
    let written = fs::read_to_string(emitted.dir().join("nix-cfg-install.answers.yaml")).unwrap();
    for host in ["host: \"alpha\"", "host: \"beta\""] {
        assert!(written.contains(host), "{host}: {written}");
    }
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
    let started = Instant::now();
    assert!(init().output().unwrap().status.success());
    fs::remove_dir_all(&dir).unwrap();
    let whole = started.elapsed();
    let mut complete = false;
    for part in 0..40 {
        let mut child = init().stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * part / 20);
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

#[test]
fn a_refresh_that_is_killed_leaves_the_old_or_the_new_configuration() {
    let tree = tree("channel");
    let put = |count: u32| {
        for name in ["first", "second"] {
            fs::write(tree.path().join(name), count.to_string()).unwrap();
        }
    };
    put(0);
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "nixpkgs"]);
    let refresh = || {
        let mut command = Command::new(shipped("nix-cfg-iso"));
        command.arg("refresh").arg(emitted.dir()).stdout(Stdio::null());
        command
    };
    let started = Instant::now();
    assert!(refresh().status().unwrap().success());
    let whole = started.elapsed();
    let (mut old, mut new) = (0, 0);
    for part in 1..40 {
        put(part);
        let mut child = refresh().spawn().unwrap();
        thread::sleep(whole * part / 20);
        let _ = child.kill();
        child.wait().unwrap();
        let read = |name: &str| fs::read_to_string(emitted.dir().join("nix-cfg").join(name)).unwrap();
        assert_eq!(read("first"), read("second"));
        if read("first") == part.to_string() {
            new += 1;
        } else {
            old += 1;
        }
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
    assert!(refresh().status().unwrap().success());
    let said = nix_cfg_iso(&["update", emitted.dir().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(text.contains("The configuration is that in /"), "{text}");
    let names: Vec<_> = fs::read_dir(emitted.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4, "something was left behind: {names:?}");
}

/// The name of the first system on the ISO of /tmp/iso.
const HOST_NAME: &str = "name() { nix eval --raw path:/tmp/iso#iso.targets \
    --apply 'targets: (builtins.head targets).config.networking.hostName'; echo; }";

#[test]
fn what_nix_evaluates_after_a_refresh_is_the_new_configuration() {
    for version in ["2.8", "2.26"] {
        let emitted = Emitted::miniature("flake", &["--host", "alpha", "--hardware-config", "hw.nix"]);
        let live = builder(version, &emitted);
        let said = live
            .sh(&format!(
                "{CONFIG}\n{HOST_NAME}
                 cp -r /work /tmp/iso; cp -r /work/nix-cfg /tmp/tree; nix flake lock path:/tmp/iso; name
                 sed -i 's/networking.hostName = name/networking.hostName = \"renamed\"/' /tmp/tree/flake.nix
                 nix-cfg-iso refresh /tmp/iso --config /tmp/tree > /tmp/said; cat /tmp/said
                 if grep -q 'nix flake update config' /tmp/said; then
                   nix flake lock --update-input config path:/tmp/iso
                 fi; name"
            ))
            .ok();
        assert!(
            said.out.starts_with("alpha\n") && said.out.ends_with("\nrenamed\n"),
            "{version}: {said:?}"
        );
        assert!(said.out.contains("changed: flake.nix\n"), "{said:?}");
    }
}
