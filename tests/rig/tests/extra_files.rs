//! Files that a person brings for the installed system, through a whole installation.

use rig::{Live, project, temporary, tree, write};

const MANIFEST: &str = "/home/alice: { owner: alice }
/home/alice/.ssh/id: { mode: \"0640\", group: 71 }
/var/lib/app: { owner: 71, group: users, mode: \"0750\" }
";

/// The key is read when the boot loader is installed: with the activation.
const READER: &str = "{ system.build.installBootLoader = ''[ \"$(cat /etc/secrets/key)\" = secret ] || exit 1\n''; }";

/// Their modes and owners on the target.
const LISTED: &str = "cd /mnt; stat -c '%n %a %u:%g' etc/secrets etc/secrets/key home home/alice home/alice/.ssh home/alice/.ssh/id \
    var/lib/app var/lib/app/token; sed -n 's/^alice:x://p' etc/passwd";

#[test]
fn they_are_on_the_target_before_its_activation_and_with_their_owners_after_it() {
    let (config, extra) = (tree("channel"), temporary());
    write(&config, "modules/greeter.nix", READER);
    for (path, text) in [
        ("etc/secrets/key", "secret\n"),
        ("home/alice/.ssh/id", "id\n"),
        ("var/lib/app/token", "token\n"),
        ("extra-files.yaml", MANIFEST),
    ] {
        write(&extra, path, text);
    }
    let stick = format!("{}:/stick", extra.path().display());
    let live = Live::with_disk("2.26")
        .tmp_tree(config.path())
        .with(&["--bind", &stick]);
    let said = live.install("--extra-files /stick").ok();
    assert!(said.err.contains("Extra files: 3."), "{said:?}");
    assert!(!said.err.contains("/home/alice"), "{said:?}");
    let listed = live.sh(LISTED).ok().out;
    let alice: Vec<&str> = listed.lines().last().unwrap().split(':').collect();
    let (user, group) = (alice[0], alice[1]);
    let expected = format!(
        "etc/secrets 700 0:0\netc/secrets/key 600 0:0\nhome 755 0:0\nhome/alice 755 {user}:{group}\nhome/alice/.ssh 700 {user}:{group}\n\
         home/alice/.ssh/id 640 {user}:71\nvar/lib/app 750 71:100\nvar/lib/app/token 600 71:100\n"
    );
    assert!(listed.starts_with(&expected), "{listed}\n{expected}");
    // Nothing of them is in a store or a log.
    live.sh("! grep -rlE '^(secret|token)$' /mnt/nix/store /mnt/var/log /var/log")
        .ok();
    // Again, with another key: what was there is kept.
    write(&extra, "home/alice/.ssh/id", "other\n");
    live.install("--extra-files /stick").ok();
    let kept = live
        .sh("cat /mnt/home/alice/.ssh/id /mnt/home/alice/.ssh/id.before-*")
        .ok()
        .out;
    assert_eq!(kept, "other\nid\n");
}

#[test]
fn they_are_refused_before_anything_is_written() {
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.sh("mkdir -p /stick/run; echo > /stick/run/x; nix-cfg-install --extra-files /stick")
        .fails(3, &["/run/x would not be kept", "Nothing was written"]);
    live.sh("nix-cfg-install --extra-files /absent")
        .fails(3, &["The extra files cannot be read"]);
    live.sh("mkdir -p /large/srv; truncate -s 1T /large/srv/image; nix-cfg-install --extra-files /large")
        .fails(3, &["The system does not fit on the disk", "bring fewer extra files"]);
    live.sh("[ ! -e /mnt/etc/nixos/configuration.nix ]").ok();
}
