//! choices.nix for answers and configurations of every kind. The files are in tests/golden/choices (`rig::golden`); a real NixOS
//! evaluates them in tests/rig.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use nix_cfg_install::for_tests::open::Open;
use nix_cfg_install::for_tests::{Globals, answers, choose};
use rig::golden;
use serde_json::{Value, json};

/// A configuration that decides nothing, with what it is like (`more`).
fn open(more: &Value) -> Open {
    let mut open = json!({
        "current": {"timezone": "", "locale": "en_US.UTF-8", "keymap": "us", "layout": "us", "variant": "", "hostname": "nixos"},
        "locales": ["C.UTF-8/UTF-8", "en_US.UTF-8/UTF-8"],
        "networkmanager": true,
        "imported": true,
    });
    open.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(open).unwrap()
}

const ALL: &str = "timezone=Europe/Berlin locale=de_DE.UTF-8 LC_TIME=de_AT.UTF-8 LC_PAPER=de_DE.UTF-8 keymap=de layout=de \
                   variant=nodeadkeys hostname=box user=alice fullname=Alice autologin=true unfree=true";

/// Each: its name, the answers, the configuration, the locales of the ISO, and what the configuration decides of the answers.
fn cases() -> Vec<(&'static str, &'static str, Value, &'static str, &'static str)> {
    let users = json!({"alice": ""});
    vec![
        ("everything", ALL, json!({}), "all", ""),
        (
            "desktop-gdm",
            ALL,
            json!({"display_manager": true, "gdm": true}),
            "all",
            "",
        ),
        (
            "desktop",
            ALL,
            json!({"display_manager": true}),
            "de_AT.UTF-8/UTF-8 de_DE.UTF-8/UTF-8",
            "",
        ),
        (
            "some-decided",
            ALL,
            json!({"decided": {"timezone": "Asia/Tokyo", "hostname": "laptop", "user": "alice", "LC_TIME": "C.UTF-8"}, "users": users}),
            "all",
            "LC_TIME=C.UTF-8 hostname=laptop timezone=Asia/Tokyo",
        ),
        (
            "all-decided",
            ALL,
            json!({"decided": {"timezone": "Asia/Tokyo", "locale": "fr_FR.UTF-8", "LC_TIME": "C.UTF-8", "LC_PAPER": "C.UTF-8", "keymap": "fr",
                               "layout": "fr", "variant": "", "hostname": "laptop", "user": "alice", "autologin": "bob",
                               "unfree": ""}, "users": {"alice": "Al"}}),
            "all",
            "LC_PAPER=C.UTF-8 LC_TIME=C.UTF-8 autologin=bob fullname=Al hostname=laptop keymap=fr layout=fr locale=fr_FR.UTF-8 \
             timezone=Asia/Tokyo unfree=",
        ),
        // What the default of NixOS is has no line.
        (
            "only-what-differs",
            "timezone=UTC locale=en_US.UTF-8 LC_TIME=en_US.UTF-8 keymap=us layout=us variant= user=or networkmanager=",
            json!({"networkmanager": false}),
            "all",
            "",
        ),
        (
            "language-that-is-there",
            "LC_TIME=en_GB.UTF-8 layout=gb",
            json!({"locales": ["all"]}),
            "all",
            "",
        ),
    ]
}

#[test]
fn every_answer_that_is_open_is_written_and_no_other() {
    let mut texts = BTreeMap::new();
    for (name, words, like, supported, decided) in cases() {
        let words: Vec<String> = words
            .split(' ')
            .filter(|word| *word != "networkmanager=")
            .map(str::to_owned)
            .collect();
        let (answers, problems) = answers::parse(&words);
        assert!(problems.is_empty(), "{name}");
        let supported: Vec<String> = supported.split(' ').map(str::to_owned).collect();
        let open = open(&like);
        let (choices, problems) = choose(&answers, &open, &supported);
        assert!(problems.is_empty(), "{name}");
        let told: Vec<String> = choices
            .decided
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(told.join(" "), decided, "{name}");
        if let Some(text) = choices.nix(&open) {
            texts.insert(format!("{name}.nix"), text);
        }
    }
    assert!(!texts.contains_key("all-decided.nix"));
    let wrong = golden::differences("choices", &texts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the pages of Calamares 3.3 and 3.4 leave are the same answers as on the command line.
#[test]
fn the_pages_of_calamares_answer_the_same() {
    let globals: Globals = serde_json::from_value(json!({
        "firmwareType": "efi", "locationRegion": "America", "locationZone": "Argentina/Ushuaia",
        "localeConf": {"LANG": "de_DE.UTF-8/UTF-8", "LC_TIME": "de_AT.UTF-8", "LANGUAGE": "x"},
        "keyboardLayout": "de", "keyboardVariant": null, "keyboardVConsoleKeymap": "de-latin1 ",
        "hostname": "box", "username": "alice", "fullname": "Alice", "autoLoginUser": "alice", "nixos_allow_unfree": 1,
    }))
    .unwrap();
    let answers = globals.answers(&answers::Lists::default());
    let words: Vec<String> = answers.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        words.join(" "),
        "LC_TIME=de_AT.UTF-8 autologin=true fullname=Alice hostname=box keymap=de-latin1 layout=de locale=de_DE.UTF-8 \
         timezone=America/Argentina/Ushuaia unfree=true user=alice variant="
    );
    let globals: Globals = serde_json::from_value(json!({"autoLoginUser": null, "localeConf": null})).unwrap();
    assert_eq!(globals.answers(&answers::Lists::default()), answers::Answers::new());
}

#[test]
fn what_cannot_be_applied_to_this_configuration_is_refused_at_once() {
    let reported = |words: &str, like: Value| {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let (_, problems) = choose(&answers::parse(&words).0, &open(&like), &["all".to_owned()]);
        problems
            .iter()
            .map(|one| format!("{}: {}", one.code, one.what))
            .collect::<Vec<_>>()
    };
    let both = json!({"alice": "", "bob": ""});
    assert_eq!(
        reported(
            "fullname=Al autologin=true",
            json!({"users": both, "decided": {"user": "alice, bob"}})
        ),
        [
            "answer-without-user: It is not known which user autologin is for",
            "answer-without-user: It is not known which user fullname is for",
        ]
    );
    assert_eq!(
        reported(
            "user=sshd locale=de_DE.UTF-8 LC_TIME=fr_FR.UTF-8",
            json!({"others": ["root", "sshd"], "locales_decided": true})
        ),
        [
            "answer-account-taken: The user cannot be called `sshd`",
            "answer-locale-unsupported: The locale de_DE.UTF-8 was chosen and is not applied",
            "answer-locale-unsupported: The locale fr_FR.UTF-8 was chosen and is not applied",
        ]
    );
    for name in ["Alice", "1a", "${x}"] {
        let what = format!("answer-form: user cannot be `{name}`");
        assert_eq!(reported(&format!("user={name}"), json!({})), [what]);
        assert_eq!(reported(&format!("user={name}"), json!({"users": {name: ""}})), [""; 0]);
    }
    // Another person than those of the configuration: the check of the accounts says so where a password was typed.
    assert_eq!(
        reported(
            "user=carol fullname=Carol",
            json!({"users": both, "decided": {"user": "alice, bob"}})
        ),
        [""; 0]
    );
}

#[test]
fn a_value_that_does_not_exist_is_nothing_where_the_configuration_decides_the_answer() {
    let lists = tempfile::tempdir().unwrap();
    for (list, known) in [
        ("timezones", "UTC"),
        ("keymaps", "us"),
        ("layouts", "us"),
        ("locales", "C.UTF-8"),
    ] {
        std::fs::write(lists.path().join(list), format!("{known}\n")).unwrap();
    }
    let lists = answers::Lists::read(lists.path());
    let words = "timezone=Mars/Olympus keymap=dee layout=us variant=neo LC_TIME=xx_XX.UTF-8 hostname=a.b";
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let (answers, _) = answers::parse(&words);
    let stay = |decided: Value| {
        let (choices, _) = choose(&answers, &open(&json!({ "decided": decided })), &["all".to_owned()]);
        let problems = answers::problems(&answers, &lists, &answers::Places::new());
        let problems = choices.undecided(problems);
        let left: Vec<String> = problems.into_iter().map(|one| one.what).collect();
        left.join(", ")
    };
    assert_eq!(
        stay(json!({})),
        "LC_TIME cannot be `xx_XX.UTF-8`, hostname cannot be `a.b`, keymap cannot be `dee`, timezone cannot be `Mars/Olympus`, variant \
         cannot be `neo`"
    );
    assert_eq!(
        stay(json!({"timezone": "UTC", "layout": "de", "variant": "", "LC_TIME": "C.UTF-8"})),
        "hostname cannot be `a.b`, keymap cannot be `dee`"
    );
}
