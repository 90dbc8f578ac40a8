//! Answers to all that a configuration can leave open.

use nix_cfg_install::for_tests::answers::Answers;
use nix_cfg_install::for_tests::open::Open;
use nix_cfg_install::for_tests::{Globals, answers, choose, in_place, stock};
use serde_json::json;

/// Answers by place in these lists: the names do not matter to the graph, as long as they differ from the defaults.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/Argentina/Ushuaia",
    "Asia/Kolkata",
    "Etc/GMT+8",
    "Pacific/Auckland",
    "UTC",
];
const LOCALES: [&str; 10] = [
    "de_DE.UTF-8",
    "en_GB.UTF-8",
    "pt_BR.UTF-8",
    "ja_JP.UTF-8",
    "C.UTF-8",
    "ar_EG.UTF-8",
    "zh_CN.UTF-8",
    "sr_RS.UTF-8",
    "fi_FI.UTF-8",
    "aa_ER",
];
const KEYBOARDS: [(&str, &str, &str); 5] = [
    ("de-latin1-nodeadkeys", "de", "nodeadkeys"),
    ("br-abnt2", "br", ""),
    ("jp106", "us,jp", ""),
    ("dvorak", "us", "dvorak"),
    ("cz-lat2", "cz", "qwerty"),
];

/// One of 30 combinations, each with all else that can be answered.
fn combination(n: usize) -> Answers {
    let (keymap, layout, variant) = KEYBOARDS[n % 5];
    let words = [
        format!("timezone={}", ZONES[n / 5]),
        format!("locale={}", LOCALES[n * 7 % 10]),
        format!("LC_TIME={}", LOCALES[n / 3]),
        format!("keymap={keymap}"),
        format!("layout={layout}"),
        format!("variant={variant}"),
        format!("hostname=box{n}"),
        format!("user=person{n}"),
        format!("autologin={}", n.is_multiple_of(2)),
        "fullname=A. Person".to_owned(),
    ];
    let (answers, problems) = answers::parse(&words);
    assert!(problems.is_empty());
    answers
}

/// choices.nix for it.
pub fn answered(n: usize, open: &Open) -> String {
    let (choices, problems) = choose(&combination(n), open, &["all".to_owned()]);
    assert!(problems.is_empty() && choices.decided.is_empty());
    choices.nix(open).unwrap()
}

/// The configuration.nix of a desktop of stock NixOS for the machine of tests/closure.
pub fn stock_template(desktop: &str, release: &str) -> String {
    let hardware = "/project/tests/closure/hardware-configuration.nix";
    stock::configuration(desktop, release).replace("./hardware-configuration.nix", hardware)
}

/// The same as the installer completes it: with a combination of answers, on a machine with UEFI, the same with an encrypted root
/// and swap, or on one with a BIOS, an encrypted root and no /boot.
pub fn stock_completed(n: usize, template: &str, open: &Open) -> String {
    let partition = |number: usize, at: &str, fs: &str| {
        json!({"device": format!("/dev/sda{number}"), "mountPoint": at, "fs": fs, "fsName": "luks2", "claimed": true,
               "luksUuid": number.to_string(), "luksMapperName": format!("luks-{number}"), "luksPassphrase": "x"})
    };
    let globals = match n % 3 {
        0 => json!({"firmwareType": "efi"}),
        1 => json!({"firmwareType": "efi", "partitions": [partition(2, "/", "ext4"), partition(3, "", "linuxswap")]}),
        _ => {
            json!({"firmwareType": "bios", "bootLoader": {"installPath": "/dev/sda"}, "partitions": [partition(1, "/", "btrfs")]})
        }
    };
    let globals: Globals = serde_json::from_value(globals).unwrap();
    let mut answers = combination(n);
    answers.insert("unfree".to_owned(), n.is_multiple_of(2).to_string());
    let (choices, problems) = choose(&answers, open, &["all".to_owned()]);
    assert!(problems.is_empty() && choices.decided.is_empty());
    in_place::with_choices(&in_place::with_machine(template, &globals.machine()), &choices, open)
}
