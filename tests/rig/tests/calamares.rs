//! The real Calamares, unattended, with its own `mount` and `umount` and our module between them.

use rig::gui::{Gui, dialog, trace};
use serde_json::json;

/// For what does not depend on the version; the main case has both.
const CALAMARES: &str = "3.3";

#[test]
fn a_configuration_is_installed_and_its_user_gets_the_password() {
    for (calamares, tree, host, user) in [
        ("3.3", "channel", "", "alice"),
        // What was chosen on the page goes before the settings.
        ("3.3", "flake", "host: alpha", "bert"),
        ("3.4", "channel", "", "alice"),
    ] {
        let mut gui = Gui::new(calamares, tree);
        gui.storage["username"] = json!(user);
        if tree == "flake" {
            gui.storage["packagechooser_host"] = json!("beta");
        }
        let said = gui
            .run_between(&format!("echo '{host}' > /etc/nix-cfg-install.yaml"), "")
            .ok();
        let what = format!("{calamares} {tree}");
        assert!(said.out.contains(&format!("Calamares version: {calamares}.")), "{what}");
        assert!(!said.out.contains("Installation failed"), "{what}: {}", said.out);
        assert_eq!(gui.ran(), "partition\n", "{what}");
        let shadow = gui.live.read("/mnt/etc/shadow");
        assert!(shadow.contains(&format!("{user}:$6$rig$hash:")), "{what}: {shadow}");
        // The slideshow is told while the work goes on.
        let trace = trace(&said);
        let says = |text: &str| trace.iter().any(|(_, _, line)| line.contains(text));
        assert!(
            says("Checking the configuration") && says("Copying the system"),
            "{what}: {trace:?}"
        );
        let receipt = gui.live.read("/mnt/var/lib/nix-cfg-install/receipt.json");
        assert!(receipt.contains(tree), "{what}: {receipt}");
        assert_eq!(
            receipt.contains(r#""host": "beta""#),
            tree == "flake",
            "{what}: {receipt}"
        );
    }
}

#[test]
fn a_configuration_that_cannot_be_installed_is_refused_before_the_disk_is_partitioned() {
    let tree = rig::tree("channel");
    rig::edit(&tree, "configuration.nix", "pkgs.cowsay", "pkgs.cowsay pkgs.htop");
    let gui = Gui::new(CALAMARES, "channel").with_tree(tree);
    let said = gui.run();
    let dialog = dialog(&said);
    assert!(
        dialog.starts_with("\"htop-3.3.0 (from environment.systemPackages) is not on this medium\""),
        "{dialog}"
    );
    for text in [
        "only a network has",
        "make the ISO from this configuration",
        "Nothing was written to a disk",
    ] {
        assert!(dialog.contains(text), "not said: {text}\n{dialog}");
    }
    assert_eq!(gui.ran(), "", "the partition job ran");
}

#[test]
fn file_systems_that_the_configuration_sets_itself_are_refused_before_the_disk_is_partitioned() {
    // As disko sets them, and stronger than what the installer writes.
    for (calamares, force) in [("3.3", ""), ("3.4", "lib.mkForce ")] {
        let tree = rig::tree("channel");
        let root = format!("fileSystems.\"/\".device = {force}\"/dev/disk/by-partlabel/disk-main-root\";");
        let disk = format!("{{ lib, ... }}: {{ {root} fileSystems.\"/\".fsType = \"ext4\"; }}");
        rig::write(&tree, "disk.nix", &disk);
        let imports = "./modules/greeter.nix";
        rig::edit(&tree, "configuration.nix", imports, &format!("{imports} ./disk.nix"));
        let gui = Gui::new(calamares, "channel").with_tree(tree);
        let dialog = dialog(&gui.run());
        for text in [
            "The configuration sets the file systems of this machine itself",
            "/: /dev/disk/by-partlabel/disk-main-root (ext4)",
            "remove these `fileSystems` from the configuration and import ./hardware-configuration.nix",
            "run nix-cfg-install in a terminal",
            "Nothing was written to a disk",
        ] {
            assert!(dialog.contains(text), "not said: {text}\n{dialog}");
        }
        assert_eq!(gui.ran(), "", "the partition job ran");
    }
}

#[test]
fn a_login_name_that_the_configuration_does_not_have_is_refused_before_the_disk_is_partitioned() {
    for calamares in ["3.3", "3.4"] {
        let mut gui = Gui::new(calamares, "channel");
        gui.storage["username"] = json!("mallory");
        let dialog = dialog(&gui.run());
        assert!(dialog.contains("The configuration has no user `mallory`"), "{dialog}");
        assert!(dialog.contains("Its users are: alice"), "{dialog}");
        assert_eq!(gui.ran(), "", "the partition job ran");
    }
}

#[test]
fn a_helper_that_is_missing_is_named() {
    let gui = Gui::new(CALAMARES, "channel");
    gui.instance("check", "{ helper: /nowhere/nix-cfg-install }");
    let said = gui.run();
    let dialog = dialog(&said);
    assert!(
        dialog.contains("The program /nowhere/nix-cfg-install is not on this system"),
        "{dialog}"
    );
    assert!(dialog.contains("Nothing was written to a disk"), "{dialog}");
    assert_eq!(gui.ran(), "", "the partition job ran");
}

#[test]
fn an_installation_that_failed_midway_is_finished_by_the_command_that_the_dialog_shows() {
    let tree = rig::tree("channel");
    let broken =
        "environment.etc.broken.source = pkgs.glue \"broken\" { } \"echo this part cannot be built >&2; exit 7\";";
    rig::edit(
        &tree,
        "configuration.nix",
        "system.stateVersion",
        &format!("{broken}\n  system.stateVersion"),
    );
    let gui = Gui::new(CALAMARES, "channel").with_tree(tree);
    // As a person does: mend the configuration, then type what the dialog says. The disk is unmounted by then.
    let said = gui.run_between(
        "",
        "grep -q calamares-root /proc/self/mountinfo && exit 90
         sed -i /broken/d /tmp/nix-cfg/configuration.nix
         sed -n 's/^sudo //p' /calamares.log > /by-hand
         sed -i 's/passwd alice/usermod -p hash alice/' /by-hand
         bash -ex /by-hand || exit 91",
    );
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let dialog = dialog(&said);
    assert!(dialog.contains("The last one: this part cannot be built"), "{dialog}");
    assert!(
        dialog.contains("What is done is kept. To continue, in a terminal:"),
        "{dialog}"
    );
    assert!(
        said.err.contains("Mounting the disk at /tmp/calamares-root-"),
        "{}",
        said.err
    );
    assert_eq!(gui.ran(), "partition\n");
    assert!(gui.live.read("/mnt/etc/shadow").contains("alice:hash:"));
    assert!(
        gui.live
            .read("/mnt/var/lib/nix-cfg-install/receipt.json")
            .contains("nixos-system-channel-demo")
    );
}

#[test]
fn a_helper_that_is_killed_is_reported_with_the_command_to_go_on() {
    let gui = Gui::new(CALAMARES, "channel").stays_mounted();
    let said = gui.run_between(
        "{ until [ -d /tmp/calamares-root-*/nix/store/.nix-cfg-install-tmp ]; do sleep 0.01; done; pkill -KILL -x nix-cfg-install; } &",
        "grep -q calamares-root /proc/self/mountinfo || exit 90
         sed -n 's/^sudo //p' /calamares.log | bash -ex || exit 91",
    );
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let dialog = dialog(&said);
    assert!(dialog.contains("The installation stopped unexpectedly"), "{dialog}");
    assert!(dialog.contains("was ended by signal 9"), "{dialog}");
    assert!(
        gui.live
            .read("/mnt/var/lib/nix-cfg-install/receipt.json")
            .contains("nixos-system-channel-demo")
    );
}

#[test]
fn when_calamares_is_gone_the_helper_ends_too() {
    let gui = Gui::new(CALAMARES, "channel");
    let said = gui.run_between(
        "{ until [ -d /tmp/calamares-root-*/nix/store/.nix-cfg-install-tmp ]; do sleep 0.01; done; pkill -KILL -x calamares; } &",
        "for i in $(seq 100); do pgrep -x nix-cfg-install > /dev/null || break; sleep 0.1; done
         pgrep -x nix-cfg-install && exit 91
         cat /var/log/nix-cfg-install/*.log >&2",
    );
    assert_eq!(said.code, 137, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("the job of Calamares has ended"), "{}", said.err);
    assert!(said.err.contains("done (130)"), "{}", said.err);
}

#[test]
fn whatever_goes_wrong_in_the_module_itself_is_reported_in_words() {
    for (configuration, title, details) in [
        // No program takes a number as an argument.
        ("{ step: 5 }", "The installation module of NixOS failed", "TypeError: "),
        // Not a program, though it may be run.
        (
            "{ helper: /calamares/text }",
            "The installation module of NixOS failed",
            "Exec format error: '/calamares/text'",
        ),
        (
            "{ helper: /bin/false }",
            "The installation stopped unexpectedly",
            "`/bin/false --calamares check` ended with exit code 1.",
        ),
    ] {
        let gui = Gui::new(CALAMARES, "channel");
        gui.file("text", "no program\n");
        gui.instance("check", configuration);
        let said = gui.run();
        let dialog = dialog(&said);
        assert!(dialog.starts_with(&format!("\"{title}\"")), "{configuration}: {dialog}");
        assert!(dialog.contains(details), "{configuration}: {dialog}");
        assert!(
            !said.out.contains("Bad main script file"),
            "{configuration}: {}",
            said.out
        );
        assert_eq!(gui.ran(), "", "the partition job ran");
    }
}

#[test]
fn what_looks_like_html_in_a_title_is_shown_as_it_is() {
    let mut gui = Gui::new(CALAMARES, "channel");
    gui.storage["username"] = json!("<b>eve</b>");
    let dialog = dialog(&gui.run());
    // The title is taken as HTML, the details are not.
    assert!(
        dialog.starts_with("\"The configuration has no user `&lt;b&gt;eve&lt;/b&gt;`"),
        "{dialog}"
    );
    assert!(dialog.contains("Its users are: alice"), "{dialog}");
}

#[test]
fn the_log_of_the_window_reports_the_steps_and_has_no_noise() {
    let gui = Gui::new(CALAMARES, "channel");
    let said = gui.run().ok();
    let lines: Vec<&str> = said
        .out
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("[PYTHON JOB]: \"")?.strip_suffix('"'))
        .collect();
    let begins = [
        // The check …
        "Reading the settings",
        "Finding the configuration",
        "Using the channel configuration /iso/nix-cfg: ",
        "Checking the configuration",
        "Hardware configuration: hardware-configuration.nix, because ",
        "The disk is not partitioned yet: asking nixos-generate-config",
        "Beside it: choices.nix, with what was chosen",
        "System: /nix/store/",
        "Chosen: fullname Alice",
        "Set by the configuration, not changed: hostname channel-demo",
        "To build: 6 derivations (",
        "To copy: ",
        "The configuration can be installed. Nothing was written.",
        // … and the installation.
        "Reading the settings",
        "Finding the configuration",
        "Using the channel configuration /iso/nix-cfg: ",
        "Checking the configuration",
        "Hardware configuration: hardware-configuration.nix, because ",
        "The target has no hardware configuration yet: asking nixos-generate-config.",
        "Beside it: choices.nix, with what was chosen",
        "System: /nix/store/",
        "Chosen: fullname Alice",
        "Set by the configuration, not changed: hostname channel-demo",
        "To build: 7 derivations (",
        "To copy: ",
        "Placing the configuration",
        "Building the system",
        "Copying the system",
        "Copying and reading ",
        "Activating the system",
        // What nixos-install says.
        "copying channel...",
        "installing the boot loader...",
        "installation finished!",
        "Inspecting the installed system",
        "Keeping the log and the receipt",
        "Who can log in: alice with a password.",
        "The log is then /var/log/nix-cfg-install/",
        "To change the system later, with a network: ",
        "Installed. The log is /tmp/calamares-root-",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line} does not begin with {begin}");
    }
}

#[test]
fn the_bar_moves_with_the_work_and_the_slideshow_says_what_is_done() {
    let tree = rig::tree("channel");
    // Half a gigabyte to copy.
    let big = r#"environment.etc.big.source = pkgs.glue "big" { } "dd if=/dev/urandom of=$out bs=1M count=500";"#;
    rig::edit(
        &tree,
        "configuration.nix",
        "system.stateVersion",
        &format!("{big}\n  system.stateVersion"),
    );
    let mut gui = Gui::new(CALAMARES, "channel").with_tree(tree);
    gui.live = gui.live.with(&["--target-size", "1500M"]);
    let said = gui.run().ok();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let trace = trace(&said);
    let lines = trace
        .iter()
        .map(|(at, overall, text)| format!("{at:.2},{overall:.1},{text}"));
    let csv = lines.collect::<Vec<_>>().join("\n");
    assert!(trace.len() > 20, "{csv}");
    let mut longest = 0.0_f64;
    for pair in trace.windows(2) {
        assert!(pair[1].1 >= pair[0].1, "the bar went back\n{csv}");
        if pair.iter().all(|(_, _, text)| text.contains("Copying the system")) {
            longest = longest.max(pair[1].0 - pair[0].0);
        }
    }
    assert!(longest < 5.0, "the bar stood still for {longest} s\n{csv}");
    // Most of the bar belongs to the work that takes the time.
    assert!(trace.last().unwrap().1 > 95.0, "{csv}");
    let copying = trace.iter().filter(|(_, _, text)| text.contains(" MB of ")).count();
    assert!(copying > 3, "{csv}");
    assert!(csv.contains("big"), "no store path is named\n{csv}");
    if let Some(file) = std::env::var_os("TRACE") {
        std::fs::write(file, csv).unwrap();
    }
}
