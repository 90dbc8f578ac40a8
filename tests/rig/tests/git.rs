//! A flake in a git repository: installed with all of its files, and rebuilt from `etc/nixos` as Nix reads it there, through
//! git.

use rig::{Live, VERSIONS, run, tree, write};
use serde_json::json;
use tempfile::TempDir;

/// The host alpha's flake in a repository that tracks all but the hardware configuration, which it ignores. Its settings name
/// programs that git would start.
fn repository() -> TempDir {
    let flake = tree("flake");
    write(&flake, ".gitignore", "hardware-configuration.nix\n");
    let git = |args: &[&str]| {
        let path = flake.path().to_str().unwrap();
        run(
            "git",
            &[&["-C", path, "-c", "user.name=x", "-c", "user.email=x"], args].concat(),
        );
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "My machines"]);
    git(&["config", "core.fsmonitor", "touch /started"]);
    git(&["config", "filter.mine.clean", "touch /started; cat"]);
    write(&flake, ".git/info/attributes", "* filter=mine\n");
    flake
}

/// Installs as Calamares does, on a machine with encrypted swap: that needs a machine.nix.
fn install(live: &Live) -> rig::Outcome {
    let storage = json!({
        "firmwareType": "efi", "rootMountPoint": "/mnt", "username": "ada",
        "partitions": [
            {"device": "/dev/vda2", "mountPoint": "/", "fs": "ext4", "fsName": "ext4", "uuid": "a", "claimed": true},
            {"device": "/dev/vda3", "mountPoint": "", "fs": "linuxswap", "fsName": "luks2", "uuid": "b", "claimed": true,
             "luksMapperName": "luks-swap", "luksUuid": "01234567-89ab-cdef-0123-456789abcdef"},
        ],
    });
    // stdin stays open as long as the installation lasts.
    live.sh(&format!(
        "nix-cfg-install --calamares install --host alpha < <(echo '{storage}'; exec sleep 600)"
    ))
}

/// The derivation of the installed system as `nixos-rebuild` would evaluate it: through git, or from the bare directory.
fn evaluated(live: &Live, scheme: &str) -> rig::Outcome {
    live.sh(&format!(
        "export NIX_CONFIG=$'extra-experimental-features = nix-command flakes\\nsubstituters =\\nflake-registry ='
         nix eval --raw --no-write-lock-file '{scheme}:///mnt/etc/nixos#nixosConfigurations.alpha.config.system.build.toplevel.drvPath'"
    ))
}

fn live(nix: &str, repository: &TempDir) -> Live {
    Live::with_disk(nix).iso_tree(repository.path())
}

const GIT: [&str; 2] = ["--bind", "/usr/bin/git:/usr/bin/git"];

#[test]
fn what_the_installer_adds_to_a_flake_in_git_is_seen_by_the_next_rebuild() {
    for nix in VERSIONS {
        let repository = repository();
        write(&repository, "notes/todo.txt", "not tracked");
        let live = live(nix, &repository).with(&GIT);
        let said = install(&live).ok();
        assert!(
            said.out.contains("Git does not track notes/todo.txt\\n"),
            "{nix}: {}",
            said.out
        );
        assert!(
            said.out.contains("Made hosts/alpha/machine.nix known to git"),
            "{nix}: {}",
            said.out
        );
        let again = install(&live).ok();
        assert!(
            again.out.contains("The target already has this configuration"),
            "{nix}: {}",
            again.out
        );
        live.sh("grep -q luks-swap /mnt/etc/nixos/hosts/alpha/machine.nix && ! test -e /started && git -C /mnt/etc/nixos config --unset core.fsmonitor")
            .ok();
        let through_git = evaluated(&live, "git+file").ok();
        assert_eq!(through_git.out, evaluated(&live, "path").ok().out, "{nix}");
        // Only the names are in the index: what is committed is the user's decision.
        let status = live.sh("git -C /mnt/etc/nixos diff --cached --name-only").ok();
        assert_eq!(status.out, "", "{nix}");
    }
}

#[test]
fn without_git_the_command_for_the_installed_system_is_reported() {
    let repository = repository();
    let live = live("2.26", &repository);
    let said = install(&live).ok();
    for text in [
        "Git does not track hosts/alpha/machine.nix",
        "git -C /etc/nixos add --intent-to-add --force hosts/alpha/machine.nix",
        "git -C /etc/nixos add --intent-to-add --force hosts/alpha/hardware-configuration.nix",
    ] {
        assert!(said.out.contains(text), "not said: {text}\n{}", said.out);
    }
    live.sh("test -d /mnt/etc/nixos/.git").ok();
    // As told, by hand.
    let live = live.with(&GIT);
    let hidden = evaluated(&live, "git+file");
    assert_ne!(hidden.code, 0, "Nix sees untracked files: {}", hidden.out);
    live.sh("cd /mnt/etc/nixos && git add --intent-to-add --force hosts/alpha/*.nix")
        .ok();
    evaluated(&live, "git+file").ok();
}
