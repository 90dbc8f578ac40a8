# BIOS: GRUB with its own partition and /boot, and LVM.
{
  imports = [ ./real_tools.nix ];
  disko.devices.disk.main = {
    device = "/dev/disk/by-id/another-machine";
    content = {
      type = "gpt";
      partitions = {
        grub = {
          type = "EF02";
          size = "1M";
        };
        boot = {
          size = "128M";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/boot";
          };
        };
        lvm = {
          size = "100%";
          content = {
            type = "lvm_pv";
            vg = "pool";
          };
        };
      };
    };
  };
  disko.devices.lvm_vg.pool = {
    type = "lvm_vg";
    lvs.home = {
      size = "128";
      content = {
        type = "filesystem";
        format = "ext4";
        mountpoint = "/home";
      };
    };
    lvs.root = {
      size = "100%FREE";
      content = {
        type = "filesystem";
        format = "ext4";
        mountpoint = "/";
      };
    };
  };
}
