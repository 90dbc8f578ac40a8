//! What the configuration needs and the ISO does not have.

use std::path::Path;

use crate::diagnostic::{CoverageProblem, Diagnostic};
use crate::store::closure::{Missing, nearest_option};
use crate::tree::feature::NotCovered;
use crate::tree::locate;

/// How many packages are listed, and how many sources of each.
const PACKAGES_SHOWN: usize = 10;
const SOURCES_SHOWN: usize = 5;

/// One problem for each thing in this machine's hardware configuration that the ISO was made without. Missing packages are
/// consequences of it.
pub fn not_covered(hardware: &str, features: &[NotCovered]) -> Vec<Diagnostic> {
    let problem = |one: &NotCovered| CoverageProblem::NotCovered {
        feature: one.feature.name.clone(),
        reason: one.reason.clone(),
    };
    let features = features.iter().filter(|one| one.feature.is_in(hardware));
    features.map(|one| problem(one).into()).collect()
}

/// One problem for each package whose `sources` are missing, at its place in the tree at `root`.
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
        .into_iter()
        .map(|(package, option, sources)| (option.is_none(), one_missing(package, option, &sources, root)))
        .collect();
    // First what the user's own files name, then what an option brings. Of a whole other system a few say enough.
    problems.sort_by_cached_key(|(no_option, problem)| {
        let place = problem.place.as_ref();
        let place = place.map(|place| (place.file.clone(), place.line, place.column));
        (place.is_none(), *no_option, place, problem.what.clone())
    });
    let count = problems.len().saturating_sub(PACKAGES_SHOWN);
    let shown = problems.into_iter().take(PACKAGES_SHOWN).map(|(_, problem)| problem);
    let more = (count > 0).then(|| CoverageProblem::MorePackages { count }.into());
    shown.chain(more).collect()
}

fn one_missing(package: &str, option: Option<String>, sources: &[&Missing], root: &Path) -> Diagnostic {
    let line = |source: &&Missing| {
        let address = source.address.as_deref().unwrap_or_default();
        format!("{} {address}", source.name).trim_end().to_owned()
    };
    let problem = CoverageProblem::Package {
        package: package.to_owned(),
        option,
        sources: sources.iter().take(SOURCES_SHOWN).map(line).collect(),
        more: sources.len().saturating_sub(SOURCES_SHOWN),
    };
    locate::at_package(problem.into(), root, package)
}
