//! The key with which the initrd opens encrypted volumes after GRUB has opened them (BIOS, and /boot on one of them).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};

use super::installation::Installation;
use crate::diagnostic::ApplyProblem;
use crate::live::installer_facts::Luks;
use crate::live::target::Target;
use crate::process::{Invocation, Runner};

/// 512 bits, as many as the longest key of a volume has.
const KEY_BYTES: u64 = 64;

/// Makes the key, and makes it open every volume; what is done already is left alone.
///
/// # Errors
/// A [`Diagnostic`] when a volume cannot be given the key, with the commands for a person to type.
pub(super) fn enroll(target: &Target, installation: &Installation<'_>) -> Result<()> {
    let machine = &installation.request.machine;
    let runner = installation.live.runner;
    if !machine.encrypted_boot {
        return Ok(());
    }
    let key = target.luks_key();
    make(&key).with_context(|| format!("Failed to make the key {}", key.display()))?;
    for luks in &machine.luks {
        if opens(runner, luks, &key)? {
            continue;
        }
        let Some(passphrase) = installation.passphrases.get(&luks.device) else {
            return Err(by_hand(luks, &key, "Its passphrase is not known here.".to_owned()).into());
        };
        installation.live.report.note(&format!(
            "Giving the encrypted volume {} a key for the initrd.",
            luks.name
        ));
        add(runner, luks, &key, passphrase).map_err(|error| by_hand(luks, &key, format!("{error:#}")))?;
    }
    Ok(())
}

/// A key of random bytes, readable for root alone, in a directory that is root's alone.
fn make(key: &Path) -> Result<()> {
    // Written at once: what a power cut leaves is not taken for a key.
    if fs::metadata(key).is_ok_and(|meta| meta.len() == KEY_BYTES) {
        return Ok(());
    }
    if let Some(directory) = key.parent() {
        // Only this one is closed: the target may have no /etc yet.
        directory.parent().map_or(Ok(()), fs::create_dir_all)?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    fs::File::open("/dev/urandom")?
        .take(KEY_BYTES)
        .read_to_end(&mut bytes)?;
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(key)?;
    file.write_all(&bytes)?;
    Ok(file.sync_all()?)
}

fn cryptsetup(action: &str) -> Invocation {
    Invocation::new("cryptsetup").args(["--batch-mode", action])
}

fn opens(runner: &Runner, luks: &Luks, key: &Path) -> Result<bool> {
    let invocation = cryptsetup("open")
        .args(["--test-passphrase", "--key-file"])
        .arg(key)
        .arg(&luks.device);
    Ok(runner.run(&invocation, &mut |_, _| {})?.status.success())
}

/// Turns the passphrase's slot into what GRUB (2.12) can read, PBKDF2 where LUKS 2 has Argon2, and adds the key: last, so that
/// a volume which it opens is finished.
fn add(runner: &Runner, luks: &Luks, key: &Path, passphrase: &SecretString) -> Result<()> {
    let secret = || passphrase.expose_secret().as_bytes().to_vec();
    let is_luks2 = cryptsetup("isLuks").args(["--type", "luks2"]).arg(&luks.device);
    if runner.run(&is_luks2, &mut |_, _| {})?.status.success() {
        let convert = cryptsetup("luksConvertKey")
            .args(["--key-file", "-", "--hash", "sha256", "--pbkdf", "pbkdf2"])
            .arg(&luks.device)
            .stdin(secret());
        runner.output(&convert)?;
    }
    // A random key needs no stretching, and GRUB tries the slots one after the other.
    let add = cryptsetup("luksAddKey")
        .args([
            "--key-file",
            "-",
            "--hash",
            "sha256",
            "--pbkdf",
            "pbkdf2",
            "--pbkdf-force-iterations",
            "1000",
        ])
        .arg(&luks.device)
        .arg(key)
        .stdin(secret());
    runner.output(&add)?;
    Ok(())
}

fn by_hand(luks: &Luks, key: &Path, cause: String) -> ApplyProblem {
    ApplyProblem::LuksKey {
        name: luks.name.clone(),
        device: luks.device.clone(),
        key: key.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_directory_of_the_key_is_closed_to_others() {
        let target = tempfile::tempdir().unwrap();
        let key = target.path().join("etc/secrets/initrd/luks.key");
        make(&key).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes: Vec<u32> = key.ancestors().take(4).map(mode).collect();
        assert_eq!(modes, [0o600, 0o700, 0o755, 0o755]);
        let bytes = fs::read(&key).unwrap();
        make(&key).unwrap();
        assert_eq!((bytes.len(), fs::read(&key).unwrap()), (64, bytes));
    }
}
