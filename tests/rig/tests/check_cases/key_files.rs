//! Files that the configuration needs and does not have: keys, passwords, what the boot loader is installed with.
//!
//! The modules are stand-ins that declare what the check reads of sops-nix, agenix and lanzaboote.

use std::path::Path;

use super::case::{Case, add_module, case, module};

/// What is there on every disk of the rig: keys can be in it.
const KEY_ON_TARGET: &str = "touch /mnt/lost+found/key.txt";

/// A firmware with Secure Boot on.
const SECURE_BOOT: &str = "mount -t tmpfs none /sys/firmware; mkdir -p /sys/firmware/efi/efivars; cd /sys/firmware/efi/efivars; \
    printf \"\\6\\0\\0\\0\\1\" > SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c; \
    printf \"\\6\\0\\0\\0\\0\" > SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c; cd /";

/// sops-nix with the only password.
fn sops(name: &'static str, secret: &'static str, key: &'static str, expected: &[&'static str]) -> Case {
    let file = "config.sops.secrets.pw.path";
    let change = move |tree: &Path| {
        add_module(
            tree,
            &format!(
                "{{ config, lib, ... }}: {{ options.sops = lib.mkOption {{ type = lib.types.attrs; }};
  config = {{ sops = {{ secrets.pw = {secret}; age.keyFile = \"{key}\"; }};
    users.mutableUsers = false;
    users.users.alice = {{ initialHashedPassword = lib.mkForce null; hashedPasswordFile = {file}; }}; }}; }}"
            ),
        );
    };
    case(name, "channel", change, expected)
}

const EARLY: &str = "{ path = \"/run/secrets-for-users/pw\"; neededForUsers = true; }";
const LATE: &str = "{ path = \"/run/secrets/pw\"; }";
const ABSENT: &str = "/var/lib/sops-nix/key.txt";
const PRESENT: &str = "/lost+found/key.txt";

const AGE: &str = "{ lib, ... }: {
  options.age = lib.mkOption { type = lib.types.attrs; };
  options.services.openssh = lib.mkOption { type = lib.types.attrs; };
  config.age = { secrets.wifi.path = \"/run/agenix/wifi\"; identityPaths = [ \"/etc/ssh/ssh_host_ed25519_key\" ]; };
  config.services.openssh = { enable = true; hostKeys = [ { type = \"ed25519\"; path = \"/etc/ssh/ssh_host_ed25519_key\"; } ]; }; }";

const INITRD_SSH: &str = "{ lib, ... }: { options.boot.initrd.network.ssh = lib.mkOption { type = lib.types.attrs; };
  config.boot.initrd = {
    network.ssh = { enable = true; hostKeys = [ \"/etc/secrets/initrd/key\" ]; };
    secrets.\"/etc/secrets/initrd/key\" = \"/etc/secrets/initrd/key\";
    secrets.\"/crypto_keyfile.bin\" = null;
    luks.devices.root = { device = \"/dev/disk/by-label/x\"; keyFile = \"/crypto_keyfile.bin\"; };
  }; }";

/// lanzaboote, whose keys are generated or not.
fn lanzaboote(name: &'static str, generates: bool, expected: &[&'static str]) -> Case {
    let change = move |tree: &Path| {
        add_module(
            tree,
            &format!(
                "{{ lib, ... }}: {{ options.boot.lanzaboote = lib.mkOption {{ type = lib.types.attrs; }};
  config.boot = {{ loader = {{ systemd-boot.enable = lib.mkForce false; grub.enable = false; }};
    lanzaboote = {{ enable = true; pkiBundle = \"/var/lib/sbctl\"; autoGenerateKeys.enable = {generates}; allowUnsigned = {generates};
      publicKeyFile = \"/var/lib/sbctl/keys/db/db.pem\"; privateKeyFile = \"/var/lib/sbctl/keys/db/db.key\"; }}; }}; }}"
            ),
        );
    };
    case(name, "channel", change, expected)
}

/// The key, brought along.
const EXTRA_FILES: &str = "mkdir -p /tmp/extra/var/lib/sops-nix; echo > /tmp/extra/var/lib/sops-nix/key.txt";
const BAD_EXTRA_FILES: &str = "mkdir -p /tmp/bad/etc/nixos; cd /tmp/bad; echo > etc/nixos/x; mkfifo pipe; \
    echo \"/pipe: { mode: 640 }\" > extra-files.yaml; cd /";
const EXTRA_FILES_OF_NOBODY: &str =
    "mkdir /tmp/nobody; cd /tmp/nobody; echo > token; echo \"/token: { owner: alcie }\" > extra-files.yaml; cd /";

/// Files that are not there.
pub fn absent() -> Vec<Case> {
    vec![
        sops(
            "secret-password-without-key",
            EARLY,
            ABSENT,
            &["error secrets-without-key"],
        ),
        sops("secret-password-too-late", LATE, PRESENT, &["error secret-too-late"]).on(KEY_ON_TARGET),
        module(
            "secrets-for-a-key-that-is-generated",
            AGE,
            &["warning secrets-without-key"],
        ),
        module(
            "password-file-not-on-target",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = \"/persist/pw\"; }; }",
            &["warning password-file-missing", "error nobody-can-log-in"],
        ),
        module(
            "initrd-files-absent",
            INITRD_SSH,
            &["error boot-file-missing", "error boot-file-missing"],
        ),
        lanzaboote("signing-keys-absent", false, &["error signing-keys-missing"]),
        module("secure-boot-on", "{ }", &["warning secure-boot-refuses"]).on(SECURE_BOOT),
        module(
            "extra-files-refused",
            "{ }",
            &[
                "error extra-files-manifest /tmp/bad/extra-files.yaml:1",
                "error extra-files-not-kept /tmp/bad/etc/nixos/x",
                "error extra-files-special /tmp/bad/pipe",
            ],
        )
        .args("--extra-files /tmp/bad")
        .on(BAD_EXTRA_FILES),
        module("extra-files-without-owner", "{ }", &["error extra-files-owner"])
            .args("--extra-files /tmp/nobody")
            .on(EXTRA_FILES_OF_NOBODY),
    ]
}

/// The same, where they are there or are not needed.
pub fn present() -> Vec<Case> {
    vec![
        sops("secret-password-with-key", EARLY, PRESENT, &[]).on(KEY_ON_TARGET),
        sops("secret-password-with-extra-files", EARLY, ABSENT, &[])
            .args("--extra-files /tmp/extra")
            .on(EXTRA_FILES),
        lanzaboote("signing-keys-generated", true, &[]),
        module("initrd-secrets-of-another-machine-left-alone", INITRD_SSH, &[]).args("--no-bootloader"),
    ]
}
