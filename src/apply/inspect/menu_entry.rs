//! The entries of boot menus, as boot loaders read them.

/// An entry that starts one system.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct MenuEntry {
    /// The path of the kernel, as it is written there.
    pub kernel: String,
    /// Those of the initrds.
    pub initrds: Vec<String>,
}

/// Whether the command line `parameters` starts the system at `system`.
fn starts(parameters: &str, system: &str) -> bool {
    let init = |word: &str| {
        word.strip_prefix("init=")?
            .strip_suffix("/init")
            .map(|path| path == system)
    };
    parameters.split_whitespace().any(|word| init(word) == Some(true))
}

/// The entry in `text`, a file of loader/entries (UAPI's Boot Loader Specification, type 1), if it starts `system`. Both the
/// generations of nixpkgs 24.05 and the names with a hash of 26.11 are of that kind.
pub(super) fn systemd_boot(text: &str, system: &str) -> Option<MenuEntry> {
    let lines = text.lines().filter_map(|line| line.trim().split_once([' ', '\t']));
    let values = |key: &'static str| {
        let lines = lines.clone().filter(move |(name, _)| *name == key);
        lines.map(|(_, value)| value.trim().to_owned())
    };
    values("options")
        .any(|options| starts(&options, system))
        .then(|| MenuEntry {
            kernel: values("linux").next().unwrap_or_default(),
            initrds: values("initrd").collect(),
        })
}

/// The entries of a grub.cfg that start `system`: as install-grub.pl of nixpkgs 24.05 and 26.11 writes them, where with Xen
/// the kernel and the initrd are modules.
pub(super) fn grub(text: &str, system: &str) -> Vec<MenuEntry> {
    let mut entries: Vec<MenuEntry> = Vec::new();
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        let (command, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let mut words = rest.split_whitespace().map(str::to_owned);
        match command {
            "linux" | "linux16" | "linuxefi" | "module" if starts(rest, system) => {
                let kernel = words.next().unwrap_or_default();
                entries.push(MenuEntry {
                    kernel,
                    initrds: Vec::new(),
                });
                is_inside = true;
            }
            "initrd" | "initrd16" | "initrdefi" | "module" if is_inside => {
                entries
                    .last_mut()
                    .into_iter()
                    .for_each(|entry| entry.initrds.extend(words.by_ref()));
            }
            "}" => is_inside = false,
            _ => {}
        }
    }
    entries
}

/// The entries of an extlinux.conf that start `system`: as extlinux-conf-builder.sh of nixpkgs 24.05 and 26.11 writes them.
pub(super) fn extlinux(text: &str, system: &str) -> Vec<MenuEntry> {
    let mut entries = Vec::new();
    let mut entry = MenuEntry::default();
    for line in text.lines().map(str::trim) {
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match key {
            "LABEL" => entry = MenuEntry::default(),
            "LINUX" => value.trim().clone_into(&mut entry.kernel),
            "INITRD" => entry.initrds.push(value.trim().to_owned()),
            // It comes last.
            "APPEND" if starts(value, system) => entries.push(entry.clone()),
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "/nix/store/abc-nixos-system-demo-26.11";

    fn entry(kernel: &str, initrds: &[&str]) -> MenuEntry {
        MenuEntry {
            kernel: kernel.to_owned(),
            initrds: initrds.iter().map(|&initrd| initrd.to_owned()).collect(),
        }
    }

    #[test]
    fn an_entry_of_systemd_boot_is_known_by_the_init_that_it_starts() {
        let text = "title NixOS\nversion Generation 1 NixOS, built on 2026-11-28\nlinux /EFI/nixos/k.efi\n\
            initrd /EFI/nixos/i.efi\ninitrd /EFI/extra.efi\noptions init=/nix/store/abc-nixos-system-demo-26.11/init quiet\n\
            machine-id 0\nsort-key nixos";
        let expected = entry("/EFI/nixos/k.efi", &["/EFI/nixos/i.efi", "/EFI/extra.efi"]);
        assert_eq!(systemd_boot(text, SYSTEM), Some(expected));
        assert_eq!(systemd_boot(text, "/nix/store/abc-nixos-system-demo"), None);
        assert_eq!(systemd_boot(text, &format!("{SYSTEM}/specialisation/x")), None);
    }

    #[test]
    fn an_entry_of_grub_has_its_kernel_and_initrds_with_xen_too() {
        let text = "menuentry \"NixOS - Default\" --class nixos {\nsearch --set=drive1 --fs-uuid 1-2\n  \
            linux ($drive1)//kernels/k init=/nix/store/abc-nixos-system-demo-26.11/init loglevel=4\n  \
            initrd ($drive1)//kernels/i ($drive1)//kernels/s\n}\n\
            menuentry \"old\" {\n  linux ($drive1)//kernels/o init=/nix/store/old/init\n  initrd ($drive1)//kernels/oi\n}\n\
            menuentry \"Xen\" {\n  multiboot (x)/xen.gz dom0_mem=1G\n  module (x)/k init=/nix/store/abc-nixos-system-demo-26.11/init\n  \
            module (x)/i\n}\n";
        let expected = [
            entry(
                "($drive1)//kernels/k",
                &["($drive1)//kernels/i", "($drive1)//kernels/s"],
            ),
            entry("(x)/k", &["(x)/i"]),
        ];
        assert_eq!(grub(text, SYSTEM), expected);
    }

    #[test]
    fn an_entry_of_extlinux_ends_with_its_parameters() {
        let text = "DEFAULT nixos-default\n\nLABEL nixos-default\n  MENU LABEL NixOS - Default\n  LINUX ../nixos/k\n  \
            INITRD ../nixos/i\n  APPEND init=/nix/store/abc-nixos-system-demo-26.11/init console=ttyS0\n  FDTDIR ../nixos/d\n\n\
            LABEL nixos-1-default\n  LINUX ../nixos/o\n  APPEND init=/nix/store/old/init\n";
        assert_eq!(extlinux(text, SYSTEM), [entry("../nixos/k", &["../nixos/i"])]);
    }
}
