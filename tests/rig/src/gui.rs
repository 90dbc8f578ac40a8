//! The real Calamares in a live system, unattended or on a screen.

use std::path::Path;

use nix_cfg_install::for_tests::InstalledSystems;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::upstream::{EXTENSIONS, conf, derive_all, fixture};
use crate::{Live, Outcome, project, run, temporary, write};

/// A live system with Calamares, its configuration, and a disk that the fake partition job "made".
pub struct Gui {
    pub live: Live,
    /// Calamares' configuration directory.
    directory: TempDir,
    /// What the pages leave in globalStorage, …
    pub storage: Value,
    /// … and what the partition job does.
    pub partitioned: Value,
    /// A tree of the user's own, kept as long as it is used.
    tree: Option<TempDir>,
    /// The X display to show it on; by default it is drawn nowhere.
    screen: Option<String>,
    /// Whether it is started by an ordinary user, with only the jobs that do not need root themselves.
    as_user: bool,
}

impl Gui {
    pub fn new(calamares: &str, tree: &str) -> Self {
        let directory = temporary();
        let rig = project().join("tests/rig/calamares");
        run(
            "cp",
            &[
                "-a",
                &format!("{}/.", rig.display()),
                directory.path().to_str().unwrap(),
            ],
        );
        let derived = directory.path().join("derived");
        let late = derive_all(fixture("late").path(), &InstalledSystems::default()).unwrap();
        crate::copy(late.path(), &derived);
        let status = derived.join("share/calamares/branding/nixos/NixCfgStatus.qml");
        std::fs::copy(status, directory.path().join("branding/rig/NixCfgStatus.qml")).unwrap();
        // Without such a directory Calamares ends at once.
        std::os::unix::fs::symlink("/usr/share/calamares/qml", directory.path().join("qml")).unwrap();
        let bind = |host: &Path, guest: &str| format!("{}:{guest}", host.display());
        let live = Live::with_disk("2.26").with(&[
            "--calamares",
            calamares,
            "--bind",
            &bind(directory.path(), "/calamares"),
        ]);
        let gui = Self {
            live: live.iso_tree(&project().join("target/rig/trees").join(tree)),
            directory,
            storage: json!({
                "firmwareType": "efi",
                "username": "alice",
                "fullname": "Alice",
                "hostname": "anything",
                "keyboardLayout": "us",
                "keyboardVariant": "",
            }),
            partitioned: json!({
                "bootLoader": null,
                "partitions": [
                    // So the list of the real job begins.
                    {"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": false},
                    {"device": "@device@", "mountPoint": "/", "fs": "ext4", "fsName": "ext4", "uuid": "", "claimed": true},
                ],
            }),
            tree: None,
            screen: None,
            as_user: false,
        };
        gui.settings();
        gui
    }

    /// What the generator makes of a configuration of NixOS, with jobs that stand in for those that need a screen.
    fn settings(&self) {
        let path = self.directory.path().join("derived/targets/settings.conf");
        let mut settings: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut phases = settings["sequence"].as_array().unwrap().clone();
        // The pages before need a person.
        phases.remove(0);
        let jobs = phases[0]["exec"].as_array_mut().unwrap();
        for job in jobs.iter_mut() {
            match job.as_str().unwrap() {
                "partition" => *job = json!("record@partition"),
                "users" => *job = json!("usermod"),
                _ => {}
            }
        }
        jobs.insert(0, json!("seed"));
        if self.as_user {
            jobs.retain(|job| !["mount", "usermod", "umount"].contains(&job.as_str().unwrap()));
        }
        settings["sequence"] = json!(phases);
        let instances = settings["instances"].as_array_mut().unwrap();
        instances.push(json!({ "id": "partition", "module": "record", "config": "partition.conf" }));
        settings["modules-search"] = json!([
            "/calamares/modules",
            "/calamares/derived/lib/calamares/modules",
            "local"
        ]);
        settings["branding"] = json!("rig");
        settings["quit-at-end"] = json!(self.screen.is_none());
        write(&self.directory, "settings.conf", &settings.to_string());
        self.instance("check", "{}");
        self.instance("install", "{}");
        write(
            &self.directory,
            "modules/mount.conf",
            "---\nextraMounts:\n- { device: proc, fs: proc, mountPoint: /proc }\n- { device: tmpfs, fs: tmpfs, mountPoint: /run }\n",
        );
        write(&self.directory, "modules/umount.conf", "---\nemergency: true\n");
        write(&self.directory, "modules/finished.conf", "---\nrestartNowMode: never\n");
    }

    /// The configuration of one instance of our module: as the generator writes it, with `more` (a YAML mapping on one line).
    pub fn instance(&self, step: &str, more: &str) {
        let name = format!("modules/nixos-{step}.conf");
        let text = std::fs::read_to_string(self.directory.path().join("derived/share/calamares").join(&name)).unwrap();
        let mut configuration: Value = serde_yaml::from_str(&text).unwrap();
        let more: Value = serde_yaml::from_str(more).unwrap();
        configuration
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        write(&self.directory, &name, &configuration.to_string());
    }

    /// Leaves the disk mounted after a failure, as NixOS' configuration does (calamares-nixos-extensions 0.3.15).
    pub fn stays_mounted(self) -> Self {
        write(&self.directory, "modules/umount.conf", "---\n{}\n");
        self
    }

    /// A program or text of the test's own, as /calamares/NAME.
    pub fn file(&self, name: &str, text: &str) {
        write(&self.directory, name, text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.directory.path().join(name), mode).unwrap();
    }

    /// With a tree of the user's own in /tmp/nix-cfg.
    pub fn with_tree(mut self, tree: TempDir) -> Self {
        self.live = self.live.tmp_tree(tree.path());
        self.tree = Some(tree);
        self
    }

    /// On an X display of this machine, where it stays when it is done.
    pub fn on_screen(mut self, display: &str) -> Self {
        self.live = self.live.with(&["--bind", "/tmp/.X11-unix:/tmp/.X11-unix"]);
        self.screen = Some(display.to_owned());
        self.settings();
        self
    }

    /// As NixOS 24.05 starts it: not as root.
    pub fn started_by_user(mut self) -> Self {
        self.as_user = true;
        self.settings();
        self
    }

    /// Runs Calamares to its end and returns its log.
    pub fn run(&self) -> Outcome {
        self.run_between("", "")
    }

    /// Between two pieces of shell: one that may start something beside it, and one in the same boot of the live system. The
    /// log is /calamares.log.
    pub fn run_between(&self, before: &str, after: &str) -> Outcome {
        write(&self.directory, "storage.json", &self.storage.to_string());
        write(
            &self.directory,
            "modules/partition.conf",
            &json!({ "name": "partition", "storage": self.partitioned }).to_string(),
        );
        let platform = match &self.screen {
            Some(display) => format!("QT_QPA_PLATFORM=xcb DISPLAY={display}"),
            None => "QT_QPA_PLATFORM=offscreen".to_owned(),
        };
        let user = if self.as_user {
            "install -m 666 /dev/null /ran; setpriv --reuid 1000 --regid 100 --clear-groups env HOME=/tmp XDG_RUNTIME_DIR=/tmp"
        } else {
            ""
        };
        self.live.sh(&format!(
            "export {platform} QT_QUICK_BACKEND=software PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8
             export PATH=$PATH:/run/current-system/sw/bin
             ln -sf /bin/true /usr/local/sbin/udevadm; ln -sf /bin/true /usr/local/sbin/sync
             {before}
             {user} timeout 300 calamares -d -X -c /calamares -D8 > /calamares.log 2>&1; code=$?
             cat /calamares.log
             {after}
             exit $code"
        ))
    }

    /// The jobs that would have changed a disk and ran.
    pub fn ran(&self) -> String {
        self.live.sh("cat /ran 2> /dev/null; true").ok().out
    }
}

/// A live system with the Calamares that is installed in `directory` (as [`at_version`] gives it), pages and all: started by
/// [`SHOW_PAGES`].
pub fn pages(calamares: &str, directory: &Path) -> Live {
    // Without such a directory Calamares ends at once.
    std::os::unix::fs::symlink("/usr/share/calamares/qml", directory.join("share/calamares/qml")).unwrap();
    let branding = directory.join("share/calamares/branding/nixos/branding.desc");
    if !branding.exists() {
        let rig = project().join("tests/rig/calamares/branding/rig/branding.desc");
        let text = std::fs::read_to_string(rig).unwrap();
        std::fs::write(branding, text.replace("componentName: rig", "componentName: nixos")).unwrap();
    }
    let settings = std::fs::read_to_string(conf(directory, "settings.conf")).unwrap();
    let settings: Value = serde_yaml::from_str(&settings).unwrap();
    let bind = |host: &Path, guest: &str| format!("{}:{guest}", host.display());
    let live = Live::bare("2.26").with(&["--calamares", calamares, "--bind", &bind(directory, EXTENSIONS)]);
    let modules = settings["modules-search"].as_array().unwrap().iter();
    let modules = modules.map(|search| search.as_str().unwrap());
    // Where upstream's own configuration looks for its module.
    modules
        .filter(|search| *search != "local" && !search.starts_with(EXTENSIONS))
        .fold(live, |live, search| {
            live.with(&["--bind", &bind(&directory.join("lib/calamares/modules"), search)])
        })
}

/// As NixOS' package starts it: the configuration is looked for where these two variables say.
pub const SHOW_PAGES: &str = "
    export XDG_CONFIG_DIRS=/extensions/etc:/extensions/share XDG_DATA_DIRS=/extensions/share:/usr/share
    export QT_QUICK_BACKEND=software PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8
    exec timeout 120 calamares -d -X -D8";

/// What the slideshow saw: seconds since its first word, and the per cent of the whole that the bar shows.
pub fn trace(said: &Outcome) -> Vec<(f64, f64, String)> {
    let lines = said.out.lines().filter_map(|line| {
        let at = line.find("trace [")? + "trace ".len();
        let json = line[at..].trim_end().trim_end_matches('"').replace("\\\"", "\"");
        serde_json::from_str::<Value>(&json).ok()
    });
    // seed, check, partition, mount, install, usermod, umount: (weights done + weight × fraction) / all (Calamares' JobQueue).
    let total = 1.0 + 8.0 + 1.0 + 1.0 + 80.0 + 1.0 + 1.0;
    let mut began = None;
    lines
        .map(|line| {
            let millis = line[0].as_f64().unwrap();
            let (done, weight) = if line[1] == "check" { (1.0, 8.0) } else { (11.0, 80.0) };
            let overall = 100.0 * (done + weight * line[2].as_f64().unwrap()) / total;
            let seconds = (millis - *began.get_or_insert(millis)) / 1000.0;
            let word = |index: usize| line[index].as_str().unwrap().to_owned();
            (seconds, overall, format!("{} | {} | {}", word(3), word(4), word(5)))
        })
        .collect()
}

/// The title and the details of the error dialog, from the log.
pub fn dialog(said: &Outcome) -> String {
    let Some((_, rest)) = said.out.split_once("Installation failed: ") else {
        panic!("nothing failed\n{}", said.out);
    };
    let end = rest.find("\n1").unwrap_or(rest.len());
    rest[..end].to_owned()
}
