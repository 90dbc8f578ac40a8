//! What the live system has of the things that a configuration names. The checks compare it with the configuration.

mod boot_partition;
mod free;
mod mounted;
mod target_files;
mod secure_boot;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::live::block_devices;
use crate::live::mounts::{self, Mount};
use crate::live::target::Target;
use crate::nix::facts::{Boot, BootFiles, Disks, Machine};
use crate::nix::secret_facts::Secrets;
use crate::process::{Invocation, Runner};
pub(super) use boot_partition::BootPartition;
#[cfg(test)]
pub(super) use boot_partition::Size;
pub(super) use free::{DiskSpace, free_memory};
pub use mounted::Mounted;
pub(super) use mounted::value_of;
pub(super) use mounted::{Device, Partition};
pub use secure_boot::EFIVARS;
pub(super) use secure_boot::SecureBoot;

/// What the live system has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The file systems that are mounted at the target; none before the disk is partitioned.
    pub mounted: Vec<Mounted>,
    /// The block devices that the configuration names: the number (`MAJOR:MINOR`) by the path. A name that leads to no
    /// device is absent.
    pub devices: BTreeMap<String, String>,
    /// The disks that GRUB is to be installed on, those of a layout for disko, and the one that was chosen, without links. What
    /// does not exist is absent.
    pub real_paths: BTreeMap<PathBuf, PathBuf>,
    /// The file systems from which the configuration's GRUB has to read kernels, and cannot.
    pub grub_unreadable: Vec<Mount>,
    /// The host ID of this machine, by which it marks the pools of ZFS that it imports; 0 without one.
    pub host_id: u32,
    /// What this machine is.
    pub machine: Machine,
    /// The partitions that kernels are copied to.
    pub boot_partitions: Vec<BootPartition>,
    /// The files that the configuration names and that are on the target already, by their paths in the installed system.
    pub present: BTreeSet<String>,
    pub secure_boot: SecureBoot,
}

impl Observed {
    /// Looks at what `boot` and `disks` name. `boot_disk` is the disk that was chosen. `target` is absent before the disk is
    /// partitioned, and `boot` where no boot loader is installed. Unknown is what a program that cannot be run would show.
    pub fn look(
        runner: &Runner,
        target: Option<&Target>,
        (boot, disks, boot_files): (Option<&Boot>, Option<&Disks>, Option<&BootFiles>),
        boot_disk: Option<&Path>,
    ) -> Self {
        let names = disks.map(device_names).unwrap_or_default();
        let layout = disks.into_iter().flat_map(|disks| &disks.layout);
        let grub = boot.into_iter().flat_map(|boot| &boot.grub_devices);
        let disks = grub.chain(layout.map(|disk| &disk.device)).map(PathBuf::from);
        let disks = disks.chain(boot_disk.map(Path::to_owned));
        let mut observed = Self {
            devices: names
                .into_iter()
                .filter_map(|path| Some((block_devices::number(&path)?, path)))
                .map(|(number, path)| (path, number))
                .collect(),
            real_paths: disks
                .filter_map(|disk| Some((fs::canonicalize(&disk).ok()?, disk)))
                .map(|(real, disk)| (disk, real))
                .collect(),
            machine: machine(Path::new("/")),
            ..Self::default()
        };
        if let Some(target) = target {
            observed.host_id = host_id(Path::new("/"));
            observed.mounted = mounted::at_target(runner, target.root());
            observed.grub_unreadable = boot
                .map(|boot| grub_unreadable(runner, target, boot))
                .unwrap_or_default();
            if let (Some(boot), Some(files)) = (boot, boot_files) {
                observed.boot_partitions = boot_partition::look(target, boot, files);
            }
        }
        observed
    }

    /// Looks at what `secrets` names, and at the firmware's Secure Boot.
    pub fn look_for(&mut self, target: Option<&Target>, secrets: &Secrets) {
        if let Some(target) = target {
            self.present = target_files::present(target.root(), secrets.paths());
        }
        let certificates = secrets.signers.iter().map(|signer| signer.certificate.clone());
        self.secure_boot = SecureBoot::read(Path::new(EFIVARS), target, certificates);
    }
}

/// The host ID of the live system at `live`: that of the kernel module, or the one in /etc/hostid (`OpenZFS` 2,
/// lib/libspl/os/linux/gethostid.c).
fn host_id(live: &Path) -> u32 {
    let of_module = fs::read_to_string(live.join("sys/module/spl/parameters/spl_hostid"));
    let of_module = of_module.ok().and_then(|text| text.trim().parse().ok());
    let of_file = || fs::read(live.join("etc/hostid")).ok()?.first_chunk().copied();
    let is_set = |id: &u32| *id != 0;
    let id = of_module.filter(is_set).or_else(|| of_file().map(u32::from_ne_bytes));
    id.unwrap_or_default()
}

/// What the kernel of the live system at `live` read from SMBIOS.
fn machine(live: &Path) -> Machine {
    let read = |name: &str| fs::read_to_string(live.join("sys/class/dmi/id").join(name)).unwrap_or_default();
    Machine {
        system: [read("sys_vendor"), read("product_name")].join(" "),
        board: [read("board_vendor"), read("board_name")].join(" "),
    }
}

/// The paths of all devices that the configuration names.
fn device_names(disks: &Disks) -> Vec<String> {
    let systems = disks.file_systems.iter().map(|system| &system.device);
    let names = systems.chain(disks.luks.iter().map(|volume| &volume.device));
    let names = names.chain(disks.swap.iter().map(|swap| &swap.device));
    // A bcachefs names all of its devices.
    names
        .flat_map(|name| std::iter::once(name.as_str()).chain(name.split(':')))
        .map(device_path)
        .collect()
}

/// A device by its path: `UUID=…` and the like as a link in /dev/disk (fstab(5)). Of the characters that udev encodes, only
/// the most frequent, the space, is.
pub(super) fn device_path(name: &str) -> String {
    let tags = [
        ("UUID=", "by-uuid"),
        ("LABEL=", "by-label"),
        ("PARTUUID=", "by-partuuid"),
        ("PARTLABEL=", "by-partlabel"),
    ];
    let tagged = tags
        .iter()
        .find_map(|(tag, directory)| Some((directory, name.strip_prefix(tag)?)));
    match tagged {
        Some((directory, value)) => {
            format!(
                "/dev/disk/{directory}/{}",
                value.trim_matches('"').replace(' ', "\\x20")
            )
        }
        None => name.to_owned(),
    }
}

/// What grub-probe (2.06 to 2.14) prints for a file system that it does not know, or of which it does not know a feature.
const UNKNOWN: &str = "unknown filesystem";

/// The file systems that hold `grub_paths` and that the configuration's own grub-probe, which grub-install runs as well,
/// cannot read. So patches and options of mkfs count, and not only versions.
fn grub_unreadable(runner: &Runner, target: &Target, boot: &Boot) -> Vec<Mount> {
    if !boot.loaders.iter().any(|loader| loader == "grub") {
        return Vec::new();
    }
    let mut holders = Vec::new();
    for path in &boot.grub_paths {
        let holder = mounts::holder(&target.inside(path));
        holders.extend(holder.filter(|mount| mount.is_on_disk() && !holders.contains(mount)));
    }
    holders.retain(|mount| {
        let probe = Invocation::new(&boot.grub_probe).args(["--target=fs", "--device"]);
        let probed = runner.run(&probe.arg(&mount.source), &mut |_, _| {});
        // It may not be on the ISO, or may not find the device: then nothing is known.
        probed.is_ok_and(|probed| !probed.status.success() && probed.tail.iter().any(|line| line.contains(UNKNOWN)))
    });
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_named_as_by_a_report_of_nixos_facter() {
        let live = tempfile::tempdir().unwrap();
        assert_eq!(machine(live.path()).system.trim(), "");
        let id = live.path().join("sys/class/dmi/id");
        fs::create_dir_all(&id).unwrap();
        for (name, text) in [
            ("sys_vendor", "LENOVO\n"),
            ("product_name", "21CB \n"),
            ("board_name", "B\n"),
        ] {
            fs::write(id.join(name), text).unwrap();
        }
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let read = machine(live.path());
        assert_eq!(
            (words(&read.system), words(&read.board)),
            ("LENOVO 21CB".into(), "B".into())
        );
    }

    #[test]
    fn the_host_id_is_the_one_that_zfs_writes_into_its_pools() {
        let live = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        assert_eq!(host_id(live.path()), 0);
        // As `networking.hostId = "8425e349"` of the installation medium.
        write("etc/hostid", &0x8425_e349_u32.to_ne_bytes());
        write("sys/module/spl/parameters/spl_hostid", b"0\n");
        assert_eq!(host_id(live.path()), 0x8425_e349);
        write("sys/module/spl/parameters/spl_hostid", b"3735928559\n");
        assert_eq!(host_id(live.path()), 0xdead_beef);
    }
}
