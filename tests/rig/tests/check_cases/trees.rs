//! The files of the configuration: their kinds, owners, modes and contents.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::case::{BIOS, Case, KEY, channel, edit, write};

/// Files that others could have written, or that cannot be read.
pub fn ownership() -> Vec<Case> {
    vec![
        channel(
            "special-files",
            |tree| {
                nix::unistd::mkfifo(&tree.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
                drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap());
                let null = nix::sys::stat::makedev(1, 3);
                nix::sys::stat::mknod(
                    &tree.join("null"),
                    nix::sys::stat::SFlag::S_IFCHR,
                    nix::sys::stat::Mode::S_IRUSR,
                    null,
                )
                .unwrap();
            },
            &[
                "error tree-special-file null",
                "error tree-special-file pipe",
                "error tree-special-file socket",
            ],
        ),
        channel(
            "open-to-all",
            |tree| fs::set_permissions(tree.join("motd"), fs::Permissions::from_mode(0o666)).unwrap(),
            &["error tree-world-writable motd"],
        ),
        channel(
            "of-a-service",
            |tree| chown(tree.join("motd"), Some(77), None).unwrap(),
            &["error tree-owner motd"],
        ),
        channel(
            "of-somebody",
            |tree| chown(tree.join("motd"), Some(4242), None).unwrap(),
            &["warning tree-owner-unknown motd"],
        ),
        channel(
            "unreadable",
            |tree| {
                chown(tree.join("motd"), Some(1000), None).unwrap();
                fs::set_permissions(tree.join("motd"), fs::Permissions::from_mode(0o000)).unwrap();
            },
            &[
                "warning tree-link-broken modules/motd-link",
                "error tree-unreadable motd",
                "error file-missing configuration.nix:22:35",
            ],
        )
        .without_privileges(),
    ]
}

/// Links and secrets, and several faults at once.
pub fn contents() -> Vec<Case> {
    vec![
        channel(
            "links",
            |tree| {
                symlink("/somewhere/else", tree.join("out")).unwrap();
                symlink("nothing", tree.join("broken")).unwrap();
            },
            &["warning tree-link-broken broken", "warning tree-link-outside out"],
        ),
        channel(
            "key-in-tree",
            |tree| write(tree, "host_key", KEY),
            &["warning tree-secret host_key:1"],
        ),
        channel(
            "five-faults",
            |tree| {
                write(tree, "host_key", KEY);
                write(tree, "modules/broken.nix", "{ time.timeZone = \"UTC\" }\n");
                edit(
                    tree,
                    "configuration.nix",
                    "./modules/greeter.nix",
                    "./modules/broken.nix ./modules/gone.nix",
                );
                edit(
                    tree,
                    "configuration.nix",
                    "[ pkgs.cowsay ]",
                    "[ pkgs.cowsay pkgs.htop pkgs.unfree-game ]",
                );
            },
            &[
                "warning tree-secret host_key:1",
                "error import-missing configuration.nix:6:26",
                "error syntax modules/broken.nix:1:25",
                "error unfree configuration.nix:21:61",
                "error boot-needs-uefi",
                "error not-on-medium configuration.nix:21:51",
                "error not-on-medium configuration.nix:21:61",
            ],
        )
        .on(BIOS),
    ]
}

/// Files whose content is not there.
pub fn absent_content() -> Vec<Case> {
    vec![channel(
        "locked-and-not-checked-out",
        |tree| {
            write(tree, "modules/secret.nix", "\0GITCRYPT\0abc");
            write(tree, ".gitmodules", "[submodule \"x\"]\n\tpath = modules/x\n");
            fs::create_dir(tree.join("modules/x")).unwrap();
            edit(
                tree,
                "configuration.nix",
                "./modules/greeter.nix",
                "./modules/secret.nix ./modules/x",
            );
        },
        &[
            "warning tree-locked modules/secret.nix",
            "warning tree-submodule",
            "error submodule-missing configuration.nix:6:26",
            "error file-locked modules/secret.nix",
        ],
    )]
}
