//! Secure Boot: the boot loader could not be signed, or this machine's firmware would not start it.

use super::key_problem::Delivery;
use super::{Text, warning};

/// What is wrong with a signed boot loader, or with the firmware's Secure Boot.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum SigningProblem {
    /// `loader` is to be signed, and `missing` are not on the target; the keys are in `bundle`. `generates`: the option that
    /// has them generated; may be empty.
    NoKeys { loader: String, missing: Vec<String>, bundle: String, generates: String, delivery: Delivery },
    /// Secure Boot is on, and the new boot loader is not signed, or with `certificate`, which the firmware does not know.
    Refused { certificate: Option<String> },
    /// The system of `loader` is to add its keys to the firmware, which accepts none.
    NotInSetupMode { loader: String },
}

impl SigningProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoKeys { loader, missing, bundle, generates, delivery } => {
                let what = format!("{loader} has no key to sign the boot loader with: {}", missing.join(", "));
                let place = delivery.place(bundle);
                let severity = delivery.severity();
                let copy = delivery.remedy(&format!("copy the keys (the directory {bundle}) to {place}"), severity);
                let generate = if generates.is_empty() {
                    "Or install with systemd-boot, create the keys on the installed machine (`sbctl create-keys`), and rebuild with this configuration.".to_owned()
                } else {
                    format!("Or set `{generates} = true;`, which creates keys on this machine; Secure Boot has to be off until the firmware has them.")
                };
                Text { severity, ..warning("signing-keys-missing", what) }
                    .because("The boot loader could not be installed, after everything was copied.")
                    .remedy(format!("{copy} {generate}"))
            }
            Self::Refused { certificate } => {
                let why = certificate.as_ref().map_or("Its boot loader is not signed.".to_owned(), |certificate| {
                    format!("Its boot loader is signed with a key that the firmware does not know ({certificate}).")
                });
                warning("secure-boot-refuses", "Secure Boot is on: this machine would not start the installed system")
                    .because(why)
                    .remedy("Before the restart, turn Secure Boot off in the firmware's settings, or delete its keys there (setup mode).")
            }
            Self::NotInSetupMode { loader } => warning(
                "secure-boot-no-setup-mode",
                format!("The keys of {loader} could not be added to the firmware, which is not in setup mode"),
            )
            .because("The configuration is to add them by itself. Firmware accepts new keys only in setup mode.")
            .remedy("Put the firmware into setup mode before the installed system starts: delete the keys of Secure Boot in its settings."),
        }
    }
}
