//! Whether the configuration's GRUB can read the file system that /boot is on: its own grub-probe is asked, as grub-install
//! does. So patches and options of mkfs count, and not only versions.

use super::Job;
use crate::diagnostic::Diagnostic;
use crate::live::mounts::{self, Mount};
use crate::nix::facts::Boot;
use crate::process::Invocation;

/// What grub-probe (2.06 to 2.14) says of a file system that it does not know, or of which it does not know a feature.
const UNKNOWN: &str = "unknown filesystem";

/// The problems of the file systems from which GRUB has to read kernels. The target is mounted, and the boot loader is to be
/// installed.
#[must_use]
pub fn unreadable(boot: &Boot, job: &Job<'_>) -> Vec<Diagnostic> {
    let is_installed = boot.loaders.iter().any(|loader| loader == "grub");
    let mut holders = Vec::new();
    for path in boot.grub_paths.iter().filter(|_| is_installed) {
        let holder = mounts::holder(&job.target.inside(path));
        holders.extend(holder.filter(|mount| mount.is_on_disk() && !holders.contains(mount)));
    }
    holders.retain(|mount| !can_read(boot, mount, job));
    holders.iter().map(|mount| problem(boot, mount)).collect()
}

/// `true` as well where GRUB cannot be asked: it is not on the medium, or finds no way to the device.
fn can_read(boot: &Boot, mount: &Mount, job: &Job<'_>) -> bool {
    let probe = Invocation::new(&boot.grub_probe).args(["--target=fs", "--device"]);
    let probed = job.runner.run(&probe.arg(&mount.source), &mut |_, _| {});
    probed.map_or(true, |probed| {
        probed.status.success() || !probed.tail.iter().any(|line| line.contains(UNKNOWN))
    })
}

fn problem(boot: &Boot, mount: &Mount) -> Diagnostic {
    let (kind, device, version) = (&mount.kind, mount.source.display(), &boot.grub_version);
    let problem = Diagnostic::error(
        "grub-unreadable",
        format!("GRUB {version} cannot read the file system that /boot is on: {device} ({kind})"),
    );
    let separate =
        "Or make a separate partition for /boot, with ext4, and mount it below the target. Or install to ext4.";
    if kind == "xfs" {
        return problem
            .because("mkfs.xfs 6.18 and later enables features that GRUB reads from 2.14 on. The machine could not start.")
            .remedy(format!(
                "Make the file system without these features: mkfs.xfs -i exchange=0 -n parent=0 (all that is on {device} is lost). {separate}"
            ));
    }
    problem
        .because("grub-install would fail, and the machine could not start.")
        .remedy(separate.trim_start_matches("Or ").replacen("make", "Make", 1))
}
