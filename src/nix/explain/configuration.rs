//! What is wrong in the configuration itself.

use std::path::Path;

use regex_lite::Regex;

use super::Said;
use crate::diagnostic::Diagnostic;
use crate::tree::locate;
use crate::tree::source::HARDWARE_CONFIGURATION;

pub(super) fn assertion(said: &Said<'_>) -> Option<Diagnostic> {
    let [text] = said.find(r"(?s)Failed assertions:\n(.*?)(?:\n\s*\n|$)")?;
    Some(
        Diagnostic::error("assertion", "The configuration contradicts itself")
            .because(text.trim())
            .remedy("Each line above is a rule of a NixOS module that the configuration breaks; change the options it names."),
    )
}

/// Nix lists the definitions with their files: the user's own first, then the one that a program wrote.
fn definitions(said: &Said<'_>, problem: Diagnostic) -> Diagnostic {
    let Ok(listed) = Regex::new(r"- In [`‘']([^'’]+)['’]") else {
        return problem;
    };
    let files: Vec<&str> = listed
        .captures_iter(said.text)
        .filter_map(|found| Some(found.get(1)?.as_str()))
        .filter(|file| !file.starts_with('/') && *file != "<unknown-file>")
        .collect();
    match files
        .iter()
        .find(|file| !file.ends_with(HARDWARE_CONFIGURATION))
        .or(files.first())
    {
        Some(file) => problem.at(*file, None, None),
        None => said.at_place(problem),
    }
}

pub(super) fn option_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’](?: [^\n]*)? does not exist")?;
    Some(
        definitions(
            said,
            Diagnostic::error("option-missing", format!("There is no option `{option}`")),
        )
        .because("It is misspelt, or it belongs to another release of NixOS or to a module that is not imported.")
        .remedy("Correct or remove it."),
    )
}

pub(super) fn option_conflict(said: &Said<'_>) -> Option<Diagnostic> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’] has conflicting definition")?;
    let [values] = said
        .find(r"(?s)conflicting definition[^\n]*\n(.*?)(?:\n\s*(?:Use|\n)|$)")
        .unwrap_or_default();
    let by_hardware = said.text.contains(HARDWARE_CONFIGURATION);
    let of_disks = ["fileSystems", "swapDevices", "boot.initrd.luks.devices"];
    if by_hardware && of_disks.iter().any(|disks| option.starts_with(disks)) {
        return Some(twice_by_hardware(said, option, values));
    }
    Some(
        definitions(
            said,
            Diagnostic::error(
                "option-conflict",
                format!("The option `{option}` is set to two different values"),
            ),
        )
        .because(values)
        .remedy("Remove one of the definitions, or give one of them precedence with `lib.mkForce VALUE`."),
    )
}

/// nixos-generate-config writes down what is mounted, and the configuration says it too: by hand, or by disko.
fn twice_by_hardware(said: &Said<'_>, option: &str, values: &str) -> Diagnostic {
    let problem = Diagnostic::error(
        "file-system-conflict",
        format!("`{option}` is set by the configuration and by this machine's hardware-configuration.nix"),
    );
    definitions(said, problem)
        .because(values)
        .remedy("Remove it from the configuration: the installer writes down what is mounted. With disko: set `disko.enableConfig = false;`.")
}

pub(super) fn option_type(said: &Said<'_>) -> Option<Diagnostic> {
    let [option, wanted] =
        said.find(r"[Aa] definition for option [`‘']([^'’]+)['’] is not of type [`‘']([^\n]+?)['’]\.")?;
    Some(
        definitions(
            said,
            Diagnostic::error(
                "option-type",
                format!("The option `{option}` takes another kind of value: {wanted}"),
            ),
        )
        .remedy("Correct the value."),
    )
}

pub(super) fn option_unset(said: &Said<'_>) -> Option<Diagnostic> {
    let [option] =
        said.find(r"The option [`‘']([^'’]+)['’] (?:is used but not defined|was accessed but has no value defined)")?;
    let hint = if option.starts_with("fileSystems") || option == "nixpkgs.hostPlatform" || option == "nixpkgs.system" {
        "This is usually set in hardware-configuration.nix: make sure that the configuration imports it."
    } else {
        "Set it in the configuration."
    };
    Some(Diagnostic::error("option-unset", format!("The option `{option}` has no value")).remedy(hint))
}

pub(super) fn syntax(said: &Said<'_>) -> Option<Diagnostic> {
    let [text] = said.find(r"syntax error, ([^\n]+)")?;
    Some(
        said.at_place(Diagnostic::error(
            "syntax",
            "A file of the configuration is not valid Nix",
        ))
        .because(text)
        .remedy("Correct it at the place above, or just before it."),
    )
}

pub(super) fn defined_twice(said: &Said<'_>) -> Option<Diagnostic> {
    let [name, first] = said.find(r"attribute '([^']+)' already defined at ([^\s]+)")?;
    // The second place follows in words of its own, or (2.8) with the lines of the file.
    let [file, line, column] = said
        .find(r"already defined at [^\n]*\n(?s:.*?)at ([^\s:]+\.nix):(\d+):(\d+)")
        .unwrap_or_default();
    let problem = Diagnostic::error("defined-twice", format!("`{name}` is there twice in one set"));
    let problem = if file.is_empty() {
        said.at_place(problem)
    } else {
        problem.at(file, line.parse().ok(), column.parse().ok())
    };
    Some(
        problem
            .because(format!("The first is at {}.", first.trim_end_matches(':')))
            .remedy("Make one of the two."),
    )
}

pub(super) fn undefined(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said.find(r"undefined variable '([^']+)'")?;
    Some(
        said.at_place(Diagnostic::error(
            "undefined-variable",
            format!("The name `{name}` is not defined"),
        ))
        .because("It is misspelt, or there is no package or argument of that name in this nixpkgs.")
        .remedy("Correct or remove it."),
    )
}

pub(super) fn attribute_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said
        .find(r"attribute '([^']+)' missing")
        .or_else(|| said.find(r"does not provide attribute [^\n]*?'([^']+)'"))?;
    if name.ends_with("nixosConfigurations") {
        return Some(no_hosts());
    }
    let [similar] = said.find(r"Did you mean ([^\n]+)\?").unwrap_or_default();
    let remedy = if similar.is_empty() {
        "Correct or remove it. For a package: look it up in the nixpkgs release that the ISO is made from.".to_owned()
    } else {
        format!("Nix knows something similar: {similar}.")
    };
    Some(
        said.at_place(Diagnostic::error("attribute-missing", format!("There is no `{name}`")))
            .because("A package or option of that name does not exist in this nixpkgs.")
            .remedy(remedy),
    )
}

/// A flake without hosts, by an error or by their list.
pub(in crate::nix) fn no_hosts() -> Diagnostic {
    Diagnostic::error("host-none", "The flake has no nixosConfigurations")
        .because("Without one there is no system to install.")
        .remedy("Add `nixosConfigurations.NAME = nixpkgs.lib.nixosSystem { … };` to its outputs.")
}

pub(super) fn file_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said
        .find(r"path '([^']+)' does not exist")
        .or_else(|| said.find(r"getting status of '([^']+)': No such file"))
        .or_else(|| said.find(r"opening file '([^']+)': No such file"))?;
    let problem = Diagnostic::error(
        "file-missing",
        format!("The configuration uses the file {path}, which does not exist"),
    );
    Some(
        said.at_place_or(problem, |problem, root| locate::at_path(problem, root, Path::new(path)))
            .because("It was not copied with the configuration, or it is only on the machine where it was written.")
            .remedy("Add the file to the configuration, or remove what uses it."),
    )
}

pub(super) fn recursion(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(r"infinite recursion encountered")?;
    Some(
        said.at_place(Diagnostic::error(
            "recursion",
            "The configuration needs its own result to compute it",
        ))
        .because("A value depends on itself; often `imports` or `mkIf` use `config` or `pkgs` where they cannot.")
        .remedy("Look at the place above; with -v the log shows Nix's trace."),
    )
}

pub(super) fn special_file(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"file '([^']+)' has an unsupported type")?;
    Some(
        Diagnostic::error(
            "tree-special-file",
            format!("{path} is neither a file nor a folder nor a link"),
        )
        .remedy("Remove it from the configuration."),
    )
}
