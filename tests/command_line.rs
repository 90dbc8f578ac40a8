//! What a program that reads events gets of a command line that is wrong.

#![allow(clippy::unwrap_used, clippy::disallowed_types, missing_docs)]

use std::process::Command;

use serde_json::Value;

/// The exit code and the events on stdout.
fn run(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let program = env!("CARGO_BIN_EXE_nix-cfg-install");
    let said = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (said.status.code(), events.collect())
}

#[test]
fn the_last_event_is_done_although_the_command_line_is_wrong() {
    for arguments in [
        ["--progress", "json", "--nope"].as_slice(),
        &["--progress=json", "--host"],
        &["--calamares", "nothing"],
    ] {
        let (code, events) = run(arguments);
        let [problem, done] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(
            (code, &problem["code"]),
            (Some(2), &"command-line".into()),
            "{arguments:?}"
        );
        assert_eq!((&done["event"], &done["exit_code"]), (&"done".into(), &2.into()));
    }
    // What `--describe` would not heed is among them.
    for arguments in [
        ["--nope"].as_slice(),
        &["--describe", "--host", "a"],
        &["--describe", "-v"],
    ] {
        let (code, events) = run(arguments);
        assert_eq!((code, events.len()), (Some(2), 0), "{arguments:?}");
    }
}

#[test]
fn another_user_than_root_is_told_from_a_wrong_command_line() {
    assert!(
        !nix::unistd::geteuid().is_root(),
        "run the tests as another user: .ci/unit-tests"
    );
    let (code, events) = run(&["--check", "--progress=json"]);
    assert_eq!(code, Some(10));
    let problem = events.iter().find(|event| event["event"] == "problem").unwrap();
    assert_eq!(problem["code"], "not-root");
}

#[test]
fn a_description_that_nobody_can_read_is_an_error_and_names_no_log() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let program = env!("CARGO_BIN_EXE_nix-cfg-install");
    let said = Command::new(program).arg("--describe").stdout(full).output().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(
        text.contains("was not printed") && text.contains("No space left on device\n") && !text.contains("log"),
        "{text}"
    );
}

#[test]
fn a_description_that_was_interrupted_is_not_printed() {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    // The real one ends in a moment.
    let programs = tempfile::tempdir().unwrap();
    let (generator, began) = (
        programs.path().join("nixos-generate-config"),
        programs.path().join("began"),
    );
    std::fs::write(
        &generator,
        format!("#!/bin/sh\ntouch {}\nexec sleep 60\n", began.display()),
    )
    .unwrap();
    std::fs::set_permissions(&generator, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut describe = Command::new(env!("CARGO_BIN_EXE_nix-cfg-install"))
        .arg("--describe")
        .env("PATH", path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !began.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = nix::unistd::Pid::from_raw(describe.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut printed = String::new();
    describe.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!((describe.wait().unwrap().code(), printed.as_str()), (Some(130), ""));
}
