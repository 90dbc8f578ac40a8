//! A live system that installs from a binary cache: nginx of this machine serves what `nix copy` made of an ISO's store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::{Live, Outcome, VERSIONS, copy, edit, project, temporary, tree};

/// Brings the network up.
pub const UP: &str = "/usr/local/lib/host/busybox ip link set lo up";
pub const INSTALL: &str = "nix-cfg-install --progress plain --medium http://127.0.0.1 --public-key $(cat /keys/public)";

/// A directory with the cache of the ISO with that Nix: all of its store.
fn made(nix: &str) -> &'static Path {
    static MADE: [OnceLock<TempDir>; 3] = [const { OnceLock::new() }; 3];
    let index = VERSIONS.iter().position(|version| *version == nix).unwrap();
    let directory = MADE[index].get_or_init(|| {
        let server = Live::bare(nix);
        let export = "export NIX_CONFIG='extra-experimental-features = nix-command'
            nix-store --generate-binary-cache-key room-1 /root/secret /root/public
            nix store sign --all --key-file /root/secret
            nix copy --all --to 'file:///root/cache?compression=zstd'";
        server.sh(export).ok();
        let directory = temporary();
        copy(&server.state.path().join("live/upper/root"), directory.path());
        directory
    });
    directory.path()
}

/// `live` with a network, and in it nginx, which serves the cache below `directory`.
pub fn networked(live: Live, directory: &Path) -> Live {
    let nginx = project().join("tests/rig/nginx");
    let binds = [
        format!("{}:/usr/local/sbin/nginx", nginx.display()),
        "/usr/sbin/nginx:/usr/local/lib/host/nginx".to_owned(),
        "/bin/busybox:/usr/local/lib/host/busybox".to_owned(),
        "/usr/lib/x86_64-linux-gnu:/usr/local/lib/host/lib".to_owned(),
        format!("{}:/cache", directory.join("cache").display()),
        format!("{}:/keys", directory.display()),
    ];
    let binds: Vec<&str> = binds.iter().flat_map(|bind| ["--bind", bind]).collect();
    live.with(&binds)
}

/// A live system that has nothing but what the evaluation needs, a disk, and a network with a cache.
pub struct Client {
    pub live: Live,
    cache: TempDir,
    _tree: TempDir,
}

impl Client {
    pub fn new(nix: &str) -> Self {
        Self::with_disk(nix, &[])
    }

    pub fn with_disk(nix: &str, disk: &[&str]) -> Self {
        let tree = tree("channel");
        // Another system than the ISO has: some of it is built.
        edit(
            &tree,
            "configuration.nix",
            "system.stateVersion",
            "environment.etc.more.text = \"x\"; system.stateVersion",
        );
        Self::of(tree, Live::with_disk(nix).with(disk), nix)
    }

    /// One that installs `tree`.
    pub fn of(tree: TempDir, live: Live, nix: &str) -> Self {
        let cache = temporary();
        copy(made(nix), cache.path());
        let live = networked(live, cache.path()).iso_tree(tree.path());
        live.sh("nix-store --gc").ok();
        Self {
            live,
            cache,
            _tree: tree,
        }
    }

    /// With the network and the server.
    pub fn sh(&self, script: &str) -> Outcome {
        self.live.sh(&format!("{UP}; nginx; {script}"))
    }

    pub fn install(&self) -> Outcome {
        self.sh(INSTALL)
    }

    /// The name of the file in the cache about the store path called `name`.
    pub fn narinfo(&self, name: &str) -> PathBuf {
        let files = fs::read_dir(self.cache.path().join("cache")).unwrap();
        let mut files = files.map(|entry| entry.unwrap().path());
        let of = |text: &str| {
            text.lines()
                .next()
                .is_some_and(|line| line.ends_with(&format!("-{name}")))
        };
        let found = files.find(|file| file.is_file() && of(&fs::read_to_string(file).unwrap()));
        found.unwrap_or_else(|| panic!("the cache has no {name}"))
    }

    pub fn nar(&self, name: &str) -> PathBuf {
        let text = fs::read_to_string(self.narinfo(name)).unwrap();
        let url = text.lines().find_map(|line| line.strip_prefix("URL: ")).unwrap();
        self.cache.path().join("cache").join(url)
    }

    #[track_caller]
    pub fn wrote_nothing(&self) {
        assert_eq!(self.live.sh("ls -A /mnt").ok().out, "lost+found\n");
    }
}

/// Fails unless the whole system is on the disk, as its database says.
pub const WHOLE: &str = "system=$(readlink -f /mnt/nix/var/nix/profiles/system-1-link)
    nix-store --store /mnt --verify --check-contents 2>&1 | grep -E 'modified|missing' && exit 1
    nix-store --store /mnt -qR $system > /dev/null && cat /mnt/etc/nixos/configuration.nix > /dev/null && echo $system";

/// Waits until the server has begun to send a NAR.
pub const UNTIL_SENDING: &str = "until grep -q 'GET /nar/' /run/access-80.log; do sleep 0.05; done";
