//! Keys and files of every kind, on values.

use super::super::users;
use super::*;
use crate::diagnostic::{BootFileKind, Severity};
use crate::live::decisions::Decisions;
use crate::nix::secret_facts::Moved;

const SECRET: &str = "/run/secrets-for-users/pw";
const KEY: &str = "/var/lib/sops-nix/key.txt";

fn file(path: &str) -> NamedFile {
    NamedFile {
        path: path.into(),
        provided: false,
    }
}

fn key(path: &str) -> Key {
    Key {
        option: "sops.age.keyFile".into(),
        file: file(path),
        ..Key::default()
    }
}

/// sops-nix with the password of alice.
fn sops(keys: &[Key]) -> Secrets {
    let secret = Secret {
        name: "pw".into(),
        path: SECRET.into(),
        early: true,
    };
    let opener = Opener {
        name: "sops-nix".into(),
        keys: keys.to_vec(),
        secrets: vec![secret],
        waits: false,
    };
    Secrets {
        openers: vec![opener],
        ..Secrets::default()
    }
}

fn alice(password_file: &str) -> Users {
    let alice = Account {
        name: "alice".into(),
        normal: true,
        wheel: true,
        password_file: password_file.into(),
        ..Account::default()
    };
    Users {
        accounts: vec![alice],
        ..Users::default()
    }
}

fn system(at: &str, kind: &str) -> FileSystem {
    FileSystem {
        at: at.into(),
        kind: kind.into(),
        ..FileSystem::default()
    }
}

struct Case {
    secrets: Secrets,
    users: Users,
    systems: Vec<FileSystem>,
    present: BTreeSet<String>,
    delivery: Delivery,
    loaders: Vec<String>,
}

fn case(secrets: Secrets, users: Users) -> Case {
    Case {
        secrets,
        users,
        systems: vec![system("/", "ext4"), system("/home", "ext4")],
        present: BTreeSet::new(),
        delivery: Delivery::Target("/mnt".into()),
        loaders: vec!["systemd-boot".into()],
    }
}

impl Case {
    fn with(mut self, path: &str) -> Self {
        self.present.insert(path.to_owned());
        self
    }

    fn found(&self) -> Vec<Diagnostic> {
        let tree = Path::new("/nonexistent");
        let files = Files {
            secrets: &self.secrets,
            systems: &self.systems,
            tree,
            present: &self.present,
            delivery: &self.delivery,
        };
        let boot = Boot {
            loaders: self.loaders.clone(),
            ..Boot::default()
        };
        let decisions = Decisions::default();
        let nobody = users::nobody(&self.users, &decisions, tree, Some(&files));
        let mut found = problems(&files, Some(&self.users), nobody, Some(&boot));
        found.extend(users::users(&self.users, &decisions, tree, Some(&files)));
        found
    }

    fn codes(&self) -> Vec<String> {
        let found = self.found();
        let code = |problem: &Diagnostic| format!("{:?} {}", problem.severity, problem.code);
        found.iter().map(code).collect()
    }
}

#[test]
fn a_password_that_is_a_secret_without_its_key_locks_the_only_user_out() {
    let closed = || case(sops(&[key(KEY)]), alice(SECRET));
    let found = closed().found();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Error);
    for part in [
        SECRET,
        KEY,
        "`sops.age.keyFile`",
        "Nobody could log in",
        "/mnt/var/lib/sops-nix/key.txt",
    ] {
        assert!(found[0].to_string().contains(part), "{}", found[0]);
    }
    assert_eq!(closed().with(KEY).codes(), [""; 0]);
    let warning = ["Warning secrets-without-key"];
    // A password can be set before the restart.
    let mut mutable = closed();
    mutable.users.mutable = true;
    assert_eq!(mutable.codes(), warning);
    assert!(mutable.found()[0].remedy.contains("passwd alice"));
    // Somebody else can log in.
    let mut other = closed();
    other.users.accounts.push(Account {
        name: "root".into(),
        password: true,
        ..Account::default()
    });
    assert_eq!(other.codes(), warning);
    // Whether the key will be there is not known yet.
    for delivery in [Delivery::Later("/mnt".into()), Delivery::Iso] {
        let later = Case { delivery, ..closed() };
        assert_eq!(later.codes(), warning);
    }
    let graphical = Case {
        delivery: Delivery::Graphical,
        ..closed()
    };
    assert_eq!(graphical.codes(), ["Error secrets-without-key"]);
}

#[test]
fn one_key_is_enough_unless_another_is_required() {
    let codes = |required, present| {
        let first = Key { required, ..key(KEY) };
        case(sops(&[first, key("/etc/ssh/key")]), alice(""))
            .with(present)
            .found()
            .len()
    };
    // The user without a password is the other problem.
    assert_eq!(codes(false, "/etc/ssh/key"), 1);
    assert_eq!(codes(true, "/etc/ssh/key"), 2);
    assert_eq!(codes(true, KEY), 1);
    assert_eq!(codes(false, "/other"), 2);
}

#[test]
fn a_key_that_the_system_brings_or_that_is_kept_elsewhere_is_there() {
    let provided = Key {
        file: NamedFile {
            provided: true,
            ..file(KEY)
        },
        ..key(KEY)
    };
    assert_eq!(case(sops(&[provided]), alice(SECRET)).codes(), [""; 0]);
    let mut kept = case(sops(&[key(KEY)]), alice(SECRET));
    kept.secrets.moved = vec![Moved {
        at: "/var/lib/sops-nix".into(),
        from: "/persist/sops".into(),
    }];
    assert!(kept.found()[0].remedy.contains("/mnt/persist/sops/key.txt"));
    assert_eq!(kept.with("/persist/sops/key.txt").codes(), [""; 0]);
}

#[test]
fn a_key_that_is_made_later_or_mounted_later_or_lost_opens_nothing() {
    let why = |case: Case| case.found()[0].why.clone();
    let generated = Key {
        generated: true,
        ..key(KEY)
    };
    let generated = case(sops(&[generated]), alice(SECRET));
    assert!(why(generated).contains("is generated by the new system"));
    let mut late = case(sops(&[key("/home/alice/key")]), alice(SECRET)).with("/home/alice/key");
    late.secrets.late = vec!["/home".into()];
    assert!(why(late).contains("mounted after the secrets are opened"));
    let mut waits = case(sops(&[key("/home/alice/key")]), alice(SECRET)).with("/home/alice/key");
    waits.secrets.late = vec!["/home".into()];
    waits.secrets.openers[0].waits = true;
    assert_eq!(waits.codes(), [""; 0]);
    let mut volatile = case(sops(&[key(KEY)]), alice(SECRET)).with(KEY);
    volatile.systems[0].kind = "tmpfs".into();
    assert!(why(volatile).contains("empty after a restart"));
}

#[test]
fn a_secret_that_is_opened_after_the_users_are_created_is_no_password() {
    let mut late = case(sops(&[key(KEY)]), alice(SECRET)).with(KEY);
    late.secrets.openers[0].secrets[0].early = false;
    assert_eq!(late.codes(), ["Error secret-too-late"]);
    late.users.mutable = true;
    assert_eq!(late.codes(), ["Warning secret-too-late"]);
}

#[test]
fn a_password_file_that_nothing_makes_has_to_be_on_the_target() {
    let mut plain = case(Secrets::default(), alice("/persist/pw"));
    // It is not among those that the configuration was asked for.
    assert_eq!(plain.codes(), [""; 0]);
    plain.secrets.password_files = vec![file("/persist/pw")];
    assert_eq!(
        plain.codes(),
        ["Warning password-file-missing", "Error nobody-can-log-in"]
    );
    assert_eq!(plain.with("/persist/pw").codes(), [""; 0]);
}

#[test]
fn what_the_boot_loader_is_installed_with_has_to_be_on_the_target() {
    let of = |path: &str, kind| {
        let boot_file = BootFile {
            option: "o".into(),
            file: file(path),
            kind,
        };
        let mut users = alice("");
        users.no_password_login = true;
        let mut case = case(sops(&[key(KEY)]), users).with(KEY);
        case.secrets.boot_files = vec![boot_file];
        case
    };
    let ssh = of("/etc/secrets/initrd/key", BootFileKind::SshHostKey);
    assert_eq!(ssh.codes(), ["Error boot-file-missing"]);
    let make = "ssh-keygen -t ed25519 -N '' -f /mnt/etc/secrets/initrd/key";
    assert!(ssh.found()[0].remedy.contains(make), "{}", ssh.found()[0]);
    assert_eq!(ssh.with("/etc/secrets/initrd/key").codes(), [""; 0]);
    let mut limine = of("/key", BootFileKind::LuksKey);
    limine.loaders = vec!["limine".into()];
    assert_eq!(limine.codes(), ["Warning boot-file-missing"]);
    // It is one of the secrets, which are opened before.
    let mut secret = of(SECRET, BootFileKind::Other);
    secret.secrets.boot_files[0].file.provided = true;
    assert_eq!(secret.codes(), [""; 0]);
    secret.present.clear();
    assert_eq!(secret.codes(), ["Error secrets-without-key"]);
}

#[test]
fn a_key_by_a_relative_or_empty_name_is_not_copied_anywhere() {
    let both = || case(sops(&[key("keys/k"), key("")]), alice(SECRET));
    // The target itself is no key.
    let found = both().with("").found();
    let said = found[0].to_string();
    for part in [
        "\"keys/k\" (`sops.age.keyFile`) is not an absolute path.",
        "\"\" (`sops.age.keyFile`) is not an absolute path.",
        "Write whole paths in `sops.age.keyFile`, beginning with /.",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("copy the key"), "{said}");
    // The activation may be started in /.
    assert!(both().with("keys/k").found().is_empty());
}
