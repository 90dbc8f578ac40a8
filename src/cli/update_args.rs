//! The command line of `nix-cfg-install update`.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::tree::fingerprint::Side;

/// Update this machine, which was installed with nix-cfg-install, from a newer ISO of its configuration, without a restart from it.
///
/// Checks everything as before an installation, copies what the machine lacks, and makes the new system the one that starts next. The
/// former system stays in the boot menu. To be run from the ISO: mount it, and start nix-cfg-install from there.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // Each is a switch of the command line.
pub struct UpdateArgs {
    /// The ISO: a device, an ISO file, or the directory where it is mounted [default: where this program is, else the only disk with
    /// an ISO]
    #[arg(long, value_name = "WHERE")]
    pub from: Option<PathBuf>,
    /// Which of the ISO's hosts this machine is [default: the one that was installed]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Take only an image that is signed with a key that this machine trusts (nix.settings.trusted-public-keys). A whole ISO has no
    /// signature. For this, start a nix-cfg-install of the machine's own: that of the medium is not verified
    #[arg(long)]
    pub signed: bool,
    /// Activate the new system now as well, and not only at the next start
    #[arg(long, conflicts_with = "dry_run")]
    pub switch: bool,
    /// Report everything that would make the update fail, show what it would do, and write nothing
    #[arg(long, visible_alias = "check")]
    pub dry_run: bool,
    /// Which side counts where files in /etc/nixos were changed on this machine
    #[arg(long, value_enum, value_name = "SIDE")]
    pub take: Option<Side>,
    /// Accept an ISO with an older system or database, or with a lower stateVersion
    #[arg(long)]
    pub older: bool,
}

impl ValueEnum for Side {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::New, Self::Mine]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::New => PossibleValue::new("new").help("The ISO's; what was there is kept beside /etc/nixos"),
            Self::Mine => {
                PossibleValue::new("mine").help("Those files as they are on this machine, the others from the ISO")
            }
        })
    }
}
