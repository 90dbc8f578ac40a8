//! Stock NixOS: an ISO without a configuration of one's own, from `init` to what a person finds in /etc/nixos.

use rig::Live;
use rig::gui::Gui;
use rig::iso::{CONFIG, Emitted, OVERRIDE, boot, build, builder, calamares};
use serde_json::json;

const ANSWERS: &str = "--set timezone=Europe/Berlin --set locale=de_DE.UTF-8 --set LC_TIME=de_DE.UTF-8 --set keymap=de-latin1 \
                       --set layout=de --set hostname=box --set user=bob --set fullname='Bob Bauer'";

/// What the machine has of the answers, by its files.
fn installed(live: &Live) -> String {
    live.sh("run() { chroot /mnt /nix/var/nix/profiles/system/sw/bin/$*; }
         for file in timezone locale.conf vconsole.conf hostname desktop/session/gnome-shell desktop/autologin autologin; do
           echo $file $(run cat /nix/var/nix/profiles/system/etc/$file)
         done
         run cat /nix/var/nix/profiles/system/etc/users.spec")
        .ok()
        .out
}

fn etc_nixos(live: &Live) -> (String, String) {
    let names = live.sh("ls -A /mnt/etc/nixos").ok().out;
    (
        names.split_whitespace().collect::<Vec<_>>().join(" "),
        live.read("/mnt/etc/nixos/configuration.nix"),
    )
}

#[test]
fn each_desktop_of_the_iso_is_installed_with_the_answers_in_its_configuration() {
    let emitted = Emitted::init(&["--stock", "none,gnome", "--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let tool = |command: &str| builder.sh(&format!("{CONFIG}\nnix-cfg-iso {command}"));
    let said = tool("doctor /work --no-eval && nix-cfg-iso refresh /work").ok();
    for text in ["No error was found", "Nothing was copied: init wrote"] {
        assert!(said.out.contains(text), "{text}\n{}{}", said.out, said.err);
    }
    assert!(!said.err.contains("Warning"), "{}", said.err);
    let image = build(&builder, OVERRIDE);
    let size = tool(&format!("size /work -- --no-write-lock-file {OVERRIDE}")).ok().out;
    assert!(
        size.contains("\ninstalled system, none ") && size.contains("\nadded by gnome "),
        "{size}"
    );
    let live = boot("2.26", &image);
    its_pages_ask_for_what_is_on_it(&live);
    without_a_desktop(&live);
    with_another_in_its_place(&live);
    on_a_bios(&image);
}

fn its_pages_ask_for_what_is_on_it(live: &Live) {
    let pages = calamares(live, "settings.conf");
    for page in [
        "\"locale\"",
        "\"keyboard\"",
        "\"users\"",
        "\"packagechooser@host\"",
        "\"notesqml@unfree\"",
    ] {
        assert!(pages.contains(page), "{page}\n{pages}");
    }
    let desktops = calamares(live, "modules/packagechooser-host.conf");
    assert!(
        desktops.contains("\"GNOME\"") && desktops.contains("\"No desktop\""),
        "{desktops}"
    );
    assert!(!desktops.contains("Plasma"), "{desktops}");
}

fn without_a_desktop(live: &Live) {
    live.install(ANSWERS).fails(
        3,
        &[
            "/iso/nix-cfg has several configurations",
            "It has: gnome, none.",
            "Nothing was written to the target",
        ],
    );
    live.install(&format!("--host kde {ANSWERS}"))
        .fails(3, &["has no configuration for `kde`"]);
    let said = live
        .install(&format!("--host none {ANSWERS} --set autologin=true"))
        .ok();
    assert!(said.err.contains("Chosen: autologin true, "), "{}", said.err);
    let told = installed(live);
    for text in [
        "timezone Europe/Berlin\n",
        "locale.conf LANG=de_DE.UTF-8\n",
        "vconsole.conf KEYMAP=de-latin1\n",
        "hostname box\n",
        "session/gnome-shell\n",
        "desktop/autologin\nautologin bob\n",
        "bob::users:/home/bob:",
    ] {
        assert!(told.contains(text), "no {text} in\n{told}");
    }
    let (names, configuration) = etc_nixos(live);
    assert_eq!(names, "configuration.nix hardware-configuration.nix");
    for text in [
        "  time.timeZone = \"Europe/Berlin\";\n",
        "  boot.loader.systemd-boot.enable = true;\n",
        "  users.users.bob = {\n    isNormalUser = true;\n    description = \"Bob Bauer\";\n",
        "  system.stateVersion = \"24.05\";\n",
    ] {
        assert!(configuration.contains(text), "no {text} in\n{configuration}");
    }
    assert!(!configuration.contains("nix-cfg-install"), "{configuration}");
    // What is there stays without answers.
    live.install("--host none").ok();
    assert_eq!(etc_nixos(live).1, configuration);
}

fn with_another_in_its_place(live: &Live) {
    live.install("--host gnome --set user=eve --set autologin=true").ok();
    let (names, configuration) = etc_nixos(live);
    assert_eq!(names, "configuration.nix hardware-configuration.nix");
    assert!(
        configuration.contains("gnome.enable = true;") && !configuration.contains("bob"),
        "{configuration}"
    );
    let told = installed(live);
    assert!(
        told.contains("gnome-shell-46.2\n") && told.contains("desktop/autologin eve\n"),
        "{told}"
    );
}

/// GRUB is written for the disk of the target, and what the partitioning needs beside it.
fn on_a_bios(image: &std::path::Path) {
    let live = boot("2.26", image).with(&["--firmware", "bios"]);
    live.install(&format!("--check --host none {ANSWERS}")).ok();
    live.install(&format!("--host none {ANSWERS}")).ok();
    let (names, configuration) = etc_nixos(&live);
    assert_eq!(names, "configuration.nix hardware-configuration.nix");
    // The disk of the target.
    assert!(
        configuration.contains("  boot.loader.grub.device = \"/dev/loop") && !configuration.contains("systemd-boot"),
        "{configuration}"
    );
}

#[test]
fn the_pages_of_calamares_are_written_into_the_configuration_of_the_desktop() {
    let emitted = Emitted::init(&["--stock", "none", "--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let tree = rig::temporary();
    rig::copy(&emitted.dir().join("nix-cfg"), tree.path());
    let mut gui = Gui::new("3.3", "channel").with_tree(tree);
    for (key, value) in [
        ("locationRegion", json!("Europe")),
        ("locationZone", json!("Berlin")),
        ("localeConf", json!({"LANG": "en_US.UTF-8"})),
        ("username", json!("bob")),
        ("fullname", json!("Bob")),
        ("autoLoginUser", json!("bob")),
        ("nixos_allow_unfree", json!(true)),
        ("packagechooser_host", json!("none")),
    ] {
        gui.storage[key] = value;
    }
    gui.storage["hostname"] = json!(null);
    let said = gui.run();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let (names, configuration) = etc_nixos(&gui.live);
    assert_eq!(names, "configuration.nix hardware-configuration.nix");
    for text in [
        "  time.timeZone = \"Europe/Berlin\";\n",
        "  i18n.defaultLocale = \"en_US.UTF-8\";\n",
        "  users.users.bob = {\n",
        "  services.getty.autologinUser = \"bob\";\n",
        "  nixpkgs.config.allowUnfree = true;\n",
    ] {
        assert!(configuration.contains(text), "no {text} in\n{configuration}");
    }
    let shadow = gui.live.read("/mnt/etc/shadow");
    assert!(shadow.lines().any(|line| line.starts_with("bob:$")), "{shadow}");
}
