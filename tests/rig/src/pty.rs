//! A terminal for a program.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use nix::pty::openpty;

/// Runs a program on a terminal of its own, which does not know its size, and types the next of `answers` whenever a question ends
/// in `: `. Returns how it ended, and what was seen.
pub fn on_terminal(mut command: Command, answers: &[&str]) -> (ExitStatus, String) {
    let terminal = openpty(None, None).unwrap();
    let end = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    // The command holds copies of it as well.
    drop((command, terminal.slave));
    let mut master = File::from(terminal.master);
    let (mut seen, mut answers) = (Vec::new(), answers.iter());
    let mut buffer = [0; 4096];
    // Its end is an error: nobody has the other side open any more.
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        seen.extend(&buffer[..count]);
        if seen.ends_with(b": ")
            && let Some(answer) = answers.next()
        {
            master.write_all(answer.as_bytes()).unwrap();
        }
    }
    (child.wait().unwrap(), String::from_utf8(seen).unwrap())
}
