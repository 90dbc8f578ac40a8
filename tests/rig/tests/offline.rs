//! No name is looked up and no connection opened; the binary needs nothing of the system that it runs on.

use rig::{Live, VERSIONS, product, project, temporary};

#[test]
fn no_connection_is_attempted_by_any_program_of_an_installation() {
    for nix in VERSIONS {
        let live = Live::with_disk(nix).iso_tree(&project().join("target/rig/trees/flake"));
        // With a route and a name server that look usable: a program that wants the network would try.
        let script = "ip link add dummy0 type dummy 2> /dev/null; ip addr add 192.0.2.1/24 dev lo 2> /dev/null
                      echo nameserver 192.0.2.1 > /etc/resolv.conf
                      strace -f -qq -e trace=connect,sendto -o /trace nix-cfg-install --host alpha --progress plain || exit 1
                      test -s /trace && grep -E 'AF_INET6?' /trace; true";
        let said = live.sh(script).ok();
        assert_eq!(said.out, "", "with Nix {nix} a connection was attempted");
    }
}

#[test]
fn the_trace_would_show_a_connection() {
    // The negative control of the test above.
    let live = Live::new("2.26");
    let said = live.sh(
        "strace -f -qq -e trace=connect,sendto -o /trace bash -c 'exec 3<> /dev/tcp/127.0.0.1/9' 2> /dev/null
         grep -c AF_INET /trace",
    );
    assert_eq!(said.out, "1\n", "{said:?}");
}

#[test]
fn proxies_reach_nix_only_when_online() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    let script = "mkdir -p /wrapped
        printf '#!/bin/sh\\nenv > /seen\\nexec /usr/bin/nix-instantiate \"$@\"\\n' > /wrapped/nix-instantiate
        chmod +x /wrapped/nix-instantiate
        export https_proxy=http://proxy.invalid PATH=/wrapped:$PATH
        nix-cfg-install --dry-run --progress plain && grep -c proxy /seen
        nix-cfg-install --dry-run --online --progress plain && grep -c proxy /seen";
    assert_eq!(live.sh(script).ok().out, "0\n1\n");
}

#[test]
fn the_binary_is_static_small_and_runs_in_an_empty_root() {
    let binary = product();
    let size = std::fs::metadata(&binary).unwrap().len();
    assert!(size < 3_000_000, "the binary has {size} bytes");
    let root = temporary();
    std::fs::copy(&binary, root.path().join("nix-cfg-install")).unwrap();
    let output = std::process::Command::new("chroot")
        .arg(root.path())
        .args(["/nix-cfg-install", "--version"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        concat!("nix-cfg-install ", env!("CARGO_PKG_VERSION"))
    );
}
