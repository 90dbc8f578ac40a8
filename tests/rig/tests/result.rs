//! After the installation the result is looked at: what would not start, or let nobody in, is reported.

use rig::{Live, project, tree, write};

/// Installs the tree of the channel with this module, in a live system that was just booted.
fn installed(module: &str) -> rig::Outcome {
    let tree = tree("channel");
    write(&tree, "modules/greeter.nix", module);
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    live.sh("nix-cfg-install --progress json")
}

/// What the boot loader's installer does at its end, in the target.
fn after_boot_loader(module: &str, script: &str) -> rig::Outcome {
    let hook = format!("system.build.installBootLoader = ''trap '{script}' EXIT\n'';");
    installed(&format!("{{ lib, ... }}: {{ {module} {hook} }}"))
}

const GRUB: &str = "boot.loader = { systemd-boot.enable = lib.mkForce false; grub = { enable = true; device = \"nodev\"; efiSupport = true; }; };";

#[test]
fn a_good_result_is_installed_without_a_word() {
    for module in ["{ }".to_owned(), format!("{{ lib, ... }}: {{ {GRUB} }}")] {
        let said = installed(&module).ok();
        assert!(said.out.contains(r#""phase":"inspect""#), "{}", said.out);
        assert!(!said.out.contains(r#""event":"problem""#), "{}", said.out);
    }
    // Without a boot loader, nothing of it is looked for.
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.install("--no-bootloader").ok();
}

#[test]
fn a_system_that_would_not_start_is_not_called_installed() {
    for (module, script, codes) in [
        ("", "echo cut > $esp/EFI/nixos/initrd", &["boot-file-cut"][..]),
        ("", "rm $esp/EFI/nixos/kernel", &["boot-file-missing"]),
        (
            "",
            "rm -r $esp/EFI/systemd $esp/EFI/BOOT $esp/loader/entries/*",
            &["boot-loader-absent", "boot-entry-absent"],
        ),
        (GRUB, "rm /boot/grub/kernels/initrd", &["boot-file-missing"]),
        (GRUB, "echo > /boot/grub/grub.cfg", &["boot-entry-absent"]),
    ] {
        let said = after_boot_loader(module, script);
        assert_eq!(said.code, 9, "{script}: {said:?}");
        let found = codes
            .iter()
            .filter(|code| said.out.contains(&format!(r#""severity":"error","code":"{code}""#)));
        assert_eq!(found.count(), codes.len(), "{script}: {}", said.out);
    }
}

#[test]
fn what_may_be_intended_is_a_warning() {
    let changed = after_boot_loader("", "printf x | dd of=$esp/EFI/nixos/kernel conv=notrunc 2> /dev/null").ok();
    assert!(
        changed
            .out
            .contains(r#""severity":"warning","code":"boot-file-differs""#),
        "{}",
        changed.out
    );
    // The secret is made at the start of a machine that has its key; here it is not.
    let locked = installed(
        "{ lib, ... }: { users.users.alice.initialHashedPassword = lib.mkForce null; users.users.alice.hashedPasswordFile = \"/run/secrets/pw\"; }",
    )
    .ok();
    assert!(
        locked.out.contains(r#""severity":"warning","code":"login-none""#),
        "{}",
        locked.out
    );
    assert!(
        locked.out.contains("nixos-enter --root /mnt -c 'passwd alice'"),
        "{}",
        locked.out
    );
}
