//! What becomes of the files of sops and agenix: all of it is in tests/golden/enrol.txt, and is read there.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use similar::TextDiff;

use super::machine_key::MachineKey;
use super::{EnrolOptions, KINDS, agenix_rules, enrol, sops_rules};
use crate::diagnostic::Diagnostics;

const ADMIN: &str = "age1up8aleh4p929n0gcl3x3fk85vtk5u75kh0g26hcq0cj6za7vsgasmzgjlg";
const OTHER: &str = "age1vwdte285n4g3rxxz07fptkyf979jyv9fnytw0wxdcst586nruvkq5lccze";
const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHuQAaTwMzjmjE12wqwaVTQkI2ziw0VZ4iFS4P4nAqSL";
const SSH_ADMIN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOq57/cklgblWymeBUNogwjuVC1U/P5eTRRzWEzcPxKf";
const SSH_OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA5W++LadYK1DKbU6hG38UjUmRQhWeLcnASxyh+HSCED";

/// The key of the host `pupil` on the machine PF2.
fn key() -> MachineKey {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("host-keys-PF2.pub");
    fs::write(&file, format!("ssh-rsa AAAAB3NzaC1yc2E= pupil\n{SSH} pupil\n")).unwrap();
    fs::write(dir.path().join("receipt-PF2.json"), r#"{"host":"pupil"}"#).unwrap();
    MachineKey::read(&file).unwrap()
}

/// A file that the key is added to: what it shows, which secrets are named, and its text.
type Case = (&'static str, &'static [&'static str], &'static str);

const SOPS: &[Case] = &[
    (
        "a comment behind each key, and a rule with the host's name",
        &[],
        "# Who opens what.\nkeys:\n  - &admin <ADMIN> # me\n  # the machines\ncreation_rules:\n  - path_regex: secrets/pupil/[^/]+\\.yaml$\n    key_groups:\n      - age:\n          - *admin   # always\n      # end\n  - path_regex: secrets/teacher/\n    age: <ADMIN>\n",
    ),
    (
        "in flow style, on Windows",
        &[],
        "keys: [ &admin <ADMIN> ]\r\ncreation_rules: # one\r\n- {key_groups: [{age: [*admin, ]}]} # all\r\n",
    ),
    (
        "in the rules of another machine of this host, not in those of a host with a longer name",
        &[],
        "keys:\n- &pupil_PF1 <OTHER>\n- &pupil-server_X <ADMIN>\ncreation_rules:\n- path_regex: a\n  key_groups:\n  - age:\n    - *pupil-server_X\n- path_regex: b\n  key_groups:\n  - pgp: [ABC]\n    age:\n    - *pupil_PF1\n    - *pupil-server_X\n- path_regex: c\n  key_groups: [ { age: [ *pupil_PF1 ] } ]",
    ),
    (
        "beside the host itself, not beside a host whose name begins alike",
        &[],
        "keys:\n- &pupil <OTHER>\n- &pupil_azmidi <ADMIN>\ncreation_rules:\n- path_regex: a\n  key_groups: [ { age: [ *pupil_azmidi ] } ]\n- path_regex: b\n  key_groups: [ { age: [ *pupil ] } ]\n",
    ),
    (
        "names that begin with the host's, in different rules",
        &[],
        "keys:\n- &pupil_PF1 <OTHER>\n- &pupil_azmidi <ADMIN>\ncreation_rules:\n- path_regex: a\n  key_groups: [ { age: [ *pupil_azmidi ] } ]\n- path_regex: b\n  key_groups: [ { age: [ *pupil_PF1 ] } ]\n- path_regex: c\n  key_groups: [ { age: [ *pupil_PF1 ] } ]\n",
    ),
    (
        "installed again, with another key",
        &[],
        "keys:\n  - &pupil_PF2 <OTHER> # seat 2\ncreation_rules:\n  - path_regex: a # OTHER\n    age: >-\n      <ADMIN>,\n      <OTHER>\n  - path_regex: b\n    key_groups:\n      - age: [ *pupil_PF2 ]\n",
    ),
    (
        "in it already, by another name",
        &[],
        "keys:\n  - &seat2 RECIPIENT\ncreation_rules:\n  - path_regex: a\n    key_groups:\n      - age:\n        - *seat2\n  - path_regex: b\n    age: <ADMIN>\n",
    ),
    (
        "in it already, and for another secret now",
        &["b.yaml"],
        "keys:\n  - &seat2 RECIPIENT\ncreation_rules:\n  - path_regex: ^a\n    key_groups:\n      - age:\n        - *seat2\n  - path_regex: ^b\n    key_groups:\n      - age:\n        - <ADMIN>\n",
    ),
    (
        "recipients of a rule that are written elsewhere, and would be replaced",
        &[],
        "team: &team\n  age: <ADMIN>\ncreation_rules:\n- <<: *team\n  path_regex: a\n",
    ),
    (
        "recipients in one string, and no keys",
        &[],
        "# mine\ncreation_rules:\n  - age: <ADMIN>,<OTHER>   # both\n",
    ),
    (
        "recipients in quotes, and in a folded block with a comma at its end",
        &["a", "b"],
        "creation_rules:\n  - path_regex: a\n    age: \"<ADMIN>\"\n  - path_regex: b\n    age: >-\n      <ADMIN>,\n      <OTHER>,\n\n    # end\n  - age: <ADMIN>\n",
    ),
    (
        "a list of recipients in the rule, with no end of the last line",
        &[],
        "creation_rules:\n  - age:\n      - <ADMIN>",
    ),
    (
        "only PGP until now",
        &[],
        "creation_rules:\n  - path_regex: x\n    pgp: ABC\n",
    ),
    (
        "a group with only PGP",
        &[],
        "keys:\n  - &admin ABC\ncreation_rules:\n  - path_regex: x\n    key_groups:\n      - pgp:\n        - *admin\n",
    ),
    (
        "lists in the list of keys",
        &[],
        "keys:\n  - &people\n    - &me <ADMIN>\n  - &machines\n    - &pupil_PF1 <OTHER>\n      # more to come\ncreation_rules:\n  - key_groups:\n    - age:\n      - *me\n",
    ),
    (
        "keys that come after the rules",
        &[],
        "creation_rules:\n  - key_groups:\n    - age:\n      - <ADMIN>\nkeys:\n  - <ADMIN>\n",
    ),
    (
        "several rules, and none for the host",
        &[],
        "creation_rules:\n  - path_regex: a\n    age: <ADMIN>\n  - path_regex: b\n    age: <ADMIN>\n",
    ),
    (
        "a secret that no rule is for",
        &["c"],
        "creation_rules:\n  - path_regex: a\n    age: <ADMIN>\n",
    ),
    (
        "several key groups",
        &[],
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n    - age: [ <ADMIN> ]\n    - age: [ <OTHER> ]\n",
    ),
    (
        "a list that another rule uses",
        &["a"],
        "creation_rules:\n  - path_regex: a\n    key_groups:\n    - age: &all\n      - <ADMIN>\n  - path_regex: b\n    key_groups:\n    - age: *all\n",
    ),
    (
        "an alias for a list",
        &[],
        "keys: &all\n  - <ADMIN>\ncreation_rules:\n  - key_groups:\n    - age: *all\n",
    ),
    (
        "keys that are no list",
        &[],
        "keys:\n  me: &me <ADMIN>\ncreation_rules:\n  - key_groups:\n    - age: [*me]\n",
    ),
    (
        "its name is taken",
        &[],
        "keys:\n  - &pupil_PF2 ABC\ncreation_rules:\n  - age: <ADMIN>\n",
    ),
    ("no rules", &[], "keys: []\n"),
    (
        "a rule that cannot be read",
        &["a"],
        "creation_rules:\n  - path_regex: (\n    age: <ADMIN>\n",
    ),
    ("broken", &[], "keys:\n  - &a <ADMIN>\n creation_rules: [\n"),
    ("empty", &[], "# nothing\n"),
    ("two documents", &[], "creation_rules:\n  - age: <ADMIN>\n---\na: 1\n"),
];

const AGENIX: &[Case] = &[
    (
        "a list in one line, with comments",
        &[],
        "let\n  # me\n  admin = \"<ADMIN_SSH> me@home\"; # laptop\nin\n{\n  \"wifi.age\".publicKeys = [ admin ]; # all\n}\n",
    ),
    (
        "on Windows, a list in several lines",
        &[],
        "let\r\n    admin = \"<ADMIN_SSH>\";\r\nin {\r\n  \"wifi.age\" = {\r\n    publicKeys = [\r\n      admin # me\r\n      # more to come\r\n    ];\r\n    armor = true;\r\n  };\r\n}\r\n",
    ),
    (
        "beside another machine of its host, also in a list that has a name, and not beside a host with a longer name",
        &[],
        "let\n  admin = \"<ADMIN_SSH>\";\n  pupil_PF1 = \"<OTHER_SSH>\";\n  pupils = [ pupil_PF1 ];\nin\n{\n  \"a.age\".publicKeys = [ admin ] ++ pupils;\n  \"b.age\".publicKeys = [\n    admin\n    pupil_PF1\n  ];\n  \"c.age\".publicKeys = pupils;\n  \"d.age\".publicKeys = [ admin ];\n}\n",
    ),
    (
        "for the secrets that are named",
        &["a.age", "b.age", "c.age", "d.age"],
        "let\n  users = [ \"<ADMIN_SSH>\" ];\n  systems = [ ];\nin\nrec {\n  \"a.age\".publicKeys = users ++ systems;\n  \"b.age\".publicKeys = users;\n  \"c.age\".publicKeys = [ ];\n  \"d.age\".publicKeys = [ ] ++ users;\n  \"e.age\".publicKeys = users;\n}\n",
    ),
    (
        "names in sets, and an end of the let in the line of the set",
        &[],
        "let\n  keys = { users.me = \"<ADMIN_SSH>\"; pupil_PF1 = \"<OTHER_SSH>\"; };\nin {\n  \"a.age\".publicKeys = [ keys.users.me keys.pupil_PF1 ];\n  \"b.age\".publicKeys = [ keys.users.me ];\n}\n",
    ),
    (
        "a let in one line",
        &[],
        "let admin = \"<ADMIN_SSH>\"; in { \"a.age\".publicKeys = [ admin ]; }\n",
    ),
    (
        "no let",
        &[],
        "# All of them.\nrec {\n  \"a.age\".publicKeys = [ \"<ADMIN_SSH> me\" ];\n}\n",
    ),
    (
        "installed again, with another key",
        &[],
        "let\n  pupil_PF2 = \"<OTHER_SSH> pupil\"; # seat 2\nin\n{\n  \"a.age\".publicKeys = [ pupil_PF2 ];\n  \"b.age\".publicKeys = [ \"<OTHER_SSH>\" ];\n  \"c.age\".publicKeys = [ \"<ADMIN_SSH>\" ];\n}\n",
    ),
    (
        "in it already, by another name",
        &[],
        "let\n  seat2 = \"<SSH> root@pupil\";\nin\n{\n  \"a.age\".publicKeys = [ seat2 ];\n  \"b.age\".publicKeys = [ ];\n}\n",
    ),
    (
        "in it already, and for another secret now",
        &["b.age"],
        "let\n  seat2 = \"<SSH> root@pupil\";\nin\n{\n  \"a.age\".publicKeys = [ seat2 ];\n  \"b.age\".publicKeys = [ ];\n}\n",
    ),
    (
        "a secret with the host's name",
        &[],
        "{\n  \"pupil/wifi.age\".publicKeys = [ ];\n  \"teacher/wifi.age\".publicKeys = [ ];\n}\n",
    ),
    (
        "nothing says which secrets",
        &[],
        "{\n  \"a.age\".publicKeys = [ ];\n  \"b.age\".publicKeys = [ ];\n}\n",
    ),
    (
        "a secret that there is none of",
        &["x.age"],
        "{\n  \"a.age\".publicKeys = [ ];\n}\n",
    ),
    (
        "keys that are computed",
        &[],
        "let\n  keys = import ./keys.nix;\nin\n{\n  \"a.age\".publicKeys = with keys; [ me ];\n}\n",
    ),
    (
        "secrets that are computed",
        &[],
        "let\n  names = [ \"a.age\" ];\nin\nbuiltins.listToAttrs (map (name: { inherit name; value.publicKeys = [ ]; }) names)\n",
    ),
    ("broken", &[], "{\n  \"a.age\".publicKeys = [ ]\n}\n"),
];

fn filled(text: &str) -> String {
    let keys = [
        ("ADMIN_SSH", SSH_ADMIN),
        ("OTHER_SSH", SSH_OTHER),
        ("SSH", SSH),
        ("ADMIN", ADMIN),
        ("OTHER", OTHER),
    ];
    let recipient = key().recipient.unwrap();
    let text = text.replace("RECIPIENT", &recipient);
    keys.iter()
        .fold(text, |text, (name, key)| text.replace(&format!("<{name}>"), key))
}

/// What comes of it, as a person reads it. Adding once more changes nothing.
fn shown((title, secrets, text): &Case, name: &str) -> String {
    let add = KINDS.iter().find(|(kind, _)| *kind == name).unwrap().1;
    let (text, key) = (filled(text), key());
    let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
    let mut shown = format!("=== {title}");
    for secret in &secrets {
        write!(shown, " --for {secret}").unwrap();
    }
    shown.push('\n');
    match add(&text, &key, &secrets) {
        Ok(added) => {
            let again = add(&added.text, &key, &secrets).unwrap();
            assert!(again.text == added.text && again.titles == added.titles, "{title}");
            let diff = TextDiff::from_lines(&text, &added.text);
            let diff = diff.unified_diff().context_radius(30).to_string();
            let diff = if diff.is_empty() { text } else { diff };
            write!(
                shown,
                "{}for {}\n\n",
                diff.replace('\r', "<CR>"),
                added.titles.join(", ")
            )
            .unwrap();
        }
        Err(error) => {
            let problems = Diagnostics::of(error).unwrap();
            write!(shown, "{text}{}\n\n", Diagnostics(problems)).unwrap();
        }
    }
    shown
}

#[test]
fn a_key_is_inserted_where_it_belongs_and_all_else_stays_as_a_person_wrote_it() {
    let sops = SOPS.iter().map(|case| shown(case, sops_rules::FILE));
    let agenix = AGENIX.iter().map(|case| shown(case, agenix_rules::FILE));
    let text: String = sops.chain(agenix).collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/enrol.txt");
    if std::env::var_os("SNAPSHOTS").is_some_and(|how| how == "overwrite") {
        fs::write(&golden, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(golden).unwrap(), text);
}

/// A configuration with these files, and a stick with the key of PF2.
fn directories(files: &[(&str, &str)]) -> (tempfile::TempDir, tempfile::TempDir) {
    let (config, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, text) in files {
        let path = config.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, filled(text)).unwrap();
    }
    fs::write(stick.path().join("host-keys-PF2.pub"), format!("{SSH} pupil\n")).unwrap();
    (config, stick)
}

fn options(config: &Path, keys: &[&Path], secrets: &[&str]) -> EnrolOptions {
    EnrolOptions {
        dir: config.to_owned(),
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        secrets: secrets.iter().map(Into::into).collect(),
        dry_run: false,
    }
}

fn codes(options: &EnrolOptions) -> Vec<&'static str> {
    let problems = Diagnostics::of(enrol(options).unwrap_err()).unwrap();
    problems.iter().map(|problem| problem.code).collect()
}

const RULE: &str = "creation_rules:\n  - path_regex: ^s/\n    age: <ADMIN>\n";

#[test]
fn both_files_are_changed_or_none_and_what_encrypts_again_is_said() {
    let secret = "{ \"wifi.age\".publicKeys = [ ]; }\n";
    let (config, stick) = directories(&[
        ("private/sops.yaml", RULE),
        ("agenix/secrets.nix", secret),
        ("modules/secrets.nix", "{ sops.secrets.wifi = { }; }\n"),
        ("s/a b.yaml", "x: ENC[AES256_GCM,data]\nsops:\n"),
        ("s/plain.yaml", "sops: x\n"),
        ("t/other.yaml", "x: ENC[AES256_GCM,data]\nsops:\n"),
    ]);
    let at = |name: &str| config.path().join(name);
    let read = |name: &str| fs::read_to_string(at(name)).unwrap();
    std::os::unix::fs::symlink("private/sops.yaml", at(".sops.yaml")).unwrap();
    fs::set_permissions(at("private/sops.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut options = options(config.path(), &[stick.path()], &[]);
    options.dry_run = true;
    let said = enrol(&options).unwrap().join("\n");
    assert!(
        said.contains("+    age: ") && said.contains("Nothing was written."),
        "{said}"
    );
    assert_eq!(read(".sops.yaml"), filled(RULE));
    options.dry_run = false;
    fs::write(at("agenix/secrets.nix"), "{ x.publicKeys = ").unwrap();
    assert_eq!(codes(&options), ["syntax"]);
    assert_eq!(read(".sops.yaml"), filled(RULE), "one was changed");
    fs::write(at("agenix/secrets.nix"), secret).unwrap();
    let said = enrol(&options).unwrap().join("\n");
    let base = fs::canonicalize(config.path()).unwrap().display().to_string();
    assert!(
        said.contains(&format!("cd {base} && sops updatekeys 's/a b.yaml'\n")),
        "{said}"
    );
    assert!(said.ends_with(&format!("cd {base}/agenix && agenix --rekey")), "{said}");
    assert!(at(".sops.yaml").is_symlink());
    assert_eq!(
        fs::metadata(at(".sops.yaml")).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert!(read(".sops.yaml").contains("&PF2 age1"), "there was no receipt");
    assert!(read("agenix/secrets.nix").contains("PF2"));
    let (sops, agenix) = (read(".sops.yaml"), read("agenix/secrets.nix"));
    enrol(&options).unwrap();
    assert_eq!((read(".sops.yaml"), read("agenix/secrets.nix")), (sops, agenix));
}

#[test]
fn what_is_missing_or_meant_twice_is_an_error_and_all_of_it_is_reported() {
    let (config, stick) = directories(&[("a/.sops.yaml", RULE), ("b/.sops.yaml", RULE), ("c/secrets.nix", "{ }")]);
    let (sub, empty) = (config.path().join("a"), config.path().join("c"));
    let several = codes(&options(config.path(), &[stick.path()], &[]));
    assert_eq!(several, ["enrol-several-files"]);
    let file = empty.join("host-keys-PF9.pub");
    fs::write(&file, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    assert_eq!(
        codes(&options(&empty, &[&sub, &empty.join("gone.pub"), &file], &[])),
        ["enrol-no-keys", "enrol-unreadable", "enrol-no-key", "enrol-no-file"]
    );
    // The same one twice is one; another key is not.
    let again = config.path().join("host-keys-PF2.pub");
    fs::write(&again, format!("{SSH} else\n")).unwrap();
    enrol(&options(&sub, &[stick.path(), &again], &["s/new.yaml"])).unwrap();
    fs::write(&again, format!("{SSH_OTHER}\n")).unwrap();
    assert_eq!(codes(&options(&sub, &[stick.path(), &again], &[])), ["enrol-twice"]);
    let text = fs::read_to_string(sub.join(".sops.yaml")).unwrap();
    // Of a machine that was not installed without questions; its kind opens nothing of sops.
    let rsa = config.path().join("pupil.pub");
    fs::write(&rsa, "ssh-rsa AAAAB3NzaC1yc2E= root@x\n").unwrap();
    fs::write(sub.join("secrets.nix"), b"\xff").unwrap();
    let all = codes(&options(&sub, &[&rsa, &file], &[]));
    assert_eq!(all, ["enrol-no-key", "enrol-not-ed25519", "enrol-unreadable"]);
    assert_eq!(fs::read_to_string(sub.join(".sops.yaml")).unwrap(), text);
}
