//! What names a machine: its serial number, the UUID of the product, the address of a network card.

/// `text` as the kernel has it, if it is a `uuid` or a `mac`, as `kind` says. A serial number is as its maker wrote it.
pub(super) fn normal(kind: &str, text: &str) -> Option<String> {
    let is_hex = |part: &str, digits: usize| part.len() == digits && part.chars().all(|char| char.is_ascii_hexdigit());
    let lower = text.to_ascii_lowercase();
    match kind {
        "mac" => {
            let parts: Vec<&str> = lower.split([':', '-']).collect();
            (parts.len() == 6 && parts.iter().all(|part| is_hex(part, 2))).then(|| parts.join(":"))
        }
        "uuid" => {
            let lengths = [8, 4, 4, 4, 12];
            let parts: Vec<&str> = lower.split('-').collect();
            let fits = parts.len() == 5 && parts.iter().zip(lengths).all(|(part, digits)| is_hex(part, digits));
            fits.then_some(lower)
        }
        _ => Some(text.to_owned()),
    }
}

/// Whether it is what all machines of a maker have whose serial number or UUID was not filled in.
pub fn is_placeholder(value: &str) -> bool {
    const KNOWN: [&str; 19] = [
        "to be filled by o.e.m",
        "default string",
        "system serial number",
        "serial number",
        "not specified",
        "not applicable",
        "not available",
        "none",
        "n/a",
        "oem",
        "unknown",
        "invalid",
        "0123456789",
        "123456789",
        "1234567890",
        // Of AMI's firmware, in the order of bytes since SMBIOS 2.6 and before.
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    ];
    let mut letters = value.chars().filter(|char| char.is_alphanumeric());
    let first = letters.next();
    let is_one_repeated = letters.all(|char| Some(char) == first);
    let value = value.to_ascii_lowercase();
    is_one_repeated || KNOWN.contains(&value.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_maker_filled_in_names_no_machine() {
        for value in [
            "To Be Filled By O.E.M.",
            "To be filled by O.E.M",
            "Default string",
            "System Serial Number",
            "Not Specified",
            "Not Available",
            "Unknown",
            "OEM",
            "INVALID",
            "1234567890",
            "0",
            "XXXXXXXX",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
            "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
            "12345678-1234-5678-90ab-cddeefaabbcc",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "--",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["PF3ABC12", "VMware-56 4d", "4c4c4544-0042-3510-8053-b4c04f4d3332"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
