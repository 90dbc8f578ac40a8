//! The servers of a room: the real dnsmasq and nginx, as nix/room.sh starts them, each server in a network of its own.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use regex_lite::Regex;
use rig::project;

/// The sticks of both have the same label.
static STICKS: Mutex<()> = Mutex::new(());

/// What the script `name` says, with names for what differs each time.
fn said_by(name: &str) -> Vec<String> {
    let _alone = STICKS.lock().unwrap_or_else(PoisonError::into_inner);
    let script = project().join("tests/rig/tests/room_servers").join(name);
    let said = Command::new("timeout").arg("500").arg(script).output().unwrap();
    let mut text = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&said.stderr)
    );
    for (pattern, name) in [
        // Which address a machine gets depends on that of its card.
        (r"10\.213\.0\.[0-9]{2,3}\b", "MACHINE"),
        (" {3,}[0-9a-f:]* +", " CARD "),
        ("room-1:[A-Za-z0-9+/]{43}=", "KEY"),
        (r"/dev/loop\d+ /dev/loop\d+", "TWO"),
        (r"(?m)^\d{4}/.* \[(\w+)\] \d+#\d+: ", "$1: "),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_second_server_joins_at_a_switch_that_is_slow_and_goes_on_where_the_first_is_switched_off() {
    let starts = |name: &str, number: u8| {
        format!("{name}: This machine is http://10.213.0.{number}. Start the others from the network.")
    };
    assert_eq!(
        said_by("play"),
        [
            &starts("first", 1),
            &starts("second", 1),
            "second: Another server has the address 10.213.0.1 as well: this one takes another.",
            "second: This machine is http://10.213.0.2.",
            "lease of MACHINE obtained from 10.213.0.1",
            "10.213.0.1/room/start.ipxe: set cmdline nix-cfg-install.medium=http://10.213.0.1 nix-cfg-install.medium=http://10.213.0.2",
            "10.213.0.1/room/nix-cfg-install.answers.yaml: machines: []",
            "10.213.0.1/nar/x.nar: a store path",
            "10.213.0.2/nar/x.nar: a store path",
            "lease of MACHINE obtained from 10.213.0.2",
            "10.213.0.2/room/start.ipxe: set cmdline nix-cfg-install.medium=http://10.213.0.2",
            "10.213.0.2/room/nix-cfg-install.answers.yaml: machines: []",
            &starts("first", 1),
            &starts("second", 1),
            "second: Another server has the address 10.213.0.1 as well: this one takes another.",
            "second: This machine is http://10.213.0.2.",
            "second: This machine now hands out the addresses.",
            "second: http://10.213.0.1 hands out the addresses.",
            "1 machine",
            "MACHINE CARD waiting",
            // Two that start in the same second have two addresses.
            "2",
            "one of them hands out addresses",
        ]
    );
}

#[test]
fn what_keeps_a_server_from_serving_is_said_and_waited_for() {
    let says = "Room: This machine is http://10.213.0.1. Start the others from the network.";
    assert_eq!(
        said_by("faults"),
        [
            "Room: Insert the stick with the label NIXCFG. It must have room.secret and nix-cfg-install.answers.yaml.",
            "Room: The stick NIXCFG has no room.secret, or it cannot be read. Put it there, and insert the stick again.",
            "Room: room.secret on the stick NIXCFG is of another key (KEY) than room.publicKey of this ISO (KEY). The machines would take nothing.",
            "Room: Several file systems have the label NIXCFG: TWO. Take out all but the stick of this room.",
            "Room: There is no wired network card.",
            "Room: No network cable is connected (eth0): its other end must be at a switch that is on.",
            "Room: Several network cards are connected: eth0 eth1. Leave the one of this room, or name it with room.interface.",
            "Room: The DHCP server 192.168.7.1 is in this network: this one hands out no addresses beside it. Switch that off, or make the ISO without room.address.",
            says,
            "Room: The answers of the stick count for machines that start from now on.",
            "machines: ",
            "- match: all",
            "Room: The DHCP server 192.168.7.1 is in this network: this one hands out no addresses beside it. Switch that off, or make the ISO without room.address.",
            "Room: nginx has ended, and all of it is started again. /run/nix-cfg-install-room/nginx.log ends with:",
            "exit code 1",
            says,
            "Room: nginx has ended, and all of it is started again. /run/nix-cfg-install-room/nginx.log ends with:",
            "emerg: bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "emerg: bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "emerg: still could not bind()",
            "exit code 1",
        ]
    );
}
