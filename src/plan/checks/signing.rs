//! Secure Boot: whether the boot loader can be signed, and whether this machine's firmware starts it.

use super::keys::Files;
use crate::diagnostic::{Diagnostic, SigningProblem};
use crate::live::decisions::{Decisions, Firmware};
use crate::nix::facts::Boot;
use crate::nix::secret_facts::{NamedFile, Signer};
use crate::plan::observed::SecureBoot;

/// The signature that the boot loader will have when it is installed.
enum Signature<'a> {
    None,
    /// With keys that are there, or are made then.
    By(&'a Signer),
    /// It is not installed.
    Failed,
}

/// The problems of the boot loaders that are signed; an empty list where none is.
pub(super) fn keys(files: &Files<'_>, boot: &Boot) -> Vec<Diagnostic> {
    let problem = |signer: &Signer| {
        let missing = missing(files, signer);
        let is_optional = missing.is_empty() || signer.signs_new || is_unsigned(signer, &missing);
        (!is_optional && !boot.container).then(|| SigningProblem::NoKeys {
            loader: signer.loader.clone(),
            missing: missing.iter().map(|file| file.path.clone()).collect(),
            bundle: signer.bundle.clone(),
            generates: signer.generates.clone(),
            delivery: files.delivery.clone(),
        })
    };
    let problems = files.secrets.signers.iter().filter_map(problem);
    problems.map(Diagnostic::from).collect()
}

fn missing<'a>(files: &Files<'_>, signer: &'a Signer) -> Vec<&'a NamedFile> {
    signer.files.iter().filter(|file| files.is_lacking(file)).collect()
}

/// lzbt installs without a signature where that is allowed and it has neither the key nor the certificate (its cli.rs, 1.1).
fn is_unsigned(signer: &Signer, missing: &[&NamedFile]) -> bool {
    signer.unsigned && missing.len() == signer.files.len()
}

/// Whether this machine's firmware starts the boot loader, and takes its keys.
pub(super) fn firmware(
    files: &Files<'_>,
    boot: &Boot,
    decisions: &Decisions,
    secure_boot: &SecureBoot,
) -> Vec<Diagnostic> {
    if decisions.firmware == Firmware::Bios || boot.container || boot.loaders.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let signer = files.secrets.signers.first();
    let is_trusted = |signer: &Signer| secure_boot.trusted.contains(&signer.certificate);
    if secure_boot.on == Some(true) {
        problems.extend(match signature(files) {
            Signature::None => Some(SigningProblem::Refused { certificate: None }),
            Signature::By(signer) if !is_trusted(signer) => Some(SigningProblem::Refused {
                certificate: Some(signer.certificate.clone()),
            }),
            Signature::By(_) | Signature::Failed => None,
        });
    }
    if let Some(signer) = signer
        && signer.enrolls
        && secure_boot.setup_mode == Some(false)
        && !is_trusted(signer)
    {
        problems.push(SigningProblem::NotInSetupMode {
            loader: signer.loader.clone(),
        });
    }
    problems.into_iter().map(Diagnostic::from).collect()
}

fn signature<'a>(files: &'a Files<'_>) -> Signature<'a> {
    let Some(signer) = files.secrets.signers.first() else {
        return Signature::None;
    };
    let missing = missing(files, signer);
    if missing.is_empty() || signer.signs_new {
        Signature::By(signer)
    } else if is_unsigned(signer, &missing) {
        Signature::None
    } else {
        Signature::Failed
    }
}

/// What this machine's firmware does with a signed boot loader; `None` where there is none, or the firmware says nothing.
pub fn note(signers: &[Signer], secure_boot: &SecureBoot) -> Option<&'static str> {
    signers.first()?;
    Some(match (secure_boot.on?, secure_boot.setup_mode) {
        (true, _) => "Secure Boot is on: this machine starts only what is signed with one of its firmware's keys.",
        (false, Some(true)) => {
            "Secure Boot is off, and the firmware is in setup mode: it starts the system, and accepts its keys."
        }
        (false, _) => "Secure Boot is off: this machine starts the system, signed or not.",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::diagnostic::Delivery;
    use crate::nix::secret_facts::Secrets;

    const CERTIFICATE: &str = "/var/lib/sbctl/keys/db/db.pem";
    const KEY: &str = "/var/lib/sbctl/keys/db/db.key";

    fn lanzaboote() -> Signer {
        let file = |path: &str| NamedFile {
            path: path.into(),
            provided: false,
        };
        Signer {
            loader: "lanzaboote".into(),
            bundle: "/var/lib/sbctl".into(),
            certificate: CERTIFICATE.into(),
            files: vec![file(CERTIFICATE), file(KEY)],
            generates: "boot.lanzaboote.autoGenerateKeys.enable".into(),
            ..Signer::default()
        }
    }

    /// The codes for a signer, the files on the target, and the firmware.
    fn codes(signer: Option<Signer>, present: &[&str], secure_boot: &SecureBoot) -> Vec<&'static str> {
        let secrets = Secrets {
            signers: signer.into_iter().collect(),
            ..Secrets::default()
        };
        let present: BTreeSet<String> = present.iter().map(|&path| path.to_owned()).collect();
        let files = Files {
            secrets: &secrets,
            systems: &[],
            tree: Path::new("/nonexistent"),
            present: &present,
            delivery: &Delivery::Target("/mnt".into()),
        };
        let boot = Boot {
            loaders: vec!["external".into()],
            ..Boot::default()
        };
        let mut problems = keys(&files, &boot);
        problems.extend(firmware(&files, &boot, &Decisions::default(), secure_boot));
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_boot_loader_is_not_signed_without_keys() {
        let unknown = SecureBoot::default();
        let codes = |signer: Signer, present: &[&str]| codes(Some(signer), present, &unknown);
        assert_eq!(codes(lanzaboote(), &[]), ["signing-keys-missing"]);
        assert_eq!(codes(lanzaboote(), &[CERTIFICATE]), ["signing-keys-missing"]);
        assert_eq!(codes(lanzaboote(), &[CERTIFICATE, KEY]), [""; 0]);
        let generates = || Signer {
            unsigned: true,
            ..lanzaboote()
        };
        assert_eq!(codes(generates(), &[]), [""; 0]);
        // With one of the two it does not do without the other.
        assert_eq!(codes(generates(), &[CERTIFICATE]), ["signing-keys-missing"]);
        let limine = Signer {
            signs_new: true,
            ..lanzaboote()
        };
        assert_eq!(codes(limine, &[]), [""; 0]);
    }

    #[test]
    fn secure_boot_starts_what_is_signed_with_a_key_of_the_firmware() {
        let firmware = |on, setup_mode, trusted: &[&str]| SecureBoot {
            on: Some(on),
            setup_mode: Some(setup_mode),
            trusted: trusted.iter().map(|&path| path.to_owned()).collect(),
        };
        let on = firmware(true, false, &[]);
        let off = firmware(false, false, &[]);
        let setup = firmware(false, true, &[]);
        let signed = [CERTIFICATE, KEY];
        assert_eq!(codes(None, &[], &on), ["secure-boot-refuses"]);
        assert_eq!(codes(None, &[], &off), [""; 0]);
        assert_eq!(codes(Some(lanzaboote()), &signed, &on), ["secure-boot-refuses"]);
        let trusted = firmware(true, false, &[CERTIFICATE]);
        assert_eq!(codes(Some(lanzaboote()), &signed, &trusted), [""; 0]);
        // It is not installed at all.
        assert_eq!(codes(Some(lanzaboote()), &[], &on), ["signing-keys-missing"]);
        let generates = || Signer {
            unsigned: true,
            enrolls: true,
            ..lanzaboote()
        };
        let both = ["secure-boot-refuses", "secure-boot-no-setup-mode"];
        assert_eq!(codes(Some(generates()), &[], &on), both);
        assert_eq!(codes(Some(generates()), &[], &off), ["secure-boot-no-setup-mode"]);
        assert_eq!(codes(Some(generates()), &[], &setup), [""; 0]);
        assert_eq!(codes(Some(generates()), &signed, &trusted), [""; 0]);
    }

    #[test]
    fn what_the_firmware_does_is_said_where_a_boot_loader_is_signed() {
        let state = |on, setup_mode| SecureBoot {
            on,
            setup_mode: Some(setup_mode),
            trusted: Vec::new(),
        };
        let said = |state| note(&[lanzaboote()], &state).map(|text| text.split(':').next().unwrap());
        assert_eq!(said(state(Some(true), false)), Some("Secure Boot is on"));
        assert_eq!(
            said(state(Some(false), true)),
            Some("Secure Boot is off, and the firmware is in setup mode")
        );
        assert_eq!(said(state(Some(false), false)), Some("Secure Boot is off"));
        assert_eq!(said(state(None, false)), None);
        assert_eq!(note(&[], &state(Some(true), false)), None);
    }
}
