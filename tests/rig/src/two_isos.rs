//! A machine that was installed from one ISO, and the next ISO of its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::iso::{CONFIG, Emitted, boot, build, builder};
use crate::started::Started;
use crate::{Live, Outcome, edit, run, temporary, tree};

struct Made {
    /// A live system that has installed host alpha from the first ISO.
    installed: Live,
    /// The files of the first and of the second ISO.
    media: [PathBuf; 2],
    /// The machine that built the second, and what it builds.
    builder: (Live, Emitted),
    directory: TempDir,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = temporary();
        let key = Live::bare("2.26").sh(KEY).ok().out;
        fs::write(directory.path().join("update.secret"), key.lines().next().unwrap()).unwrap();
        let file = "hosts/alpha/default.nix";
        let trusting = || {
            let tree = tree("flake");
            let public = format!(
                "nix.settings.trusted-public-keys = [ \"{}\" ];\n  services.greeter",
                public(&key)
            );
            edit(&tree, file, "services.greeter", &public);
            tree
        };
        let (first, _) = image(&trusting(), &directory, "first", &["alpha", "beta"]);
        let second = trusting();
        edit(&second, file, "{ dotfiles, ... }", "{ dotfiles, pkgs, ... }");
        edit(&second, file, "services.greeter", NEW);
        let (second, builder) = image(&second, &directory, "second", &["alpha", "beta"]);
        let media = [extracted(&first), extracted(&second)];
        let installed = boot("2.26", &first);
        installed.install("--host alpha").ok();
        Made {
            installed,
            media,
            builder,
            directory,
        }
    })
}

/// What the second system has besides: a package, a service, and a file that takes a while to copy.
const NEW: &str = r#"environment.systemPackages = [ pkgs.cowsay ];
  services.cows.enable = true;
  environment.etc.large.source = pkgs.run "large" { } "seq 1 2000000 > $out";
  services.greeter"#;

/// Makes a key, and prints its secret half and then the public one.
const KEY: &str = "nix-store --generate-binary-cache-key update-1 /tmp/secret /tmp/public && cat /tmp/secret && echo && cat /tmp/public";

fn public(key: &str) -> &str {
    key.lines().last().unwrap()
}

/// Builds an ISO, and returns the file and what built it.
fn image(tree: &TempDir, directory: &TempDir, name: &str, hosts: &[&str]) -> (PathBuf, (Live, Emitted)) {
    let hosts: Vec<&str> = hosts.iter().flat_map(|host| ["--host", host]).collect();
    let emitted = Emitted::new(tree.path(), &hosts);
    let bind = format!("{}:/made", directory.path().display());
    let builder = builder("2.26", &emitted).with(&["--bind", &bind]);
    let built = build(&builder, "");
    let kept = directory.path().join(format!("{name}.iso"));
    fs::copy(built, &kept).unwrap();
    (kept, (builder, emitted))
}

/// The files of an ISO: not every kernel has its file system.
pub fn extracted(image: &Path) -> PathBuf {
    let files = image.with_extension("files");
    let [from, to] = [image, &files].map(|path| path.to_str().unwrap());
    run("xorriso", &["-osirrox", "on", "-indev", from, "-extract", "/", to]);
    files
}

/// The files of the ISO of a configuration that has no host alpha.
pub fn iso_of_beta() -> PathBuf {
    let tree = tree("flake");
    edit(&tree, "flake.nix", "nixosConfigurations.alpha = host \"alpha\";", "");
    extracted(&image(&tree, &made().directory, "beta", &["beta"]).0)
}

/// The directory that is /made where ISOs are built: with first.iso, second.iso and update.secret.
pub fn directory() -> &'static Path {
    made().directory.path()
}

/// The receipt of the machine.
pub fn receipt() -> String {
    made().installed.read("/mnt/var/lib/nix-cfg-install/receipt.json")
}

/// Runs `script` on the machine that built the second ISO, in [`directory`].
pub fn on_builder(script: &str) -> Outcome {
    let (builder, _) = &made().builder;
    builder.sh(&format!("{CONFIG}\ncd /made && {script}"))
}

/// Runs `nix-cfg-iso delta` for the second ISO.
pub fn delta(args: &str) -> Outcome {
    on_builder(&format!("nix-cfg-iso delta {args} -- --no-write-lock-file"))
}

/// The files of the image that [`delta`] made in [`directory`].
pub fn files_of(name: &str) -> PathBuf {
    extracted(&directory().join(name))
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
