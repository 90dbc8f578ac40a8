//! What a machine that starts in a room does to get its answers file: the script of its unit, with the servers that a test makes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use rig::iso::{Emitted, OVERRIDE, builder, nix};
use rig::{edit_text, temporary};

const WHOLE: &str = "machines:\n- match: all\n- match: { serial: \"x\" }\n";
/// Well-formed, and of another meaning.
const PART: &str = "machines:\n- match: all\n";

/// A server that breaks off its first answers, and then goes on; its address.
fn server(broken: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, connection) in listener.incoming().enumerate() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let text = if number < broken { PART } else { WHOLE };
            let length = WHOLE.len();
            let _ = write!(
                connection,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
            );
        }
    });
    address
}

#[test]
fn a_machine_waits_for_its_answers_and_takes_them_only_whole() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let key = "room-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    let room = format!("room = {{ publicKey = \"{key}\"; }};\ndesktop =");
    edit_text(&emitted.dir().join("flake.nix"), "desktop =", &room);
    let unit = "iso.netboot.live.config.systemd.services.nix-cfg-install-medium.script";
    let said = nix(
        &builder("2.26", &emitted),
        &format!("eval --raw path:/work#{unit} {OVERRIDE}"),
    );
    let script = said.ok().out;
    let directory = temporary();
    let file = |name: &str| directory.path().join(name);
    let place = format!("{}/", directory.path().display());
    let script = ["/iso/", "/run/", "/proc/"]
        .iter()
        .fold(script, |script, from| script.replace(from, &place));
    let starts = |urls: &[&String], script: &str| {
        let words = urls.iter().map(|url| format!(" nix-cfg-install.medium={url}"));
        fs::write(file("cmdline"), format!("init=/x{}\n", words.collect::<String>())).unwrap();
        let said = Command::new("bash").args(["-e", "-c", script]).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    // Never whole, in the time that there is.
    let said = starts(&[&server(usize::MAX)], &script.replace("300", "3"));
    assert!(
        said.contains("The server of this room does not answer: curl: "),
        "{said}"
    );
    assert!(!file("nix-cfg-install.answers.yaml").exists());
    // One never is, and one is the second time.
    let urls = [&server(usize::MAX), &server(1)];
    let said = starts(&urls, &script);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("Waiting for the server of this room, at http://"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(file("nix-cfg-install.answers.yaml")).unwrap(), WHOLE);
    let settings = fs::read_to_string(file("nix-cfg-install.yaml")).unwrap();
    for url in urls {
        assert!(settings.contains(&format!("- \"{url}\"\n")), "{settings}");
    }
    assert!(settings.ends_with(&format!("public-key: [\"{key}\"]\n")), "{settings}");
}
