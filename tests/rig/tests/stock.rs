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
    its_paths_are_explained(&builder);
    let live = boot("2.26", &image);
    its_pages_ask_for_what_is_on_it(&live);
    without_a_desktop(&live);
    with_another_in_its_place(&live);
    on_a_bios(&image);
}

/// A path of one desktop, one that is needed for what can be answered, and one that is not there.
fn its_paths_are_explained(builder: &Live) {
    let why = |path: &str| {
        builder.sh(&format!(
            "{CONFIG}\nnix-cfg-iso why /work {path} -- --no-write-lock-file {OVERRIDE}"
        ))
    };
    let said = why("$(echo /nix/store/*-gnome-shell-46.2)").ok().out;
    assert!(
        said.contains("needed to run the installed system: nixos-system-"),
        "{said}"
    );
    why(&format!("/nix/store/{}-htop", "0".repeat(32))).fails(1, &["is not on this ISO"]);
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
    let receipt: serde_json::Value =
        serde_json::from_str(&live.read("/mnt/var/lib/nix-cfg-install/receipt.json")).unwrap();
    assert_eq!(receipt["host"], "gnome");
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

/// A directory of two desktops, and a machine with Nix that has it in /tmp/iso.
fn two_desktops() -> (Emitted, Live) {
    let emitted = Emitted::init(&["--stock", "none,gnome", "--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let lock = format!("{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso {OVERRIDE}");
    builder.sh(&lock).ok();
    (emitted, builder)
}

/// Shell that runs `command` for a copy of that directory in /tmp/ill, after a `change` in its configuration.
fn changed(change: &str, command: &str) -> String {
    format!("{CONFIG}\nrm -rf /tmp/ill; cp -r /tmp/iso /tmp/ill; cd /tmp/ill/nix-cfg && {change}; {command}")
}

#[test]
fn a_page_is_dropped_if_every_desktop_decides_what_it_asks() {
    let (_emitted, builder) = two_desktops();
    let targets = "'path:/tmp/ill#iso.live.config.environment.etc.\"nix-cfg-install/calamares\".source.drvPath'";
    let show = format!("nix derivation show $(nix eval --raw {targets})");
    let dropped = |change: &str| {
        let said = builder.sh(&changed(change, &show)).ok().out;
        assert!(said.contains("--open unfree"), "{said}");
        said.contains("--decided locale")
    };
    let decide = |host: &str| {
        let line = "time.timeZone = \"UTC\"; i18n.defaultLocale = \"en_US.UTF-8\";";
        format!("sed -i 's|^  # Remote login|  {line}\\n&|' {host}/configuration.nix")
    };
    assert!(!dropped("true"));
    assert!(!dropped(&decide("gnome")));
    assert!(dropped(&decide("*")));
}

#[test]
fn the_doctor_asks_nix_of_every_desktop_and_names_the_file_that_is_wrong() {
    let (_emitted, builder) = two_desktops();
    let doctor = |change: &str| builder.sh(&changed(change, "nix-cfg-iso doctor /tmp/ill"));
    let said = doctor("true").ok();
    assert!(
        said.out.contains("/tmp/ill can be built") && said.err.is_empty(),
        "{said:?}"
    );
    for (host, line, report) in [
        (
            "gnome",
            "services.nope.enable = true;",
            "There is no option `services.nope`",
        ),
        (
            "none",
            "environment.etc.x.source = ./x;",
            "uses the file nix-cfg/none/x, which does not exist",
        ),
        ("none", "imports = [ ./more.nix ];", "more.nix"),
        ("gnome", "networking.networkmanager.enable = false", "syntax error"),
    ] {
        let change = format!("sed -i 's|^  # Remote login|  {line}\\n&|' {host}/configuration.nix");
        let said = doctor(&change).fails(1, &[report, &format!("{host}/configuration.nix")]);
        let errors = said.err.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{}", said.err);
    }
    doctor("sed -i 's|^    # git|    unfree-game|' gnome/configuration.nix")
        .fails(1, &["unfree-game-1.0 is not free software", "gnome/configuration.nix"]);
    // What a person decides is not asked, and is no mistake.
    let said = doctor("sed -i 's|^  # Remote login|  time.timeZone = \"UTC\";\\n&|' */configuration.nix").ok();
    assert!(said.err.is_empty(), "{said:?}");
    doctor("rm -r gnome").fails(
        1,
        &[
            "Files of the ISO's flake are missing: nix-cfg/gnome/configuration.nix",
            "nix-cfg-iso update /tmp/ill",
        ],
    );
    doctor("rm -r none").fails(1, &["nix-cfg/none/configuration.nix", "nix-cfg-iso update /tmp/ill"]);
    // One desktop less, one by hand, and one that is not there.
    doctor("rm -r gnome && sed -i '/hosts =/s/ \"gnome\"//' ../flake.nix").ok();
    doctor("cp -r none mine && sed -i '/hosts =/s/ \"gnome\"/& \"mine\"/' ../flake.nix").ok();
    let said = doctor("sed -i '/hosts =/s/ \"gnome\"/& \"xfce\"/' ../flake.nix")
        .fails(1, &["names xfce, and the configuration has no xfce/configuration.nix"]);
    assert!(!said.err.contains("Several files"), "{}", said.err);
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
