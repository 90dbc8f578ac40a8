//! A machine that was installed from one ISO, and the next ISO of its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::iso::{Emitted, boot, build, builder};
use crate::started::Started;
use crate::{Live, edit, run, temporary, tree};

struct Made {
    /// A live system that has installed host alpha from the first ISO.
    installed: Live,
    /// The files of the first and of the second ISO.
    media: [PathBuf; 2],
    directory: TempDir,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = temporary();
        let first = image(&tree("flake"), &directory, "first", &["alpha", "beta"]);
        let second = tree("flake");
        let file = "hosts/alpha/default.nix";
        edit(&second, file, "{ dotfiles, ... }", "{ dotfiles, pkgs, ... }");
        edit(&second, file, "services.greeter", NEW);
        let second = image(&second, &directory, "second", &["alpha", "beta"]);
        let media = [extracted(&first), extracted(&second)];
        let installed = boot("2.26", &first);
        installed.install("--host alpha").ok();
        Made {
            installed,
            media,
            directory,
        }
    })
}

/// What the second system has besides: a package, a service, and a file that takes a while to copy.
const NEW: &str = r#"environment.systemPackages = [ pkgs.cowsay ];
  services.cows.enable = true;
  environment.etc.large.source = pkgs.run "large" { } "seq 1 2000000 > $out";
  services.greeter"#;

fn image(tree: &TempDir, directory: &TempDir, name: &str, hosts: &[&str]) -> PathBuf {
    let hosts: Vec<&str> = hosts.iter().flat_map(|host| ["--host", host]).collect();
    let emitted = Emitted::new(tree.path(), &hosts);
    let builder = builder("2.26", &emitted);
    let built = build(&builder, "");
    let kept = directory.path().join(format!("{name}.iso"));
    fs::copy(built, &kept).unwrap();
    kept
}

/// The files of an ISO: not every kernel has its file system.
fn extracted(image: &Path) -> PathBuf {
    let files = image.with_extension("files");
    let [from, to] = [image, &files].map(|path| path.to_str().unwrap());
    run("xorriso", &["-osirrox", "on", "-indev", from, "-extract", "/", to]);
    files
}

/// The files of the ISO of a configuration that has no host alpha.
pub fn iso_of_beta() -> PathBuf {
    let tree = tree("flake");
    edit(&tree, "flake.nix", "nixosConfigurations.alpha = host \"alpha\";", "");
    extracted(&image(&tree, &made().directory, "beta", &["beta"]))
}

/// A directory with `stick.img`: the files of the second ISO in a file system that can be stopped.
pub fn stick() -> PathBuf {
    let stick = made().directory.path().join("stick");
    fs::create_dir(&stick).unwrap();
    let [from, to] = [&made().media[1], &stick.join("stick.img")].map(|path| path.display().to_string());
    run(
        "mke2fs",
        &["-q", "-t", "ext4", "-O", "^has_journal", "-d", &from, &to, "200M"],
    );
    stick
}

/// The machine, with the files of both ISOs and then of `more` in /run/media/1 and so on.
pub fn machine_with(more: &[&Path]) -> Started {
    let made = made();
    let media = made.media.iter().map(PathBuf::as_path).chain(more.iter().copied());
    Started::of("2.26", &made.installed, &media.collect::<Vec<_>>())
}

pub fn machine() -> Started {
    machine_with(&[])
}

pub const UPDATE: &str = "nix-cfg-install update --progress plain --from /run/media/2";

/// Prints what the machine starts next, and whether all that it needs is there and whole.
pub const STATE: &str = r#"
    system=$(readlink -f /nix/var/nix/profiles/system)
    [ -z "$(nix-store --verify --check-contents 2>&1 | grep -v '^reading\|^checking')" ] || { echo "the store is damaged"; exit 20; }
    nix-store --query --requisites $system > /dev/null || { echo "the system is not whole"; exit 21; }
    default=$(sed -n 's/^default //p' /boot/loader/loader.conf)
    grep -q "init=$system/init" /boot/loader/entries/$default || echo "the boot menu has another default"
    grep -h -o 'init=[^ ]*' /boot/loader/entries/*.conf | sort -u | wc -l
    [ -e $system/sw/bin/cowsay ] && echo second || echo first"#;

/// The machine runs its first system, and starts it next.
pub const FIRST: &str = "1\nfirst\n";
/// It starts the second next, and has the first in its boot menu.
pub const SECOND: &str = "2\nsecond\n";

pub fn state(machine: &Started) -> String {
    machine.sh(STATE).ok().out
}
