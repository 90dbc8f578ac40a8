//! Who can log in.

use std::path::Path;

use super::case::{Case, edit, module, write};

/// The flake's host alpha with the password file `file` and no other way in.
pub fn password_file(tree: &Path, file: &str) {
    write(tree, "hosts/alpha/pw", "$6$x");
    write(
        tree,
        "hosts/alpha/users.nix",
        &format!(
            "{{ lib, ... }}: {{ users.mutableUsers = false; users.users.ada = {{ initialHashedPassword = lib.mkForce null; hashedPasswordFile = {file}; }}; }}"
        ),
    );
    edit(
        tree,
        "hosts/alpha/default.nix",
        "./hardware-configuration.nix",
        "./hardware-configuration.nix ./users.nix",
    );
}

/// Configurations that let nobody in, or nobody administer the machine.
pub fn users() -> Vec<Case> {
    vec![
        module(
            "nobody-gets-in-ever",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice.initialHashedPassword = lib.mkForce \"!\"; }",
            &["error nobody-can-log-in"],
        ),
        module(
            "nobody-gets-in-yet",
            "{ lib, ... }: { users.users.alice.initialHashedPassword = lib.mkForce null; }",
            &["warning nobody-can-log-in"],
        ),
        module(
            "password-file-absent",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = \"/etc/nixos/pw\"; }; }",
            &["warning password-file-missing", "error nobody-can-log-in"],
        ),
        module(
            "key-without-server",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; openssh.authorizedKeys.keys = [ \"ssh-ed25519 x\" ]; }; }",
            &["error nobody-can-log-in"],
        ),
        module(
            "nobody-is-root",
            "{ lib, ... }: { users.users.alice.extraGroups = lib.mkForce [ ]; }",
            &["warning nobody-is-root"],
        ),
        // As users-groups.nix has it, where root and `wheel` cannot get a password later.
        module(
            "nobody-is-root-ever",
            "{ config, lib, ... }: {
  users.mutableUsers = false;
  users.users.alice.extraGroups = lib.mkForce [ ];
  assertions = [ { assertion = config.users.mutableUsers; message = \"Neither the root account nor any wheel user has a password or SSH authorized key.\"; } ];
}",
            &["warning nobody-is-root", "error assertion modules/more.nix:4"],
        ),
    ]
}
