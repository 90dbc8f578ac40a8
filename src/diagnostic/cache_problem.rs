//! The binary cache that a system is installed from.

use super::{Text, error, warning};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheProblem {
    /// A cache is named, and no key.
    NoKey { url: String },
    /// None of these answers as a cache. What Nix says is attached.
    Unreachable { urls: Vec<String> },
    /// It has a path, and not all that this refers to. What Nix says is attached.
    NotWhole { url: String },
    /// It lacks what the problems beside this one name.
    Lacking { url: String },
    /// These paths have no signature of one of the keys.
    Untrusted { url: String, paths: Vec<String>, keys: Vec<String> },
    /// The network or all servers are gone while paths are fetched. `minutes`: how long it is tried.
    Lost { urls: Vec<String>, minutes: u64 },
    /// They did not answer for this many minutes.
    GivenUp { urls: Vec<String>, minutes: u64 },
    /// The cache answers, and these paths could not be fetched. What Nix says is attached.
    NotFetched { paths: Vec<String> },
}

/// How many paths are listed.
const SHOWN: usize = 10;

impl CacheProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoKey { url } => error("cache-key", format!("There is no public key for {url}"))
                .because("Only what is signed with a key that you name is installed.")
                .remedy("Name it with `public-key:` beside `medium:`, or with --public-key NAME:KEY."),
            Self::Unreachable { urls } => error("cache-unreachable", format!("No binary cache answers at {}", urls.join(", ")))
                .remedy(
                    "Look at the address, at this machine's network (`ip address`), and at the server: \
                     `curl ADDRESS/nix-cache-info` must print its StoreDir.",
                ),
            Self::NotWhole { url } => error("cache-not-whole", format!("The cache at {url} lacks a part of what it has"))
                .because("It has a store path without another one that this refers to.")
                .remedy(format!("Copy the whole closure there: nix copy --to {url} PATH")),
            Self::Lacking { url } => error("cache-lacks", format!("The cache at {url} does not have all that is needed here"))
                .because("Neither it nor this live system has what is named below, nor what it could be made from without a network.")
                .remedy("Put there what the ISO of this configuration would hold (docs/fleet.md), and run the same command again."),
            Self::Untrusted { url, paths, keys } => error(
                "cache-signature",
                format!("{} without a signature that counts, at {url}", counted(paths)),
            )
            .because(format!("The keys that count are {}. Not signed by them:\n{}", keys.join(" "), list(paths)))
            .remedy("Sign them at the cache (`nix store sign`), or name the key that they are signed with. Trust no other copy."),
            Self::Lost { urls, minutes } => warning("cache-lost", format!("{} no longer answers", urls.join(", ")))
                .because("The network or the server is gone.")
                .remedy(format!(
                    "Nothing is lost: it goes on when it is back. It is tried for {minutes} minutes; Ctrl-C stops, and the same \
                     command continues later.",
                )),
            Self::GivenUp { urls, minutes } => {
                error("cache-lost", format!("{} did not answer for {minutes} minutes", urls.join(", ")))
                    .remedy("When it is back, run the same command again: it continues from here.")
            }
            Self::NotFetched { paths } => error("cache-not-fetched", format!("{} could not be fetched", counted(paths)))
                .because(format!(
                    "The cache answers, and does not send them, or sends them damaged or no longer signed as they were:\n{}",
                    list(paths)
                ))
                .remedy("The output of Nix below shows which. Repair the server, or copy them there again, and run the same command again: it continues from here."),
        }
    }
}

fn counted(paths: &[String]) -> String {
    match paths {
        [_] => "A store path".to_owned(),
        several => format!("{} store paths", several.len()),
    }
}

fn list(paths: &[String]) -> String {
    let mut lines: Vec<&str> = paths.iter().take(SHOWN).map(String::as_str).collect();
    if paths.len() > SHOWN {
        lines.push("…");
    }
    lines.join("\n")
}
