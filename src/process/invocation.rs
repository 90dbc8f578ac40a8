//! What is to be run, as a value.

use crate::text::shell_word;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// A program with its arguments: what is to be run, as a value.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub(super) program: OsString,
    /// The program that is meant, where another one starts it.
    pub(super) inner: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) quiet: bool,
    long: bool,
}

impl Invocation {
    /// `program`, looked up in the runner's PATH.
    pub fn new(program: impl Into<OsString>) -> Self {
        let program = program.into();
        Self {
            inner: program.clone(),
            program,
            args: Vec::new(),
            stdin: None,
            quiet: false,
            long: false,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: Into<OsString>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same, started by `outer`, which takes a command line after its own arguments.
    #[must_use]
    pub fn inside(self, outer: Self) -> Self {
        let mut args = outer.args;
        args.push(self.program);
        args.extend(self.args);
        Self {
            program: outer.program,
            args,
            ..self
        }
    }

    /// Hands `bytes` to the program on its stdin. They are never logged: this is the way for secrets.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Keeps stdout out of the log: it is data, and long.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Shows only the first arguments in the log and in errors: the rest is thousands of store paths.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// The command line as a person would type it; of an expression of many lines only the first.
    #[must_use]
    pub fn line(&self) -> String {
        let shown = if self.long { SHOWN_OF_LONG } else { self.args.len() };
        let words = std::iter::once(&self.program).chain(self.args.iter().take(shown));
        let mut line = words
            .map(|word| shell_word(OsStr::new(&*first_line(word))))
            .collect::<Vec<_>>()
            .join(" ");
        if let Some(more @ 1..) = self.args.len().checked_sub(shown) {
            line.extend([" … and ", &more.to_string(), " more"]);
        }
        line
    }
}

/// How much of a long command line is shown.
const SHOWN_OF_LONG: usize = 6;

fn first_line(word: &OsStr) -> Cow<'_, str> {
    let text = word.to_string_lossy();
    match text.split_once('\n') {
        Some((first, _)) => format!("{first} …").into(),
        None => text,
    }
}
