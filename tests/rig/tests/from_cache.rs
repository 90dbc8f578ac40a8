//! A small live system installs from a binary cache: nginx of this machine serves what `nix copy` made of an ISO's store.

use std::fs;

use rig::from_cache::{Client, INSTALL, UNTIL_SENDING, UP, WHOLE, networked};
use rig::iso::{CONFIG, Emitted, OVERRIDE, boot, build, builder};
use rig::{Live, VERSIONS, edit, edit_text, tree};

#[test]
fn a_small_live_system_installs_what_the_iso_would_have_and_never_has_it_in_memory() {
    for nix in VERSIONS {
        let client = Client::new(nix);
        client.sh(&format!("{INSTALL} --check")).ok();
        client.wrote_nothing();
        let said = client.install().ok();
        assert!(said.err.contains("From http://127.0.0.1: "), "{}", said.err);
        let system = client.live.sh(WHOLE).ok().out;
        // What was fetched and built is on the disk alone.
        let large = "for store in /nix/store /mnt/nix/store; do ls $store | grep -c -E '^[a-z0-9]{32}-(linux-6.6.32|systemd-255)$'; done; true";
        let large = client.live.sh(large).ok();
        assert_eq!(large.out, "0\n2\n", "{large:?}");
        let receipt: serde_json::Value =
            serde_json::from_str(&client.live.read("/mnt/var/lib/nix-cfg-install/receipt.json")).unwrap();
        assert_eq!(receipt["cache"]["urls"][0], "http://127.0.0.1");
        assert_eq!(
            receipt["system"].as_str().unwrap(),
            system.trim().trim_start_matches("/mnt")
        );
        // Again: nothing is fetched.
        let count = "grep -c 'GET /nar/' /run/access-80.log";
        let again = client
            .sh(&format!("> /run/access-80.log; {INSTALL} || exit 1; {count}; true"))
            .ok();
        assert_eq!(again.out, "0\n");
    }
}

#[test]
fn what_the_live_system_has_is_copied_from_there_and_is_not_counted_as_fetched() {
    let client = Client::new("2.26");
    let text = fs::read_to_string(client.narinfo("linux-6.6.32")).unwrap();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let announced = || {
        let said = client.sh(&format!("{INSTALL} --check")).ok().err;
        let number = regex_lite::Regex::new("From http://127.0.0.1: ([0-9]+) store paths").unwrap();
        number.captures(&said).unwrap()[1].parse::<u32>().unwrap()
    };
    let before = announced();
    let (url, path) = (value("URL: "), value("StorePath: "));
    client
        .sh(&format!(
            "nix --extra-experimental-features nix-command copy --from http://127.0.0.1 \
             --option trusted-public-keys $(cat /keys/public) {path}"
        ))
        .ok();
    assert_eq!(announced(), before - 1);
    let json = INSTALL.replace("plain", "json");
    let log = "/run/access-80.log";
    let said = client.sh(&format!("> {log}; {json} && cat {log}")).ok();
    let events = said
        .out
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let copied: Vec<_> = events
        .filter(|event| event["phase"] == "copy" && event["done"] != 0)
        .collect();
    let last = copied.last().unwrap();
    assert_eq!(last["done"], last["total"], "{last}");
    assert!(
        said.out.contains("GET /nar/") && !said.out.contains(url),
        "{}",
        said.out
    );
    client.live.sh(WHOLE).ok();
}

#[test]
fn what_is_wrong_with_a_cache_is_said_before_anything_is_written() {
    let client = Client::new("2.26");
    let key = "other-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    let other_key = INSTALL.replace("$(cat /keys/public)", key);
    let said = client
        .sh(&other_key)
        .fails(3, &["without a signature that counts", key, "-busybox-1.36.1"]);
    assert!(!said.err.contains("in the program's own words"), "{}", said.err);
    client
        .sh("nix-cfg-install --progress plain --medium http://127.0.0.1")
        .fails(3, &["There is no public key for"]);
    client
        .live
        .sh(&format!("{UP}; {INSTALL}"))
        .fails(3, &["No binary cache answers at http://127.0.0.1", "connect"]);
    client
        .live
        .sh(INSTALL)
        .fails(3, &["No binary cache answers at http://127.0.0.1"]);
    client
        .sh(&INSTALL.replace("http://127.0.0.1", "http://127.0.0.1/nar/"))
        .fails(3, &["No binary cache answers at http://127.0.0.1/nar/"]);
    // One that does not answer, and one that does.
    client
        .sh(&format!(
            "{} --check",
            INSTALL.replace("--medium", "--medium http://127.0.0.1:9 --medium")
        ))
        .ok();

    // One path that is not signed.
    let narinfo = client.narinfo("hello-2.12");
    let whole = fs::read_to_string(&narinfo).unwrap();
    let unsigned: Vec<&str> = whole.lines().filter(|line| !line.starts_with("Sig:")).collect();
    fs::write(&narinfo, unsigned.join("\n") + "\n").unwrap();
    client
        .install()
        .fails(3, &["A store path without a signature that counts", "-hello-2.12"]);
    // One that is signed for other contents.
    let hash = whole.lines().find(|line| line.starts_with("NarHash:")).unwrap();
    let size = whole.lines().find(|line| line.starts_with("NarSize:")).unwrap();
    fs::write(&narinfo, whole.replace(size, "NarSize: 1")).unwrap();
    client
        .install()
        .fails(3, &["A store path without a signature that counts", "-hello-2.12"]);
    assert!(hash.starts_with("NarHash: sha256:"));
    // One that is not there, and from whose source it cannot be built.
    fs::remove_file(&narinfo).unwrap();
    let said = client.install().fails(3, &[]);
    assert!(said.err.contains("cache"), "{}", said.err);
    client.wrote_nothing();
    fs::write(&narinfo, whole).unwrap();
    client.install().ok();
}

#[test]
fn what_a_cache_lacks_is_said_before_anything_is_written_where_the_settings_have_online_as_well() {
    let tree = tree("channel");
    edit(
        &tree,
        "configuration.nix",
        "[ pkgs.cowsay ]",
        "[ pkgs.cowsay pkgs.htop ]",
    );
    let client = Client::of(tree, Live::with_disk("2.26"), "2.26");
    client
        .sh(&format!("echo 'online: true' > /etc/nix-cfg-install.yaml; {INSTALL}"))
        .fails(3, &["does not have all that is needed here", "htop"]);
    client.wrote_nothing();
}

#[test]
fn a_damaged_path_is_named_the_others_stay_and_the_same_command_continues() {
    for nix in VERSIONS {
        let client = Client::new(nix);
        // One bit of one file, and half of another.
        let (flipped, cut) = (client.nar("cowsay-3.8"), client.nar("linux-firmware-20240513"));
        let whole = [&flipped, &cut].map(|file| fs::read(file).unwrap());
        let mut bytes = whole[0].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&flipped, bytes).unwrap();
        fs::write(&cut, &whole[1][..whole[1].len() / 2]).unwrap();
        let said = client.install().fails(
            6,
            &[
                "2 store paths could not be fetched",
                "-cowsay-3.8",
                "-linux-firmware-2024",
            ],
        );
        assert!(
            !said.err.contains("-system-path\n"),
            "what waits for them is no cause\n{}",
            said.err
        );
        let paths =
            "nix-store --store /mnt --check-validity --print-invalid $(sed -n 's/^StorePath: //p' /cache/*.narinfo)";
        let left = client.sh(paths).ok().out;
        assert!(!left.contains("-systemd-255") && left.contains("-cowsay-3.8"), "{left}");
        fs::write(&flipped, &whole[0]).unwrap();
        fs::write(&cut, &whole[1]).unwrap();
        client.install().ok();
        client.live.sh(WHOLE).ok();
    }
}

#[test]
fn killed_or_without_power_the_same_command_continues_and_reads_again_what_is_there() {
    let client = Client::new("2.26");
    let slow = format!("{UP}; RATE=60k nginx; {INSTALL} 2> /said & {UNTIL_SENDING}; sleep 1; kill -KILL $!; exit 9");
    client.live.sh(&slow).fails(9, &[]);
    // As after a power cut: valid, and empty.
    let emptied = "file=$(find /mnt/nix/store -path '*-glibc-locales-*' -type f -size +0 | head -n 1); [ -n \"$file\" ] && chmod u+w $file && > $file && echo $file";
    let file = client.live.sh(&format!("{UP}; nginx; nix-store --store /mnt --option substituters http://127.0.0.1 \
        --option trusted-public-keys $(cat /keys/public) --realise $(sed -n 's/^StorePath: //p' /cache/*.narinfo | grep glibc-locales) > /dev/null; {emptied}")).ok();
    client.install().ok();
    client.live.sh(WHOLE).ok();
    assert_ne!(client.live.read(file.out.trim()), "");
}

#[test]
fn a_disk_that_is_too_small_is_known_before_and_one_that_fills_up_is_said() {
    let small = Client::with_disk("2.26", &["--target-size", "40M"]);
    small.install().fails(3, &["MB"]);
    small.wrote_nothing();
    let full = Client::with_disk("2.26", &["--target-inodes", "170"]);
    let said = full
        .install()
        .fails(6, &["The target is too small", "not enough for the next file"]);
    assert!(!said.err.contains("no longer answers"), "{}", said.err);
}

#[test]
fn the_address_and_the_key_come_from_the_answers_or_the_settings() {
    let client = Client::new("2.34");
    let answers = "answers=\"medium: http://127.0.0.1\npublic-key: $(cat /keys/public)\nmachines:\n- match: all\"; echo \"$answers\" > /answers.yaml";
    client
        .sh(&format!(
            "{answers}; nix-cfg-install --progress plain --answers /answers.yaml"
        ))
        .ok();
    client.live.sh(WHOLE).ok();
    // Of a live system that was started over the network: it has learned both, whatever its own settings have.
    let client = Client::new("2.34");
    let settings = "echo 'public-key: other-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=' > /etc/nix-cfg-install.yaml
        echo 'medium: [\"http://127.0.0.1\"]' > /run/nix-cfg-install.yaml
        echo \"public-key: [\\\"$(cat /keys/public)\\\"]\" >> /run/nix-cfg-install.yaml";
    client.sh(&format!("{settings}; nix-cfg-install --progress plain")).ok();
    client.live.sh(WHOLE).ok();
    client
        .sh("nix-cfg-install --medium 127.0.0.1 --check")
        .fails(2, &["http://"]);
    client
        .sh("nix-cfg-install --medium 'http://127.0.0.1/?trusted=1' --check")
        .fails(2, &["trusted"]);
    client
        .sh("nix-cfg-install --online --medium http://127.0.0.1 --check")
        .fails(2, &["cannot be used with"]);
}

#[test]
fn an_iso_without_the_system_installs_it_from_a_cache_with_the_contents_that_its_flake_names() {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let export = "mkdir -p /out && nix-store --generate-binary-cache-key room-1 /out/secret /out/public
        contents=$(nix build --no-link --print-out-paths path:/work#iso.contents --no-write-lock-file";
    let copy = "nix store sign --recursive --key-file /out/secret $contents
        nix copy --to 'file:///out/cache?compression=zstd' $contents";
    builder
        .sh(&format!("{CONFIG}\nset -e; {export} {OVERRIDE})\n{copy}"))
        .ok();
    let out = builder.state.path().join("live/upper/out");
    let public = fs::read_to_string(out.join("public")).unwrap();
    let whole = fs::metadata(build(&builder, OVERRIDE)).unwrap().len();
    let module = format!(
        "modules = [ {{ offlineInstaller.cache = {{ publicKeys = [ \"{public}\" ]; urls = [ \"http://127.0.0.1\" ]; }}; }}"
    );
    edit_text(&emitted.dir().join("flake.nix"), "modules = [", &module);
    let image = build(&builder, OVERRIDE);
    let small = fs::metadata(&image).unwrap().len();
    assert!(small < whole, "{small} bytes, and with the system {whole}");
    let live = networked(boot("2.26", &image), &out);
    live.sh("nix-cfg-install --check")
        .fails(3, &["No binary cache answers"]);
    live.sh(&format!("{UP}; nginx; nix-cfg-install --progress plain")).ok();
    live.sh(WHOLE).ok();
}
