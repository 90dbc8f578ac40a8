//! `nix-cfg-iso init` on a terminal: it asks there for what is missing, and nowhere else.

#![allow(clippy::unwrap_used, clippy::disallowed_types, missing_docs)]

#[path = "rig/src/pty.rs"]
mod pty;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use pty::on_terminal;

/// A directory with the configuration `tree`, in which `init` runs.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("tree")).unwrap();
    let flake = "{ outputs = i: { nixosConfigurations = { alpha = 1; beta = 2; }; }; }";
    fs::write(directory.path().join("tree/flake.nix"), flake).unwrap();
    for host in ["alpha", "beta"] {
        let host = directory.path().join("tree/hosts").join(host);
        fs::create_dir_all(&host).unwrap();
        fs::write(host.join("hardware-configuration.nix"), "{ }").unwrap();
    }
    directory
}

fn init(directory: &Path) -> Command {
    // It makes the terminal on its stdin the one that Ctrl-C comes from.
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_nix-cfg-iso"), "init", "iso"]);
    command
        .args(["--config", "tree", "--build-helper"])
        .current_dir(directory);
    command
}

#[test]
fn what_is_missing_is_asked_on_a_terminal_and_the_command_without_questions_does_the_same() {
    let directory = directory();
    let (status, seen) = on_terminal(init(directory.path()), &["gamma\n", "beta\n", "none\n"]);
    assert!(status.success(), "{seen}");
    assert!(seen.contains("no host `gamma`. It has: alpha, beta."), "{seen}");
    let line = seen
        .lines()
        .find(|line| line.contains("--host beta --desktop none"))
        .unwrap();
    let iso = directory.path().join("iso");
    let flake = fs::read_to_string(iso.join("flake.nix")).unwrap();
    assert!(flake.contains("\"beta\"") && flake.contains("\"none\""), "{flake}");
    fs::remove_dir_all(&iso).unwrap();
    let said = Command::new("sh")
        .args(["-c", line.trim()])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(fs::read_to_string(iso.join("flake.nix")).unwrap(), flake);
}

#[test]
fn mistakes_that_no_answer_corrects_are_reported_before_the_first_question() {
    let directory = directory();
    let mut command = init(directory.path());
    command.args(["--desktop", "K D E", "--system", "riscv64-linux"]);
    let (status, seen) = on_terminal(command, &["alpha\n"]);
    assert_eq!(status.code(), Some(1), "{seen}");
    assert!(
        seen.contains("K D E") && seen.contains("riscv64-linux") && !seen.contains("Host to install"),
        "{seen}"
    );
    // A warning goes before the command, which is what one copies.
    let mut command = init(directory.path());
    command.args(["--desktop", "mate"]);
    let (_, seen) = on_terminal(command, &["alpha\n"]);
    let (warning, line) = (
        seen.find("warning: ").unwrap(),
        seen.find("The same without questions").unwrap(),
    );
    assert!(warning < line, "{seen}");
}

#[test]
fn nothing_is_asked_where_nobody_reads_the_question_or_types_the_answer() {
    let directory = directory();
    for redirected in ["< /dev/null", "2> errors"] {
        let script = format!(
            "exec {} init iso --config tree --build-helper {redirected}",
            env!("CARGO_BIN_EXE_nix-cfg-iso")
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(directory.path());
        let (status, seen) = on_terminal(command, &["beta\n", "none\n"]);
        let errors = fs::read_to_string(directory.path().join("errors")).unwrap_or_default();
        assert_eq!(status.code(), Some(1), "{seen}");
        let said = seen + &errors;
        assert!(
            said.contains("The flake has several hosts: alpha, beta") && !said.contains("Host to install"),
            "{said}"
        );
    }
}

#[test]
fn ctrl_c_and_the_end_of_the_input_leave_nothing() {
    let directory = directory();
    for (keys, code, expected) in [
        ("\x03", 130, "error: Interrupted. Nothing was written."),
        ("\x04", 1, "The input ended before"),
    ] {
        let (status, seen) = on_terminal(init(directory.path()), &["alpha\n", keys]);
        assert_eq!(status.code(), Some(code), "{seen}");
        assert!(seen.contains(expected), "{seen}");
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
