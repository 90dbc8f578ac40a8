//! Whether this machine can run what is installed.

use crate::diagnostic::{Diagnostic, PlatformProblem};

/// This machine's platform, which this program was built for: `x86_64-linux`.
pub fn own() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}

/// The problem of a system that is built for `wanted`, on a machine of the platform `own`.
pub fn platform(wanted: &str, own: &str) -> Option<Diagnostic> {
    // A 64-bit PC runs 32-bit programs.
    let runs = wanted == own || (wanted, own) == ("i686-linux", "x86_64-linux");
    let problem = || PlatformProblem::Other {
        wanted: wanted.to_owned(),
        own: own.to_owned(),
    };
    (!runs).then(|| problem().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_64_bit_pc_runs_the_programs_of_another_platform() {
        let pc = "x86_64-linux";
        assert_eq!(platform(pc, pc), None);
        assert_eq!(platform("i686-linux", pc), None);
        for (wanted, own) in [(pc, "i686-linux"), ("aarch64-linux", pc), (pc, "aarch64-linux")] {
            assert_eq!(platform(wanted, own).unwrap().code, "platform-other");
        }
    }
}
