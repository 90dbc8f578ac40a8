//! Our files in Calamares' directories: the module, the live status in the slideshow, and the style sheet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

/// The module `nixos`, by file name.
const MODULE: [(&str, &str); 3] = [
    ("module.desc", include_str!("../../calamares-module/nixos/module.desc")),
    ("main.py", include_str!("../../calamares-module/nixos/main.py")),
    ("nixos.conf", include_str!("../../calamares-module/nixos/nixos.conf")),
];

/// The QML component, and how a slideshow uses it.
const STATUS: (&str, &str) = (
    "NixCfgStatus.qml",
    include_str!("../../calamares-module/branding/NixCfgStatus.qml"),
);
const USE_OF_STATUS: &str = "\n    NixCfgStatus {}\n";

/// What is hidden on upstream's pages, in a file of this name beside branding.desc.
pub(super) const STYLE: &str = "stylesheet.qss";
const STYLE_OF_USERS: &str = include_str!("../../calamares-module/branding/users.qss");
const STYLE_OF_HOSTS: &str = include_str!("../../calamares-module/branding/hosts.qss");

/// Replaces the file `at`, if there is one, by a link to `to`, which may not exist here.
pub(super) fn put_link(at: &Path, to: &Path) -> Result<()> {
    let what = || format!("Failed to write {}", at.display());
    if at.exists() {
        fs::remove_file(at).with_context(what)?;
    }
    symlink(to, at).with_context(what)
}

/// Replaces the module in `directory`.
pub(super) fn put_module(directory: &Path) -> Result<()> {
    let what = || format!("Failed to write the module to {}", directory.display());
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(what)?;
    }
    fs::create_dir_all(directory).with_context(what)?;
    for (name, text) in MODULE {
        fs::write(directory.join(name), text).with_context(what)?;
    }
    Ok(())
}

/// Puts the live status into the slideshow of the branding in `directory`, and says so where that cannot be done: an
/// installation works without it.
pub(super) fn put_status(directory: &Path) -> Result<Option<String>> {
    let show = directory.join("show.qml");
    let text = fs::read_to_string(&show).unwrap_or_default();
    let Some(brace) = text
        .find("Presentation")
        .and_then(|at| Some(at + text[at..].find('{')?))
    else {
        return Ok(Some(format!(
            "{} is no slideshow as it is known: without the live status",
            show.display()
        )));
    };
    let (before, after) = text.split_at(brace + 1);
    let what = || format!("Failed to write to {}", directory.display());
    fs::write(&show, format!("{before}{USE_OF_STATUS}{after}")).with_context(what)?;
    fs::write(directory.join(STATUS.0), STATUS.1).with_context(what)?;
    Ok(None)
}

/// Writes the style sheet to `out`: that of the branding in `upstream`, if it has one, and what hides the question for automatic login
/// and the pictures of packages.
pub(super) fn put_style(upstream: &Path, out: &Path, (no_autologin, no_pictures): (bool, bool)) -> Result<()> {
    let mut text = fs::read_to_string(upstream.join(STYLE)).unwrap_or_default();
    text.push_str(if no_autologin { STYLE_OF_USERS } else { "" });
    text.push_str(if no_pictures { STYLE_OF_HOSTS } else { "" });
    let file = out.join(STYLE);
    fs::write(&file, text).with_context(|| format!("Failed to write {}", file.display()))
}
