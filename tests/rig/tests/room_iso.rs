//! The ISO that serves a room, with what the flake has for the others, and what its options refuse.

use std::fs;

use rig::Live;
use rig::iso::{Emitted, OVERRIDE, builder, nix};
use serde_json::{Value, json};

const KEY: &str = "room-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
/// The 64 bytes of a secret key.
const SECRET: &str = "room-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

/// The directory of an ISO, and a machine that evaluates it.
struct Room {
    emitted: Emitted,
    builder: Live,
}

impl Room {
    fn new() -> Self {
        let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
        let builder = builder("2.26", &emitted);
        Self { emitted, builder }
    }

    /// What the Nix function `what` makes of the server's configuration, with that `room` and these modules.
    fn eval(&self, room: &str, module: &str, what: &str) -> rig::Outcome {
        let file = self.emitted.dir().join("flake.nix");
        let before = fs::read_to_string(&file).unwrap();
        let after = before.replacen("desktop =", &format!("room = {{ {room} }};\ndesktop ="), 1);
        let after = after.replacen("modules = [", &format!("modules = [ {module}"), 1);
        fs::write(&file, after).unwrap();
        let said = nix(
            &self.builder,
            &format!("eval --json path:/work#iso --apply 'iso: ({what}) iso' {OVERRIDE}"),
        );
        fs::write(&file, before).unwrap();
        said
    }
}

#[test]
fn what_the_flake_has_for_other_isos_does_not_change_the_one_that_serves_a_room() {
    let module = format!(
        "{{ offlineInstaller = {{ unattended.enable = true; cache.publicKeys = [ \"{}\" ]; cache.urls = [ \"http://cache\" ]; }}; }}",
        KEY.replace("room", "cache")
    );
    let what = "iso: let of = live: { inherit (live.config.boot) kernelParams; settings = live.config.offlineInstaller.settings; \
         is_room = builtins.any (one: one.target == \"/nix-cfg-room\") live.config.isoImage.contents; \
         systems = builtins.length live.config.isoImage.storeContents; label = live.config.isoImage.appendToMenuLabel; \
         wrong = builtins.filter (one: !one.assertion) live.config.assertions; }; in \
         { server = of iso.room.live; client = of iso.netboot.live; alone = of iso.live; }";
    let room = Room::new();
    let values = |module: &str| -> Value {
        let said = room.eval(&format!("publicKey = \"{KEY}\";"), module, what).ok();
        serde_json::from_str(&said.out).unwrap()
    };
    let (alone, both) = (values(""), values(&module));
    assert_eq!(both["server"], alone["server"]);
    assert_eq!(both["server"]["label"], " (serve this room)");
    assert_eq!(both["server"]["wrong"], json!([]));
    // It has the systems, which the ISO itself takes from the cache.
    assert!(
        both["server"]["systems"].as_u64() > both["alone"]["systems"].as_u64(),
        "{both}"
    );
    // `nix-cfg-iso customize` tells it from the ISO.
    let is_room = ["server", "alone", "client"].map(|name| both[name]["is_room"] == true);
    assert_eq!(is_room, [true, false, false]);
    // The others trust the room, and start with the countdown in both cases.
    assert!(
        both["client"]["settings"]["public-key"]
            .as_array()
            .unwrap()
            .contains(&KEY.into()),
        "{both}"
    );
    assert_eq!(both["client"]["kernelParams"], alone["client"]["kernelParams"]);
}

#[test]
fn a_room_refuses_an_address_or_a_key_that_it_cannot_serve_with() {
    let room = Room::new();
    let toplevel = "iso: iso.room.live.config.system.build.toplevel.drvPath";
    for address in [
        "10.213.0.1",
        "10.213.0.60/24",
        "10.213.0.0/24",
        "10.300.0.1/24",
        "10.213.0.1/25",
        "fd00::1/64",
    ] {
        let said = room.eval(
            &format!("publicKey = \"{KEY}\"; address = \"{address}\";"),
            "",
            toplevel,
        );
        said.fails(
            1,
            &[&format!("room.address is \"{address}\""), "a last number from 1 to 41"],
        );
    }
    for key in ["", "room-1", SECRET] {
        let said = room.eval(&format!("publicKey = \"{key}\";"), "", toplevel);
        said.fails(
            1,
            &[
                "room.publicKey is no public key",
                "room.secret does not belong into a flake",
            ],
        );
    }
    let wrong = "iso: builtins.filter (one: !one.assertion) iso.room.live.config.assertions";
    for address in ["10.213.0.1/24", "10.0.0.41/8", "192.168.178.10/16"] {
        let said = room
            .eval(&format!("publicKey = \"{KEY}\"; address = \"{address}\";"), "", wrong)
            .ok();
        assert_eq!(said.out.trim(), "[]", "{address}");
    }
}
