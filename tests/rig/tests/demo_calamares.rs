//! `make demo-calamares`: the real Calamares on a virtual screen, with a picture of each moment in target/demo-calamares.
//! Needs Xvfb, xdotool and `import` of `ImageMagick`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix_cfg_install::for_tests::InstalledSystems;
use rig::gui::{Gui, SHOW_PAGES, pages, trace};
use rig::project;
use rig::upstream::{at_version, conf, derive_all, fixture};

const DISPLAY: &str = ":77";

/// What the last page of Calamares says to its log.
const DONE: &str = "completion: succeeded";

/// A virtual screen, ended with this value.
struct Screen(Child);

impl Screen {
    fn start() -> Self {
        let screen = Command::new("Xvfb")
            .args([DISPLAY, "-screen", "0", "800x520x24", "-nolisten", "tcp"])
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is not on this system: apt-get install xvfb xdotool imagemagick");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !Path::new("/tmp/.X11-unix/X77").exists() {
            assert!(Instant::now() < deadline, "Xvfb did not start");
            thread::sleep(Duration::from_millis(50));
        }
        Self(screen)
    }

    fn picture(file: &Path) {
        let import = Command::new("import")
            .args(["-display", DISPLAY, "-window", "root", "-depth", "8", "-colors", "256"])
            .arg(file)
            .status()
            .unwrap();
        assert!(import.success());
    }
}

/// What a person does on a page.
enum Act {
    Click(u32, u32),
    Type(&'static str),
}

/// Does it, waits until that shows, and takes a picture of it.
fn act(what: &Act, file: &Path) {
    let shown = |file: &Path| {
        Screen::picture(file);
        std::fs::read(file).unwrap()
    };
    let before = shown(file);
    let arguments: Vec<String> = match what {
        Act::Click(x, y) => ["mousemove", &x.to_string(), &y.to_string(), "click", "1"]
            .map(str::to_owned)
            .into(),
        Act::Type(text) => ["type", "--delay", "20", text].map(str::to_owned).into(),
    };
    let xdotool = Command::new("xdotool")
        .env("DISPLAY", DISPLAY)
        .args(arguments)
        .status()
        .unwrap();
    assert!(xdotool.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while shown(file) == before {
        assert!(Instant::now() < deadline, "nothing happened for {}", file.display());
        thread::sleep(Duration::from_millis(100));
    }
    // It is drawn to the end.
    thread::sleep(Duration::from_millis(500));
    Screen::picture(file);
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn directory() -> PathBuf {
    let directory = project().join("target/demo-calamares");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs Calamares and takes a picture whenever `named` finds a name for what its log says last.
fn film(gui: &Gui, last_words: &str, named: &dyn Fn(&str) -> Option<&'static str>) -> rig::Outcome {
    let screen = Screen::start();
    let log = gui.live.state.path().join("live/upper/calamares.log");
    let over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let run = scope.spawn(|| {
            let script = format!(
                "{{ until grep -q '{last_words}' /calamares.log; do sleep 0.2; done; sleep 3; pkill -x calamares; }} 2> /dev/null &"
            );
            let said = gui.run_between(&script, "");
            over.store(true, Ordering::SeqCst);
            said
        });
        let mut seen = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let text = std::fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if let Some(name) = named(&text).filter(|name| !seen.contains(name)) {
                // What the log says is drawn a moment later; a long build is seen to be long.
                thread::sleep(Duration::from_millis(if name == "2-build" { 7000 } else { 300 }));
                Screen::picture(&directory().join(format!("{name}.png")));
                seen.push(name);
            }
            thread::sleep(Duration::from_millis(50));
        }
        run.join().unwrap()
    });
    drop(screen);
    said
}

fn with(text: &str) -> tempfile::TempDir {
    let tree = rig::tree("channel");
    rig::edit(
        &tree,
        "configuration.nix",
        "system.stateVersion",
        &format!("{text}\n  system.stateVersion"),
    );
    tree
}

#[test]
#[ignore = "a demo: make demo-calamares"]
fn an_installation_on_a_screen() {
    let big = r#"environment.etc.big.source = pkgs.glue "linux-firmware-20240513-more" { } "dd if=/dev/urandom of=$out bs=1M count=2000";"#;
    let mut gui = Gui::new("3.3", "channel").with_tree(with(big)).on_screen(DISPLAY);
    gui.live = gui.live.with(&["--target-size", "4G"]);
    let said = film(&gui, DONE, &|log| {
        let last = log.lines().rev().find(|line| line.contains("trace ["))?;
        if log.contains(DONE) {
            Some("4-end")
        } else if last.contains("\"check\"") && last.contains("Checking the configuration") {
            Some("1-check")
        } else if last.contains("Building the system") && last.contains("-more") {
            Some("2-build")
        } else if ["1.0", "1.1", "1.2"]
            .iter()
            .any(|done| last.contains(&format!("\"{done}")))
        {
            Some("3-half")
        } else {
            None
        }
    });
    let csv: Vec<String> = trace(&said)
        .iter()
        .map(|(at, overall, text)| format!("{at:.2},{overall:.1},{text}"))
        .collect();
    std::fs::write(directory().join("trace.csv"), csv.join("\n") + "\n").unwrap();
    for name in ["1-check", "2-build", "3-half", "4-end"] {
        assert!(
            directory().join(format!("{name}.png")).exists(),
            "no picture of {name}\n{}",
            csv.join("\n")
        );
    }
}

#[test]
#[ignore = "a demo: make demo-calamares"]
fn failures_on_a_screen() {
    let mut misses = Gui::new("3.3", "channel").on_screen(DISPLAY);
    misses.storage["username"] = serde_json::json!("mallory");
    film(&misses, "Installation failed", &|log| {
        log.contains("Installation failed")
            .then_some("5-refused-before-partitioning")
    });
    let broken =
        r#"environment.etc.broken.source = pkgs.glue "broken-1.0" { } "echo this part cannot be built >&2; exit 7";"#;
    let breaks = Gui::new("3.3", "channel").with_tree(with(broken)).on_screen(DISPLAY);
    film(&breaks, "Installation failed", &|log| {
        log.contains("Installation failed").then_some("6-failed-midway")
    });
}

/// The pages for `known`, of what is derived from `before`, up to the one before that with the partitions: there is no disk for it.
/// `number` is that of the pictures; each act has one.
fn show_pages(calamares: &str, before: &Path, known: &InstalledSystems, number: u8, acts: &[(&str, Act)]) {
    let pages_directory = derive_all(before, known).unwrap();
    let file = conf(pages_directory.path(), "settings.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let without = text.replace("\"partition\",", "");
    assert!(without.len() < text.len(), "{text}");
    std::fs::write(&file, without).unwrap();
    let screen = Screen::start();
    let live = pages(calamares, pages_directory.path()).with(&[
        "--bind",
        "/tmp/.X11-unix:/tmp/.X11-unix",
        "--target-size",
        "3G",
    ]);
    // The disk of the rig under a name that Calamares looks at, for the room that is asked for.
    let script = format!(
        "disk=$(findmnt -no SOURCE /mnt) && mknod /dev/sda b 7 ${{disk#/dev/loop}}
         (export QT_QPA_PLATFORM=xcb DISPLAY={DISPLAY}; {SHOW_PAGES}) > /calamares.log 2>&1"
    );
    let mut calamares = live.start(&script);
    let log = live.state.path().join("live/upper/calamares.log");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("requirement 3")) {
        assert!(Instant::now() < deadline, "Calamares has not looked at the machine");
        thread::sleep(Duration::from_millis(200));
    }
    thread::sleep(Duration::from_secs(1));
    let picture = |name: &str| directory().join(format!("{number}-{name}.png"));
    Screen::picture(&picture("1-welcome"));
    for (name, what) in acts {
        act(what, &picture(name));
    }
    calamares.kill().unwrap();
    calamares.wait().unwrap();
    drop(screen);
}

const NEXT: Act = Act::Click(656, 503);

fn known(users: Option<&[&str]>, hosts: &[&str], decided: &[&str]) -> InstalledSystems {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    InstalledSystems {
        closure_bytes: 100_000_000,
        users: users.map(owned),
        hosts: owned(hosts),
        decided: owned(decided),
        ..InstalledSystems::default()
    }
}

#[test]
#[ignore = "a demo: make demo-calamares"]
fn the_pages_on_a_screen() {
    let directory_of = |repository: &str| at_version(repository, "0.3.15");
    let upstream = std::env::var("CALAMARES_EXTENSIONS").ok();
    let before = upstream.as_deref().map_or_else(|| fixture("late"), directory_of);
    let clicks = [
        ("2-host", NEXT),
        ("2-host-chosen", Act::Click(110, 34)),
        ("3-location", NEXT),
        ("4-keyboard", NEXT),
        ("5-users", NEXT),
    ];
    let known = known(Some(&["alice"]), &["laptop", "server"], &[]);
    show_pages("3.3", before.path(), &known, 0, &clicks);
}

/// Of stock NixOS, up to the page for the desktop.
#[test]
#[ignore = "a demo: make demo-calamares"]
fn the_pages_of_stock_nixos_on_a_screen() {
    for (calamares, version, number) in [("3.3", "late", 20), ("3.4", "nixpkgs", 21)] {
        let stock = InstalledSystems {
            desktops: true,
            open: vec!["autologin".to_owned(), "unfree".to_owned()],
            ..known(None, &["gnome", "plasma6", "none"], &[])
        };
        let acts = [
            ("2-location", NEXT),
            ("3-keyboard", NEXT),
            ("4-users", NEXT),
            ("4-users-named", Act::Type("Alice")),
            ("4-users-password", Act::Click(209, 165)),
            ("4-users-password-typed", Act::Type("secret-words")),
            ("4-users-again", Act::Click(415, 165)),
            ("4-users-again-typed", Act::Type("secret-words")),
            ("4-users-same", Act::Click(116, 225)),
            ("5-desktop", NEXT),
            ("5-desktop-chosen", Act::Click(130, 45)),
            ("6-unfree", NEXT),
        ];
        show_pages(calamares, fixture(version).path(), &stock, number, &acts);
    }
}

/// Of a configuration that decides all, of one that decides nothing, and of two hosts of which one decides all.
#[test]
#[ignore = "a demo: make demo-calamares"]
fn the_pages_that_are_left_on_a_screen() {
    let mut number = 10;
    for (calamares, version) in [("3.3", "late"), ("3.4", "nixpkgs")] {
        let decided = known(Some(&["alice"]), &[], &["locale", "keyboard"]);
        let open = known(None, &[], &[]);
        let one_of_two = known(None, &["laptop", "server"], &[]);
        let to_users = [("2-location", NEXT), ("3-keyboard", NEXT), ("4-users", NEXT)];
        let to_host = [
            ("2-host", NEXT),
            ("2-host-chosen", Act::Click(110, 34)),
            ("3-location", NEXT),
        ];
        let cases = [(decided, &to_users[2..]), (open, &to_users), (one_of_two, &to_host)];
        for (known, clicks) in &cases {
            show_pages(calamares, fixture(version).path(), known, number, clicks);
            number += 1;
        }
    }
}
