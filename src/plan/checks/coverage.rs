//! What the configuration needs and the medium does not have.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::store::closure::{Missing, nearest_option};
use crate::tree::feature::NotCovered;
use crate::tree::locate;

/// How many sources of one package, and how many packages, are named.
const SOURCES_SHOWN: usize = 5;
const PACKAGES_SHOWN: usize = 10;

/// One problem for each thing in this machine's hardware configuration that the medium was made without; `missing` packages
/// come of them.
#[must_use]
pub fn not_covered(hardware: &str, features: &[NotCovered]) -> Vec<Diagnostic> {
    features
        .iter()
        .filter(|one| one.feature.is_in(hardware))
        .map(|one| {
            Diagnostic::error(
                "not-covered",
                format!(
                    "This medium was made without what this machine needs: {}",
                    one.feature.name
                ),
            )
            .because(format!(
                "Its hardware configuration asks for it, and it is not there: {}.",
                one.reason
            ))
            .remedy("Make the ISO with it (`variants` says how). With a network: --online.")
        })
        .collect()
}

/// One problem for each package that cannot be had, with the sources that it lacks, at its place in the tree at `root`.
#[must_use]
pub fn missing(sources: &[Missing], root: &Path) -> Vec<Diagnostic> {
    let mut packages: Vec<(&str, Option<String>, Vec<&Missing>)> = Vec::new();
    for source in sources {
        let (option, package) = nearest_option(&source.wanted_by);
        let package = package.unwrap_or(&source.name);
        match packages
            .iter_mut()
            .find(|(known, by, _)| *known == package && *by == option)
        {
            Some((.., sources)) => sources.push(source),
            None => packages.push((package, option, vec![source])),
        }
    }
    let mut problems: Vec<(bool, Diagnostic)> = packages
        .iter()
        .map(|(package, option, sources)| (option.is_none(), one_missing(package, option.as_deref(), sources, root)))
        .collect();
    // What the user's own files name comes first, then what an option brings; of a whole other system a few tell it.
    problems.sort_by_cached_key(|(no_option, problem)| {
        let place = problem.place.as_ref();
        let place = place.map(|place| (place.file.clone(), place.line, place.column));
        (place.is_none(), *no_option, place, problem.what.clone())
    });
    let more = problems.len().saturating_sub(PACKAGES_SHOWN);
    let mut problems: Vec<Diagnostic> = problems
        .into_iter()
        .take(PACKAGES_SHOWN)
        .map(|(_, problem)| problem)
        .collect();
    if more > 0 {
        problems.push(
            Diagnostic::error("not-on-medium", format!("{more} more packages are not on this medium"))
                .because("So many mean that the ISO was made from another configuration or another nixpkgs.")
                .remedy("Make the ISO from this configuration."),
        );
    }
    problems
}

fn one_missing(package: &str, option: Option<&str>, sources: &[&Missing], root: &Path) -> Diagnostic {
    let from = option.map_or_else(String::new, |option| format!(" (from {option})"));
    let address = |source: &Missing| source.address.clone().unwrap_or_default();
    let mut lines: Vec<String> = sources
        .iter()
        .take(SOURCES_SHOWN)
        .map(|source| format!("{} {}", source.name, address(source)).trim_end().to_owned())
        .collect();
    if let Some(more @ 1..) = sources.len().checked_sub(SOURCES_SHOWN) {
        lines.push(format!("and {more} more"));
    }
    let problem = Diagnostic::error("not-on-medium", format!("{package}{from} is not on this medium"))
        .because(format!(
            "It would have to be built from what only a network has:\n{}",
            lines.join("\n")
        ))
        .remedy("Remove it from the configuration, or make the ISO from this configuration. With a network: --online.");
    locate::at_package(problem, root, package)
}
