//! What this machine and its live system are: what is mounted, the target, what a person or Calamares decided.

pub mod efi_variables;
pub mod installer_facts;
pub mod answers;
pub mod choices_nix;
pub mod choices_text;
pub mod in_place;
pub mod mounts;
pub mod fstab;
pub mod block_devices;
pub mod disks;
pub mod decisions;
pub mod disk_use;
pub mod target;
pub mod target_lock;
pub mod placement;
pub mod earlier_receipt;
pub mod installation_medium;
mod live_mounts;
pub mod update_medium;
pub mod running_machine;
pub mod resume;
pub mod this_machine;
pub mod leds;
pub mod matched;
pub mod disk_mark;
pub mod installed_system;
pub mod encrypted_volume;
