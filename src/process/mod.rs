//! The one place that starts programs.

mod invocation;
#[cfg(test)]
mod process_tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::diagnostic::{Diagnostic, ProgramProblem};
use crate::interrupt::{Interrupt, Interrupted};
use crate::memory::{self, Memory};
pub use invocation::Invocation;

/// Which of a program's two outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line as a person would type it.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of its stdout, byte for byte.
    pub stdout: Vec<u8>,
    /// The last lines of both outputs, in the order in which they arrived (at most [`TAIL_LINES`]).
    pub tail: Vec<String>,
}

/// How many lines of a program's output are kept for an error.
pub const TAIL_LINES: usize = 400;

impl Finished {
    /// The program's stdout as text without the final newline.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        let text = std::str::from_utf8(&self.stdout)
            .with_context(|| format!("`{}` printed something that is not UTF-8", self.line))?;
        Ok(text.trim_end_matches('\n'))
    }

    /// The program itself if it succeeded.
    ///
    /// # Errors
    /// [`ProgramProblem::Failed`] when the exit code is not 0.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        // One that a signal ended did not get here.
        let code = self.status.code().unwrap_or_default();
        let end = format!("ended with exit code {code}");
        let line = self.line;
        let problem = Diagnostic::from(ProgramProblem::Failed { line, end });
        Err(problem.raw(self.tail.join("\n")).into())
    }
}

/// Starts programs: with one environment for all, each in a process group of its own, ended when the run is.
pub struct Runner {
    env: Vec<(OsString, OsString)>,
    interrupt: Interrupt,
    /// Open in each program: as its stdin (it reads as empty), unless that is handed bytes. So a lock on the file is held as long
    /// as any of them lives, even when this process was killed.
    stdin: Option<File>,
    /// Where the kernel reports memory.
    proc: PathBuf,
}

/// The program without which neither an ISO is made nor a system installed.
pub const NIX: &str = "nix";

/// What a shell adds to the signal that ended the program that it ran (POSIX: more than 128; dash and bash: 128).
const BY_SHELL: i32 = 128;

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How many store paths one call gets: a command line holds about two million bytes, and a path has some seventy.
pub const PATHS_PER_CALL: usize = 10_000;

enum Message {
    Line(Stream, Vec<u8>),
    Closed,
}

impl Runner {
    /// A runner whose programs see `env` and nothing else, and end when `interrupt` is raised.
    #[must_use]
    pub fn new(env: Vec<(OsString, OsString)>, interrupt: Interrupt) -> Self {
        Self {
            env,
            interrupt,
            stdin: None,
            proc: PathBuf::from(memory::PROC),
        }
    }

    /// Has all programs from now on see `env` and nothing else.
    pub fn set_environment(&mut self, env: Vec<(OsString, OsString)>) {
        self.env = env;
    }

    /// A runner with the same environment whose programs no signal ends: for what has to be undone after one.
    #[must_use]
    pub fn for_cleanup(&self) -> Self {
        Self::new(self.env.clone(), Interrupt::default())
    }

    /// Has all programs hold `file` open; it is the stdin of those that are not handed bytes.
    pub fn share_lock(&mut self, file: File) {
        self.stdin = Some(file);
    }

    /// The flag that ends programs.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The value of a variable in the environment of all programs.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// Runs `invocation` to its end and hands each line of its output to `on_line` as it comes.
    ///
    /// # Errors
    /// When the program cannot be started ([`ProgramProblem::Missing`] if it does not exist) or was ended by a signal; with
    /// [`Interrupted`] when the flag was raised meanwhile. An exit code other than 0 is no error here: see
    /// [`Finished::success`].
    pub fn run(&self, invocation: &Invocation, on_line: &mut dyn FnMut(Stream, &str)) -> Result<Finished> {
        self.interrupt.check()?;
        let line = invocation.line();
        log::debug!("$ {line}");
        let began = Instant::now();
        let killed = memory::killed(&self.proc);
        let mut child = self.spawn(invocation)?;
        let (sender, receiver) = channel();
        if let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), invocation.stdin.clone()) {
            // A program may stop reading its input; its exit code shows whether that is an error.
            thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        read_lines(child.stdout.take(), Stream::Stdout, sender.clone());
        read_lines(child.stderr.take(), Stream::Stderr, sender);
        let mut finished = Finished {
            line,
            status: ExitStatus::default(),
            stdout: Vec::new(),
            tail: Vec::new(),
        };
        let outcome = self.follow(&receiver, invocation, &mut finished, on_line);
        if outcome.is_err() {
            end(&mut child);
        }
        finished.status = child.wait().context("Failed to wait for a program")?;
        let seconds = began.elapsed().as_secs_f64();
        log::debug!("  ended after {seconds:.3} s: {}", finished.status);
        outcome?;
        // A signal sent to the whole session ends the program before this process looks at its flag.
        if !finished.status.success() {
            self.interrupt.check()?;
            if let Some(problem) = self.ended_by_signal(invocation, &finished, killed) {
                return Err(Diagnostic::from(problem).raw(finished.tail.join("\n")).into());
            }
        }
        Ok(finished)
    }

    /// The problem of a program that a signal ended, or of a shell whose program was killed. `killed`: how many processes the
    /// kernel had killed for want of memory before.
    fn ended_by_signal(
        &self,
        invocation: &Invocation,
        finished: &Finished,
        killed: Option<u64>,
    ) -> Option<ProgramProblem> {
        let killed_in_shell = finished.status.code() == Some(BY_SHELL + Signal::SIGKILL as i32);
        let number = killed_in_shell.then_some(Signal::SIGKILL as i32);
        let number = number.or(finished.status.signal())?;
        if number != Signal::SIGKILL as i32 {
            let name = Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string());
            return Some(ProgramProblem::Failed {
                line: finished.line.clone(),
                end: format!("was ended by the signal {name}"),
            });
        }
        let more = |before: u64| Some(memory::killed(&self.proc)? > before);
        Some(ProgramProblem::Killed {
            program: format!("`{}`", Path::new(&invocation.inner).display()),
            for_memory: killed.and_then(more),
            memory: Memory::read(&self.proc),
        })
    }

    /// Runs `invocation` and returns its stdout as text, without a final newline.
    ///
    /// # Errors
    /// As [`Runner::run`] and [`Finished::success`].
    pub fn output(&self, invocation: &Invocation) -> Result<String> {
        let finished = self.run(invocation, &mut |_, _| {})?.success()?;
        Ok(finished.text()?.to_owned())
    }

    /// The lines that `invocation` prints for `paths`, which are given to it in several calls if a command line cannot hold them.
    ///
    /// # Errors
    /// As [`Runner::output`].
    pub fn output_of(&self, invocation: &Invocation, paths: &[&str]) -> Result<String> {
        let mut text = String::new();
        for chunk in paths.chunks(PATHS_PER_CALL) {
            let part = self.output(&invocation.clone().args(chunk.iter().copied()).long())?;
            text.extend(part.lines().flat_map(|line| [line, "\n"]));
        }
        Ok(text)
    }

    fn spawn(&self, invocation: &Invocation) -> Result<Child> {
        // Open in the program beside its stdin, and closed here when it was started.
        let mut inherited = None;
        let stdin = match (&invocation.stdin, &self.stdin) {
            (Some(_), lock) => {
                inherited = lock.as_ref().map(inheritable).transpose()?;
                Stdio::piped()
            }
            (None, Some(file)) => file.try_clone().context("Failed to share the lock")?.into(),
            (None, None) => Stdio::null(),
        };
        #[allow(clippy::disallowed_types)] // The one place.
        let mut command = std::process::Command::new(
            self.find(&invocation.program)
                .as_deref()
                .unwrap_or(Path::new(&invocation.program)),
        );
        command
            .args(&invocation.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C reaches this process alone, which then ends the whole group in order.
            .process_group(0);
        let child = command.spawn();
        drop(inherited);
        child.map_err(|error| {
            let program = invocation.program.to_string_lossy().into_owned();
            let problem = match error.kind() {
                ErrorKind::NotFound if program == NIX => ProgramProblem::NoNix,
                ErrorKind::NotFound => ProgramProblem::Missing {
                    program,
                    line: invocation.line(),
                },
                _ => ProgramProblem::NotStarted {
                    program,
                    reason: error.to_string(),
                },
            };
            problem.into()
        })
    }

    /// Looks `program` up in the PATH that programs get, not in this process's own.
    fn find(&self, program: &OsStr) -> Option<PathBuf> {
        let directories = self.variable("PATH").into_iter().flat_map(std::env::split_paths);
        let mut candidates = directories.map(|directory| directory.join(program));
        candidates.find(|candidate| candidate.is_file())
    }

    /// Whether the programs that are started find `program`.
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        self.find(OsStr::new(program)).is_some()
    }

    fn follow(
        &self,
        receiver: &Receiver<Message>,
        invocation: &Invocation,
        finished: &mut Finished,
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<()> {
        let mut open = 2;
        while open > 0 {
            if self.interrupt.is_raised() {
                return Err(Interrupted.into());
            }
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(Message::Line(stream, bytes)) => {
                    let text = String::from_utf8_lossy(&bytes);
                    let text = text.trim_end_matches(['\n', '\r']);
                    on_line(stream, text);
                    if stream == Stream::Stdout {
                        finished.stdout.extend_from_slice(&bytes);
                    }
                    if stream == Stream::Stderr && text.starts_with("@nix ") {
                        // The reader of these lines logs the messages in them.
                        log::trace!("  | {text}");
                    } else if stream == Stream::Stderr || !invocation.quiet {
                        log::debug!("  | {text}");
                        keep_last(&mut finished.tail, text);
                    }
                }
                Ok(Message::Closed) => open -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }
}

/// The same file, for programs to inherit.
fn inheritable(file: &File) -> Result<File> {
    let share = || -> std::io::Result<File> {
        let file = file.try_clone()?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(file)
    };
    share().context("Failed to share the lock")
}

fn keep_last(tail: &mut Vec<String>, text: &str) {
    // Dropping a quarter at once keeps this linear.
    if tail.len() >= TAIL_LINES {
        tail.drain(..TAIL_LINES / 4);
    }
    tail.push(text.to_owned());
}

fn read_lines(source: Option<impl Read + Send + 'static>, stream: Stream, sender: Sender<Message>) {
    thread::spawn(move || {
        if let Some(source) = source {
            let mut reader = BufReader::new(source);
            loop {
                let mut line = Vec::new();
                // An error on a pipe is its end.
                if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                    break;
                }
                if sender.send(Message::Line(stream, line)).is_err() {
                    return;
                }
            }
        }
        drop(sender.send(Message::Closed));
    });
}

/// Asks the child's process group to end, and kills it if it does not in time.
fn end(child: &mut Child) {
    let Ok(group) = i32::try_from(child.id()).map(Pid::from_raw) else {
        return;
    };
    // Errors mean that it has ended already.
    let _ = killpg(group, Signal::SIGTERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = killpg(group, Signal::SIGKILL);
}
