//! A machine that was installed and then started from its own disk: its root is the disk, its store is read-only as on a NixOS, and
//! Debian's programs stand in for those that the miniature NixOS does not have, Nix among them.

use std::fs;
use std::path::Path;

use crate::{Live, Outcome, product};

/// Makes the disk at /mnt the root, and runs /script there. `$medium` directories of the live system appear in /run/media.
const START: &str = r#"
    set -e
    cd /mnt
    mkdir -p proc sys dev run tmp usr bin lib lib64 sbin root
    for name in usr bin lib lib64 sbin; do mount --rbind "$(realpath /$name)" $name; done
    mount -t proc proc proc
    mount --rbind /sys sys
    mount -t devtmpfs dev dev
    mkdir -p dev/pts
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount --bind dev/pts/ptmx dev/ptmx
    mount -t tmpfs -o mode=755 run run
    mkdir -p run/live-of-test run/media
    ln -s "$(readlink nix/var/nix/profiles/system | sed s,^,/nix/var/nix/profiles/,)" run/current-system
    for medium in /media/*; do
        [ -d "$medium" ] || continue
        mkdir run/media/$(basename $medium)
        mount --bind "$medium" run/media/$(basename $medium)
    done
    mount --bind nix/store nix/store
    mount -o remount,bind,ro nix/store
    for line in nixbld:x:30000:nixbld1,nixbld2; do grep -q ^nixbld: etc/group || echo $line >> etc/group; done
    for number in 1 2; do
        grep -q ^nixbld$number: etc/passwd || echo nixbld$number:x:3000$number:30000::/var/empty:/bin/false >> etc/passwd
    done
    cp /script run/script
    pivot_root . run/live-of-test
    umount -l run/live-of-test
    cd /root
    exec bash /run/script"#;

/// The machine. It keeps its disk between commands.
pub struct Started {
    pub live: Live,
}

impl Started {
    /// The machine that `installed` installed, with a copy of its disk. Each of `media`, an ISO's files, is at /run/media/1 and so on.
    pub fn of(nix: &str, installed: &Live, media: &[&Path]) -> Self {
        let product = format!("{}:/usr/local/sbin/nix-cfg-install", product().display());
        let mut live = Live::bare(nix).with(&["--empty-store", "--target-size", "600M", "--bind", &product]);
        for (number, medium) in media.iter().enumerate() {
            live = live.with(&["--bind", &format!("{}:/media/{}", medium.display(), number + 1)]);
        }
        fs::create_dir(live.state.path().join("live")).unwrap();
        let disk = "live/target.img";
        let [from, to] = [installed, &live].map(|live| live.state.path().join(disk).display().to_string());
        // Another test may have it mounted.
        let lock = installed.state.path().join("live/lock").display().to_string();
        crate::run("flock", &[&lock, "cp", "--sparse=always", &from, &to]);
        Self { live }
    }

    /// The script that [`Self::sh`] runs.
    pub fn script(script: &str) -> String {
        format!(
            "cat > /script << 'END OF SCRIPT'\ncd /root\nexport PATH=/usr/local/sbin:$PATH HOME=/root\n{script}\nEND OF SCRIPT\n{START}"
        )
    }

    /// Runs `script` on the machine.
    pub fn sh(&self, script: &str) -> Outcome {
        self.live.sh(&Self::script(script))
    }
}
