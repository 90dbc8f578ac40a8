//! What a person meets at the first start of the installed system.

use super::{Text, warning};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstStartProblem {
    /// A login password was typed with the layout `typed`, and the system asks for it with `own`: on a virtual console, or
    /// (`graphical`) on the screen of a display manager. Layouts are named as the option has them.
    KeyboardDiffers { own: String, typed: String, graphical: bool },
    /// Units that start with the system and need a network.
    NetworkNeeded { units: Vec<String> },
}

/// How many units are named.
const SHOWN: usize = 8;

impl FirstStartProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::KeyboardDiffers { own, typed, graphical } => {
                let (option, place) = if *graphical {
                    ("services.xserver.xkb.layout", "login screen")
                } else {
                    ("console.keyMap", "console")
                };
                warning(
                    "keyboard-differs",
                    format!("The installed system will ask for the login password with another keyboard layout: `{own}`"),
                )
                .because(format!(
                    "It was typed with `{typed}`. The {place} of the installed system uses `{option}`, where keys can be in other places."
                ))
                .remedy(format!(
                    "Set `{option}` to this layout in the configuration, or choose a password that is typed alike with both."
                ))
            }
            Self::NetworkNeeded { units } => {
                let shown = units.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
                let names = match units.len().checked_sub(SHOWN) {
                    Some(more @ 1..) => format!("{shown} and {more} more"),
                    _ => shown,
                };
                warning("network-at-start", format!("Units that need a network start with the system: {names}"))
                    .because(
                        "They download something, or wait until the machine is online. Without a network, the first start takes \
                         longer, and these units fail or stay inactive until there is one.",
                    )
                    .remedy(
                        "Nothing, if the machine will have a network. Otherwise give the configuration what they download, such as \
                         the image of a container (`imageFile`), or disable them.",
                    )
            }
        }
    }
}
