//! Servers of a binary cache that go off and come back while a system is checked, and while it is fetched.

use rig::Live;
use rig::from_cache::{Client, INSTALL, UNTIL_SENDING, UP, WHOLE};
use rig::layout::{PLAIN, with_disk, with_layout};

/// One server, and then another one that has the same.
const BOTH: &str = "--medium http://127.0.0.1:81 --public-key";

#[test]
fn a_server_that_goes_off_while_a_machine_checks_is_waited_for_or_another_is_asked() {
    let client = Client::new("2.26");
    // While it asks for all that the system refers to.
    let script = format!(
        "{UP}; SLOW=1 nginx; PORT=81 nginx; {} --check 2> /said & installer=$!
         until grep -qs -a -e [-]-recursive /proc/[0-9]*/cmdline; do kill -0 $installer || exit 7; sleep 0.05; done
         kill $(cat /run/nginx-80.pid); wait $installer; code=$?; cat /said >&2; exit $code",
        INSTALL.replace("--public-key", BOTH)
    );
    let said = client.live.sh(&script).ok();
    assert!(said.err.contains("From http://127.0.0.1:81: "), "{}", said.err);
    // While it evaluates, and no other one is there.
    let script = format!(
        "> /said; > /run/access-80.log; {UP}; nginx; {INSTALL} --check 2> /said & installer=$!
         until [ -s /run/access-80.log ]; do kill -0 $installer || exit 7; sleep 0.05; done
         kill $(cat /run/nginx-80.pid)
         until grep -q 'no longer answers' /said; do kill -0 $installer || exit 7; sleep 0.1; done
         nginx; wait $installer; code=$?; cat /said >&2; exit $code"
    );
    let said = client.live.sh(&script).ok();
    assert!(said.err.contains("http://127.0.0.1 answers again"), "{}", said.err);
    client.wrote_nothing();
}

#[test]
fn a_network_that_is_gone_is_waited_for_and_another_server_takes_over() {
    let client = Client::new("2.26");
    // The largest take some seconds.
    let script = format!(
        "{UP}; RATE=60k nginx; {INSTALL} 2> /said & installer=$!
         {UNTIL_SENDING}
         kill $(cat /run/nginx-80.pid)
         until grep -q 'no longer answers' /said; do kill -0 $installer || exit 7; sleep 0.1; done
         sleep 2; nginx; wait $installer; code=$?; cat /said >&2; exit $code"
    );
    let said = client.live.sh(&script).ok();
    for text in [
        "http://127.0.0.1 no longer answers",
        "Nothing is lost",
        "http://127.0.0.1 answers again",
        "Installed.",
    ] {
        assert!(said.err.contains(text), "no {text}\n{}", said.err);
    }
    client.live.sh(WHOLE).ok();

    // Two servers, of which the first is switched off.
    let client = Client::new("2.26");
    let script = format!(
        "{UP}; export RATE=60k; nginx; PORT=81 nginx; {} 2> /said & installer=$!
         {UNTIL_SENDING}
         kill $(cat /run/nginx-80.pid); wait $installer; code=$?; cat /said >&2
         grep -c 'GET /nar/' /run/access-81.log; exit $code",
        INSTALL.replace("--public-key", BOTH)
    );
    let said = client.live.sh(&script).ok();
    assert!(said.out.trim().parse::<u32>().unwrap() > 0, "{}", said.out);
    client.live.sh(WHOLE).ok();
}

#[test]
fn a_server_that_goes_off_while_the_script_of_a_layout_is_fetched_is_waited_for() {
    let live = Live::new("2.26").with(&["--firmware", "bios"]);
    let client = Client::of(with_layout(PLAIN), live, "2.26");
    // The first realisation is that of the script.
    let nix_store = "#!/bin/sh
        case \"$*\" in *--realise*) [ -e /gone ] || { touch /gone; kill $(cat /run/nginx-80.pid); } ;; esac
        while [ -e /gone ] && [ ! -e /back ] && [ -e /run/nginx-80.pid ]; do sleep 0.05; done
        exec REAL \"$@\"";
    let script = format!(
        "mkfs.ext4 -q -L old $chosen
         real=$(command -v nix-store)
         echo '{nix_store}' | sed \"s,REAL,$real,\" > /usr/local/sbin/nix-store && chmod 755 /usr/local/sbin/nix-store
         {UP}; nginx; {INSTALL} --disko wipe --disk main=/dev/chosen --yes 2> /said & installer=$!
         until grep -q 'no longer answers' /said; do kill -0 $installer || {{ cat /said >&2; exit 7; }}; sleep 0.1; done
         blkid -o value -s LABEL $chosen
         touch /back; nginx; wait $installer || {{ cat /said >&2; exit 8; }}
         {WHOLE}"
    );
    let said = with_disk(&client.live, &script).ok();
    assert!(said.out.starts_with("old\n/nix/store/"), "{}", said.out);
}
