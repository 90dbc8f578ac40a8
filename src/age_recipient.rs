//! The age form of an SSH key: the recipient for which sops encrypts what is opened with it.

use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::BASE64;

/// What stands before the 32 bytes of an ed25519 key: the lengths of two strings, and the name of the kind (RFC 8709, section 4).
const ED25519: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// The recipient (`age1…`) that `line`, a public key as OpenSSH writes it, has as an X25519 key: what ssh-to-age 1.2 prints of it.
/// `None` where it is no ed25519 key.
pub fn of_ssh_key(line: &str) -> Option<String> {
    let blob = line.split_whitespace().nth(1)?;
    let blob = BASE64.decode(blob.as_bytes()).ok()?;
    let point = CompressedEdwardsY(blob.strip_prefix(ED25519)?.try_into().ok()?).decompress()?;
    let key = point.to_montgomery().to_bytes();
    bech32::encode_lower::<Bech32>(Hrp::parse("age").ok()?, &key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of age-keygen -y (age 1.1.1), from the private half as ssh-to-age converts it: the first half of the SHA-512 of its seed.
    #[test]
    fn the_recipient_is_the_one_that_age_computes_of_the_private_half() {
        for (key, recipient) in [
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOq57/cklgblWymeBUNogwjuVC1U/P5eTRRzWEzcPxKf host1",
                "age1up8aleh4p929n0gcl3x3fk85vtk5u75kh0g26hcq0cj6za7vsgasmzgjlg",
            ),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHuQAaTwMzjmjE12wqwaVTQkI2ziw0VZ4iFS4P4nAqSL host2",
                "age1rhh0qdrz20pv6kzc3nh23y9dkfga9wrzsnxtexylcfuefanzqavs37fqpw",
            ),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA5W++LadYK1DKbU6hG38UjUmRQhWeLcnASxyh+HSCED host3",
                "age1vwdte285n4g3rxxz07fptkyf979jyv9fnytw0wxdcst586nruvkq5lccze",
            ),
        ] {
            assert_eq!(of_ssh_key(key).as_deref(), Some(recipient));
        }
    }

    #[test]
    fn what_is_no_ed25519_key_has_no_recipient() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI";
        for line in ["", "ssh-ed25519", key, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x"] {
            assert_eq!(of_ssh_key(line), None, "{line}");
        }
        // The y of no point of the curve.
        let mut blob = ED25519.to_vec();
        blob.extend([2; 1].into_iter().chain([0; 31]));
        assert_eq!(of_ssh_key(&format!("ssh-ed25519 {}", BASE64.encode(&blob))), None);
    }
}
