//! Reading the report of a machine.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::facter_report;
use super::report::{KIND, MachineReport, VERSION};
use crate::diagnostic::{Diagnostic, MachineProblem};
use crate::files::read_input;
use crate::interrupt::Interrupt;
use crate::tree::syntax::{NixFile, position};

/// By which a document is recognized.
#[derive(Deserialize)]
struct Heading {
    kind: Option<String>,
    version: Option<u64>,
    hardware: Option<IgnoredAny>,
}

/// Reads the document at `path`, or the report of nixos-facter.
///
/// # Errors
/// A [`MachineProblem`]: it cannot be read, is not whole JSON, is neither of the two, or of a version that is not known.
pub fn load(path: &Path) -> Result<MachineReport> {
    let at = |problem: MachineProblem, line| Diagnostic::from(problem).at(path, line, None);
    // Signals still end the process.
    let text = read_input(path, LARGEST, &Interrupt::default())
        .map_err(|error| at(MachineProblem::Unreadable(error.to_string()), None))?;
    let report = parse(&text).map_err(|(problem, line)| at(problem, line))?;
    let hardware = report.hardware_configuration.as_deref().unwrap_or("{ }");
    if let Some((_, offset)) = NixFile::parse(hardware).mistake() {
        let (line, _) = position(hardware, offset);
        return Err(at(MachineProblem::HardwareSyntax { line }, None).into());
    }
    Ok(report)
}

/// Bytes of the largest report that is read: that of nixos-facter for a large server has some megabytes.
const LARGEST: u64 = 64_000_000;

/// Gives the problem with the line where it is, if it is at one.
fn parse(text: &str) -> Result<MachineReport, (MachineProblem, Option<u32>)> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        let (truncated, error) = (error.is_eof(), error.to_string());
        (MachineProblem::NotJson { truncated, error }, line)
    })?;
    let unknown = (MachineProblem::Unknown, None);
    let Ok(heading) = Heading::deserialize(&value) else {
        return Err(unknown);
    };
    let is_own = heading.kind.as_deref() == Some(KIND);
    let known = match (is_own, heading.kind, heading.hardware) {
        (true, ..) => VERSION,
        (false, None, Some(_)) => facter_report::VERSION,
        _ => return Err(unknown),
    };
    match heading.version {
        Some(version) if version == known => {}
        found => return Err((MachineProblem::Version { found, known }, None)),
    }
    // From the text, which has lines.
    let mut json = serde_json::Deserializer::from_str(text);
    let report = if is_own {
        serde_path_to_error::deserialize(&mut json)
    } else {
        serde_path_to_error::deserialize::<_, facter_report::Report>(&mut json).map(MachineReport::from)
    };
    report.map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        (
            MachineProblem::Field {
                path,
                error: in_words(&error),
            },
            line,
        )
    })
}

/// What is wrong with a value, without types of Rust and without the place.
fn in_words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    ["u64", "u32", "u16", "u8", "usize"]
        .iter()
        .fold(said.to_owned(), |said, number| {
            said.replace(&format!("expected {number}"), "expected a whole number")
        })
        .replace("sequence", "list")
        .replace(" map", " object")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::live::decisions::Firmware;
    use crate::plan::machine::report::{Disk, Partition, PciDevice, Product};

    /// A machine of which everything is known.
    pub fn example() -> MachineReport {
        let partition = Partition {
            path: "/dev/nvme0n1p1".into(),
            names: vec!["/dev/disk/by-id/nvme-X_1-part1".into()],
            bytes: Some(100 << 20),
            esp: true,
            file_system: Some("vfat".into()),
            free_bytes: None,
        };
        MachineReport {
            platform: "x86_64-linux".into(),
            firmware: Firmware::Efi,
            secure_boot: Some(true),
            setup_mode: Some(false),
            memory_bytes: Some(16_000_000_000),
            tpm: Some("2".into()),
            product: Product {
                vendor: "LENOVO".into(),
                name: "21CB".into(),
                ..Product::default()
            },
            disks: vec![Disk {
                path: "/dev/nvme0n1".into(),
                names: vec!["/dev/disk/by-id/nvme-X_1".into()],
                bytes: Some(512_000_000_000),
                model: Some("X".into()),
                partitions: vec![partition],
            }],
            pci: vec![PciDevice {
                class: "028000".into(),
                vendor: "8086".into(),
                device: "51f0".into(),
            }],
            hardware_configuration: Some("{ }\n".into()),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_unknown_fields_are_ignored() {
        let report = example();
        let text = report.to_json().unwrap();
        assert_eq!(parse(&text).unwrap(), report);
        let newer = text.replacen('{', "{ \"new\": [1], ", 1);
        assert_eq!(parse(&newer).unwrap(), report);
        assert_eq!(report.title(), "LENOVO 21CB, UEFI, 16.00 GB of memory");
        let real = |name: &str| report.real_path(Path::new(name)).and_then(Path::to_str);
        assert_eq!(real("/dev/disk/by-id/nvme-X_1"), Some("/dev/nvme0n1"));
        assert_eq!(real("/dev/disk/by-id/nvme-X_1-part1"), Some("/dev/nvme0n1p1"));
        assert_eq!(real("/dev/sda"), None);
        let least =
            format!("{{\"kind\":\"{KIND}\",\"version\":1,\"platform\":\"x\",\"firmware\":\"bios\",\"disks\":[]}}");
        assert_eq!(parse(&least).unwrap().firmware, Firmware::Bios);
        for disks in [
            "",
            ",\"disks\":null",
            ",\"disks\":[{\"path\":\"/dev/a\",\"names\":null,\"partitions\":null}],\"pci\":null",
        ] {
            parse(&least.replace(",\"disks\":[]", disks)).unwrap();
        }
    }

    #[test]
    fn a_bad_hardware_configuration_and_a_file_without_an_end_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hardware.json");
        let report = MachineReport {
            hardware_configuration: Some("{\n  a = 1\n}\n".to_owned()),
            ..example()
        };
        fs::write(&file, report.to_json().unwrap()).unwrap();
        let said = load(&file).unwrap_err().to_string();
        assert!(
            said.contains("hardware configuration in the report") && said.contains("line 3"),
            "{said}"
        );
        let said = load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(said.contains("larger than 64.0 MB"), "{said}");
    }

    #[test]
    fn a_file_that_is_no_report_gets_one_clear_error() {
        let whole = example().to_json().unwrap();
        let cut = &whole[..whole.len() / 2];
        let later = whole.replace("\"version\": 1", "\"version\": 2");
        let wrong = whole.replace("\"uefi\"", "\"coreboot\"");
        for (text, expected) in [
            ("", "Its end is missing"),
            (cut, "Its end is missing"),
            ("{ config, ... }: { }", "It is not JSON"),
            ("[]", "neither"),
            ("{}", "neither"),
            ("{\"kind\":\"other\",\"version\":1}", "neither"),
            (&later, "version 2"),
            (&whole.replace("\"version\": 1", "\"version\": \"1\""), "neither"),
            (&wrong, "firmware: unknown variant `coreboot`"),
            (&whole.replace("\"platform\"", "\"arch\""), "missing field `platform`"),
            (
                &whole.replace("104857600", "\"100 MiB\""),
                "disks[0].partitions[0].bytes: invalid type: string \"100 MiB\", expected a whole number.",
            ),
            (
                &whole.replace("16000000000", "-1"),
                "memory_bytes: invalid value: integer `-1`, expected a whole number.",
            ),
            (
                "{\"kind\":\"nix-cfg-install machine\",\"version\":1,\"platform\":\"x\",\"firmware\":\"bios\",\"disks\":[7]}",
                "disks[0]: invalid type: integer `7`, expected an object.",
            ),
            ("{\"version\":9,\"hardware\":{}}", "version 9"),
            ("{\"version\":1,\"hardware\":{}}", "missing field `system`"),
            (
                "{\"version\":1,\"hardware\":{\"disk\":3}}",
                "hardware.disk: invalid type: integer `3`, expected a list.",
            ),
        ] {
            let (problem, _) = parse(text).unwrap_err();
            let said = Diagnostic::from(problem).to_string();
            assert!(
                said.contains(expected) && said.contains("--describe"),
                "{expected}:\n{said}"
            );
        }
        let directory = tempfile::tempdir().unwrap();
        let said = load(directory.path()).unwrap_err().to_string();
        assert!(said.contains("cannot be read") && said.contains("where: /"), "{said}");
        let file = directory.path().join("cut.json");
        fs::write(&file, "{\n\"kind\": \"x").unwrap();
        let said = load(&file).unwrap_err().to_string();
        assert!(said.contains("cut.json:2\n"), "{said}");
    }
}
