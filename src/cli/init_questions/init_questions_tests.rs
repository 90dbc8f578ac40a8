//! What is asked, and what of it is accepted.

use std::fs;

use clap::Parser;

use super::super::iso_args::{Args, Command};
use super::*;

/// The options, and what was said, with these answers.
fn answered(options: &[&str], tree: &Path, answers: &str) -> (Result<bool>, Init, String) {
    let line = ["nix-cfg-iso", "init", "iso"].iter().chain(options);
    let Command::Init(mut args) = Args::try_parse_from(line).unwrap().command else {
        panic!("not init");
    };
    let machine = Suggestions {
        etc_nixos: tree,
        os_release: &tree.join("os-release"),
        home: Some(tree.parent().unwrap().to_owned()),
        subscriptions: vec![tree.join("subscriptions")],
    };
    let (mut lines, mut output) = (answers.split_inclusive('\n'), Vec::new());
    let mut input = || Ok(lines.next().map(|line| line.as_bytes().to_owned()));
    let asked = complete(&mut args, &machine, &mut Dialogue::new(&mut input, &mut output));
    (asked, args, String::from_utf8(output).unwrap())
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(tree.path().join(name), text).unwrap();
    }
    tree
}

const TWO: (&str, &str) = (
    "flake.nix",
    "{ outputs = i: { nixosConfigurations = { alpha = 1; beta = 2; }; }; }",
);

#[test]
fn a_command_line_that_says_everything_is_asked_nothing() {
    let (one, two) = (
        tree(&[("flake.nix", "{ outputs = i: { nixosConfigurations.only = 1; }; }")]),
        tree(&[TWO]),
    );
    let nixos = [
        ("configuration.nix", "{ }"),
        ("os-release", "ID=nixos\nVERSION_ID=\"26.05\"\n"),
    ];
    let (nixos, other) = (tree(&nixos), tree(&[("configuration.nix", "{ }")]));
    for (tree, more) in [
        (&one, [].as_slice()),
        (&two, &["--host", "beta"]),
        (&two, &["--host", "wrong"]),
        (&nixos, &[]),
        (&other, &["--nixpkgs", "nixpkgs"]),
    ] {
        let options = [["--config", tree.path().to_str().unwrap()].as_slice(), more].concat();
        let (asked, args, said) = answered(&options, tree.path(), "");
        assert_eq!((asked.unwrap(), said.as_str()), (false, ""), "{options:?}");
        assert_eq!(args.desktop, None);
    }
    let (asked, ..) = answered(&["--config", "/nonexistent"], one.path(), "");
    assert!(!asked.unwrap());
}

#[test]
fn what_is_missing_is_asked_with_defaults_until_the_answer_can_be_used() {
    let tree = tree(&[
        TWO,
        ("desktop.nix", "{ services.desktopManager.plasma6.enable = true; }"),
    ]);
    let answers = "~/nowhere\n\n\ngamma\nalpha  beta\nK D E\n\n";
    let (asked, args, said) = answered(&[], tree.path(), answers);
    assert!(asked.unwrap());
    assert_eq!(args.config.as_deref(), Some(tree.path()));
    assert_eq!(args.hosts, ["alpha", "beta"]);
    assert_eq!(args.desktop.as_deref(), Some("plasma6"));
    for text in [
        "/nowhere does not exist.\n",
        "  This has no default. Ctrl-C ends this",
        "Hosts in the configuration: alpha, beta\n",
        "The flake has no host `gamma`. It has: alpha, beta.\n",
        "`K D E` is not a name of a live system. Use gnome",
    ] {
        assert!(said.contains(text), "{text} is not in {said}");
    }
    assert_eq!(said.matches("Host to install").count(), 3, "{said}");
    let words = command(OsStr::new("nix-cfg-iso"), &args);
    let expected = format!(
        "nix-cfg-iso init iso --config {} --host alpha --host beta --desktop plasma6",
        tree.path().display()
    );
    assert_eq!(words, expected);
    let (asked, again, _) = answered(
        &shlex::split(&words)
            .unwrap()
            .iter()
            .skip(3)
            .map(String::as_str)
            .collect::<Vec<_>>(),
        tree.path(),
        "",
    );
    assert!(!asked.unwrap() && again.hosts == args.hosts);
}

#[test]
fn a_channel_configuration_is_asked_for_its_nixpkgs() {
    let tree = tree(&[("configuration.nix", "{ }")]);
    let config = ["--config", tree.path().to_str().unwrap()];
    let (_, args, said) = answered(&config, tree.path(), "githup:NixOS/nixpkgs\n\n\n");
    assert_eq!(args.nixpkgs.as_deref(), Some(choices::EXAMPLE));
    assert_eq!(args.desktop.as_deref(), Some("gnome"));
    assert!(said.contains("githup"), "{said}");
    // The release of this machine is the default where something else has to be asked.
    fs::write(tree.path().join("os-release"), "ID=nixos\nVERSION_ID=24.05\n").unwrap();
    let (_, args, _) = answered(&[], tree.path(), "\n\nnone\n");
    assert_eq!(args.nixpkgs.as_deref(), Some("github:NixOS/nixpkgs/nixos-24.05"));
    assert_eq!(args.desktop.as_deref(), Some("none"));
}

#[test]
fn channels_that_are_looked_up_are_asked_for_and_are_in_the_command() {
    let tree = tree(&[
        (
            "configuration.nix",
            "{ imports = [ <home-manager/nixos> <mine/x> <own/y> ]; }",
        ),
        ("subscriptions", "https://example.org/own.tar.gz own\n"),
    ]);
    let options = [
        "--config",
        tree.path().to_str().unwrap(),
        "--channel",
        "other=github:x/y",
    ];
    let (asked, args, said) = answered(
        &options,
        tree.path(),
        "github:NixOS/nixpkgs/nixos-24.05\n\n./mine\ngithub:me/mine\n\n\n",
    );
    assert!(asked.unwrap(), "{said}");
    let expected = [
        ("other", "github:x/y"),
        ("home-manager", "github:nix-community/home-manager/release-24.05"),
        ("mine", "github:me/mine"),
        ("own", "https://example.org/own.tar.gz"),
    ];
    assert_eq!(
        args.channels,
        expected.map(|(name, reference)| (name.to_owned(), reference.to_owned()))
    );
    assert!(
        said.contains("looks up as <mine>") && said.contains("cannot be \"./mine\""),
        "{said}"
    );
    let words = command(OsStr::new("nix-cfg-iso"), &args);
    assert!(
        words.contains("--channel 'mine=github:me/mine' --channel 'own=https://"),
        "{words}"
    );
    let words = shlex::split(&words).unwrap();
    let words: Vec<&str> = words.iter().skip(3).map(String::as_str).collect();
    assert!(!answered(&words, tree.path(), "").0.unwrap());
}

#[test]
fn a_directory_that_was_meant_is_named_without_an_option() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("nixos");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("flake.nix"), TWO.1).unwrap();
    let shown = tree.display().to_string();
    let answers = format!(
        "{}\n{shown}/flake.nix\n{shown}o\n{shown}#alpha\n/nonexistent/x\n",
        place.path().display()
    );
    let (asked, _, said) = answered(&[], place.path(), &answers);
    asked.unwrap_err();
    assert_eq!(said.matches(&format!(". Did you mean {shown}?")).count(), 4, "{said}");
    assert!(!said.contains("--config") && !said.contains("medium"), "{said}");
}

#[test]
fn the_end_of_the_input_ends_it() {
    let tree = tree(&[TWO]);
    for answers in ["", "\n", "\nalpha\n", "\nalpha\nK D E"] {
        let (asked, ..) = answered(&[], tree.path(), answers);
        let error = asked.unwrap_err().to_string();
        assert!(error.contains("The input ended"), "{error}");
    }
}
