# GRUB's own partition, /boot, and a root of btrfs subvolumes in LUKS, whose passphrase is typed.
{
  disko.devices.disk.main = {
    device = "/dev/disk/by-id/another-machine";
    content = {
      type = "gpt";
      partitions = {
        grub = {
          size = "1M";
          type = "EF02";
        };
        boot = {
          size = "512M";
          content = {
            type = "filesystem";
            format = "ext4";
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
                "/root" = {
                  mountpoint = "/";
                  mountOptions = [ "compress=zstd" ];
                };
                "/home".mountpoint = "/home";
                "/nix" = {
                  mountpoint = "/nix";
                  mountOptions = [
                    "compress=zstd"
                    "noatime"
                  ];
                };
              };
            };
          };
        };
      };
    };
  };
}
