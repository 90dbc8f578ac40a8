//! Which live systems with Calamares a nixpkgs has: `installation-cd-graphical-calamares-NAME.nix` in
//! nixos/modules/installer/cd-dvd, and since 26.11 `installation-cd-graphical-combined.nix`.

use std::path::Path;

use crate::diagnostic::{Diagnostic, IsoDesktopProblem};
use crate::files::names;

/// The directory in a nixpkgs.
const DIRECTORY: &str = "nixos/modules/installer/cd-dvd";

/// Without a desktop: such a live system, and such a system.
pub(super) const NONE: &str = "none";
/// The one with several.
const COMBINED: &str = "combined";

/// Those of nixpkgs 24.05, which does not change any more.
const OF_24_05: [&str; 4] = ["gnome", "plasma5", "plasma6", NONE];

/// Those of any known release (24.05 and 26.11).
const KNOWN: [&str; 6] = ["cosmic", COMBINED, "gnome", NONE, "plasma5", "plasma6"];

/// Why the `nixpkgs` of this flake reference has no live system `name`, or may not have it. The reference is empty where it is not
/// known.
pub(super) fn problem(name: &str, nixpkgs: &str) -> Option<Diagnostic> {
    let known = of_directory(nixpkgs).or_else(|| of_release(nixpkgs));
    if let Some(known) = known {
        let problem = IsoDesktopProblem::Absent {
            name: name.to_owned(),
            nixpkgs: nixpkgs.to_owned(),
            known,
        };
        return match &problem {
            IsoDesktopProblem::Absent { known, .. } if known.iter().any(|known| known == name) => None,
            _ => Some(problem.into()),
        };
    }
    (!KNOWN.contains(&name)).then(|| IsoDesktopProblem::Unverified { name: name.to_owned() }.into())
}

/// Those of a nixpkgs on this machine.
fn of_directory(nixpkgs: &str) -> Option<Vec<String>> {
    let path = nixpkgs.strip_prefix("path:").unwrap_or(nixpkgs).split('?').next()?;
    let files = names(&Path::new(path).join(DIRECTORY));
    if !path.starts_with('/') || files.is_empty() {
        return None;
    }
    let name = |file: &String| {
        let name = file.strip_prefix("installation-cd-")?.strip_suffix(".nix")?;
        match name {
            "minimal" => Some(NONE),
            "graphical-combined" => Some(COMBINED),
            name => name.strip_prefix("graphical-calamares-"),
        }
        .map(str::to_owned)
    };
    Some(files.iter().filter_map(name).collect())
}

/// Those of a release that does not change any more.
fn of_release(nixpkgs: &str) -> Option<Vec<String>> {
    let branch = nixpkgs.strip_prefix("github:NixOS/nixpkgs")?;
    let branch = branch.trim_start_matches('/').trim_start_matches("?ref=");
    let is_24_05 = ["nixos-24.05", "nixos-24.05-small", "release-24.05"].contains(&branch);
    is_24_05.then(|| OF_24_05.map(str::to_owned).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn said(name: &str, nixpkgs: &str) -> String {
        problem(name, nixpkgs).map_or(String::new(), |problem| format!("{problem:?}"))
    }

    #[test]
    fn a_desktop_is_refused_only_where_it_is_certain_that_nixpkgs_does_not_have_it() {
        let old = "github:NixOS/nixpkgs/nixos-24.05";
        for name in OF_24_05 {
            assert_eq!(said(name, old), "");
        }
        for name in ["kde", "combined", "cosmic"] {
            let text = said(name, old);
            assert!(
                text.starts_with("Error") && text.contains("It has: gnome, plasma5, plasma6, none."),
                "{text}"
            );
        }
        for nixpkgs in [
            "",
            "nixpkgs",
            "github:NixOS/nixpkgs/nixos-26.11",
            "github:me/nixpkgs/nixos-24.05",
        ] {
            assert_eq!(said("cosmic", nixpkgs), "");
            assert!(said("kde", nixpkgs).starts_with("Warning"), "{nixpkgs}");
        }
        let nixpkgs = tempfile::tempdir().unwrap();
        let directory = nixpkgs.path().join(DIRECTORY);
        fs::create_dir_all(&directory).unwrap();
        for name in ["minimal", "graphical-calamares-mine", "graphical-gnome", "base"] {
            fs::write(directory.join(format!("installation-cd-{name}.nix")), "{ }").unwrap();
        }
        let reference = format!("path:{}", nixpkgs.path().display());
        assert_eq!(said("mine", &reference), "");
        assert!(said("gnome", &reference).contains("It has: mine, none."));
    }
}
