# A laptop of 2026 that nixos-facter describes; file systems are by hand, as a report has none.
# Only where nixos/modules/hardware/facter/default.nix has reportPath.
{
  hardware.facter.reportPath = ./facter-laptop.json;

  fileSystems."/" = {
    device = "/dev/disk/by-partlabel/root";
    fsType = "xfs";
  };

  fileSystems."/boot" = {
    device = "/dev/disk/by-partlabel/ESP";
    fsType = "vfat";
    options = [ "umask=0077" ];
  };
}
