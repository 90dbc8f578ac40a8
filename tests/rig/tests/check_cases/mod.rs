//! The configurations that tests/check.rs looks at.

mod boot;
mod case;
mod file_systems;
mod flakes;
mod good;
mod key_files;
mod modules;
mod packages;
mod target;
mod trees;
mod users;

pub use case::Case;

/// Configurations that would not install, boot, or let anybody in, and some that a person should know something of.
pub fn broken() -> Vec<Case> {
    let mut cases = reported_by_nix();
    for table in [
        boot::boot_loaders,
        boot::boot_partitions,
        users::users,
        key_files::absent,
        target::targets,
        file_systems::other_file_systems,
        file_systems::contradictions,
        file_systems::reports,
        file_systems::hardware_files,
        trees::ownership,
        trees::contents,
        trees::absent_content,
    ] {
        cases.extend(table());
    }
    cases
}

/// Those of them that are told by the words of Nix, which differ by version.
pub fn reported_by_nix() -> Vec<Case> {
    let tables = [
        modules::syntax,
        modules::missing_files,
        modules::options,
        modules::assertions,
        packages::refused,
        packages::missing,
        flakes::locks,
        flakes::files,
        flakes::hosts,
    ];
    tables.iter().flat_map(|table| table()).collect()
}

/// Configurations in which nothing must be found.
pub fn good() -> Vec<Case> {
    let tables = [good::trees, good::users, good::machines, key_files::present];
    tables.iter().flat_map(|table| table()).collect()
}
