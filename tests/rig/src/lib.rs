//! Live systems to install from, and what the tests in them share; see README.md.

pub mod answered;
pub mod documented;
pub mod evaluator;
pub mod from_cache;
pub mod golden;
pub mod gui;
pub mod iso;
pub mod layout;
pub mod pty;
pub mod real;
pub mod rows;
pub mod started;
pub mod two_isos;
pub mod update_image;
pub mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub const VERSIONS: [&str; 3] = ["2.8", "2.26", "2.34"];

/// The directory of the whole project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The static binary that installs, as it is shipped.
pub fn product() -> PathBuf {
    shipped("nix-cfg-install")
}

/// A static binary, as it is shipped; a test of one that is older than its sources would say nothing.
pub fn shipped(name: &str) -> PathBuf {
    let path = project().join("target/x86_64-unknown-linux-gnu/release").join(name);
    assert!(path.exists(), "{} does not exist: run `make test`", path.display());
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).unwrap();
    let sources = fs::read_to_string(path.with_extension("d")).unwrap();
    for source in sources.split_whitespace().skip(1).map(Path::new) {
        let fresh = source.exists() && changed(source) <= changed(&path);
        assert!(fresh, "{name} is older than {}: run `make static`", source.display());
    }
    path
}

/// One of the example trees as the rig made it, copied to be changed.
pub fn tree(name: &str) -> TempDir {
    let source = project().join("target/rig/trees").join(name);
    assert!(source.exists(), "{} does not exist: run `make test`", source.display());
    let directory = temporary();
    copy(&source, directory.path());
    directory
}

/// Copies the contents of a directory as they are.
pub fn copy(source: &Path, dest: &Path) {
    fs::create_dir_all(dest).unwrap();
    run(
        "cp",
        &["-a", &format!("{}/.", source.display()), dest.to_str().unwrap()],
    );
}

/// A directory on a disk (not in memory) that is closed to nobody, as nixos-install wants it.
pub fn temporary() -> TempDir {
    let base = project().join("target/rig-state");
    fs::create_dir_all(&base).unwrap();
    let directory = tempfile::tempdir_in(base).unwrap();
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

/// A directory that is closed to nobody, for what need not be on a disk: any user can make it.
pub fn scratch() -> TempDir {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    tempfile::Builder::new().permissions(open).tempdir().unwrap()
}

pub fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

/// Adds to or replaces a file of a tree.
pub fn write(tree: &TempDir, name: &str, text: &str) {
    let path = tree.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Replaces `old`, which must be there, in a file of a tree.
pub fn edit(tree: &TempDir, name: &str, old: &str, new: &str) {
    edit_text(&tree.path().join(name), old, new);
}

/// Replaces `old`, which must be there, in a file.
pub fn edit_text(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{} has no {old}", path.display());
    fs::write(path, text.replace(old, new)).unwrap();
}

/// The output of a command in a live system, and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// It must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(
            self.code, 0,
            "exit code {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.out, self.err
        );
        self
    }

    /// It must have failed with `code` and said all of `texts` on stderr.
    #[track_caller]
    pub fn fails(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, code, "--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        for text in texts {
            assert!(self.err.contains(text), "not said: {text}\n--- stderr\n{}", self.err);
        }
        self
    }
}

/// Shell that makes a loop device of `image`, which can have partitions, as /dev/`name` and `$name`. [`detach`] gives it back: it is
/// one of the host's.
pub fn attach(image: &str, name: &str) -> String {
    format!(
        "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
         for attempt in 1 2 3 4 5; do
           {name}=$(losetup -f | cut -d' ' -f1)
           {{ [ -e ${name} ] || mknod ${name} b 7 ${{{name}#/dev/loop}}; }} && losetup -P ${name} {image} && break
           rm -f ${name} # Another machine has it, with what is on it.
         done
         ln -sf ${name} /dev/{name}\n"
    )
}

/// Shell that unmounts what [`attach`] made and gives it back.
pub fn detach(name: &str) -> String {
    format!("umount -A ${name} 2> /dev/null; losetup -d ${name}\n")
}

/// Shell that prints what [`Live::fingerprint`] compares of the system at /mnt.
pub const FINGERPRINT: &str = r"
            cd /mnt
            nix-store --store /mnt --verify --check-contents >&2 || exit 1
            nix-store --store /mnt --dump-db $(nix-store --store /mnt -qR /mnt/nix/var/nix/profiles/system | sed s,^/mnt,,) | grep -v '^[0-9]*$'
            find . -path ./nix/var/nix/db -prune -o -path ./var/log -prune -o -path ./var/lib/nix-cfg-install -prune \
                -o -path ./lost+found -prune -o -path ./nix/var/nix/gc.lock -prune -o -path ./nix/var/nix/temproots -prune \
                -o -type f -printf '%p %y %m %u:%g ' -exec sh -c 'sha256sum < $1' _ {} \; \
                -o -printf '%p %y %m %u:%g %l\n' | sort";

/// A live system that keeps its state, and the disk at /mnt, between commands.
pub struct Live {
    pub state: TempDir,
    args: Vec<String>,
    stock: Option<PathBuf>,
}

impl Live {
    pub fn new(nix: &str) -> Self {
        let product = format!("{}:/usr/local/sbin/nix-cfg-install", product().display());
        Self::bare(nix).with(&["--bind", &product])
    }

    /// Without the program that installs.
    pub fn bare(nix: &str) -> Self {
        let live = Self {
            state: temporary(),
            args: Vec::new(),
            stock: None,
        };
        live.with(&["--nix", nix])
    }

    /// With a disk of an ordinary size.
    pub fn with_disk(nix: &str) -> Self {
        Self::new(nix).with(&["--target-size", "600M"])
    }

    pub fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// With this stock nixos-install script, beside which is its nixos-enter.sh, or in the directory of a package of that name.
    pub fn stock(mut self, nixos_install: &Path) -> Self {
        self.stock = Some(nixos_install.to_owned());
        self
    }

    pub fn iso_tree(self, tree: &Path) -> Self {
        self.with(&["--iso-tree", tree.to_str().unwrap()])
    }

    pub fn tmp_tree(self, tree: &Path) -> Self {
        self.with(&["--tmp-tree", tree.to_str().unwrap()])
    }

    /// The command that runs `script` in it.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(project().join("tests/rig/live"));
        if let Some(script) = &self.stock {
            let directory = script.parent().unwrap();
            let places = [
                directory.join("nixos-enter.sh"),
                directory.with_file_name("nixos-enter").join("nixos-enter.sh"),
            ];
            let enter = places.iter().find(|place| place.exists());
            command.env("NIXOS_INSTALL", script).env("NIXOS_ENTER", enter.unwrap());
        }
        command
            .arg("--state")
            .arg(self.state.path().join("live"))
            .args(&self.args)
            .args(["--", "bash", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn sh(&self, script: &str) -> Outcome {
        let output = self.command(script).output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn start(&self, script: &str) -> Child {
        self.command(script).spawn().unwrap()
    }

    /// Runs the installer with plain progress.
    pub fn install(&self, args: &str) -> Outcome {
        self.sh(&format!("nix-cfg-install --progress plain {args}"))
    }

    /// A file on the installed disk.
    pub fn read(&self, path: &str) -> String {
        self.sh(&format!("cat '{path}'")).ok().out
    }

    /// Everything on the disk that must not depend on how the installation went: kinds, modes, owners, links and contents,
    /// without logs, times, locks and the database's bytes (its records instead).
    pub fn fingerprint(&self) -> String {
        self.sh(FINGERPRINT).ok().out
    }
}

/// Both fingerprints must be the same; else the lines that differ are shown.
#[track_caller]
pub fn same(expected: &str, actual: &str, what: &str) {
    let missing = expected
        .lines()
        .filter(|line| !actual.contains(line))
        .map(|line| format!("- {line}"));
    let more = actual
        .lines()
        .filter(|line| !expected.contains(line))
        .map(|line| format!("+ {line}"));
    let difference: Vec<String> = missing.chain(more).take(40).collect();
    assert!(expected == actual, "{what}\n{}", difference.join("\n"));
}

/// The moment at which attempt `number` cuts a run off, as a part of the run: multiples of the golden ratio are spread over the whole and
/// never cluster.
pub fn moment(number: u32) -> f64 {
    (f64::from(number) * 0.618_034).fract()
}
