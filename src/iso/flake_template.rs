//! What the generator writes, as data: the same input gives the same bytes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::channels::Channels;
use crate::files::write_with_mode;
use crate::nix::literal::{attribute, path_reference, string};
use crate::tree::lint::Pinned;
use crate::tree::source::ConfigKind;

/// The directory of the emitted flake that belongs to this program.
pub const INSTALLER_DIR: &str = "installer";

/// The record of what this program wrote, in [`INSTALLER_DIR`].
pub(super) const MANIFEST: &str = "manifest.json";
/// The configuration that is installed, in the emitted directory and on the ISO.
pub const CONFIG_DIR: &str = "nix-cfg";
/// The settings file of `nix-cfg-install`, in the emitted directory and in the live system's /etc.
pub const SETTINGS_FILE: &str = "nix-cfg-install.yaml";

/// What of `nix/` the emitted flake stands on, by its name there.
const MODULES: [(&str, &str); 32] = [
    ("answered.nix", include_str!("../../nix/answered.nix")),
    ("answers.nix", include_str!("../../nix/answers.nix")),
    ("automatic.nix", include_str!("../../nix/automatic.nix")),
    ("cache.nix", include_str!("../../nix/cache.nix")),
    ("calamares.nix", include_str!("../../nix/calamares.nix")),
    ("channels.nix", include_str!("../../nix/channels.nix")),
    ("closure.nix", include_str!("../../nix/closure.nix")),
    ("console-only.nix", include_str!("../../nix/console-only.nix")),
    ("decided.nix", include_str!("../../nix/decided.nix")),
    ("default.nix", include_str!("../../nix/default.nix")),
    ("delta.nix", include_str!("../../nix/delta.nix")),
    ("disko-layout.nix", include_str!("../../nix/disko-layout.nix")),
    ("disko-scripts.nix", include_str!("../../nix/disko-scripts.nix")),
    ("evaluated-anew.nix", include_str!("../../nix/evaluated-anew.nix")),
    ("family.nix", include_str!("../../nix/family.nix")),
    ("grub-file-systems.nix", include_str!("../../nix/grub-file-systems.nix")),
    ("health-check.nix", include_str!("../../nix/health-check.nix")),
    ("image.nix", include_str!("../../nix/image.nix")),
    ("inputs-of.nix", include_str!("../../nix/inputs-of.nix")),
    ("likeness.nix", include_str!("../../nix/likeness.nix")),
    ("mk-offline-iso.nix", include_str!("../../nix/mk-offline-iso.nix")),
    ("netboot.nix", include_str!("../../nix/netboot.nix")),
    ("offline-installer.nix", include_str!("../../nix/offline-installer.nix")),
    ("prebuilt.nix", include_str!("../../nix/prebuilt.nix")),
    ("room-screen.awk", include_str!("../../nix/room-screen.awk")),
    ("room.nix", include_str!("../../nix/room.nix")),
    ("room.sh", include_str!("../../nix/room.sh")),
    ("try.nix", include_str!("../../nix/try.nix")),
    ("try.sh", include_str!("../../nix/try.sh")),
    ("unattended.nix", include_str!("../../nix/unattended.nix")),
    ("update-launcher.nix", include_str!("../../nix/update-launcher.nix")),
    ("variants.nix", include_str!("../../nix/variants.nix")),
];

/// What was asked for, with every choice made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoSpec {
    /// Channel or flake.
    pub kind: ConfigKind,
    /// A flake's hosts, at least one; the desktops of stock NixOS; none for another channel configuration.
    pub hosts: Vec<String>,
    /// The live system's desktop, by nixpkgs' name.
    pub desktop: String,
    /// The flake reference of a channel configuration's nixpkgs; not used for a flake.
    pub nixpkgs: String,
    /// The other channels of a channel configuration. Earlier versions knew of none.
    #[serde(default)]
    pub channels: Channels,
    /// What a channel configuration fetches while it is evaluated. Earlier versions did not look for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Pinned>,
    /// What the ISO is for (`x86_64-linux`).
    pub system: String,
    /// The hardware file, relative to the tree, where it is certain.
    pub hardware_config: Option<PathBuf>,
    /// Whether the flake builds the programs from their source.
    pub build_helper: bool,
    /// The `system.stateVersion` of stock NixOS; `None` for a configuration of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_version: Option<String>,
}

/// One file to write, relative to the emitted directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub contents: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
}

impl File {
    /// Writes it into `dir`, so that it is there whole or as it was before.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let mode = if self.executable { 0o755 } else { 0o644 };
        write_with_mode(&dir.join(&self.path), &self.contents, mode)
    }

    /// A text file.
    pub fn text(path: impl AsRef<Path>, text: impl Into<String>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            contents: text.into().into_bytes(),
            executable: false,
        }
    }
}

/// All files but the configuration itself. `bundled` are the programs to ship, by name.
#[must_use]
pub fn files(spec: &IsoSpec, bundled: &[(&str, Vec<u8>)]) -> Vec<File> {
    let tool = Path::new(INSTALLER_DIR);
    let mut files = vec![
        File::text("flake.nix", flake(spec)),
        File::text(SETTINGS_FILE, settings(spec)),
    ];
    // Else the flake takes them from where it takes the programs.
    if !spec.build_helper {
        files.extend(MODULES.map(|(name, text)| File::text(tool.join(name), text)));
    }
    files.extend(bundled.iter().map(|(name, contents)| File {
        path: tool.join("bin").join(&spec.system).join(name),
        contents: contents.clone(),
        executable: true,
    }));
    files
}

/// The command that builds the ISO of the absolute path `dir`. A shell does not change any character of it.
pub(super) fn build_command(dir: &Path) -> String {
    format!("nix build {}#iso", path_reference(dir))
}

/// The inputs that bring the configuration or its nixpkgs.
fn inputs(spec: &IsoSpec) -> String {
    match spec.kind {
        ConfigKind::Channel => format!(
            "  # The nixpkgs of the installed system, and of the live system that installs it.\n  \
               inputs.nixpkgs.url = {};\n{}",
            string(&spec.nixpkgs),
            channel_inputs(&spec.channels)
        ),
        ConfigKind::Flake => format!(
            "  # The flake that is installed: its inputs, by its own lock. After a change there: nix flake update config\n  \
               inputs.config.url = \"path:./{CONFIG_DIR}\";\n"
        ),
    }
}

/// The arguments of mkOfflineIso that say what is installed.
fn source(spec: &IsoSpec) -> String {
    match spec.kind {
        ConfigKind::Channel => format!(
            "inherit (inputs) nixpkgs;\n        {}system = {};{}",
            channel_names(&spec.channels),
            string(&spec.system),
            if spec.hosts.is_empty() {
                String::new()
            } else {
                format!(
                    "\n        hosts = [ {} ]; # Each is a directory in {CONFIG_DIR}.",
                    hosts(spec)
                )
            }
        ),
        ConfigKind::Flake => format!(
            "flake = inputs.config;\n        hosts = [ {} ]; # The first one's nixpkgs makes the live system.",
            hosts(spec)
        ),
    }
}

fn hosts(spec: &IsoSpec) -> String {
    let hosts: Vec<String> = spec.hosts.iter().map(|host| string(host)).collect();
    hosts.join(" ")
}

/// The flake: what a person reads first and may edit.
fn flake(spec: &IsoSpec) -> String {
    let (helper, installer) = if spec.build_helper {
        let repository = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
        (
            format!(
                "  # The installer, made from its source with a nixpkgs of its own.\n  inputs.nix-cfg-install.url = {};\n",
                string(&format!("github:{repository}"))
            ),
            "inputs.nix-cfg-install.lib".to_owned(),
        )
    } else {
        (String::new(), format!("import ./{INSTALLER_DIR} {{ }}"))
    };
    let (inputs, source) = (inputs(spec), source(spec));
    let (desktop, modules) = (string(&spec.desktop), modules(&spec.fetched));
    format!(
        "\
{{
  description = \"An offline installer for the NixOS configuration in {CONFIG_DIR}\";

{inputs}{helper}
  outputs =
    inputs:
    let
      installer = {installer};
    in
    {{
      # nix build path:.#iso
      iso = installer.mkOfflineIso {{
        configuration = ./{CONFIG_DIR};
        {source}
        # The live system: gnome, plasma6, … (with Calamares), or none for one without a desktop.
        desktop = {desktop};
        settings = ./{SETTINGS_FILE};
        # The ISO holds enough to install on any machine; `closure = \"full\";` adds all sources (docs/closure.md).
        # Machines to leave out (zfs = false;) or to add; docs/closure.md has the names.
        variants = {{ }};
        # More NixOS modules for the live system, not for the installed one. The live system's own definition of `fileSystems`
        # wins over an ordinary one: fileSystems = lib.mkImageMediaOverride {{ … }};
        modules = {modules};
      }};
      # nix run path:.#try, which boots it in QEMU
      try = inputs.self.iso.try;
    }};
}}
"
    )
}

/// The modules of the live system.
fn modules(fetched: &[Pinned]) -> String {
    if fetched.is_empty() {
        return "[ ]".to_owned();
    }
    let mut text = String::from(
        "[\n          {\n            # What the configuration fetches while it is evaluated. Remove what cannot be fetched and is not used.\n            \
         offlineInstaller.extraStorePaths = [\n",
    );
    for one in fetched {
        // Writing to a string cannot fail.
        let _ = match &one.at {
            Some(at) => writeln!(text, "              {one} # {at}"),
            None => writeln!(text, "              {one}"),
        };
    }
    text.push_str("            ];\n          }\n        ]");
    text
}

/// The inputs that are a configuration's other channels.
fn channel_inputs(channels: &Channels) -> String {
    let mut text = String::new();
    for (index, (name, reference)) in channels.iter().enumerate() {
        if index == 0 {
            text.push_str("  # The other channels that the configuration looks up, as <NAME/…>.\n");
        }
        let (name, reference) = (attribute(name), string(reference));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  inputs.{name} = {{ url = {reference}; flake = false; }};");
    }
    text
}

/// The same, as mkOfflineIso takes them.
fn channel_names(channels: &Channels) -> String {
    if channels.is_empty() {
        return String::new();
    }
    let names: Vec<String> = channels.keys().map(|name| attribute(name)).collect();
    format!("channels = {{ inherit (inputs) {}; }};\n        ", names.join(" "))
}

/// The settings with what is known, and where to read about the rest.
fn settings(spec: &IsoSpec) -> String {
    let mut lines = vec![
        "# Settings of nix-cfg-install on the live system; docs/settings.md of the project has all keys.".to_owned(),
    ];
    match spec.hosts.as_slice() {
        [] => {}
        [host] => lines.push(format!("host: {}", json_string(host))),
        several => lines.push(format!(
            "# This ISO has several hosts: {}. Which one a machine becomes is asked there.",
            several.join(", ")
        )),
    }
    if let Some(path) = &spec.hardware_config {
        lines.push("# The file that the machine's own hardware configuration replaces.".to_owned());
        lines.push(format!("hardware-config: {}", json_string(&path.to_string_lossy())));
    }
    lines.join("\n") + "\n"
}

/// A string as JSON, which is YAML for every reader: a bare `no` would be false for some.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::syntax::NixFile;

    fn spec(kind: ConfigKind, hosts: &[&str]) -> IsoSpec {
        IsoSpec {
            kind,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            desktop: "gnome".to_owned(),
            nixpkgs: "github:NixOS/nixpkgs/nixos-24.05".to_owned(),
            channels: ["home-manager", "in", "or"]
                .map(|name| (name.to_owned(), "github:x/${y}".to_owned()))
                .into(),
            fetched: vec![Pinned {
                url: "https://e.example/x".to_owned(),
                sha256: "1".to_owned(),
                name: None,
                at: Some("configuration.nix:3".to_owned()),
            }],
            system: "x86_64-linux".to_owned(),
            hardware_config: Some("hosts/a/hardware-configuration.nix".into()),
            build_helper: false,
            state_version: None,
        }
    }

    fn text(spec: &IsoSpec, path: &str) -> String {
        let files = files(spec, &[]);
        let file = files.iter().find(|file| file.path == Path::new(path)).unwrap();
        String::from_utf8(file.contents.clone()).unwrap()
    }

    #[test]
    fn every_variant_of_the_flake_is_valid_nix_and_short() {
        let stock = IsoSpec {
            channels: Channels::new(),
            fetched: Vec::new(),
            ..spec(ConfigKind::Channel, &["gnome", "none"])
        };
        for base in [
            spec(ConfigKind::Channel, &[]),
            spec(ConfigKind::Flake, &["a", "b\"${c}"]),
            stock,
        ] {
            for build_helper in [false, true] {
                let spec = IsoSpec {
                    build_helper,
                    ..base.clone()
                };
                let flake = text(&spec, "flake.nix");
                assert_eq!(NixFile::parse(&flake).mistake(), None, "{flake}");
                assert!(flake.lines().count() <= 45, "{flake}");
                // A directory that nothing uses would be of another version one day.
                let modules = files(&spec, &[])
                    .iter()
                    .any(|file| file.path.starts_with(INSTALLER_DIR));
                assert_eq!(modules, flake.contains("import ./installer"), "{flake}");
            }
        }
    }

    #[test]
    fn all_modules_of_the_repository_are_emitted() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("nix");
        for entry in std::fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                name == "package.nix" || MODULES.iter().any(|(known, _)| *known == name),
                "nix/{name} is not emitted"
            );
        }
    }

    #[test]
    fn the_settings_name_the_only_host_and_are_read_by_the_installer() {
        let one = text(&spec(ConfigKind::Flake, &["no"]), SETTINGS_FILE);
        let read: crate::settings::Settings = serde_yaml::from_str(&one).unwrap();
        assert_eq!(read.host.as_deref(), Some("no"));
        assert_eq!(
            read.hardware_config.as_deref(),
            Some(Path::new("hosts/a/hardware-configuration.nix"))
        );
        let two = text(&spec(ConfigKind::Flake, &["a", "b"]), SETTINGS_FILE);
        let read: crate::settings::Settings = serde_yaml::from_str(&two).unwrap();
        assert_eq!(read.host, None);
    }
}
