//! The copy under all that can happen to it: a medium that lies, kills, power cuts, a disk that fills up. The store that
//! is copied has everything that a store path can hold; its hashes come from `nix-store --dump`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rig::{Live, copy, project, run, shipped, temporary};
use tempfile::TempDir;

const UUID: [&str; 4] = [
    "--target-size",
    "600M",
    "--target-uuid",
    "01234567-89ab-cdef-0123-456789abcdef",
];

/// The store of `tests/rig/copy-store odd`.
fn odd() -> PathBuf {
    project().join("target/rig/copy-odd")
}

fn root() -> String {
    fs::read_to_string(odd().join("root")).unwrap().trim().to_owned()
}

/// A live system that copies from `store`.
fn live(store: &Path) -> Live {
    let example = shipped("copy-closure");
    let bind = format!("{}:/usr/local/sbin/copy-closure", example.display());
    Live::new("2.26").with(&["--store", store.to_str().unwrap(), "--bind", &bind])
}

/// A copy of a live system's store, in which bits can be wrong.
struct Medium {
    directory: TempDir,
    image: File,
    size: u64,
}

impl Medium {
    fn of(store: &Path) -> Self {
        let directory = temporary();
        copy(store, directory.path());
        let image = directory.path().join("nix-store.squashfs");
        let image = File::options().read(true).write(true).open(image).unwrap();
        let size = image.metadata().unwrap().len();
        Self { directory, image, size }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Gives what `look` sees while one bit is wrong, and which bit that was.
    fn flipped<T>(&self, random: &mut Random, look: impl FnOnce() -> T) -> (T, String) {
        let (place, bit) = (random.below(self.size), random.below(8));
        let mut byte = [0];
        self.image.read_exact_at(&mut byte, place).unwrap();
        self.image.write_all_at(&[byte[0] ^ (1 << bit)], place).unwrap();
        let seen = look();
        self.image.write_all_at(&byte, place).unwrap();
        (seen, format!("bit {bit} of byte {place}"))
    }
}

/// The medium as it was made, unpacked by another reader.
fn pristine() -> TempDir {
    let directory = temporary();
    let (to, image) = (directory.path().join("store"), odd().join("nix-store.squashfs"));
    run(
        "unsquashfs",
        &[
            "-quiet",
            "-no-progress",
            "-d",
            to.to_str().unwrap(),
            image.to_str().unwrap(),
        ],
    );
    directory
}

/// Prints type, mode, time, owner, target and content of everything in a directory.
const TREE: &str = r"tree() { (cd $1 && { find . -mindepth 1 \( -name .links -o -name .nix-cfg-install-tmp \) -prune -o -printf '%P %y %m %T@ %U:%G %l\0'; find . -path ./.links -prune -o -type f -print0 | xargs -0 sha256sum -z; } | sort -z | sha256sum); }";

/// The target's store must be whole, registered, and the same as the medium was.
fn whole() -> String {
    format!(
        "{TREE}
         nix-store --store /mnt --verify --check-contents > /verify 2>&1 || {{ cat /verify >&2; exit 1; }}
         nix-store --store /mnt --check-validity {} || exit 1
         [ -s /pristine.tree ] || tree /pristine > /pristine.tree
         [ \"$(cat /pristine.tree)\" = \"$(tree /mnt/nix/store)\" ] || {{ diff -r --no-dereference /pristine /mnt/nix/store >&2; exit 1; }}",
        root()
    )
}

fn bind_pristine(live: Live, pristine: &TempDir) -> Live {
    live.with(&["--bind", &format!("{}/store:/pristine", pristine.path().display())])
}

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % bound
    }
}

#[test]
fn the_comparison_of_trees_can_fail() {
    let pristine = pristine();
    let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
    live.sh(&format!("copy-closure /mnt {} > /dev/null && {}", root(), whole()))
        .ok();
    for change in [
        "chmod u+x $dir/empty",
        "touch -d @2 $dir/empty",
        "chown 1:0 $dir/empty",
        "rm $dir/link; ln -s other $dir/link",
        "printf x >> $dir/file",
        "rm $dir/file",
        "mkdir $dir/directory",
    ] {
        let script = format!(
            "{TREE}
             dir=/compared; rm -rf $dir; mkdir $dir; touch -d @1 $dir/empty; ln -s to $dir/link; printf 1 > $dir/file; touch -hd @1 $dir/*
             before=$(tree $dir); [ \"$before\" = \"$(tree $dir)\" ] || exit 1
             {change}; [ \"$before\" != \"$(tree $dir)\" ]"
        );
        assert_eq!(live.sh(&script).code, 0, "{change} was not seen");
    }
}

#[test]
fn each_of_a_hundred_flipped_bits_is_found_and_nothing_bad_is_published() {
    const FLIPS: usize = 100;
    let pristine = pristine();
    let (found, harmless, unmountable) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = |seed: u64, way: &str| {
        let mut random = Random(seed);
        let medium = Medium::of(&odd());
        let mut mine = 0;
        while found.load(Ordering::Relaxed) < FLIPS {
            let script = format!(
                "mkdir /target
                 {way} copy-closure /target {} > /dev/null 2> /said; code=$?
                 diff -r --no-dereference /target/nix/store /pristine | grep -v -e '^Only in /pristine' -e nix-cfg-install-tmp -e '\\.links$' >&2 && exit 99
                 if [ $code = 0 ]; then diff -r --no-dereference /target/nix/store /pristine | grep '^Only in /pristine' >&2 && exit 98; exit 0; fi
                 grep -q 'The installation medium is damaged' /said || {{ cat /said >&2; exit 97; }}
                 nix-store --store /target --check-validity {} 2> /dev/null && exit 96
                 exit 6",
                root(), root()
            );
            let look = || bind_pristine(live(medium.path()), &pristine).sh(&script);
            let (said, which) = medium.flipped(&mut random, look);
            match said.code {
                6 => {
                    mine += 1;
                    found.fetch_add(1, Ordering::Relaxed)
                }
                0 => harmless.fetch_add(1, Ordering::Relaxed),
                // The superblock: there is no live system then.
                32 => unmountable.fetch_add(1, Ordering::Relaxed),
                code => panic!("{which}: {code}\n{}{}", said.out, said.err),
            };
        }
        println!("{mine} found {way}");
    };
    thread::scope(|scope| {
        for (seed, way) in [(1, ""), (2, "KERNEL=1")] {
            scope.spawn(move || worker(seed, way));
        }
    });
    let (harmless, unmountable) = (harmless.into_inner(), unmountable.into_inner());
    println!(
        "{} found, {harmless} without any effect, {unmountable} not mountable",
        found.into_inner()
    );
    assert!(harmless + unmountable < FLIPS / 4, "too few flips had an effect");
}

/// Installs from the medium in `store` and prints the system; exits with 6 when the medium is named and nothing was activated.
const INSTALL: &str = "
    export NIX_PATH=nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixos
    if nix-cfg-install --progress plain $host > /dev/null 2> /said; then
      nix-store --store /mnt --verify --check-contents 2> /verify || { cat /verify >&2; exit 99; }
      readlink /mnt/nix/var/nix/profiles/system-1-link
    else
      [ ! -e /mnt/nix/var/nix/profiles/system ] || exit 98
      grep -q 'The installation medium is damaged' /said && exit 6
      cat /said >&2; exit 97
    fi";

#[test]
fn wherever_a_bit_is_flipped_the_same_system_is_installed_or_the_medium_is_named() {
    for (nix, tree, host) in [("2.26", "channel", ""), ("2.34", "flake", "--host alpha")] {
        let iso = project().join(format!("target/rig/iso-{nix}"));
        let medium = Medium::of(&iso);
        let install = || {
            let live = Live::with_disk(nix).iso_tree(&project().join("target/rig/trees").join(tree));
            live.with(&UUID[2..])
                .with(&["--store", medium.path().to_str().unwrap()])
                .sh(&format!("host='{host}'\n{INSTALL}"))
        };
        let system = install().ok().out;
        let (mut random, mut named) = (Random(3), 0);
        for _ in 0..10 {
            let (said, which) = medium.flipped(&mut random, install);
            match said.code {
                0 => assert_eq!(said.out, system),
                6 => named += 1,
                code => panic!("{which}, {tree}: {code}\n{}{}", said.out, said.err),
            }
        }
        println!("{tree}: {named} of 10 flips were named");
        assert!(named > 2, "too few flips had an effect");
    }
}

#[test]
fn killed_at_a_hundred_moments_a_rerun_ends_in_the_same_store() {
    let pristine = pristine();
    let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
    // Several kills on one target, until one run comes to its end; then all is compared and the target begins anew.
    let script = format!(
        "began=${{EPOCHREALTIME/./}}; copy-closure /mnt {root} > /dev/null || exit 1
         took=$(((${{EPOCHREALTIME/./}} - began) / 1000))
         chmod -R u+w /mnt/nix; rm -rf /mnt/nix
         kills=0; whole=0; RANDOM=1
         while [ $kills -lt 100 ]; do
           copy-closure /mnt {root} > /dev/null & run=$!
           moment=$((RANDOM % took)); sleep $((moment / 1000)).$(printf %03d $((moment % 1000)))
           kill -9 $run 2> /dev/null
           wait $run 2> /dev/null
           if [ $? = 137 ]; then kills=$((kills + 1)); [ $((RANDOM % 8)) != 0 ] && continue; copy-closure /mnt {root} > /dev/null || exit 1; fi
           ( {whole} ) || exit 1
           whole=$((whole + 1))
           chmod -R u+w /mnt/nix; rm -rf /mnt/nix
         done; echo $kills kills, $whole whole",
        root = root(),
        whole = whole()
    );
    let said = live.sh(&script).ok();
    println!("{}", said.out);
}

#[test]
fn a_rerun_after_a_kill_needs_no_room_for_what_is_there() {
    let pristine = pristine();
    let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
    // The system takes 16,700 kB, what Nix reserves beside its database 8,192. A run is killed when more than would be left over is there.
    let script = format!(
        "tune2fs -m 0 $(findmnt -no SOURCE /mnt) > /dev/null
         fallocate -l $(($(stat -f -c '%a * %S' /mnt) - 29800 * 1024)) /mnt/filler && sync
         killed=0
         for there in 7000 9000 11000 13000; do
           copy-closure /mnt {root} > /dev/null & run=$!
           size=0
           while [ $size -lt $there ] && kill -0 $run; do size=$(du -sk /mnt/nix/store | cut -f 1 || true); done 2> /dev/null
           kill -9 $run 2> /dev/null; wait $run 2> /dev/null
           [ $? = 137 ] && killed=$((killed + 1))
           copy-closure /mnt {root} > /dev/null || exit 1
           ( {whole} ) || exit 1
           chmod -R u+w /mnt/nix; rm -rf /mnt/nix; sync
         done; echo $killed",
        root = root(),
        whole = whole()
    );
    let killed = live.sh(&script).ok().out;
    assert!(killed.trim().parse::<u32>().unwrap() >= 2, "{killed}");
}

#[test]
fn after_a_power_cut_at_ten_moments_a_rerun_ends_in_the_same_store() {
    let pristine = pristine();
    let mut random = Random(3);
    for round in 0..10 {
        let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
        // The live system lives on until the power is cut.
        let script = format!(
            "copy-closure /mnt {} > /progress; echo $? > /ended; while touch /mnt/probe; do sleep 0.02; done 2> /dev/null",
            root()
        );
        let mut child = live.start(&script);
        let inside = live.state.path().join("live/upper");
        let moment = random.below(14_000_000);
        cut_power(child.id(), &inside.join("progress"), moment);
        child.wait().unwrap();
        let ended = fs::read_to_string(inside.join("ended")).unwrap();
        println!(
            "round {round}: cut after {moment} bytes, the copy ended with {}",
            ended.trim()
        );
        live.sh(&format!(
            "rm -f /mnt/probe; copy-closure /mnt {} > /dev/null && {}",
            root(),
            whole()
        ))
        .ok();
    }
}

/// Stops the target's file system as a power cut does when this many bytes are copied: what was not written to the disk is
/// lost (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`). `live` is the process that keeps the live system.
fn cut_power(live: u32, events: &Path, bytes: u64) {
    const SCRIPT: &str = r#"
import fcntl, os, re, struct, sys, time
live, events, moment = sys.argv[1], sys.argv[2], int(sys.argv[3])
deadline = time.monotonic() + 100
def inside(pid):
    for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
        if os.path.ismount(f"/proc/{child}/root/mnt") and not os.path.exists(f"/proc/{child}/root/.host"):
            return child
        if found := inside(child):
            return found
def wait(condition):
    while not (value := condition()):
        assert time.monotonic() < deadline, "it came to no end"
        time.sleep(0.001)
    return value
def copied():
    done = re.findall(r'"done":(\d+)', open(events).read())
    return done and int(done[-1]) >= moment
wait(lambda: os.path.exists(events))
target = os.open(f"/proc/{wait(lambda: inside(live))}/root/mnt", os.O_RDONLY)
wait(copied)
fcntl.ioctl(target, 0x8004587D, struct.pack("I", 2))
"#;
    let (live, bytes) = (live.to_string(), bytes.to_string());
    let status = Command::new("python3")
        .args(["-c", SCRIPT, &live, events.to_str().unwrap(), &bytes])
        .status()
        .unwrap();
    assert!(status.success(), "the file system could not be stopped");
}

/// Copies to /mnt, where it does not fit before `larger` was run; says "midway" if something was copied before.
fn too_small(smaller: &str, larger: &str) -> String {
    format!(
        "{smaller}
         copy-closure /mnt {root} > /progress 2> /said; code=$?
         cat /said >&2
         [ $code = 1 ] || exit 90
         grep -q 'The target is too small' /said || exit 91
         ls /mnt/nix/store/*-package-* > /dev/null 2>&1 && echo midway
         {larger} && copy-closure /mnt {root} > /dev/null || exit 92
         {whole}
         chmod -R u+w /mnt/nix; rm -rf /mnt/nix",
        root = root(),
        whole = whole()
    )
}

#[test]
fn a_disk_that_has_room_for_the_bytes_and_not_for_the_blocks_is_refused_before_anything_is_copied() {
    let pristine = pristine();
    let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
    // From just the bytes of the NARs up to nearly what their blocks need.
    for free in [14_200, 15_300, 16_400] {
        let fill = format!(
            "tune2fs -m 0 $(findmnt -no SOURCE /mnt) > /dev/null
             nix-store --store /mnt --verify 2> /dev/null
             fallocate -l $(($(stat -f -c '%a * %S' /mnt) - {free} * 1024)) /mnt/filler && sync"
        );
        let said = live.sh(&too_small(&fill, "rm /mnt/filler")).ok();
        assert_eq!(said.out, "", "with {free} kB");
    }
}

#[test]
fn a_disk_that_is_full_at_ten_places_is_explained_and_a_rerun_goes_on() {
    let pristine = pristine();
    let live = bind_pristine(live(&odd()), &pristine).with(&UUID);
    let mut midway = 0;
    for round in 0..10 {
        // Of this file system it is not known how much room a file takes: with 14,440 kB everything fits.
        let free = 14_200 + 20 * round;
        let mount = format!(
            "mount -t tmpfs -o mode=755 none /mnt
             nix-store --store /mnt --verify 2> /dev/null
             mount -o remount,size=$(($(df -k --output=used /mnt | tail -n 1) + {free}))k /mnt"
        );
        let said = live.sh(&too_small(&mount, "mount -o remount,size=1G /mnt")).ok();
        midway += usize::from(said.out.contains("midway"));
    }
    assert!(midway >= 5, "only {midway} of them filled up on the way");
}
