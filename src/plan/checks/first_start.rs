//! What a person meets at the first start: the keyboard layout of the login, units that need a network.

use crate::diagnostic::{Diagnostic, FirstStartProblem};
use crate::live::decisions::Decisions;
use crate::nix::facts::{Facts, Login};

/// The problems of the first start.
pub(super) fn first_start(facts: &Facts, decisions: &Decisions) -> Vec<Diagnostic> {
    let keymap = facts.disks.as_ref().map_or("", |disks| &disks.keymap);
    let keyboard = facts
        .login
        .as_ref()
        .and_then(|login| keyboard(login, keymap, decisions));
    keyboard.into_iter().chain(network(facts)).collect()
}

/// The warning of units that need a network.
pub fn network(facts: &Facts) -> Option<Diagnostic> {
    let units = facts.network_units.clone().filter(|units| !units.is_empty())?;
    Some(FirstStartProblem::NetworkNeeded { units }.into())
}

/// The warning that the login password was typed with another layout than that of the installed system. `keymap` is the
/// console's.
fn keyboard(login: &Login, keymap: &str, decisions: &Decisions) -> Option<Diagnostic> {
    if !decisions.password_typed {
        return None;
    }
    let console = decisions.keymap.as_ref().and_then(|typed| {
        // A keymap can be the path of a file.
        let is_known = !keymap.is_empty() && !keymap.starts_with('/');
        let problem = || FirstStartProblem::KeyboardDiffers {
            own: keymap.to_owned(),
            typed: typed.clone(),
            graphical: false,
        };
        (is_known && keymap != typed).then(problem)
    });
    let screen = decisions.layout.as_ref().and_then(|typed| {
        let problem = || FirstStartProblem::KeyboardDiffers {
            own: named(&login.layout, &login.variant),
            typed: named(&typed.layout, &typed.variant),
            graphical: true,
        };
        (!login.layout.is_empty() && !has(login, &typed.layout, &typed.variant)).then(problem)
    });
    let problem = match (login.display_manager, login.console_greeter) {
        (true, false) => screen,
        // Which of the two it asks with depends on its settings.
        (_, true) => console.and(screen),
        // The same is reported of the passphrase.
        (false, false) => console.filter(|_| !decisions.root_encrypted),
    };
    problem.map(Diagnostic::from)
}

/// Whether `layout` and `variant` are one of the layouts of the login screen, which are lists separated by commas.
fn has(login: &Login, layout: &str, variant: &str) -> bool {
    let variants = login.variant.split(',').chain(std::iter::repeat(""));
    let mut own = login.layout.split(',').zip(variants);
    own.any(|(own_layout, own_variant)| own_layout.trim() == layout && own_variant.trim() == variant)
}

fn named(layout: &str, variant: &str) -> String {
    if variant.is_empty() {
        layout.to_owned()
    } else {
        format!("{layout} ({variant})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::decisions::Layout;

    /// What is said of a password that was typed with `typed`, as a layout and as a keymap.
    fn said(typed: (&str, &str), login: &Login, keymap: &str, root_encrypted: bool) -> String {
        let decisions = Decisions {
            password_typed: true,
            keymap: Some(typed.0.to_owned()),
            layout: Some(Layout {
                layout: typed.0.to_owned(),
                variant: typed.1.to_owned(),
            }),
            root_encrypted,
            ..Decisions::default()
        };
        let not_typed = Decisions {
            password_typed: false,
            ..decisions.clone()
        };
        assert!(keyboard(login, keymap, &not_typed).is_none());
        keyboard(login, keymap, &decisions).map_or_else(String::new, |problem| {
            let option = if problem.why.contains("xkb") { "xkb" } else { "console" };
            format!("{option} {}", problem.what.rsplit(": ").next().unwrap_or_default())
        })
    }

    fn login(layout: &str, variant: &str, display_manager: bool) -> Login {
        Login {
            layout: layout.to_owned(),
            variant: variant.to_owned(),
            display_manager,
            console_greeter: false,
        }
    }

    #[test]
    fn a_login_password_is_compared_with_the_layout_of_where_it_will_be_asked_for() {
        let console = login("us", "", false);
        assert_eq!(said(("de", ""), &console, "us", false), "console `us`");
        assert_eq!(said(("de", ""), &console, "de", false), "");
        assert_eq!(said(("de", ""), &console, "/nix/store/x-keymap", false), "");
        // There is a warning about the passphrase.
        assert_eq!(said(("de", ""), &console, "us", true), "");
        let screen = |layout, variant| login(layout, variant, true);
        assert_eq!(said(("de", ""), &screen("us", ""), "de", true), "xkb `us`");
        assert_eq!(said(("de", "neo"), &screen("us,de", ""), "us", false), "xkb `us,de`");
        assert_eq!(said(("de", "neo"), &screen("us,de", ",neo"), "us", false), "");
        assert_eq!(said(("us", ""), &screen("us,de", ",neo"), "us", false), "");
        assert_eq!(said(("de", ""), &screen("", ""), "us", false), "");
        let greeter = |layout| Login {
            console_greeter: true,
            ..screen(layout, "")
        };
        assert_eq!(said(("de", ""), &greeter("us"), "us", false), "xkb `us`");
        assert_eq!(said(("de", ""), &greeter("us"), "de", false), "");
        assert_eq!(said(("de", ""), &greeter("de"), "us", false), "");
    }

    #[test]
    fn units_that_need_a_network_are_one_warning() {
        let said = |units: &[&str]| {
            let facts = Facts {
                network_units: Some(units.iter().map(|&unit| unit.to_owned()).collect()),
                ..Facts::default()
            };
            network(&facts).map(|problem| problem.what)
        };
        assert_eq!(said(&[]), None);
        let text = "Units that need a network start with the system: ";
        assert_eq!(said(&["podman-web.service"]), Some(format!("{text}podman-web.service")));
        assert!(said(&["a"; 10]).is_some_and(|what| what.ends_with(", a and 2 more")));
        assert_eq!(network(&Facts::default()), None);
    }
}
