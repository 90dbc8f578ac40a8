//! The subvolumes of btrfs in a hardware-configuration.nix, compared with what is mounted.

use super::attributes::attributes;
use super::syntax::Shape;

/// `text`, a hardware-configuration.nix, with the subvolume of each file system as `mounted` gives it for a mount point; all
/// else stays byte for byte. A file system that is mounted without a subvolume, or has none in `text`, is left alone.
///
/// calamares-nixos-extensions 0.3.23 does so for /home and /nix, whose subvolumes its mount.conf names. nixos-generate-config
/// (nixpkgs 24.05 and 26.11) takes the first line of `btrfs subvolume show` for the name.
pub(crate) fn correct(text: &str, mounted: impl Fn(&str) -> Option<String>) -> String {
    let mut corrected = String::new();
    let mut done = 0;
    for attribute in attributes(text).unwrap_or_default() {
        let [systems, at, options] = attribute.path.as_slice() else {
            continue;
        };
        if systems != "fileSystems" || options != "options" {
            continue;
        }
        let Some(subvolume) = mounted(at) else { continue };
        for option in attribute.value.lists().into_iter().flat_map(|(_, items)| items) {
            if matches!(&option.shape, Shape::String(option) if option.starts_with("subvol=")) {
                corrected.push_str(&text[done..option.range.start]);
                corrected.extend(["\"subvol=", &subvolume, "\""]);
                done = option.range.end;
            }
        }
    }
    corrected + &text[done..]
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
