use super::*;

/// What is wrong with a file, a line each: place, code, what, and what to do.
fn reported(text: &str) -> Vec<String> {
    let problems = match parse(text, Path::new("/stick/answers.yaml")) {
        Ok(_) => Vec::new(),
        Err(Diagnostics(problems)) => problems,
    };
    let line = |one: Diagnostic| {
        let line = one.place.and_then(|place| place.line);
        let line = line.map_or_else(String::new, |line| format!("{line}: "));
        format!("{line}{} | {} | {}", one.what, one.why, one.remedy)
    };
    problems.into_iter().map(line).collect()
}

const GOOD: &str = "\
machines:
  # The teacher's.
  - match: { serial: \"PF3ABC\" }
    host: teacher
    disks: /dev/disk/by-id/nvme-X_1
    passphrase: { file: keys/teacher }
    set:
      timezone: Europe/Berlin
      autologin: false
    extra-files: teacher
    after: reboot
    reinstall: true
  - match:
      mac: [\"52:54:00:12:34:56\", 52-54-00-12-34-57]
      uuid: 4C4C4544-0042-3510-8053-B4C04F4D3332
    disks: { main: only, data: \">= 1.5 TB\" }
    passphrase: prompt
    after: power-off
  - match: { serial: old }
    mode: update
    passphrase: prompt
    take: mine
    older: true
  - match: all
";

#[test]
fn everything_that_is_documented_is_taken() {
    let entries = parse(GOOD, Path::new("/stick/answers.yaml")).unwrap().machines;
    let [teacher, other, updated, rest] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!((teacher.line, other.line, rest.line), (Some(3), Some(13), Some(24)));
    assert_eq!(teacher.host.as_deref(), Some("teacher"));
    assert_eq!(
        teacher.disks,
        Some(Disks::One(Selection::Path("/dev/disk/by-id/nvme-X_1".into())))
    );
    assert_eq!(teacher.passphrase, Some(Passphrase::File("/stick/keys/teacher".into())));
    assert_eq!(teacher.set["autologin"], "false");
    assert_eq!(teacher.extra_files.as_deref(), Some(Path::new("/stick/teacher")));
    assert_eq!((teacher.after, teacher.reinstall), (After::Reboot, true));
    let Match::Machine { serial, uuid, mac } = &other.matches else {
        panic!("{other:?}");
    };
    assert_eq!(serial, &[""; 0]);
    assert_eq!(uuid, &["4c4c4544-0042-3510-8053-b4c04f4d3332"]);
    assert_eq!(mac, &["52:54:00:12:34:56", "52:54:00:12:34:57"]);
    let named = [
        ("main", Selection::Only),
        ("data", Selection::AtLeast(1_500_000_000_000)),
    ];
    assert_eq!(
        other.disks,
        Some(Disks::Named(named.map(|(name, one)| (name.to_owned(), one)).into()))
    );
    assert_eq!(
        (other.after, &other.passphrase),
        (After::PowerOff, &Some(Passphrase::Prompt))
    );
    assert_eq!(
        (&rest.matches, &rest.disks, rest.after),
        (&Match::All, &None, After::Stay)
    );
    let of = |entry: &Entry| (entry.mode, entry.take, entry.older);
    assert_eq!(of(updated), (Mode::Update, Some(Side::Mine), true));
    assert_eq!(of(rest), (Mode::Install, None, false));
}

/// A broken file for each paragraph of the golden file, which has the file and all of its problems.
const BROKEN: [&str; 35] = [
    "\n",
    "[]\n",
    "just text\n",
    "machines:\n",
    "machines: {}\n",
    "machine:\n- match: all\n",
    "machines:\n- match: all\n  host: [\n",
    "machines:\n- match: all\n  match: all\n",
    "machines:\n- all\n",
    "machines:\n- host: a\n",
    "machines:\n- match: everything\n",
    "machines:\n- match: {}\n",
    "machines:\n- match: { serail: x }\n",
    "machines:\n- match: { serial: 123 }\n",
    "machines:\n- match: { serial: \"\" }\n",
    "machines:\n- match: { mac: \"52:54\" }\n",
    "machines:\n- match: { uuid: [a, b] }\n",
    "machines:\n- match: { serial: PF1 }\n- match: { serial: [PF2, PF1] }\n",
    "machines:\n- match: { serial: PF1 }\n- match: { serial: pf1 }\n",
    "machines:\n- match: { serial: [To Be Filled By O.E.M, PF1], mac: 00-00-00-00-00-00 }\n- match: { uuid: 00020003-0004-0005-0006-000700080009 }\n",
    "machines:\n- match: all\n- match: all\n",
    "machines:\n- match: all\n  disks: /dev/sda\n",
    "machines:\n- match: all\n  disks: biggest\n",
    "machines:\n- match: all\n  disks: \">= 200\"\n",
    "machines:\n- match: all\n  disks: { main: /dev/nvme0n1, data: [only] }\n",
    "machines:\n- match: all\n  disks: only\n  passphrase: hunter2\n",
    "machines:\n- match: all\n  passphrase: { file: x }\n  reinstall: true\n",
    "machines:\n- match: all\n  disk: only\n  after: restart\n  reinstall: yes please\n  set: [timezone]\n  extra-files: 1\n  host: \"\"\n",
    "machines:\n- match: all\n  mode: upgrade\n  take: both\n  older: 3\n  reinstall: true\n",
    "machines:\n- match: all\n  mode: update\n  disks: only\n  passphrase: prompt\n  reinstall: true\n  extra-files: keys\n",
    "machines:\n- match: all\n  disks: only\n  take: new\n  older: true\n",
    "machines:\n- match: all\n  mode: install\n  take: new\n  passphrase: prompt\n",
    "machines:\n- match: all\n  mode: update\n  olders: true\n  reinstall: true\n",
    "hosts: 1\nmachines:\n- match: all\n  set: { timezone: { a: b } }\n- match: { serial: PF1, color: red }\n  passphrase: { file: \"\" }\n  disks: 1\n",
    "machines:\n  - # One.\n    match:\n      serial: PF1\n      mac: b\n    # host: x\n    Host: b\n  -\n    match: all\n    after: 3\n",
];

#[test]
fn every_broken_file_is_refused_with_all_that_is_wrong_and_its_lines() {
    let mut text = String::new();
    for file in BROKEN {
        let problems = reported(file);
        assert!(!problems.is_empty(), "{file}");
        // A passphrase that was written into the file is not repeated.
        assert!(!problems.iter().any(|problem| problem.contains("hunter2")));
        text.extend([file, "---\n", &problems.join("\n"), "\n\n"]);
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/answers-file.txt");
    if std::env::var_os("SNAPSHOTS").is_some_and(|how| how == "overwrite") {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap(), text);
}

#[test]
fn a_file_of_an_editor_on_windows_is_read_like_any_other() {
    let machines = |text: &str| parse(text, Path::new("/f")).unwrap().machines.len();
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(machines(&text), machines(GOOD));
    let wrong = reported("\u{feff}machine:\r\n- match: all\r\n");
    assert!(wrong[1].starts_with("1: `machine` is nothing"), "{wrong:?}");
}

#[test]
fn a_key_without_a_value_is_not_taken_for_its_default() {
    for key in KEYS {
        let all = if key == "match" { "" } else { "  match: all\n" };
        let disks = if key == "disks" { "" } else { "  disks: only\n" };
        let wrong = reported(&format!("machines:\n-\n{all}{disks}  {key}:\n"));
        let [wrong] = wrong.as_slice() else {
            panic!("{key}: {wrong:?}")
        };
        assert!(wrong.contains(&format!(": `{key}` takes ")), "{wrong}");
    }
    assert_eq!(reported("medium:\npublic-key:\nmachines:\n- match: all\n").len(), 2);
}

#[test]
fn a_cache_is_named_beside_the_machines() {
    let key = "c:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    let machines = "machines:\n- match: all\n  disks: only\n";
    let several = format!("medium:\n- https://a.example\n- http://10.0.0.1/\npublic-key: \"{key}\"\n{machines}");
    for text in [several.clone(), format!("{machines}{}", several.replace(machines, ""))] {
        let answers = parse(&text, Path::new("/f")).unwrap();
        assert_eq!(answers.medium, ["https://a.example", "http://10.0.0.1/"]);
        assert_eq!(answers.public_keys, [key]);
        // The items of the other lists are no machines.
        let line = u32::try_from(text.lines().position(|line| line == "- match: all").unwrap() + 1).unwrap();
        let [only] = answers.machines.as_slice() else {
            panic!("{answers:?}")
        };
        assert_eq!(only.line, Some(line));
    }
    let wrong = format!("{machines}medium: cache.example\npublic-key: [\"{key}\", \"c:1234\"]\nmedia: x\n");
    let wrong = reported(&wrong);
    for (said, expected) in wrong.iter().zip([
        "4: `medium` takes the address of a binary cache",
        "5: `public-key` takes a public key",
        "6: `media` is nothing that an answers file has | Did you mean `medium`?",
    ]) {
        assert!(said.starts_with(expected.split(" | ").next().unwrap()), "{wrong:?}");
        assert!(expected.split(" | ").all(|part| said.contains(part)), "{wrong:?}");
    }
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}

#[test]
fn a_secret_key_in_the_place_of_the_public_one_is_not_repeated() {
    let key = |length| format!("room-1:{}", data_encoding::BASE64.encode(&vec![1; length]));
    let (public, secret, other) = (key(32), key(64), key(48));
    for keys in [
        format!("\"{secret}\""),
        format!("[\"{public}\", \"{secret}\", \"{other}\", 5]"),
    ] {
        let wrong = reported(&format!("public-key: {keys}\nmachines:\n- match: all\n"));
        assert!(wrong[0].contains("and this is a secret key | "), "{wrong:?}");
        assert!(wrong[0].contains("room.public, not room.secret"), "{wrong:?}");
        assert!(!wrong.concat().contains("AQEBAQEB"), "{wrong:?}");
        assert_eq!(wrong.len(), if keys.starts_with('[') { 3 } else { 1 }, "{wrong:?}");
    }
}

#[test]
fn of_a_list_or_of_several_keys_each_that_is_wrong_is_named() {
    let wrong = reported(
        "medium: [\"http://127.0.0.1\", cache.example, 5]\nmachines:\n- match: { serial: [] }\n  set: { keymap: de, locale: [x], timezone: { a: b } }\n",
    );
    let expected = [
        "1: `medium` takes the address of a binary cache, such as `https://cache.example`, or a list of them, and this is the text \"cache.example\"",
        "1: `medium` takes the address of a binary cache, such as `https://cache.example`, or a list of them, and this is the number 5",
        "3: `serial` takes serial numbers, in quotes, and this is an empty list",
        "4: `locale` takes a single value, and this is a list",
        "4: `timezone` takes a single value, and this is keys with values",
    ];
    let said: Vec<&str> = wrong.iter().map(|line| line.split(" | ").next().unwrap()).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_file_that_is_too_deep_is_refused_in_a_moment() {
    let wrong = reported(&format!("machines: {}\n", "[".repeat(60_000)));
    assert!(
        wrong[0].starts_with("1: The answers file is not valid YAML: it has more than 128 levels"),
        "{wrong:?}"
    );
}
