# UEFI: btrfs with subvolumes, encrypted.
{
  imports = [ ./real_tools.nix ];
  disko.devices.disk.main = {
    device = "/dev/disk/by-id/another-machine";
    content = {
      type = "gpt";
      partitions = {
        esp = {
          type = "EF00";
          size = "96M";
          content = {
            type = "filesystem";
            format = "vfat";
            mountpoint = "/boot";
          };
        };
        root = {
          size = "100%";
          content = {
            type = "luks";
            name = "crypted";
            content = {
              type = "btrfs";
              subvolumes = {
                "/root".mountpoint = "/";
                "/home".mountpoint = "/home";
                "/nix".mountpoint = "/nix";
              };
            };
          };
        };
      };
    };
  };
}
