//! Answers to all that a configuration can leave open.

use nix_cfg_install::for_tests::open::Open;
use nix_cfg_install::for_tests::{answers, choose};

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

/// choices.nix for one of 30 combinations, each with all else that can be answered.
pub fn answered(n: usize, open: &Open) -> String {
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
    let (choices, problems) = choose(&answers, open, &["all".to_owned()]);
    assert!(problems.is_empty() && choices.decided.is_empty());
    choices.nix(open).unwrap()
}
