//! The host keys that secrets can be encrypted for. They are made with the installation, so that their public halves can leave it.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process;

use anyhow::{Context, Result};

use crate::diagnostic::AnswersFileProblem;
use crate::live::target::Target;
use crate::nix::secret_facts::Secrets;
use crate::plan::request::LiveSystem;
use crate::process::{Invocation, Runner};

/// What makes them. Live systems of NixOS have it; the new system makes what was not made.
const PROGRAM: &str = "ssh-keygen";

/// Makes the keys of `secrets` that the new system would make itself when it first starts, unless they are there. Returns the public
/// halves, a line each; `owner` is the comment of those that are made. What fails is reported: the system is installed.
pub fn make(secrets: &Secrets, target: &Target, owner: &str, live: &LiveSystem<'_>) -> String {
    if !live.runner.has(PROGRAM) {
        return String::new();
    }
    make_all(secrets, target, owner, live.runner).unwrap_or_else(|error| {
        let error = format!("{error:#}");
        live.report.problem(&AnswersFileProblem::HostKey { error }.into());
        String::new()
    })
}

fn make_all(secrets: &Secrets, target: &Target, owner: &str, runner: &Runner) -> Result<String> {
    let mut public = String::new();
    let keys = secrets.openers.iter().flat_map(|opener| &opener.keys);
    for key in keys.filter(|key| key.generated) {
        let path = PathBuf::from(secrets.kept(&key.file.path));
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        let what = || format!("Failed to open {} on the target", directory.display());
        fs::create_dir_all(target.inside_path(directory)).with_context(what)?;
        // Links lead where they lead in the installed system.
        let open = target.open_inside(directory).with_context(what)?;
        let place = PathBuf::from(format!("/proc/{}/fd/{}", process::id(), open.as_raw_fd())).join(name);
        if !place.exists() {
            // As NixOS makes them (24.05, services/networking/ssh/sshd.nix, the default of `hostKeys`).
            let kind: &[&str] = if key.file.path.contains("rsa") {
                &["rsa", "-b", "4096"]
            } else {
                &["ed25519"]
            };
            let make = Invocation::new(PROGRAM)
                .args(["-q", "-N", "", "-C", owner, "-f"])
                .arg(&place)
                .arg("-t");
            runner.output(&make.args(kind.iter().copied()))?;
        }
        // One with a passphrase was brought along. Nobody is asked for it: sshd could not open it either.
        let half = runner.output(&Invocation::new(PROGRAM).args(["-y", "-P", "", "-f"]).arg(&place))?;
        if !public.contains(&half) {
            public.push_str(half.trim_end());
            public.push('\n');
        }
    }
    Ok(public)
}
