//! The subvolumes of btrfs in a hardware-configuration.nix, compared with what is mounted.

use rnix::{SyntaxKind, SyntaxNode};

const OPTION: &str = "subvol=";

/// `text`, a hardware-configuration.nix, with the subvolume of each file system as `mounted` gives it for a mount point; all
/// else stays byte for byte. A file system that is mounted without a subvolume, or has none in `text`, is left alone.
///
/// calamares-nixos-extensions 0.3.23 does so for /home and /nix, whose subvolumes its mount.conf names. nixos-generate-config
/// (nixpkgs 24.05 and 26.11) takes the first line of `btrfs subvolume show` for the name.
#[must_use]
pub fn correct(text: &str, mounted: impl Fn(&str) -> Option<String>) -> String {
    let mut corrected = String::new();
    let mut done = 0;
    let entries = rnix::Root::parse(text).syntax().descendants();
    for entry in entries.filter(|node| node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE) {
        let Some(subvolume) = mount_point(&entry).and_then(|at| mounted(&at)) else {
            continue;
        };
        for option in options(&entry) {
            let range = option.text_range();
            corrected.push_str(&text[done..range.start().into()]);
            corrected.push_str(OPTION);
            corrected.push_str(&subvolume);
            done = range.end().into();
        }
    }
    corrected + &text[done..]
}

/// X of `fileSystems."X" = …`.
fn mount_point(entry: &SyntaxNode) -> Option<String> {
    let path = entry.first_child()?.text().to_string();
    let at = path.strip_prefix("fileSystems.\"")?.strip_suffix('"')?;
    Some(at.to_owned())
}

/// The texts of strings in `entry` that say a subvolume.
fn options(entry: &SyntaxNode) -> Vec<rnix::SyntaxToken> {
    let tokens = entry
        .descendants_with_tokens()
        .filter_map(rnix::NodeOrToken::into_token);
    tokens
        .filter(|token| token.kind() == SyntaxKind::TOKEN_STRING_CONTENT && token.text().starts_with(OPTION))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"{ config, lib, ... }:
{
  fileSystems."/" =
    { device = "/dev/disk/by-uuid/1";
      fsType = "btrfs";
    };

  fileSystems."/home" =
    { device = "/dev/disk/by-uuid/1";
      fsType = "btrfs";
      options = [ "subvol=/" "noatime" ];
    };

  fileSystems."/nix" =
    { device = "/dev/disk/by-uuid/1";
      fsType = "btrfs";
      options = [ "subvol=nix" ];
    };
}
"#;

    #[test]
    fn a_subvolume_that_is_not_the_mounted_one_is_corrected_and_nothing_else_is_changed() {
        let mounted = |at: &str| at.strip_prefix('/').filter(|name| !name.is_empty()).map(str::to_owned);
        assert_eq!(
            correct(GENERATED, mounted),
            GENERATED.replace("\"subvol=/\"", "\"subvol=home\"")
        );
        assert_eq!(correct(GENERATED, |_| None), GENERATED);
        assert_eq!(correct("nonsense {", mounted), "nonsense {");
    }
}
