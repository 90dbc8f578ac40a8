//! `make demo-calamares`: the real Calamares on a virtual screen, with a picture of each moment in target/demo-calamares.
//! Needs Xvfb and `import` of `ImageMagick`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::gui::{Gui, trace};
use common::project;

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
            .expect("Xvfb is not on this system: apt-get install xvfb imagemagick");
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

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn folder() -> PathBuf {
    let folder = project().join("target/demo-calamares");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs Calamares and takes a picture whenever `named` finds a name for what its log says last.
fn film(gui: &Gui, last_words: &str, named: &dyn Fn(&str) -> Option<&'static str>) -> common::Said {
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
                Screen::picture(&folder().join(format!("{name}.png")));
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
    let tree = common::tree("channel");
    common::edit(
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
    std::fs::write(folder().join("trace.csv"), csv.join("\n") + "\n").unwrap();
    for name in ["1-check", "2-build", "3-half", "4-end"] {
        assert!(
            folder().join(format!("{name}.png")).exists(),
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
