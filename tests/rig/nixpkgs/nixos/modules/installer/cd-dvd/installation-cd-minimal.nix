# The live system: what finds the medium and a disk, the programs that install, and root at the console without a password.
{
  imports = [
    ./installation-cd-base.nix
    ./channel.nix
    ../tools/tools.nix
  ];
  isoImage.edition = "minimal";
  services.getty.autologinUser = "root";
  boot.initrd.availableKernelModules = [
    "ahci"
    "nvme"
    "sd_mod"
    "sr_mod"
    "virtio_blk"
    "virtio_pci"
    "virtio_scsi"
  ];
}
