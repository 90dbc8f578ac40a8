//! Whether a report of nixos-facter was made on this machine.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, HardwareProblem};
use crate::nix::facts::{Facter, Machine};
use crate::tree::locate::in_tree;

/// The problem of a report that was made on another machine than `here`, by what both have of SMBIOS: a report has neither
/// serial numbers nor UUIDs (nixos-facter of 2026, `pkg/hwinfo/smbios_sys_info.go`). `root` is the tree, and `hardware` the
/// path of this machine's hardware configuration in it, where the configuration does not import it.
pub(super) fn other_machine(
    report: &Facter,
    here: &Machine,
    root: &Path,
    hardware: Option<&PathBuf>,
) -> Option<Diagnostic> {
    let there = &report.machine;
    let pairs = [(&there.system, &here.system), (&there.board, &here.board)];
    // The spaces at the ends of a name are the maker's, and nixos-facter omits them.
    let mut pairs = pairs
        .map(|(there, here)| (on_one_line(there), on_one_line(here)))
        .into_iter();
    let (there, here) = pairs.find(|(there, here)| !there.is_empty() && !here.is_empty() && there != here)?;
    let file = in_tree(&report.file, root);
    let problem = Diagnostic::from(HardwareProblem::ReportOfOtherMachine {
        there,
        here,
        hardware: hardware.cloned(),
    });
    Some(problem.in_file(file))
}

fn on_one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(there: [&str; 2], here: [&str; 2]) -> Option<String> {
        let machine = |[system, board]: [&str; 2]| Machine {
            system: system.into(),
            board: board.into(),
        };
        let report = Facter {
            file: "/etc/nixos/facter.json".into(),
            machine: machine(there),
        };
        let hardware = PathBuf::from("hardware-configuration.nix");
        let find = |hardware| other_machine(&report, &machine(here), Path::new("/nonexistent"), hardware);
        let (found, imported) = (find(Some(&hardware)), find(None));
        assert!(
            found
                .iter()
                .all(|problem| problem.remedy.contains("import ./hardware-configuration.nix"))
        );
        assert!(imported.iter().all(|problem| !problem.remedy.contains("import")));
        found.map(|problem| problem.what)
    }

    #[test]
    fn a_report_is_compared_by_the_names_of_machine_and_board() {
        let qemu = ["QEMU Standard PC (Q35 + ICH9, 2009)", ""];
        let laptop = ["LENOVO 21CBCTO1WW", "LENOVO 21CBCTO1WW"];
        assert_eq!(found(laptop, laptop), None);
        assert_eq!(found(laptop, ["LENOVO\n 21CBCTO1WW \n", "LENOVO 21CBCTO1WW\n"]), None);
        let what = found(qemu, laptop).unwrap();
        assert!(what.contains("another machine: QEMU Standard PC"), "{what}");
        // Machines that somebody assembled differ by the board alone.
        let one = ["System manufacturer System Product Name", "ASUS PRIME X570-P"];
        let other = ["System manufacturer System Product Name", "ASUS ROG STRIX B550-F"];
        assert!(found(one, other).unwrap().contains("ASUS PRIME X570-P"));
        // No report, or a machine without SMBIOS.
        assert_eq!(found(["", ""], laptop), None);
        assert_eq!(found(laptop, [" ", "\n"]), None);
    }
}
