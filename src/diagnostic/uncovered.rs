//! The ISO does not have what the configuration needs.

use super::{Text, error};

/// What the ISO does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoverageProblem {
    /// Something that this machine's hardware configuration asks for, and why the ISO was made without it.
    NotCovered { feature: String, reason: String },
    /// A package, which `option` brings. `sources`: some of what a network would have to give, a line each; `more` of them are
    /// not listed.
    Package { package: String, option: Option<String>, sources: Vec<String>, more: usize },
    /// More packages than are listed.
    MorePackages { count: usize },
}

impl CoverageProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotCovered { feature, reason } => error(
                "not-covered",
                format!("This ISO was made without what this machine needs: {feature}"),
            )
            .because(format!("The machine's hardware configuration asks for it, and the ISO does not have it: {reason}."))
            .remedy("Make the ISO with it (the option `variants`). With a network: --online."),
            Self::Package { package, option, sources, more } => {
                let from = option.as_ref().map_or_else(String::new, |option| format!(" (from {option})"));
                let rest = match more {
                    0 => String::new(),
                    more => format!("\nand {more} more"),
                };
                error("not-on-medium", format!("{package}{from} is not on this medium"))
                    .because(format!("It would have to be built from sources that only a network has:\n{}{rest}", sources.join("\n")))
                    .remedy("Remove it from the configuration, or make the ISO from this configuration. With a network: --online.")
            }
            Self::MorePackages { count } => {
                error("not-on-medium", format!("{count} more packages are not on this medium"))
                    .because("So many mean that the ISO was made from another configuration or another nixpkgs.")
                    .remedy("Make the ISO from this configuration.")
            }
        }
    }
}
