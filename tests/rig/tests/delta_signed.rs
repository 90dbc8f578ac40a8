//! An image that `nix-cfg-iso delta` has made counts as it was signed: nothing of another one is used.

use std::fs;
use std::path::{Path, PathBuf};

use rig::run;
use rig::started::Started;
use rig::two_isos::{FIRST, SECOND, UPDATE, delta, directory, files_of, machine_with, on_builder, state};
use rig::update_image::{DELTA, for_machine};

fn machine() -> Started {
    machine_with(&[&for_machine().1])
}

/// A copy of the files of the image, in which something is changed.
fn changed(name: &str, change: &dyn Fn(&PathBuf)) -> PathBuf {
    let copy = directory().join(name);
    run("cp", &["-r", for_machine().1.to_str().unwrap(), copy.to_str().unwrap()]);
    change(&copy);
    copy
}

/// Has `nix-cfg-iso`'s machine write what is signed by NAME as a path that Nix takes without a signature.
const FORGE: &str = "mkdir forged && cd forged && path=$(sed -n 's/^StorePath: //p' ../alpha.files/signed/*.narinfo)
    nix copy --no-check-sigs --from file:///made/alpha.files/signed --to local?root=/forged $path
    cp -r /forged$path nix-cfg-update && added=$(nix-store --add-fixed --recursive sha256 nix-cfg-update)
    nix copy --to file:///made/forged/signed $added";

/// Signs something else with the key.
const OTHER: &str = "nix copy --to 'file:///made/named/signed?secret-key=/made/update.secret' \
                     $(ls -d /nix/store/*-etc-hostname | head -n 1)";

/// Changes a bit of what is signed.
fn damage_nar(copy: &Path) {
    let mut nars = fs::read_dir(copy.join("signed/nar")).unwrap();
    let nar = nars.next().unwrap().unwrap().path();
    let mut bytes = fs::read(&nar).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(nar, bytes).unwrap();
}

#[test]
fn what_is_not_signed_or_not_what_was_signed_is_refused() {
    for_machine();
    on_builder("nix key generate-secret --key-name stranger-1 > other.secret").ok();
    delta("/work --since alpha.json --key other.secret --out other.iso").ok();
    on_builder(FORGE).ok();
    on_builder(OTHER).ok();
    let unsigned = |name: &str, signed: PathBuf| {
        changed(name, &|copy| {
            fs::remove_dir_all(copy.join("signed")).unwrap();
            run(
                "cp",
                &["-r", signed.to_str().unwrap(), copy.join("signed").to_str().unwrap()],
            );
        })
    };
    let no_store = |copy: &PathBuf| fs::remove_file(copy.join("nix-store.squashfs")).unwrap();
    let pipe = |copy: &PathBuf| run("mkfifo", &[copy.join("signed/more.narinfo").to_str().unwrap()]);
    for (files, texts) in [
        (
            files_of("other.iso"),
            &[
                "is not signed with a key that this machine trusts",
                "signed with stranger-1",
            ][..],
        ),
        (
            unsigned("forged-files", directory().join("forged/signed")),
            &["is not signed with a key", "It has no signature"],
        ),
        (
            unsigned("named-files", directory().join("named/signed")),
            &["no ISO that a machine can be updated from", "It has no update"],
        ),
        (
            changed("pipe", &pipe),
            &["no ISO that a machine can be updated from", "no file"],
        ),
        (
            changed("no-store", &no_store),
            &[
                "no ISO that a machine can be updated from",
                "It has no nix-store.squashfs",
            ],
        ),
        (
            changed("nar", &|copy| damage_nar(copy)),
            &["is damaged", "nix-cfg-update"],
        ),
    ] {
        let machine = machine_with(&[&files]);
        machine.sh(DELTA).fails(3, &[texts, &["Nothing was written"]].concat());
        assert_eq!(state(&machine), FIRST);
    }
    let machine = machine();
    machine
        .sh(&format!("rm /etc/nix/nix.conf; {DELTA}"))
        .fails(3, &["is not signed with a key that this machine trusts"]);
}

const OTHER_STORE: &[&str] = &[
    "The image is not as it was when it was signed",
    "nix-store.squashfs",
    "Nothing of it was used",
];

/// Makes the image of the store in the directory $1 again, with what the shell does in its root.
fn store_with(what: &str) -> impl Fn(&PathBuf) {
    let script = format!(
        "cd $1 && unsquashfs -quiet -no-progress -d root nix-store.squashfs && rm nix-store.squashfs && cd root
         {what}
         mksquashfs * ../nix-store.squashfs -keep-as-directory -quiet -no-progress && rm -r ../root"
    );
    move |copy| run("sh", &["-euc", &script, "sh", copy.to_str().unwrap()])
}

/// The programs of an image's store would be above those of the machine.
#[test]
fn nothing_of_an_image_is_run_before_it_was_compared_with_what_was_signed() {
    let system = machine().sh("basename $(readlink -f /run/current-system)").ok().out;
    let programs = format!(
        "mkdir -p {0}/sw/bin && cd {0}/sw/bin
         for name in nix nix-store mount; do
           printf '#!/bin/sh\\ntouch /mnt/was-run /was-run\\nexec /usr/bin/%s \"$@\"\\n' $name > $name; chmod +x $name
         done; cd -",
        system.trim()
    );
    let files = changed("programs", &store_with(&programs));
    let machine = machine_with(&[&files]);
    let update = format!("PATH=/run/current-system/sw/bin:$PATH; {DELTA}; code=$?; ls /was-run; exit $code");
    let said = machine
        .sh(&update)
        .fails(3, &[OTHER_STORE, &["Nothing was written"]].concat());
    assert_eq!(said.out, "", "its programs were run");
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn a_whole_iso_is_refused_where_a_signature_is_asked_for() {
    let machine = machine();
    machine.sh(&format!("{UPDATE} --signed")).fails(
        3,
        &[
            "/run/media/2 is not signed: it is a whole ISO",
            "nix-cfg-iso delta",
            "Nothing was written",
        ],
    );
    assert_eq!(state(&machine), FIRST);
    machine.sh(&format!("{DELTA} --signed")).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn an_image_with_a_store_that_was_damaged_or_altered_is_refused() {
    let other = store_with("echo changed >> $(find *-source -name default.nix | head -n 1)");
    let more = store_with("mkdir 00000000000000000000000000000000-more");
    let cut = |copy: &PathBuf| {
        run(
            "truncate",
            &["-s", "-4096", copy.join("nix-store.squashfs").to_str().unwrap()],
        );
    };
    for files in [changed("store", &other), changed("more", &more), changed("cut", &cut)] {
        let machine = machine_with(&[&files]);
        machine
            .sh(DELTA)
            .fails(3, &[OTHER_STORE, &["Nothing was written"]].concat());
        assert_eq!(state(&machine), FIRST);
    }
}
