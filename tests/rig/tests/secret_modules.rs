//! What the check reads of the options of sops-nix, agenix, impermanence, lanzaboote and Limine, with their real modules
//! on a real nixpkgs.

use std::process::ExitCode;

use rig::project;
use rig::real::{self, Tree, evaluated, on_each_tree_with, value};
use serde_json::{Value, json};

/// The directory with the modules' sources, each in a directory of its name.
const MODULES: &str = "SECRET_MODULES";

const EVALUATE: &str = r#"
let
  # Of the modules of 2026, only sops-nix can be evaluated with 24.05.
  isRecent = (import /nixpkgs/lib).modules ? importApply;
  facts = module: import /facts/secret_facts.nix (import /facts/definitions.nix) (import /nixpkgs/nixos {
    configuration = { lib, ... }: {
      imports = [ module ];
      boot.loader.systemd-boot.enable = lib.mkDefault true;
      fileSystems."/" = { device = "none"; fsType = "tmpfs"; };
      fileSystems."/persist" = { device = "/dev/sda2"; fsType = "ext4"; neededForBoot = true; };
      fileSystems."/home" = { device = "/dev/sda3"; fsType = "ext4"; };
      nixpkgs.hostPlatform = "x86_64-linux";
      nixpkgs.overlays = [
        (final: prev: {
          shellcheck = prev.hello;
          shellcheck-minimal = prev.hello // { compiler = prev.hello // { bootstrapAvailable = true; }; };
          pandoc = prev.hello;
          lzbt = prev.hello;
        })
      ];
      system.stateVersion = "24.05";
    };
  });
in
{
  sops = facts ({ config, ... }: {
    imports = [ /modules/sops-nix/modules/sops ];
    services.openssh.enable = true;
    sops.validateSopsFiles = false;
    sops.defaultSopsFile = /facts/definitions.nix;
    sops.secrets.pw.neededForUsers = true;
    sops.secrets.wifi = { };
    sops.age.keyFile = "/var/lib/sops-nix/key.txt";
    users.users.alice = { isNormalUser = true; hashedPasswordFile = config.sops.secrets.pw.path; };
    boot.initrd.network = {
      enable = true;
      ssh = { enable = true; authorizedKeys = [ "ssh-ed25519 x" ]; hostKeys = [ "/etc/secrets/initrd/key" ]; };
    };
  });
  age = if !isRecent then null else facts {
    imports = [ /modules/agenix/modules/age.nix /modules/impermanence/nixos.nix ];
    environment.persistence."/persist" = { directories = [ "/etc/ssh" ]; files = [ "/etc/machine-id" ]; };
    services.openssh.enable = true;
    age.secrets.pw.file = /facts/definitions.nix;
    users.users.bob = { isNormalUser = true; hashedPasswordFile = "/persist/pw"; };
  };
  lanzaboote = if !isRecent then null else facts {
    imports = [ /modules/lanzaboote/nix/modules/lanzaboote.nix ];
    boot.loader.systemd-boot.enable = false;
    boot.lanzaboote = { enable = true; pkiBundle = "/var/lib/sbctl"; };
  };
  generated = if !isRecent then null else facts {
    imports = [ /modules/lanzaboote/nix/modules/lanzaboote.nix ];
    boot.loader.systemd-boot.enable = false;
    boot.lanzaboote = { enable = true; pkiBundle = "/var/lib/sbctl"; autoGenerateKeys.enable = true; };
  };
}
"#;

/// A key that is not part of the system.
fn key(option: &str, path: &str, generated: bool, required: bool) -> Value {
    json!({ "option": option, "path": path, "provided": false, "generated": generated, "required": required })
}

/// The host keys of OpenSSH.
const RSA: &str = "/etc/ssh/ssh_host_rsa_key";
const ED25519: &str = "/etc/ssh/ssh_host_ed25519_key";

fn the_options_of_the_real_modules_are_read(tree: &Tree) {
    let modules = value(MODULES).unwrap();
    let more = [(modules.into(), "/modules"), (project().join("src/nix"), "/facts")];
    let said = evaluated(tree, &more, EVALUATE);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let sops = json!([{
        "name": "sops-nix",
        "waits": false,
        "keys": [
            key("sops.age.keyFile", "/var/lib/sops-nix/key.txt", false, true),
            key("sops.age.sshKeyPaths", ED25519, true, false),
            key("sops.gnupg.sshKeyPaths", RSA, true, false),
        ],
        "secrets": [
            { "name": "pw", "path": "/run/secrets-for-users/pw", "early": true },
            { "name": "wifi", "path": "/run/secrets/wifi", "early": false },
        ],
    }]);
    assert_eq!(found["sops"]["openers"], sops);
    let initrd = json!([{
        "option": "boot.initrd.network.ssh.hostKeys",
        "path": "/etc/secrets/initrd/key",
        "provided": false,
        "kind": "ssh_host_key",
    }]);
    assert_eq!(found["sops"]["boot_files"], initrd);
    assert_eq!(found["sops"]["late"], json!(["/home"]));
    if !found["age"].is_null() {
        recent_modules(&found);
    }
}

/// Those of 2026 that need a recent nixpkgs.
fn recent_modules(found: &Value) {
    let age = json!([{
        "name": "agenix",
        "waits": false,
        "keys": [key("age.identityPaths", RSA, true, false), key("age.identityPaths", ED25519, true, false)],
        "secrets": [{ "name": "pw", "path": "/run/agenix/pw", "early": true }],
    }]);
    assert_eq!(found["age"]["openers"], age);
    let moved = json!([
        { "at": "/etc/ssh", "from": "/persist/etc/ssh" },
        { "at": "/etc/machine-id", "from": "/persist/etc/machine-id" },
    ]);
    assert_eq!(found["age"]["moved"], moved);
    let password_files = json!([{ "path": "/persist/pw", "provided": false }]);
    assert_eq!(found["age"]["password_files"], password_files);
    let file = |name: &str| json!({ "path": format!("/var/lib/sbctl/keys/db/db.{name}"), "provided": false });
    for (name, unsigned) in [("lanzaboote", false), ("generated", true)] {
        let signer = &found[name]["signers"][0];
        assert_eq!(signer["files"], json!([file("pem"), file("key")]), "{name}");
        assert_eq!(signer["unsigned"], unsigned, "{name}");
        assert_eq!(signer["generates"], "boot.lanzaboote.autoGenerateKeys.enable", "{name}");
    }
}

fn main() -> ExitCode {
    let test = on_each_tree_with(&[MODULES], the_options_of_the_real_modules_are_read);
    real::run("tests/rig/tests/secret_modules.rs", vec![test])
}
