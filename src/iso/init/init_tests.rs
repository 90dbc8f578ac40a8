//! What is written, and what is refused.

use super::*;

/// What was shown.
fn run_with(options: &InitOptions, os_release: &Path) -> Result<InitReport> {
    let mut shown = InitReport::default();
    let mut show = |report: &InitReport| {
        assert!(!options.dir.join("flake.nix").exists());
        shown.notes.clone_from(&report.notes);
        shown.warnings = report
            .warnings
            .iter()
            .map(|one| Diagnostic::example(&one.what, "", ""))
            .collect();
        Ok(())
    };
    init(options, Path::new("/nowhere"), os_release, &mut show)?;
    Ok(shown)
}

fn run(options: &InitOptions) -> Result<InitReport> {
    run_with(options, Path::new("/nowhere"))
}

fn options(dir: &Path, config: &Path) -> InitOptions {
    InitOptions {
        program: "nix-cfg-iso".into(),
        dir: dir.join("iso"),
        config: Some(config.to_owned()),
        hosts: Vec::new(),
        desktop: "gnome".to_owned(),
        nixpkgs: Some("github:NixOS/nixpkgs/nixos-24.05".to_owned()),
        channels: Vec::new(),
        subscriptions: Vec::new(),
        system: Some("x86_64-linux".to_owned()),
        hardware_config: None,
        build_helper: true,
        allow_secrets: false,
        stock: Vec::new(),
    }
}

fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("configuration.nix"), "{ }").unwrap();
    fs::create_dir(tree.path().join(".git")).unwrap();
    fs::create_dir(tree.path().join("empty")).unwrap();
    fs::create_dir_all(tree.path().join("empty/.nix-cfg-iso-killed/nix-cfg")).unwrap();
    std::os::unix::fs::symlink("/nix/store/x", tree.path().join("result")).unwrap();
    fs::write(tree.path().join("result-parser.nix"), "{ }").unwrap();
    tree
}

#[test]
fn the_tree_is_copied_without_git_and_what_nix_build_left() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    let options = options(dir.path(), tree.path());
    let report = run(&options).unwrap();
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let copy = options.dir.join(CONFIG_DIR);
    for mine in ["configuration.nix", "empty", "result-parser.nix"] {
        assert!(copy.join(mine).exists(), "{mine} was missing");
    }
    assert!(!copy.join("empty/.nix-cfg-iso-killed").exists());
    assert!(!copy.join(".git").exists() && copy.join("result").symlink_metadata().is_err());
    let error = run(&options).unwrap_err().to_string();
    assert!(
        error.contains("was written by nix-cfg-iso already") && error.contains("nix-cfg-iso refresh /"),
        "{error}"
    );
}

#[test]
fn stock_nixos_needs_no_configuration_and_the_release_of_its_nixpkgs() {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions {
        config: None,
        stock: ["gnome", "none", "gnome"].map(str::to_owned).into(),
        ..options(dir.path(), dir.path())
    };
    run(&options).unwrap();
    let read = |name: &str| fs::read_to_string(options.dir.join(name)).unwrap();
    assert!(read("nix-cfg/gnome/configuration.nix").contains("desktopManager.gnome.enable = true;"));
    assert!(!read("nix-cfg/none/configuration.nix").contains("desktop"));
    assert!(read("nix-cfg/none/hardware-configuration.nix").contains("\"x86_64-linux\""));
    assert!(
        read("flake.nix").contains("hosts = [ \"gnome\" \"none\" ];"),
        "{}",
        read("flake.nix")
    );
    assert!(!options.dir.join("nix-cfg/configuration.nix").exists());
    let other = InitOptions {
        nixpkgs: Some(format!("path:{}", dir.path().display())),
        dir: dir.path().join("other"),
        ..options
    };
    let error = run(&other).unwrap_err().to_string();
    assert!(
        error.contains("The release of path:/") && error.contains("is not known"),
        "{error}"
    );
    assert!(!other.dir.exists());
}

#[test]
fn a_failure_leaves_nothing_that_is_in_the_way_of_the_next_try() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    let options = options(dir.path(), tree.path());
    let pipe = tree.path().join("pipe");
    for exists in [false, true] {
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        run(&options).unwrap_err();
        assert_eq!(options.dir.exists(), exists);
        fs::remove_file(&pipe).unwrap();
        run(&options).unwrap();
        fs::remove_dir_all(&options.dir).unwrap();
        fs::create_dir(&options.dir).unwrap();
    }
}

#[test]
fn all_that_is_wrong_with_the_options_is_reported_at_once_and_a_misspelt_host_once() {
    let (tree, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let put = |name: &str, text: &str| {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for host in ["laptop", "desktop"] {
        put(&format!("hosts/{host}/hardware-configuration.nix"), "{ }");
    }
    put(
        "flake.nix",
        "{ outputs = i: { nixosConfigurations = { laptop = 1; desktop = 2; }; }; }",
    );
    let mut options = InitOptions {
        hosts: vec!["latop".to_owned()],
        nixpkgs: None,
        system: Some("riscv64-linux".to_owned()),
        desktop: "k d e".to_owned(),
        ..options(dir.path(), tree.path())
    };
    fs::create_dir(&options.dir).unwrap();
    fs::write(options.dir.join("mine"), "").unwrap();
    let codes = |options: &InitOptions| {
        let error = run(options).unwrap_err();
        let Diagnostics(problems) = error.downcast_ref().unwrap();
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let mut expected = vec!["directory-not-empty", "host-unknown", "desktop", "system"];
    assert_eq!(codes(&options), expected);
    options.config = Some(tree.path().join("flake.nix"));
    expected[1] = "config-file";
    assert_eq!(codes(&options), expected);
    options.config = None;
    expected[1] = "config-missing";
    assert_eq!(codes(&options), expected);
    // Before anything is asked.
    let nowhere = Path::new("/nowhere");
    let mistakes = super::mistakes(&options, nowhere, nowhere).unwrap();
    let mistakes: Vec<_> = mistakes.iter().map(|problem| problem.code).collect();
    assert_eq!(mistakes, ["directory-not-empty", "desktop", "system"]);
    // Nothing certain is known of computed hosts.
    put("flake.nix", "{ outputs = i: { nixosConfigurations = f ./hosts; }; }");
    let options = InitOptions {
        config: Some(tree.path().to_owned()),
        dir: dir.path().join("other"),
        system: None,
        desktop: "gnome".to_owned(),
        ..options
    };
    let warnings = run(&options).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].what.contains("did you mean `laptop`?"), "{warnings:?}");
}

#[test]
fn a_file_that_is_not_valid_is_reported_and_copied() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    fs::write(tree.path().join("configuration.nix"), "{ x = }").unwrap();
    let warnings = run(&options(dir.path(), tree.path())).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].what.contains("configuration.nix is not valid Nix"),
        "{warnings:?}"
    );
}

#[test]
fn what_is_fetched_is_named_with_its_place_and_a_bad_hash_is_left_out() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    let hash = "0z".repeat(26);
    let fetch = |url: &str, hash: &str| format!("(fetchTarball {{ url = \"{url}\"; sha256 = \"{hash}\"; }})");
    let (good, bad) = (
        fetch("https://e.example/good", &hash),
        fetch("https://e.example/bad", "1"),
    );
    let text = format!("{{ imports = [\n  {good}\n  {bad}\n]; }}");
    fs::write(tree.path().join("configuration.nix"), text).unwrap();
    let options = options(dir.path(), tree.path());
    let warnings = run(&options).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].what.contains("The hash of https://e.example/bad"),
        "{warnings:?}"
    );
    let flake = fs::read_to_string(options.dir.join("flake.nix")).unwrap();
    assert!(
        flake.contains(&format!("builtins.{}", &good[1..])) && flake.contains(" # configuration.nix:2\n"),
        "{flake}"
    );
    assert!(!flake.contains("e.example/bad"), "{flake}");
}

#[test]
fn nothing_is_written_where_nothing_can_be_shown() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    let options = options(dir.path(), tree.path());
    let mut full = |_: &InitReport| anyhow::bail!("No space left on device");
    init(&options, Path::new("/nowhere"), Path::new("/nowhere"), &mut full).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_in_the_configuration_is_refused_before_it_is_copied_into_itself() {
    let tree = tree();
    let again = format!("gone/../../{}/y", tree.path().file_name().unwrap().display());
    for dir in ["iso", "empty/iso", "empty", "gone/../y", &again] {
        let options = InitOptions {
            dir: tree.path().join(dir),
            ..options(tree.path(), tree.path())
        };
        let error = run(&options).unwrap_err();
        assert!(error.to_string().contains("is inside the configuration"), "{error:#}");
    }
    assert!(!tree.path().join("iso").exists() && !tree.path().join("gone").exists());
}

#[test]
fn the_release_of_this_nixos_is_the_default_nixpkgs() {
    let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
    let options = InitOptions {
        nixpkgs: None,
        ..options(dir.path(), tree.path())
    };
    let release = dir.path().join("os-release");
    fs::write(&release, "NAME=NixOS\nID=nixos\nVERSION_ID=\"24.05\"\n").unwrap();
    let other = dir.path().join("other");
    fs::write(&other, "ID=debian\nVERSION_ID=\"12\"\n").unwrap();
    let error = run_with(&options, &other).unwrap_err().to_string();
    assert!(error.contains("nixpkgs of the configuration is not known"), "{error}");
    run_with(&options, &release).unwrap();
    let flake = fs::read_to_string(options.dir.join("flake.nix")).unwrap();
    assert!(flake.contains("github:NixOS/nixpkgs/nixos-24.05"), "{flake}");
    // The branch of the number that nixos-unstable has does not exist yet.
    let (own, root) = (dir.path().join("own"), dir.path().join("root"));
    let used = |build: &str| {
        fs::write(
            &release,
            format!("ID=nixos\nVERSION_ID=\"26.11\"\nBUILD_ID=\"26.11{build}\"\n"),
        )
        .unwrap();
        choices::nixpkgs_of_machine(&release, &[own.clone(), root.clone()]).unwrap()
    };
    assert_eq!(used(".123.abcdef"), "github:NixOS/nixpkgs/nixos-26.11");
    assert_eq!(used("beta123.abcdef"), "github:NixOS/nixpkgs/nixos-26.11");
    assert_eq!(used("pre123.abcdef"), "github:NixOS/nixpkgs/nixos-unstable");
    // What nix-channel fetches is the nixpkgs of this machine; NixOS looks up root's.
    fs::write(&own, "https://channels.nixos.org/nixos-24.05 nixos\n").unwrap();
    assert_eq!(used("pre123.abcdef"), "github:NixOS/nixpkgs/nixos-24.05");
    fs::write(&root, "https://channels.nixos.org/nixos-unstable-small nixos\n").unwrap();
    assert_eq!(used("pre123.abcdef"), "github:NixOS/nixpkgs/nixos-unstable-small");
}

#[test]
fn a_flake_whose_inputs_are_not_locked_is_written_with_a_warning() {
    let (tree, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let flake = "{ inputs.a.url = \"github:a/a\"; outputs = i: { nixosConfigurations.a = 1; }; }";
    fs::write(tree.path().join("flake.nix"), flake).unwrap();
    fs::write(tree.path().join("hardware-configuration.nix"), "{ }").unwrap();
    let options = InitOptions {
        nixpkgs: None,
        ..options(dir.path(), tree.path())
    };
    let warnings = run(&options).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].what.contains("flake.lock"),
        "{warnings:?}"
    );
}
