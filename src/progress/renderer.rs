//! The three faces of the event stream: a bar on a terminal, plain lines, JSON lines.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::amounts::{amount, detail, message, message_width, template};
use super::event::Event;
use crate::diagnostic::Severity;
use crate::text::printable;

/// Shows events.
pub trait Renderer: Send {
    /// Shows one event.
    fn show(&mut self, event: &Event<'_>);

    /// Runs `question`, and draws nothing by itself meanwhile.
    fn pause(&self, question: &mut dyn FnMut()) {
        question();
    }
}

/// Which renderer the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A bar with an estimate of the time left when stderr is a terminal that can redraw a line, plain lines otherwise.
    #[default]
    Auto,
    /// One line a change, for logs.
    Plain,
    /// One JSON object a line on stdout; everything else goes to stderr.
    Json,
}

impl Format {
    /// Makes the renderer. Colours and the bar appear only where a terminal is.
    #[must_use]
    pub fn renderer(self) -> Box<dyn Renderer> {
        let bar = if self == Self::Auto { Bar::new() } else { None };
        match (self, bar) {
            (Self::Json, _) => Box::new(Json { out: io::stdout() }),
            (_, Some(bar)) => Box::new(bar),
            (_, None) => Box::new(Plain {
                out: io::stderr(),
                last_percent: None,
            }),
        }
    }
}

/// The version of the JSON form; raised when a field changes its meaning or goes away.
const JSON_VERSION: u32 = 1;

struct Json<W> {
    out: W,
}

#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    event: &'a Event<'a>,
    /// What a person reads, for events that have no text of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl<W: Write + Send> Renderer for Json<W> {
    fn show(&mut self, event: &Event<'_>) {
        let line = serde_json::to_string(&Versioned {
            version: JSON_VERSION,
            event,
            text: match event {
                Event::Phase { phase, .. } => Some(phase.title.to_owned()),
                Event::Progress { .. } => Some(amount(event)),
                Event::Problem { problem } => Some(problem.to_string()),
                Event::Plan { .. }
                | Event::Mounted { .. }
                | Event::Log { .. }
                | Event::Failure { .. }
                | Event::Done { .. } => None,
            },
        });
        match line {
            // A reader that went away is noticed elsewhere; an event has nowhere else to go.
            Ok(line) => drop(writeln!(self.out, "{line}").and_then(|()| self.out.flush())),
            Err(error) => log::error!("Failed to write an event as JSON: {error}"),
        }
    }
}

struct Plain<W> {
    out: W,
    last_percent: Option<u64>,
}

impl<W: Write + Send> Renderer for Plain<W> {
    fn show(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::Phase { phase, fraction } => {
                self.last_percent = None;
                format!("[{:3}%] {}", percent(*fraction), phase.title)
            }
            Event::Progress { fraction, .. } => {
                // A line a per cent is enough for a log.
                let now = percent(*fraction);
                if self.last_percent.is_some_and(|last| last >= now) {
                    return;
                }
                self.last_percent = Some(now);
                format!("[{now:3}%]   {}", detail(event))
            }
            Event::Log { text } => format!("       {text}"),
            Event::Problem { problem } => format!("{}{problem}", heading(problem.severity)),
            Event::Plan { .. } | Event::Mounted { .. } | Event::Failure { .. } => return,
            Event::Done { text, .. } => (*text).to_owned(),
        };
        drop(writeln!(self.out, "{}", printable(&line)));
    }
}

struct Bar {
    drawn: ProgressBar,
    colours: bool,
    /// The width of the terminal that the bar is drawn for.
    columns: u16,
}

/// The bar's resolution: it is drawn from a fraction.
const TICKS: u32 = 10_000;

impl Bar {
    /// `None` where a bar cannot be drawn: stderr is not a terminal, or TERM is `dumb`, empty or unset. indicatif then writes
    /// nothing at all, not even the lines that are printed above the bar.
    fn new() -> Option<Self> {
        let stderr = ProgressDrawTarget::stderr();
        // indicatif knows the other two values of TERM.
        if stderr.is_hidden() || std::env::var_os("TERM").is_some_and(|term| term.is_empty()) {
            return None;
        }
        // https://no-color.org: set to anything but nothing.
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let bar = Self::on(stderr, terminal_columns(), colours);
        // The spinner shows that the program lives while Nix evaluates and nothing can be counted.
        bar.drawn.enable_steady_tick(Duration::from_millis(250));
        Some(bar)
    }

    fn on(target: ProgressDrawTarget, columns: u16, colours: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(u64::from(TICKS)), target);
        bar.set_style(style(columns));
        Self {
            drawn: bar,
            colours,
            columns,
        }
    }

    /// Adapts to a terminal whose width changed.
    fn fit(&mut self, columns: u16) {
        if self.columns != columns {
            self.columns = columns;
            self.drawn.set_style(style(columns));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn set(&self, fraction: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 ≤ fraction ≤ 1.
        self.drawn.set_position((fraction * f64::from(TICKS)) as u64);
    }
}

fn style(columns: u16) -> ProgressStyle {
    ProgressStyle::with_template(&template(columns))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// 80 where the terminal does not say.
fn terminal_columns() -> u16 {
    console::Term::stderr().size().1
}

impl Renderer for Bar {
    fn pause(&self, question: &mut dyn FnMut()) {
        self.drawn.suspend(question);
    }

    fn show(&mut self, event: &Event<'_>) {
        self.fit(terminal_columns());
        self.draw(event);
    }
}

impl Bar {
    fn draw(&self, event: &Event<'_>) {
        match event {
            Event::Phase { phase, fraction } => {
                self.set(*fraction);
                self.drawn.set_message(phase.title);
                self.drawn.println(self.paint("1", phase.title));
            }
            Event::Progress { fraction, .. } => {
                self.set(*fraction);
                let message = message(event, message_width(self.columns));
                self.drawn.set_message(printable(&message));
            }
            Event::Log { text } => self.drawn.println(format!("  {}", printable(text))),
            Event::Problem { problem } => {
                let colour = match problem.severity {
                    Severity::Error => "1;31",
                    Severity::Warning => "1;33",
                };
                let heading = self.paint(colour, heading(problem.severity).trim_end());
                self.drawn
                    .println(format!("{heading} {}", printable(&problem.to_string())));
            }
            Event::Plan { .. } | Event::Mounted { .. } | Event::Failure { .. } => {}
            Event::Done {
                text,
                fraction,
                exit_code,
            } => {
                self.set(*fraction);
                self.drawn.finish_and_clear();
                let colour = if *exit_code == 0 { "1;32" } else { "1;31" };
                // A reader that went away must not end what is done.
                drop(writeln!(io::stderr(), "{}", self.paint(colour, &printable(text))));
            }
        }
    }
}

fn heading(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error: ",
        Severity::Warning => "warning: ",
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 ≤ fraction ≤ 1.
fn percent(fraction: f64) -> u64 {
    (fraction * 100.0) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::super::event::{Phase, Unit};
    use super::*;
    use crate::diagnostic::Diagnostic;

    static COPY: Phase = Phase {
        name: "copy",
        title: "Copying the system",
        seconds: 1.0,
    };

    fn progress(fraction: f64, done: u64) -> Event<'static> {
        Event::Progress {
            phase: &COPY,
            fraction,
            done,
            total: 2_000_000,
            unit: Unit::Bytes,
            item: "hello-2.10",
            per_second: Some(500_000),
            eta_seconds: Some(61),
        }
    }

    #[test]
    fn the_json_face_writes_one_versioned_object_a_line() {
        let mut renderer = Json { out: Vec::new() };
        renderer.show(&progress(0.5, 1_000_000));
        renderer.show(&Event::Problem {
            problem: &Diagnostic::example("two\nlines", "", "").at("a.nix", Some(1), None),
        });
        let text = String::from_utf8(renderer.out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"version":1,"event":"progress","phase":"copy","fraction":0.5,"done":1000000,"total":2000000,"unit":"bytes","item":"hello-2.10","per_second":500000,"eta_seconds":61,"text":"1.0 MB of 2.0 MB, 500 kB/s, about 1m 1s left"}"#,
                r#"{"version":1,"event":"problem","severity":"error","code":"example","what":"two\nlines","place":{"file":"a.nix","line":1},"why":"","remedy":"","raw":"","text":"two\nlines\n  where: a.nix:1"}"#,
            ]
        );
    }

    /// Keeps what is written to a terminal with this many columns.
    #[derive(Debug, Clone)]
    struct Screen(u16, Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.0
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\r")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn on_a_terminal_of_any_width_the_numbers_are_seen() {
        for columns in 20..=200 {
            let written = Arc::default();
            let screen = Box::new(Screen(columns, Arc::clone(&written)));
            let bar = Bar::on(ProgressDrawTarget::term_like(screen), columns, false);
            bar.drawn.set_position(u64::from(TICKS / 2));
            written.lock().unwrap().clear();
            bar.draw(&progress(0.5, 1_000_000));
            bar.drawn.force_draw();
            let written = written.lock().unwrap().clone();
            let line = written.rsplit(['\r', '\n']).next().unwrap();
            let width = console::measure_text_width(line);
            assert!(width <= usize::from(columns), "{columns}: {line:?}");
            let numbers: &[&str] = match columns {
                ..26 => &[" 50% ", "1.0 MB/2.0 MB"],
                26..35 => &[" 50% ", "1.0 MB/2.0 MB", "1m 1s"],
                _ => &[" 50% ", "1.0 MB", "2.0 MB", "500 kB/s", "1m 1s"],
            };
            for number in numbers {
                assert!(line.contains(number), "{columns}: {number} is not in {line:?}");
            }
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_written_to_it() {
        let mut renderer = Plain {
            out: Vec::new(),
            last_percent: None,
        };
        let problem = Diagnostic::example("\x1b[31mred\x1b[0m, \x1b]0;title\x07 and \r", "", "").at("a\nb", None, None);
        renderer.show(&Event::Problem { problem: &problem });
        let text = String::from_utf8(renderer.out).unwrap();
        assert_eq!(text, "error: red,  and \u{fffd}\n  where: a\u{fffd}b\n");
    }

    #[test]
    fn the_plain_face_writes_at_most_one_line_a_per_cent() {
        let mut renderer = Plain {
            out: Vec::new(),
            last_percent: None,
        };
        for step in 0..100 {
            renderer.show(&progress(0.5 + f64::from(step) / 10_000.0, 1_000_000));
        }
        assert_eq!(
            String::from_utf8(renderer.out).unwrap(),
            "[ 50%]   Copying the system: 1.0 MB of 2.0 MB, 500 kB/s, about 1m 1s left (hello-2.10)\n"
        );
    }
}
