//! The progress of a Nix program: the lines that it prints with `--log-format internal-json`.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use crate::store_path::store_name;

/// Numbers from Nix's src/libutil/logging.hh, the same in 2.8, 2.26 and 2.34.
mod kind {
    pub const COPY_PATH: u64 = 100;
    pub const BUILDS: u64 = 104;
    pub const BUILD: u64 = 105;
    pub const RESULT_BUILD_LOG_LINE: u64 = 101;
    pub const RESULT_PROGRESS: u64 = 105;
}

/// Levels of messages (`Verbosity` in the same file). Those above are for developers of Nix.
const WARNING: u64 = 1;
const INFO: u64 = 3;

/// Makes a Nix program print what a [`Tracker`] reads.
pub const LOG_FORMAT: [&str; 2] = ["--log-format", "internal-json"];
/// Makes an evaluation report each file that it reads (level 4) and each derivation that it instantiates (level 5).
pub const VERBOSE: &str = "-vv";

/// How those messages begin (Nix 2.8, 2.26 and 2.34).
const EVALUATION_STEPS: [&str; 2] = ["evaluating file '", "instantiated '"];

/// How many lines of a failed builder's log are quoted.
const LOG_LINES: usize = 20;

#[derive(Deserialize)]
struct Line {
    action: String,
    #[serde(default)]
    id: u64,
    #[serde(default, rename = "type")]
    kind: u64,
    #[serde(default)]
    level: u64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    fields: Vec<Value>,
}

struct Running {
    kind: u64,
    /// The derivation that is built, or the store path that is copied.
    path: String,
    /// Bytes copied.
    done: u64,
    log: Vec<String>,
}

/// The logs of this many builders are kept: with several at work, the one that failed need not be the last to end.
const LOGS: usize = 32;

/// The progress of one program, from its internal-json lines.
#[derive(Default)]
pub struct Tracker {
    running: HashMap<u64, Running>,
    /// Derivations built.
    built: u64,
    /// Files read and derivations instantiated.
    evaluated: u64,
    /// Bytes of the paths that were copied completely.
    copied: u64,
    /// See [`Tracker::item`].
    item: String,
    messages: Vec<String>,
    /// The derivations whose builders ended, each with the last lines of the log.
    logs: VecDeque<(String, Vec<String>)>,
}

/// The line above a builder's last lines in [`Tracker::said`].
pub const LAST_LINES: &str = "last lines of the builder:";

impl Tracker {
    /// Takes one line of stderr. A line that is not internal-json is kept as a message.
    pub fn take(&mut self, line: &str) {
        let parsed = line.strip_prefix("@nix ").map(serde_json::from_str::<Line>);
        match parsed {
            Some(Ok(line)) => self.event(&line),
            Some(Err(_)) | None => self.messages.push(plain(line)),
        }
    }

    fn event(&mut self, line: &Line) {
        match line.action.as_str() {
            "start" => self.start(line),
            "stop" => {
                if let Some(ended) = self.running.remove(&line.id) {
                    self.ended(ended);
                }
            }
            "result" => self.result(line),
            "msg" if line.level <= INFO => self.say(line.level, &line.msg),
            "msg" => self.evaluation(&line.msg),
            _ => {}
        }
    }

    fn ended(&mut self, ended: Running) {
        let same_kind = self.running.iter().filter(|(_, running)| running.kind == ended.kind);
        // Something that is still running is shown, the oldest first.
        if let Some((_, other)) = same_kind.min_by_key(|(id, _)| **id)
            && store_name(&ended.path) == self.item
        {
            self.item = store_name(&other.path);
        }
        match ended.kind {
            kind::COPY_PATH => self.copied += ended.done,
            kind::BUILD => self.keep(ended),
            _ => {}
        }
    }

    fn keep(&mut self, ended: Running) {
        if ended.log.is_empty() {
            return;
        }
        if self.logs.len() == LOGS {
            self.logs.pop_front();
        }
        self.logs.push_back((ended.path, ended.log));
    }

    fn say(&mut self, level: u64, text: &str) {
        let text = plain(text);
        for line in text.lines() {
            log::debug!("  | {line}");
        }
        if level <= WARNING {
            self.messages.push(text);
        }
    }

    fn evaluation(&mut self, text: &str) {
        let Some(name) = EVALUATION_STEPS.iter().find_map(|part| text.strip_prefix(part)) else {
            return;
        };
        let name = name.split('\'').next().unwrap_or_default();
        self.evaluated += 1;
        let name = name.rsplit('/').next().unwrap_or(name);
        // Nix has files of its own in `<…>`.
        name.trim_matches(['<', '>']).clone_into(&mut self.item);
    }

    fn start(&mut self, line: &Line) {
        let path = line.fields.first().and_then(Value::as_str).unwrap_or_default();
        if matches!(line.kind, kind::COPY_PATH | kind::BUILD) {
            self.item = store_name(path);
        }
        if line.level <= INFO && !line.text.is_empty() {
            self.say(line.level, &line.text);
        }
        let running = Running {
            kind: line.kind,
            path: path.to_owned(),
            done: 0,
            log: Vec::new(),
        };
        self.running.insert(line.id, running);
    }

    fn result(&mut self, line: &Line) {
        let Some(running) = self.running.get_mut(&line.id) else {
            return;
        };
        let done = || line.fields.first().and_then(Value::as_u64).unwrap_or(0);
        match (line.kind, running.kind) {
            (kind::RESULT_PROGRESS, kind::BUILDS) => self.built = done(),
            (kind::RESULT_PROGRESS, kind::COPY_PATH) => running.done = done(),
            (kind::RESULT_BUILD_LOG_LINE, _) => {
                if let Some(text) = line.fields.first().and_then(Value::as_str) {
                    if running.log.len() == LOG_LINES {
                        running.log.remove(0);
                    }
                    let text = plain(text);
                    log::debug!("  > {text}");
                    running.log.push(text);
                }
            }
            _ => {}
        }
    }

    /// Derivations built. The total that Nix expects is unusable: too high at first, later only what it has come to.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.built
    }

    /// Files read and derivations instantiated.
    #[must_use]
    pub fn evaluated(&self) -> u64 {
        self.evaluated
    }

    /// Bytes copied so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let under_way = self.running.values().filter(|running| running.kind == kind::COPY_PATH);
        self.copied + under_way.map(|running| running.done).sum::<u64>()
    }

    /// The name of what Nix is working on: a store path without its hash, or a file without its directory.
    #[must_use]
    pub fn item(&self) -> &str {
        &self.item
    }

    /// The errors and warnings of Nix, and the last lines of the builder that they name or, if none, that ended last.
    #[must_use]
    pub fn said(&self) -> String {
        let mut text = self.messages.join("\n");
        let named = self.logs.iter().rfind(|(drv, _)| text.contains(drv.as_str()));
        let log = named.or(self.logs.back()).map_or(&[][..], |(_, log)| log);
        if !log.iter().all(|line| text.contains(line.as_str())) {
            text.extend(["\n", LAST_LINES, "\n", &log.join("\n")]);
        }
        text
    }
}

fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).replace('\r', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Nix 2.26 writes them, shortened.
    const BUILD: &str = r#"
@nix {"action":"start","id":1,"level":5,"parent":0,"text":"","type":104}
@nix {"action":"result","fields":[0,3,1,0],"id":1,"type":105}
@nix {"action":"start","fields":["/nix/store/abc-etc-1.drv","",1,1],"id":2,"level":3,"parent":1,"text":"building '/nix/store/abc-etc-1.drv'","type":105}
@nix {"action":"result","fields":["a \u001b[1mline"],"id":2,"type":101}
@nix {"action":"result","fields":[1,3,0,0],"id":1,"type":105}
@nix {"action":"stop","id":2}
@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m it broke"}
@nix {"action":"msg","level":5,"msg":"noise"}
plain words
"#;

    #[test]
    fn builds_are_counted_and_errors_come_without_colours() {
        let mut tracker = Tracker::default();
        BUILD.trim().lines().for_each(|line| tracker.take(line));
        assert_eq!(tracker.built(), 1);
        assert_eq!(tracker.item(), "etc-1");
        assert_eq!(
            tracker.said(),
            "error: it broke\nplain words\nlast lines of the builder:\na line"
        );
    }

    #[test]
    fn files_and_derivations_of_an_evaluation_are_counted_and_are_no_messages() {
        let mut tracker = Tracker::default();
        for (level, text) in [
            (4, "evaluating file '/nix/store/x-nixos/nixos/lib/eval-config.nix'"),
            (5, "instantiated 'bash-5.2' -> '/nix/store/abc-bash-5.2.drv'"),
            (5, "copied source '/tmp/c/motd' -> '/nix/store/abc-motd'"),
            (0, "trace: a word of the user's own"),
        ] {
            tracker.take(&format!(r#"@nix {{"action":"msg","level":{level},"msg":"{text}"}}"#));
        }
        assert_eq!((tracker.evaluated(), tracker.item()), (2, "bash-5.2"));
        assert_eq!(tracker.said(), "trace: a word of the user's own");
    }

    #[test]
    fn of_several_builders_the_one_that_failed_is_quoted() {
        let mut tracker = Tracker::default();
        for (id, name) in [(2, "bad"), (3, "good")] {
            tracker.take(&format!(
                r#"@nix {{"action":"start","fields":["/nix/store/{name}.drv"],"id":{id},"type":105}}"#
            ));
            tracker.take(&format!(
                r#"@nix {{"action":"result","fields":["{name} line"],"id":{id},"type":101}}"#
            ));
        }
        assert_eq!(tracker.item(), "good");
        tracker.take(r#"@nix {"action":"stop","id":3}"#);
        assert_eq!(tracker.item(), "bad", "what has ended is not being worked on");
        tracker.take(r#"@nix {"action":"stop","id":2}"#);
        tracker.take(r#"@nix {"action":"msg","level":0,"msg":"error: builder for '/nix/store/bad.drv' failed"}"#);
        assert!(
            tracker.said().ends_with("last lines of the builder:\nbad line"),
            "{}",
            tracker.said()
        );
    }

    #[test]
    fn bytes_of_a_copy_under_way_count() {
        let mut tracker = Tracker::default();
        for line in [
            r#"@nix {"action":"start","fields":["/nix/store/abc-hello-2.10","local","/mnt"],"id":7,"level":3,"parent":1,"text":"","type":100}"#,
            r#"@nix {"action":"result","fields":[500,1000,0,0],"id":7,"type":105}"#,
        ] {
            tracker.take(line);
        }
        assert_eq!((tracker.bytes(), tracker.item()), (500, "hello-2.10"));
        tracker.take(r#"@nix {"action":"stop","id":7}"#);
        assert_eq!(tracker.bytes(), 500);
    }
}
