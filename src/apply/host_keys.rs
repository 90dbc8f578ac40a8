//! The host keys that secrets can be encrypted for. They are made with the installation, so that their public halves can leave it.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

use crate::diagnostic::AnswersFileProblem;
use crate::files::{remove, sync};
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
        // A link to what is not there is left to the new system, in which it leads elsewhere than here.
        if place.symlink_metadata().is_err() {
            // Under another name at first: a key that a power cut leaves cut off would neither be made again nor open anything.
            let mut new = OsString::from(".");
            new.push(name);
            new.push(".nix-cfg-install");
            let [new, new_public] = ["", ".pub"].map(|end| with_end(&place.with_file_name(&new), end));
            remove(&new)?;
            remove(&new_public)?;
            // As NixOS makes them (24.05, services/networking/ssh/sshd.nix, the default of `hostKeys`).
            let kind: &[&str] = if key.file.path.contains("rsa") {
                &["rsa", "-b", "4096"]
            } else {
                &["ed25519"]
            };
            let make = Invocation::new(PROGRAM)
                .args(["-q", "-N", "", "-C", owner, "-f"])
                .arg(&new)
                .arg("-t");
            runner.output(&make.args(kind.iter().copied()))?;
            let directory = place.parent().unwrap_or(&place);
            sync(directory)?;
            fs::rename(new_public, with_end(&place, ".pub"))?;
            fs::rename(new, &place)?;
            sync(directory)?;
        } else if !place.exists() {
            continue;
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

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::interrupt::Interrupt;
    use crate::nix::secret_facts::{Key, NamedFile, Opener};

    /// ssh-keygen, with `end` after half of a key is written to `$file`.
    fn fake(directory: &Path, end: &str) -> Runner {
        let program = directory.join(PROGRAM);
        let script = format!(
            "#!/bin/sh\nfor word; do [ \"$last\" != -f ] || file=$word; last=$word; done\n[ \"$1\" != -y ] || exec cat \"$file\"\nprintf half > \"$file\"\n{end}\n"
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", directory.display());
        Runner::new(vec![("PATH".into(), path.into())], Interrupt::default())
    }

    #[test]
    fn a_key_that_was_cut_off_is_made_again() {
        let (root, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = Target::new(root.path());
        let path = "/etc/ssh/ssh_host_ed25519_key";
        let file = NamedFile {
            path: path.to_owned(),
            provided: false,
        };
        let key = Key {
            file,
            generated: true,
            ..Key::default()
        };
        let secrets = Secrets {
            openers: vec![Opener {
                keys: vec![key],
                ..Opener::default()
            }],
            ..Secrets::default()
        };
        let cut_off = fake(programs.path(), "kill -9 $$");
        assert!(make_all(&secrets, &target, "pupil", &cut_off).is_err());
        assert!(!target.inside_path(Path::new(path)).exists());
        let whole = fake(
            programs.path(),
            "printf ' and whole' >> \"$file\"; printf public > \"$file.pub\"",
        );
        let public = make_all(&secrets, &target, "pupil", &whole).unwrap();
        assert_eq!(public, "half and whole\n");
        let directory = fs::read_dir(root.path().join("etc/ssh")).unwrap();
        let mut names: Vec<_> = directory.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]);
    }
}
