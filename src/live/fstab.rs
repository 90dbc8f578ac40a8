//! The file systems and swap devices that the installed system mounts.

use crate::nix::facts::FileSystem;

/// The lines of an fstab (fstab(5)).
#[must_use]
pub fn parse(text: &str) -> Vec<FileSystem> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let parse = |line: &str| {
        let mut fields = line.split_whitespace().map(unescape);
        Some(FileSystem {
            device: fields.next()?,
            at: fields.next()?,
            kind: fields.next()?,
            options: fields.next()?.split(',').map(str::to_owned).collect(),
            ..FileSystem::default()
        })
    };
    lines.filter_map(parse).collect()
}

/// Whether it has the option `option`.
#[must_use]
pub fn has(system: &FileSystem, option: &str) -> bool {
    system.options.iter().any(|own| own == option)
}

/// Whether a directory of another file system is bound there.
#[must_use]
pub fn is_bind(system: &FileSystem) -> bool {
    has(system, "bind") || has(system, "rbind")
}

fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_fstab_are_read_and_comments_are_not() {
        let text = "# This is a generated file.\n\n/dev/disk/by-uuid/1-2 /my\\040boot vfat fmask=0022,nofail 0 2\n\
            # Swap devices.\n/dev/sda3 none swap defaults\nshort\n";
        let lines = parse(text);
        let shown = lines
            .iter()
            .map(|line| (line.device.as_str(), line.at.as_str(), line.options.join(" ")));
        let shown: Vec<_> = shown.collect();
        let boot = ("/dev/disk/by-uuid/1-2", "/my boot", "fmask=0022 nofail".to_owned());
        assert_eq!(shown, [boot, ("/dev/sda3", "none", "defaults".to_owned())]);
    }
}
