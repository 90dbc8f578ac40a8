//! The servers of a room find each other: the real dnsmasq and nginx, as nix/room.sh starts them, each server in a network of its own.

use std::process::Command;

use rig::project;

#[test]
fn a_second_server_joins_and_goes_on_where_the_first_is_switched_off() {
    let play = project().join("tests/rig/tests/room_servers/play");
    let said = Command::new("timeout").arg("300").arg(play).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&said.stderr)
    );
    // Which address it gets depends on that of its card.
    let number = regex_lite::Regex::new(r"10\.213\.0\.[0-9]{2,3}\b").unwrap();
    let cards = regex_lite::Regex::new("  +[0-9a-f:]* +").unwrap();
    let text = cards
        .replace_all(&number.replace_all(&text, "MACHINE"), " CARD ")
        .into_owned();
    let starts = "Room: This machine is http://10.213.0.";
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            &format!("first: {starts}1. Start the others from the network."),
            &format!("second: {starts}2. Start the others from the network."),
            "lease of MACHINE obtained from 10.213.0.1",
            "10.213.0.1/room/start.ipxe: set cmdline nix-cfg-install.medium=http://10.213.0.1 nix-cfg-install.medium=http://10.213.0.2",
            "10.213.0.1/room/nix-cfg-install.answers.yaml: machines: []",
            "10.213.0.1/nar/x.nar: a store path",
            "10.213.0.2/nar/x.nar: a store path",
            "lease of MACHINE obtained from 10.213.0.2",
            "10.213.0.2/room/start.ipxe: set cmdline nix-cfg-install.medium=http://10.213.0.2",
            "10.213.0.2/room/nix-cfg-install.answers.yaml: machines: []",
            &format!("first: {starts}1. Start the others from the network."),
            "1 machine",
            "MACHINE CARD waiting",
        ]
    );
}
