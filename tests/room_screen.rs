//! The screen of a room's server (nix/room-screen.awk), from what nginx logs.

#![allow(clippy::unwrap_used, clippy::disallowed_types, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the cache says of paths of 41, 59 and 7 MB.
fn narinfos() -> String {
    let narinfo = |letter: &str, size: u32| {
        let hash = letter.repeat(32);
        format!(
            "StorePath: /nix/store/{hash}-x\nURL: nar/{letter}.nar?hash={hash}\nCompression: none\nNarSize: {size}\nSig: room-1:x\n"
        )
    };
    narinfo("a", 41_000_000) + &narinfo("b", 59_000_000) + &narinfo("d", 7_000_000)
}

/// A request, as the log has it. One that was broken off has no `OK`.
fn asks(machine: u8, uri: &str, whole: bool) -> String {
    format!("10.213.0.{machine} 200 {uri} {}\n", if whole { "OK" } else { "" })
}

/// A machine that starts.
fn starts(machine: u8) -> String {
    asks(machine, "/room/start.ipxe", true) + &asks(machine, "/boot/initrd", true)
}

/// A machine that looks in the cache for what it needs.
fn looks(machine: u8, letters: &[&str]) -> String {
    let narinfo = |letter: &&str| asks(machine, &format!("/{}.narinfo", letter.repeat(32)), true);
    narinfo(&"0") + &letters.iter().map(narinfo).collect::<String>()
}

/// A machine that knows what it needs.
fn checks(machine: u8) -> String {
    let answers = asks(machine, "/room/nix-cfg-install.answers.yaml", true);
    // Before its disk was partitioned, something else; it asks more than once, and has `c` itself.
    let looks = looks(machine, &["a", "d"]) + &looks(machine, &["c", "a", "b", "a"]);
    starts(machine) + &answers + &looks
}

fn gets(machine: u8, letter: &str, whole: bool) -> String {
    asks(machine, &format!("/nar/{letter}.nar?hash={}", letter.repeat(32)), whole)
}

#[test]
fn the_screen_of_a_room_says_who_is_where() {
    let log = [
        starts(51),
        starts(52) + &asks(52, "/room/nix-cfg-install.answers.yaml", true),
        checks(53),
        // It lost the network in the middle of a path.
        checks(54) + &gets(54, "a", true) + &gets(54, "b", false) + &looks(54, &["a", "b"]),
        checks(55) + &gets(55, "a", true) + &gets(55, "b", true),
        // It was installed, and starts again.
        checks(56) + &gets(56, "a", true) + &gets(56, "b", true) + &starts(56),
        checks(57) + &gets(57, "a", true) + &checks(57) + &gets(57, "b", true),
        // Another server of the room.
        asks(2, "/room/server", true) + &asks(2, "/room/hands-out", true),
    ];
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let log = file("access.log", &log.concat());
    let narinfos = file("narinfos", &narinfos());
    let leases = file(
        "leases",
        "1764400000 52:54:00:22:00:04 10.213.0.54 nixos 01:52:54:00:22:00:04\n",
    );
    let screen = Path::new(env!("CARGO_MANIFEST_DIR")).join("nix/room-screen.awk");
    let said = Command::new("awk")
        .arg("-v")
        .arg(format!("narinfos={}", narinfos.display()))
        .arg("-v")
        .arg(format!("leases={}", leases.display()))
        .arg("-f")
        .args([screen, log])
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    let lines: Vec<String> = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "7 machines",
            "10.213.0.51 starts",
            "10.213.0.52 waiting",
            "10.213.0.53 checking",
            "10.213.0.54 52:54:00:22:00:04 copying 41 % 41 of 100 MB",
            "10.213.0.55 done 100 of 100 MB",
            "10.213.0.56 starts",
            "10.213.0.57 copying 59 % 59 of 100 MB",
        ]
    );
}
