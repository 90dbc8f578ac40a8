//! Explains the errors of Nix. Each rule knows one failure by the words that Nix 2.8, 2.26 and 2.34 or nixpkgs 24.05 and
//! 26.11, or a boot loader's installer, use for it. Only this module reads those words; everything else decides by the type of the problem.

mod said;

mod bootctl;
mod configuration;
mod missing;
mod package;

use std::path::Path;

use regex_lite::{Captures, Regex};

use crate::diagnostic::{Diagnostic, ProgramProblem};
pub use package::refused;
pub use said::Context;
use said::Said;

/// The program whose messages a rule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Those of Nix and the kernel.
    Nix,
    /// Those of nixpkgs.
    Nixpkgs,
    /// Those of the programs that install boot loaders.
    BootLoader,
}

/// One failure, known by its words.
pub struct Rule {
    /// Mostly the code of its problem.
    pub name: &'static str,
    pub words: Words,
    explain: fn(&Said<'_>) -> Option<Diagnostic>,
}

const fn nix(name: &'static str, explain: fn(&Said<'_>) -> Option<Diagnostic>) -> Rule {
    let words = Words::Nix;
    Rule { name, words, explain }
}

const fn nixpkgs(name: &'static str, explain: fn(&Said<'_>) -> Option<Diagnostic>) -> Rule {
    let words = Words::Nixpkgs;
    Rule { name, words, explain }
}

const fn boot_loader(name: &'static str, explain: fn(&Said<'_>) -> Option<Diagnostic>) -> Rule {
    let words = Words::BootLoader;
    Rule { name, words, explain }
}

/// The first rule that knows the text explains it.
pub const RULES: [Rule; 36] = [
    boot_loader("efi-variables-full", bootctl::variables_full),
    boot_loader("esp-refused", bootctl::partition_refused),
    nix("out-of-memory", missing::out_of_memory),
    nix("disk-full", missing::disk_full),
    nix("read-only", missing::read_only),
    nix("medium-unreadable", missing::unreadable),
    nix("input-damaged", missing::input_damaged),
    nix("flake-lock-incomplete", missing::lock_changed),
    nix("flake-lock-too-new", missing::lock_feature),
    nix("fetch-while-evaluating", missing::fetched),
    nix("fetch-without-hash", missing::without_hash),
    nix("flake-input-missing", missing::input_missing),
    nix("not-on-medium", missing::download),
    nixpkgs("nix-too-old", package::nix_too_old),
    nixpkgs("unfree", package::unfree),
    nixpkgs("insecure", package::insecure),
    nixpkgs("broken", package::marked_broken),
    nixpkgs("package-platform", package::platform),
    nixpkgs("package-refused", package::other),
    nixpkgs("assertion", configuration::assertion),
    nixpkgs("option-missing", configuration::option_missing),
    nixpkgs("option-conflict", configuration::option_conflict),
    nixpkgs("option-type", configuration::option_type),
    nixpkgs("option-unset", configuration::option_unset),
    nix("flake-attribute-unknown", missing::unknown_input_attribute),
    nix("path-outside", configuration::path_outside),
    nix("file-binary", configuration::binary_file),
    nix("syntax", configuration::syntax),
    nix("defined-twice", configuration::defined_twice),
    nix("undefined-variable", configuration::undefined),
    nix("attribute-missing", configuration::attribute_missing),
    nix("file-missing", configuration::file_missing),
    nix("recursion", configuration::recursion),
    nix("lookup-failed", missing::lookup_failed),
    nix("builder-failed", missing::builder_failed),
    nix("tree-special-file", configuration::special_file),
];

/// Explains `raw`, the output of a Nix program that failed. `root`: see [`Context::root`].
#[must_use]
pub fn explain(raw: &str, root: Option<&Path>) -> Diagnostic {
    let channels = &[];
    recognize(raw, Context { root, channels }).1
}

/// As [`explain`]; `None` where no rule knows the text.
pub fn known(raw: &str) -> Option<Diagnostic> {
    let (root, channels): (_, &[_]) = (None, &[]);
    let (rule, problem) = recognize(raw, Context { root, channels });
    rule.map(|_| problem)
}

/// As [`explain`], with the name of the rule that knew the text.
#[must_use]
pub fn recognize(raw: &str, context: Context<'_>) -> (Option<&'static str>, Diagnostic) {
    let text = relative(raw, context.root);
    let said = Said { text: &text, context };
    let known = RULES
        .iter()
        .find_map(|rule| Some((Some(rule.name), (rule.explain)(&said)?)));
    let (name, problem) = known.unwrap_or_else(|| {
        // `error:` lines without a message lead to the error itself.
        let last = last_error(&text).trim_start();
        let message = last.strip_prefix("error:").and_then(|rest| rest.trim().lines().next());
        let error = message.unwrap_or("A program failed").to_owned();
        (None, said.at_place(ProgramProblem::Unknown { error }))
    });
    let raw = if context.root.is_some() {
        last_error(&text)
    } else {
        &text
    };
    (name, problem.raw(raw))
}

/// The store paths that `nix store verify` calls untrusted (2.8, 2.26 and 2.34).
#[must_use]
pub fn untrusted(text: &str) -> Vec<String> {
    let text = &console::strip_ansi_codes(text);
    let context = Context::default();
    Said { text, context }.find_all(r"path '([^']+)' is untrusted")
}

/// The error itself, without the trace before it: that can be hundreds of lines of nixpkgs, and the log has it.
fn last_error(text: &str) -> &str {
    let starts = text.match_indices("error:").map(|(at, _)| at);
    let own_line = |at: &usize| {
        text[..*at]
            .rsplit('\n')
            .next()
            .is_some_and(|before| before.trim().is_empty())
    };
    starts.filter(own_line).last().map_or(text, |at| &text[at..])
}

/// The text with the tree's own paths made relative: `root` itself, and its copy in the store.
fn relative(raw: &str, root: Option<&Path>) -> String {
    let text = console::strip_ansi_codes(raw).into_owned();
    let Some(root) = root else { return text };
    let text = text.replace(&format!("{}/", root.display()), "");
    // The hash of the tree's copy is not known, and inputs have the same name: only files that exist in the tree are its own.
    let Ok(copies) = Regex::new(r"/nix/store/[0-9a-z]{32}-source/([^\s:'`’]+)") else {
        return text;
    };
    let inside = |found: &Captures<'_>| {
        let own = root.join(&found[1]).exists();
        found[usize::from(own)].to_owned()
    };
    copies.replace_all(&text, inside).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SupplyProblem;

    #[test]
    fn what_a_cache_does_not_send_is_no_input_of_a_flake_whatever_its_address() {
        let rule = |url: &str| {
            let raw = format!("error: unable to download '{url}': Couldn't connect to server (7)");
            recognize(&raw, Context::default()).0.unwrap_or_default()
        };
        for url in [
            "https://example/archive/cache/abc.narinfo",
            "https://example/archive/nar/abc.nar.zst",
            "https://example/tarball/nar/abc.nar?hash=x",
            "https://example/tarball/nix-cache-info",
        ] {
            assert_eq!(rule(url), "not-on-medium", "{url}");
        }
        for url in [
            "https://example/owner/nar/archive/abc.tar.gz",
            "https://example/tarball/abc.tar.gz",
        ] {
            assert_eq!(rule(url), "flake-input-missing", "{url}");
        }
    }

    #[test]
    fn a_file_that_a_channel_lacks_is_not_a_channel_that_is_missing() {
        let channels = &["nixpkgs".to_owned(), "unstable".to_owned()];
        let look_up = |path: &str, channels| {
            let raw =
                format!("error: file '{path}' was not found in the Nix search path (add it using $NIX_PATH or -I)");
            let context = Context { root: None, channels };
            recognize(&raw, context).1.problem
        };
        let in_channel = |channel: &str, file: &str| {
            let (channel, file) = (channel.to_owned(), file.to_owned());
            SupplyProblem::ChannelFileMissing { channel, file }.into()
        };
        let missing = |name: &str| SupplyProblem::ChannelMissing { name: name.to_owned() }.into();
        for (path, expected) in [
            ("nixpkgs/nixos/typo.nix", in_channel("nixpkgs", "nixos/typo.nix")),
            ("unstable/typo.nix", in_channel("unstable", "typo.nix")),
            ("absent/typo.nix", missing("absent")),
            ("absent", missing("absent")),
        ] {
            let expected: Diagnostic = expected;
            assert_eq!(look_up(path, channels), expected.problem, "{path}");
        }
        let none: Diagnostic = SupplyProblem::NixpkgsMissing.into();
        assert_eq!(look_up("nixpkgs/nixos", &[]), none.problem);
    }
}
