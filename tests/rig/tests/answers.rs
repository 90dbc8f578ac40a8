//! What a person answers is applied where the configuration leaves it open: on the command line, in the settings and in Calamares,
//! from an ISO that has what any of the answers needs.

use rig::gui::Gui;
use rig::iso::{Emitted, OVERRIDE, boot, build, builder, calamares};
use rig::{Live, edit, project, tree};
use serde_json::json;

/// A configuration that leaves open all that can be answered.
fn open_tree() -> tempfile::TempDir {
    let tree = tree("channel");
    for decided in [
        "networking.hostName = \"channel-demo\";",
        "time.timeZone = \"Europe/Lisbon\";",
    ] {
        edit(&tree, "configuration.nix", decided, "");
    }
    let text = std::fs::read_to_string(tree.path().join("configuration.nix")).unwrap();
    let (before, rest) = text.split_once("  users.users.alice").unwrap();
    let (_, after) = rest.split_once("};\n").unwrap();
    rig::write(
        &tree,
        "configuration.nix",
        &format!("{before}  services.xserver.enable = true;\n{after}"),
    );
    tree
}

const ALL: &str = "--set timezone=Asia/Tokyo --set locale=de_DE.UTF-8 --set LC_TIME=pt_PT.UTF-8 --set keymap=de-latin1 --set layout=de \
                   --set variant=nodeadkeys --set hostname=box --set user=bob --set fullname='Bob Bauer' --set autologin=true";

/// What the installed system has of the answers, by its files.
fn installed(live: &Live) -> String {
    live.sh("run() { chroot /mnt /nix/var/nix/profiles/system/sw/bin/$*; }
         for file in timezone locale.conf vconsole.conf hostname X11/keyboard autologin; do
           echo $file $(run cat /nix/var/nix/profiles/system/etc/$file)
         done
         run cat /nix/var/nix/profiles/system/etc/users.spec
         run locales")
        .ok()
        .out
}

#[test]
fn every_answer_is_built_from_an_iso_of_a_configuration_that_leaves_it_open() {
    let tree = open_tree();
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let live = boot("2.26", &image);
    let pages = calamares(&live, "settings.conf");
    for page in ["\"locale\"", "\"keyboard\"", "\"users\""] {
        assert!(pages.contains(page), "{pages}");
    }
    assert!(!calamares(&live, "modules/users.conf").contains("alice"));
    let said = live.install(ALL).ok();
    assert!(
        said.err.contains("Chosen: LC_TIME pt_PT.UTF-8, autologin true"),
        "{}",
        said.err
    );
    let told = installed(&live);
    for text in [
        "timezone Asia/Tokyo\n",
        "locale.conf LANG=de_DE.UTF-8 LC_TIME=pt_PT.UTF-8\n",
        "vconsole.conf KEYMAP=de-latin1\n",
        "hostname box\n",
        "X11/keyboard de nodeadkeys\n",
        "autologin bob\n",
        "bob::users:/home/bob:",
        "all\n",
    ] {
        assert!(told.contains(text), "no {text} in\n{told}");
    }
    let hardware = live.read("/mnt/etc/nixos/hardware-configuration.nix");
    assert_eq!(
        hardware.matches("./choices.nix # what was chosen").count(),
        1,
        "{hardware}"
    );
    let choices = live.read("/mnt/etc/nixos/choices.nix");

    // The next run without answers leaves them, and one with others replaces them.
    live.install("").ok();
    assert_eq!(live.read("/mnt/etc/nixos/choices.nix"), choices);
    live.install("--set timezone=UTC").ok();
    let choices = live.read("/mnt/etc/nixos/choices.nix");
    assert!(choices.contains("\"UTC\"") && !choices.contains("bob"), "{choices}");
    let hardware = live.read("/mnt/etc/nixos/hardware-configuration.nix");
    assert_eq!(hardware.matches("./choices.nix").count(), 1, "{hardware}");

    let other = boot("2.26", &image);
    let bad = "--set timezone=Berlin --set locale=de_DE --set keymap=dee --set layout=us --set variant=nodeadkeys --set colour=blue";
    let said = other.install(bad).fails(
        2,
        &[
            "timezone cannot be `Berlin`",
            "Did you mean `Europe/Berlin`?",
            "locale cannot be `de_DE`",
            "Did you mean `de_DE.UTF-8`?",
            "keymap cannot be `dee`",
            "variant cannot be `nodeadkeys`",
            "`colour` is nothing that can be set",
        ],
    );
    assert!(said.err.contains("Nothing was written to the target"), "{}", said.err);
    an_unknown_value_is_refused_where_the_configuration_leaves_the_answer_open(&other);
}

fn an_unknown_value_is_refused_where_the_configuration_leaves_the_answer_open(live: &Live) {
    let settings = "set:\n  timezone: Mars/Olympus\n  keymap: us\n";
    live.sh(&format!(
        "cp --remove-destination $(readlink -f /etc/nix-cfg-install.yaml) /etc/nix-cfg-install.yaml
         printf '{settings}' >> /etc/nix-cfg-install.yaml"
    ))
    .ok();
    live.install("--check").fails(
        3,
        &[
            "nix-cfg-install.yaml:",
            "timezone cannot be `Mars/Olympus`",
            "Nothing was written to the target",
        ],
    );
    let decided = "cp -r /iso/nix-cfg /tmp/ && chmod -R u+w /tmp/nix-cfg
         sed -i '$ s|}|  time.timeZone = \"UTC\";\\n}|' /tmp/nix-cfg/configuration.nix";
    live.sh(decided).ok();
    let said = live.install("--check").ok();
    let decided = "Set by the configuration, not changed: timezone UTC";
    assert!(said.err.contains(decided), "{}", said.err);
}

#[test]
fn what_the_configuration_decides_stays_and_is_named() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("printf 'set:\\n  timezone: Asia/Tokyo\\n  hostname: other\\n  fullname: Alice A.\\n' > /etc/nix-cfg-install.yaml")
        .ok();
    let said = live.install("--set hostname=box").ok();
    let decided = "Set by the configuration, not changed: hostname channel-demo, timezone Europe/Lisbon";
    assert!(said.err.contains(decided), "{}", said.err);
    assert!(said.err.contains("Chosen: fullname Alice A."), "{}", said.err);
    assert!(said.err.contains("Could not check the answers"), "{}", said.err);
    assert!(said.err.contains("Beside it: choices.nix, with"), "{}", said.err);
    let choices = live.read("/mnt/etc/nixos/choices.nix");
    assert!(
        choices.contains("users.users.alice.description = lib.mkDefault \"Alice A.\";"),
        "{choices}"
    );
    assert!(
        !choices.contains("timeZone") && !choices.contains("hostName"),
        "{choices}"
    );
}

#[test]
fn a_file_of_the_user_with_that_name_stays_and_a_hardware_configuration_that_nothing_imports_is_named() {
    let tree = tree("channel");
    rig::write(&tree, "choices.nix", "{ }\n");
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    live.install("--set fullname=Alice").ok();
    assert_eq!(live.read("/mnt/etc/nixos/choices.nix"), "{ }\n");
    assert!(
        live.read("/mnt/etc/nixos/choices-from-installer.nix")
            .contains("\"Alice\"")
    );

    let tree = rig::tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "    ./hardware-configuration.nix\n",
        "    { fileSystems.\"/\" = { device = \"/dev/disk/by-label/x\"; fsType = \"ext4\"; }; }\n",
    );
    let live = Live::new("2.26").iso_tree(tree.path());
    let said = live.install("--check --set fullname=Alice");
    assert!(
        said.err.contains("What was chosen is not applied: fullname"),
        "{}",
        said.err
    );
}

#[test]
fn the_answers_of_calamares_are_applied_and_the_user_that_was_typed_can_log_in() {
    let tree = open_tree();
    // The medium of this test has no programs that try a layout.
    edit(&tree, "configuration.nix", "services.xserver.enable = true;", "");
    let mut gui = Gui::new("3.3", "channel").with_tree(tree);
    for (key, value) in [
        ("locationRegion", json!("Europe")),
        ("locationZone", json!("Berlin")),
        ("localeConf", json!({"LANG": "en_US.UTF-8", "LC_TIME": "en_US.UTF-8"})),
        ("hostname", json!("box")),
        ("username", json!("bob")),
        ("fullname", json!("Bob")),
    ] {
        gui.storage[key] = value;
    }
    let said = gui.run();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let choices = gui.live.read("/mnt/etc/nixos/choices.nix");
    for text in ["\"Europe/Berlin\"", "\"box\"", "users.users.bob = {", "\"Bob\""] {
        assert!(choices.contains(text), "no {text} in\n{choices}");
    }
    assert!(!choices.contains("i18n") && !choices.contains("xkb"), "{choices}");
    let shadow = gui.live.read("/mnt/etc/shadow");
    assert!(shadow.lines().any(|line| line.starts_with("bob:$")), "{shadow}");
}
