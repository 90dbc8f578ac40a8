//! Stock NixOS, and what upstream's own job makes of the same globalStorage (calamares-nixos-extensions 0.3.23, as a real nixpkgs has
//! it): the values of the options that the choices are about are the same, but for the differences that are listed here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use nix_cfg_install::for_tests::open::Open;
use nix_cfg_install::for_tests::{Globals, answers, choose, in_place, stock};
use rig::real::{self, Tree};
use rig::upstream::{IN_NIXPKGS, on_each_tree_with_sources};
use rig::{Live, project, run, temporary, write};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs upstream's job with a libcalamares that has as much as it uses: main.py, globalStorage as JSON, and the directory in which
/// configuration.nix is written.
const JOB: &str = r#"
import json, subprocess, sys, types, importlib.util
main, storage, root = sys.argv[1:]
values = json.load(open(storage))
written = {}
def output(command, callback=None, text=None, *rest):
    if command[0] == "cp":
        open(command[2], "w").write(text)
calamares = types.ModuleType("libcalamares")
calamares.globalstorage = types.SimpleNamespace(value=values.get)
calamares.job = types.SimpleNamespace(setprogress=lambda fraction: None)
nothing = lambda *rest: None
calamares.utils = types.SimpleNamespace(gettext_path=lambda: "/", gettext_languages=lambda: [], debug=nothing, warning=print,
                                        error=print, host_env_process_output=output)
sys.modules["libcalamares"] = calamares
class Done:
    stdout = types.SimpleNamespace(readline=lambda: b"")
    wait = staticmethod(lambda: 0)
subprocess.check_output = lambda *rest, **more: b""
subprocess.getoutput = lambda *rest: values["version"] + ".20260101.0000000 (X)"
subprocess.Popen = lambda *rest, **more: Done
spec = importlib.util.spec_from_file_location("job", main)
job = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job)
failed = job.run()
assert failed is None, failed
"#;

/// The options that the choices are about.
const VALUES: &str = r#"
c: let
  inherit (builtins) attrNames filter map mapAttrs toString;
  names = list: builtins.sort builtins.lessThan (map (package: package.pname or package.name) list);
  x = c.services.xserver;
in {
  time-zone = c.time.timeZone;
  locale = c.i18n.defaultLocale;
  formats = c.i18n.extraLocaleSettings;
  locales = c.i18n.supportedLocales;
  keymap = c.console.keyMap;
  layout = [ x.xkb.layout x.xkb.variant ];
  host-name = c.networking.hostName;
  network = [ c.networking.networkmanager.enable c.programs.nm-applet.enable ];
  users = mapAttrs (_: user: { inherit (user) description extraGroups group home; shell = toString user.shell; })
    (builtins.listToAttrs (map (name: { inherit name; value = c.users.users.${name}; })
      (filter (name: c.users.users.${name}.isNormalUser) (attrNames c.users.users))));
  user-packages = builtins.concatMap (user: names user.packages) (filter (user: user.isNormalUser) (builtins.attrValues c.users.users));
  mutable = c.users.mutableUsers;
  autologin = [ c.services.displayManager.autoLogin.enable c.services.displayManager.autoLogin.user (toString c.services.getty.autologinUser) ];
  login-prompts = [ (c.systemd.services."getty@tty1".enable or null) (c.systemd.services."autovt@tty1".enable or null) ];
  unfree = c.nixpkgs.config.allowUnfree or false;
  desktops = [ x.enable x.desktopManager.xfce.enable x.desktopManager.cinnamon.enable x.desktopManager.mate.enable
    x.desktopManager.lxqt.enable c.services.desktopManager.gnome.enable c.services.desktopManager.plasma6.enable
    c.services.desktopManager.budgie.enable c.services.desktopManager.pantheon.enable ];
  display-manager = [ c.services.displayManager.enable c.services.displayManager.gdm.enable c.services.displayManager.sddm.enable
    x.displayManager.lightdm.enable ];
  sound = [ c.services.pulseaudio.enable c.security.rtkit.enable c.services.pipewire.enable c.services.pipewire.alsa.enable
    c.services.pipewire.alsa.support32Bit c.services.pipewire.pulse.enable ];
  printing = c.services.printing.enable;
  browser = c.programs.firefox.enable;
  programs = names c.environment.systemPackages;
  boot-loader = [ c.boot.loader.systemd-boot.enable c.boot.loader.efi.canTouchEfiVariables c.boot.loader.grub.enable ];
  grub = if c.boot.loader.grub.enable then
    { inherit (c.boot.loader.grub) devices useOSProber enableCryptodisk fsIdentifier; } else null;
  grub-modules = c.boot.loader.grub.extraGrubInstallArgs;
  secrets = mapAttrs (_: toString) c.boot.initrd.secrets;
  volumes = mapAttrs (_: volume: volume.device) c.boot.initrd.luks.devices;
  keys = mapAttrs (_: volume: toString volume.keyFile) c.boot.initrd.luks.devices;
  kernel = c.boot.kernelPackages.kernel.version;
  state = c.system.stateVersion;
  failed = map (one: one.message) (filter (one: !one.assertion) c.assertions);
}"#;

/// Where ours differs on purpose: the value, and why. Everything else is the same.
const DIFFERENCES: [(&str, &str); 6] = [
    (
        "locales",
        "glibc's locales come from the medium, all of them: those that upstream names are compiled, which needs a compiler.",
    ),
    (
        "formats",
        "Parts that are like the language itself are not written; upstream writes all nine if one of them differs.",
    ),
    (
        "user-packages",
        "Kate is upstream's only package of a user; the Plasma module has it among the programs of the system.",
    ),
    (
        "grub-modules",
        "Calamares makes LUKS volumes with SHA-512, for which GRUB's core image needs this module.",
    ),
    (
        "secrets",
        "The key is in a directory that only root can read, and has the same path with and without a separate /boot.",
    ),
    ("keys", "The path of that key."),
];

/// The language, the formats, the zone, the layout with its variant, and the keymap.
type Language = [&'static str; 7];
const LANGUAGES: [Language; 5] = [
    ["en_US.UTF-8", "en_US.UTF-8", "America", "New_York", "us", "", "us"],
    [
        "de_DE.UTF-8",
        "de_DE.UTF-8",
        "Europe",
        "Berlin",
        "de",
        "nodeadkeys",
        "de-latin1-nodeadkeys",
    ],
    ["en_GB.UTF-8", "fr_FR.UTF-8", "Europe", "Paris", "fr", "", "fr"],
    ["ja_JP.UTF-8", "ja_JP.UTF-8", "Asia", "Tokyo", "jp", "", "jp106"],
    [
        "pt_BR.UTF-8",
        "pt_BR.UTF-8",
        "America",
        "Argentina/Ushuaia",
        "br",
        "",
        "br-abnt2",
    ],
];
const PARTS: [&str; 9] = [
    "ADDRESS",
    "IDENTIFICATION",
    "MEASUREMENT",
    "MONETARY",
    "NAME",
    "NUMERIC",
    "PAPER",
    "TELEPHONE",
    "TIME",
];

/// One choice in the installer: its name and globalStorage.
fn combinations(release: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for firmware in ["efi", "bios"] {
        for encrypted in [false, true] {
            for desktop in ["gnome", "plasma6", "xfce", "budgie", "none"] {
                all.push((firmware, encrypted, desktop));
            }
        }
    }
    for desktop in ["cinnamon", "mate", "lxqt", "pantheon"] {
        all.push(("efi", false, desktop));
    }
    let all = all.into_iter().enumerate();
    let named = all.map(|(index, (firmware, encrypted, desktop))| {
        let language = &LANGUAGES[(index + index / 5) % 5];
        let crypt = if encrypted { "luks" } else { "plain" };
        let name = format!("{firmware}-{crypt}-{desktop}-{}", language[0]);
        let fs = if index % 3 == 1 { "btrfs" } else { "ext4" };
        let mut storage = storage(language, desktop);
        storage["version"] = release.into();
        storage["firmwareType"] = firmware.into();
        storage["partitions"] = partitions(firmware, encrypted, fs);
        if firmware == "bios" {
            storage["bootLoader"] = json!({"installPath": "/dev/sda"});
        }
        if index % 2 == 0 {
            storage["autoLoginUser"] = "alice".into();
        }
        storage["nixos_allow_unfree"] = (index % 3 == 0).into();
        (name, storage)
    });
    named.collect()
}

/// What the pages leave that are not about disks.
fn storage(&[language, formats, region, zone, layout, variant, keymap]: &Language, desktop: &str) -> Value {
    let mut locales = json!({ "LANG": language });
    for part in PARTS {
        // In a part it can be like the language.
        let locale = if part == "TIME" && region == "Europe" {
            language
        } else {
            formats
        };
        locales[format!("LC_{part}")] = locale.into();
    }
    json!({
        "bootLoader": null,
        "locationRegion": region, "locationZone": zone, "localeConf": locales,
        "keyboardLayout": layout, "keyboardVariant": variant, "keyboardVConsoleKeymap": keymap,
        "username": "alice", "fullname": "Alice Ångström", "autoLoginUser": null,
        "packagechooser_packagechooser": if desktop == "none" { "" } else { desktop }, "packagechooser_host": desktop,
    })
}

fn partitions(firmware: &str, encrypted: bool, fs: &str) -> Value {
    let partition = |number: u8, at: &str, fs: &str, encrypted: bool| {
        let id = format!("{number}111-1111");
        let mut entry = json!({"device": format!("/dev/sda{number}"), "mountPoint": at, "fs": fs, "uuid": id, "claimed": true,
                               "fsName": if encrypted { "luks2" } else { fs }});
        if encrypted {
            entry["luksMapperName"] = json!(format!("luks-{id}"));
            entry["luksUuid"] = json!(id);
            entry["luksPassphrase"] = json!("correct horse");
        }
        entry
    };
    let mut all = vec![
        partition(2, "/", fs, encrypted),
        partition(3, "", "linuxswap", encrypted),
    ];
    if firmware == "efi" {
        all.insert(0, partition(1, "/boot", "fat32", false));
    }
    all.into()
}

/// What nixos-generate-config writes on that machine, as far as it matters here.
fn hardware(storage: &Value) -> String {
    let root = storage["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["mountPoint"] == "/")
        .unwrap();
    let volume = if root["luksMapperName"].is_string() {
        "  boot.initrd.luks.devices.\"luks-2111-1111\".device = \"/dev/disk/by-uuid/2111-1111\";\n"
    } else {
        ""
    };
    format!(
        "{{ lib, ... }}:\n{{\n  fileSystems.\"/\" = {{ device = \"/dev/disk/by-uuid/x\"; fsType = {}; }};\n{volume}  \
         nixpkgs.hostPlatform = lib.mkDefault \"x86_64-linux\";\n}}\n",
        root["fs"]
    )
}

/// Upstream's configuration.nix.
fn of_upstream(tree: &Tree, storage: &Value) -> String {
    let directory = temporary();
    write(&directory, "job.py", JOB);
    write(&directory, "etc/nixos/hardware-configuration.nix", "{ }\n");
    let mut storage = storage.clone();
    storage["rootMountPoint"] = directory.path().to_str().unwrap().into();
    write(&directory, "storage.json", &storage.to_string());
    let at = |name: &str| directory.path().join(name).display().to_string();
    let main = Path::new(&tree.path).join(IN_NIXPKGS).join("modules/nixos/main.py");
    run(
        "python3",
        &[&at("job.py"), main.to_str().unwrap(), &at("storage.json"), &at("")],
    );
    std::fs::read_to_string(directory.path().join("etc/nixos/configuration.nix")).unwrap()
}

/// Ours.
fn of_installer(template: &str, storage: &Value, open: &Open) -> String {
    let globals: Globals = serde_json::from_value(storage.clone()).unwrap();
    let (machine, lists) = (globals.machine(), answers::Lists::default());
    let answers = in_place::with_keymap(&globals.answers(&lists), &machine, &lists);
    let (choices, problems) = choose(&answers, open, &["all".to_owned()]);
    assert!(problems.is_empty());
    in_place::with_choices(&in_place::with_machine(template, &machine), &choices, open)
}

/// A live system that evaluates configurations of `directory`.
fn evaluator(tree: &Tree, directory: &TempDir) -> Live {
    Live::bare("2.26").with(&[
        "--bind",
        &format!("{}:/nixpkgs", tree.path),
        "--bind",
        &format!("{}:/configurations", directory.path().display()),
        "--bind",
        &format!("{}:/nix-cfg-install", project().join("nix").display()),
    ])
}

/// What `function` gives for the configuration in `name`.
fn evaluate(live: &Live, name: &str, function: &str) -> Value {
    let expression = format!(
        "let os = import /nixpkgs/nixos {{ configuration = /configurations/{name}/configuration.nix; }}; in ({function})"
    );
    let said = live.sh(&format!(
        "nix-instantiate --eval --strict --json -E '{}'",
        expression.replace('\'', r"'\''")
    ));
    serde_json::from_str(&said.ok().out).unwrap()
}

fn stock_nixos_has_what_the_installer_of_upstream_makes(tree: &Tree) {
    let release = tree.release.split('-').next().unwrap();
    let directory = temporary();
    let live = evaluator(tree, &directory);
    let mut open: BTreeMap<String, Open> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut unused: Vec<&str> = DIFFERENCES.iter().map(|(key, _)| *key).collect();
    for (name, storage) in combinations(release) {
        let desktop = storage["packagechooser_host"].as_str().unwrap();
        let template = stock::configuration(desktop, release);
        let put = |whose: &str, text: &str| {
            write(&directory, &format!("{name}/{whose}/configuration.nix"), text);
            write(
                &directory,
                &format!("{name}/{whose}/hardware-configuration.nix"),
                &hardware(&storage),
            );
        };
        put("template", &template);
        let open = open.entry(desktop.to_owned()).or_insert_with(|| {
            let asked = evaluate(
                &live,
                &format!("{name}/template"),
                "import /nix-cfg-install/decided.nix os",
            );
            serde_json::from_value(asked).unwrap()
        });
        put("ours", &of_installer(&template, &storage, open));
        put("upstream", &of_upstream(tree, &storage));
        let values = |whose: &str| evaluate(&live, &format!("{name}/{whose}"), &format!("({VALUES}) os.config"));
        let (ours, upstream) = (values("ours"), values("upstream"));
        assert_eq!(ours["failed"], json!([]), "{name}");
        for (key, value) in ours.as_object().unwrap() {
            if *value == upstream[key] {
                continue;
            }
            unused.retain(|known| known != key);
            if !DIFFERENCES.iter().any(|(known, _)| known == key) || !is_as_said(key, (value, &ours), &upstream[key]) {
                wrong.push(format!("{name}: {key} is {value}, and upstream's {}", upstream[key]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no difference in {}", unused.join(", "));
}

/// Whether the two differ as [`DIFFERENCES`] says.
fn is_as_said(key: &str, (value, ours): (&Value, &Value), upstream: &Value) -> bool {
    match key {
        "locales" => *value == json!(["all"]),
        "formats" => upstream.as_object().unwrap().iter().all(|(part, locale)| {
            let effective = value.get(part).unwrap_or(&ours["locale"]);
            effective == locale
        }),
        "user-packages" => {
            let programs = ours["programs"].as_array().unwrap();
            *value == json!([])
                && upstream
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|package| programs.contains(package))
        }
        "grub-modules" => *value == json!(["--modules=gcry_sha512"]),
        "secrets" => *value == json!({"/luks.key": "/etc/secrets/initrd/luks.key"}),
        // The same volumes have a key.
        _ => {
            let with_key = |value: &Value| {
                value
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(_, key)| *key != "")
                    .map(|(name, _)| name.clone())
                    .collect::<Vec<_>>()
            };
            with_key(value) == with_key(upstream)
        }
    }
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![on_each_tree_with_sources(
            "stock_nixos_has_what_the_installer_of_upstream_makes",
            stock_nixos_has_what_the_installer_of_upstream_makes,
        )],
    )
}
