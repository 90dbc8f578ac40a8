//! Secure Boot of this machine's firmware.

use std::fs;
use std::io::Read;
use std::path::Path;

use data_encoding::BASE64;
use nix::fcntl::OFlag;

use crate::live::target::{Target, open_inside};

/// Where Linux shows the variables of a UEFI firmware.
pub const EFIVARS: &str = "/sys/firmware/efi/efivars";

/// The variables of the UEFI specification (2.10, 3.3 "Globally Defined Variables" and 32.6.1 "UEFI Image Variable GUID").
const ON: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETUP_MODE: &str = "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const KEYS: &str = "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/// What the firmware says; a machine that was started by a BIOS says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// Whether it starts only what is signed with one of its keys.
    pub on: Option<bool>,
    /// Whether it has no keys yet and accepts any.
    pub setup_mode: Option<bool>,
    /// Those of the certificates on the target that are among its keys.
    pub trusted: Vec<String>,
}

impl SecureBoot {
    /// Reads it from the variables in `efivars`; `certificates` are paths of the system on the target.
    pub fn read(efivars: &Path, target: Option<&Target>, certificates: impl Iterator<Item = String>) -> Self {
        // The first four bytes are the variable's attributes (efivarfs).
        let value = |name: &str| {
            fs::read(efivars.join(name))
                .ok()
                .map(|bytes| bytes.get(4..).map(<[u8]>::to_vec))
        };
        let is_set = |name: &str| Some(*value(name)??.first()? == 1);
        let keys = value(KEYS).flatten().unwrap_or_default();
        let is_trusted = |path: &String| {
            let certificate = target.and_then(|target| certificate(target.root(), path));
            certificate.is_some_and(|der| memchr::memmem::find(&keys, &der).is_some())
        };
        Self {
            on: is_set(ON),
            setup_mode: is_set(SETUP_MODE),
            trusted: certificates.filter(is_trusted).collect(),
        }
    }
}

/// The first certificate in the PEM file `path` of the system below `root`, in the form that signature lists have (DER).
fn certificate(root: &Path, path: &str) -> Option<Vec<u8>> {
    let mut text = String::new();
    open_inside(root, Path::new(path), OFlag::O_RDONLY)
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    BASE64.decode(body.as_bytes()).ok().filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_says_whether_secure_boot_is_on_and_which_keys_it_has() {
        let efivars = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let read = || {
            let certificates = ["/db.pem", "/other.pem", "/absent.pem"].map(str::to_owned);
            SecureBoot::read(efivars.path(), Some(&target), certificates.into_iter())
        };
        assert_eq!(read(), SecureBoot::default());
        let set =
            |name: &str, value: &[u8]| fs::write(efivars.path().join(name), [&[6, 0, 0, 0], value].concat()).unwrap();
        set(ON, &[1]);
        set(SETUP_MODE, &[0]);
        set(KEYS, b"a signature list with the certificate in it");
        let pem = |text: &str| {
            let body = BASE64.encode(text.as_bytes());
            let (first, second) = body.split_at(8);
            format!("# db\n-----BEGIN CERTIFICATE-----\n{first}\n{second}\n-----END CERTIFICATE-----\n")
        };
        fs::write(root.path().join("db.pem"), pem("the certificate")).unwrap();
        fs::write(root.path().join("other.pem"), pem("another certificate")).unwrap();
        let expected = SecureBoot {
            on: Some(true),
            setup_mode: Some(false),
            trusted: vec!["/db.pem".to_owned()],
        };
        assert_eq!(read(), expected);
        // Not a variable.
        fs::write(efivars.path().join(ON), [1]).unwrap();
        assert_eq!(read().on, None);
    }
}
