//! What is seen on a terminal, of whatever kind it is.

use std::process::Command;

use rig::iso::{CONFIG, Emitted, OVERRIDE, builder};
use rig::pty::on_terminal;
use rig::{Live, shipped};

/// How a terminal is known, and whether a line on it can be drawn again.
const TERMINALS: [(&str, bool); 6] = [
    ("TERM=dumb", false),
    ("TERM=", false),
    ("--unset=TERM", false),
    ("TERM=linux", true),
    ("TERM=xterm-256color", true),
    ("NO_COLOR=1 TERM=xterm-256color", true),
];

#[test]
fn errors_and_warnings_are_seen_on_every_terminal() {
    let tree = rig::tree("channel");
    rig::write(
        &tree,
        "host_key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    rig::edit(&tree, "configuration.nix", "./modules/greeter.nix", "./nowhere.nix");
    let live = Live::new("2.26").iso_tree(tree.path());
    for (terminal, redraws) in TERMINALS {
        let (status, seen) = on_terminal(live.command(&format!("env {terminal} nix-cfg-install --check")), &[]);
        assert_eq!(status.code(), Some(3), "{terminal}: {seen}");
        for text in [
            "host_key:1",
            "nowhere.nix, which does not exist",
            "Checking the configuration failed. Nothing was written to the target.",
        ] {
            assert!(seen.contains(text), "{terminal}: {text} is not in {seen}");
        }
        assert_eq!(seen.contains('\x1b'), redraws, "{terminal}: {seen:?}");
        let has_colours = redraws && !terminal.contains("NO_COLOR");
        assert_eq!(seen.contains("\x1b[1;31m"), has_colours, "{terminal}: {seen:?}");
    }
}

#[test]
fn the_generator_is_heard_on_every_terminal() {
    for (terminal, _) in TERMINALS {
        let mut command = Command::new("env");
        command
            .args(terminal.split(' '))
            .arg(shipped("nix-cfg-iso"))
            .args(["doctor", "/nonexistent"]);
        let (status, seen) = on_terminal(command, &[]);
        assert_eq!(status.code(), Some(1), "{terminal}: {seen}");
        assert!(seen.contains("error: "), "{terminal}: {seen}");
        assert!(seen.contains("/nonexistent"), "{terminal}: {seen}");
    }
}

#[test]
fn what_the_generator_starts_has_the_persons_settings_and_fails_where_it_would_ask() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let [git, script] = ["git", "script"].map(|name| format!("/usr/bin/{name}:/usr/bin/{name}"));
    let live = builder("2.26", &emitted).with(&["--bind", &git, "--bind", &script]);
    // An input that is not locked yet. Nix starts git, and that starts what asks for a name, on the terminal that `script` gives it.
    let asks = "printf 'protocol=https\\nhost=x\\n\\n' | git credential fill 2>> /tmp/said";
    let said = live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso {OVERRIDE} || exit 99
         sed -i '0,/inputs/s//inputs.more.url = \"git+ssh:\\/\\/nobody@nowhere\\/x\";\\n  inputs/' /tmp/iso/flake.nix
         echo \"{asks}\" > /tmp/asks; export GIT_SSH_COMMAND='bash /tmp/asks'
         timeout 60 script -qec 'nix-cfg-iso doctor /tmp/iso' /dev/null < /dev/null; code=$?; cat /tmp/said; exit $code"
    ));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("terminal prompts disabled"), "{said:?}");
}
