# What hardware and the installer's choices can change about a system: a family of machines, one a variant, as
# nixos-generate-config and the installer would describe them. Together they ask for all that can be asked for.
#
# Parts combine: LUKS of one and btrfs of another need nothing new. What does not combine stands in one variant: packages
# that are built for each other (GRUB for ZFS) or for a kernel (guest additions for the one that bcachefs asks for).
#
# For each: `reason`; `imports` of nixpkgs' modules; `modulePackages`, kernel modules from outside the kernel; `module`.
{
  lib,
  # The system that the variants are of, as `nixosSystem` gives it.
  target,
  # The locales that can be chosen, as i18n.supportedLocales takes them.
  locales,
}:
let
  inherit (lib) mkDefault mkForce mkIf;
  inherit (target.pkgs.stdenv.hostPlatform) isx86 system;

  uuid = "/dev/disk/by-uuid/00000000-0000-0000-0000-000000000000";
  fs = fsType: {
    device = mkForce uuid;
    fsType = mkForce fsType;
  };
  each = lib.genAttrs;

  # Holds for all of them, unless they say otherwise.
  machine = {
    nixpkgs.hostPlatform = mkDefault system;
    networking.useDHCP = mkDefault true;
    boot.initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "sd_mod"
      "usb_storage"
      "xhci_pci"
    ];
    fileSystems."/" = lib.mapAttrs (_: lib.mkOverride 60) {
      device = uuid;
      fsType = "ext4";
    };
    fileSystems."/boot" = fs "vfat";
  };

  # A boot loader of the configuration's own stays: the installer does not change that one either.
  stock = target.config.boot.loader.systemd-boot.enable || target.config.boot.loader.grub.enable;
  systemd-boot.boot.loader = mkIf stock {
    systemd-boot.enable = mkForce true;
    grub.enable = mkForce false;
  };
  # With a disk and for EFI as well, both builds of GRUB are needed.
  grub.boot.loader = mkIf stock {
    systemd-boot.enable = mkForce false;
    grub = {
      enable = mkForce true;
      devices = mkForce [ (if isx86 then "/dev/sda" else "nodev") ];
      efiSupport = mkForce true;
      useOSProber = mkForce true;
      enableCryptodisk = mkForce true;
    };
  };
  luks.boot.initrd = {
    luks.devices.variant.device = uuid;
    secrets = mkIf stock { "/crypto_keyfile.bin" = null; };
  };
  guest.virtualisation = {
    hypervGuest.enable = isx86;
    virtualbox.guest.enable = isx86;
  };
  rare = "no installer puts a system on this file system";
  not-detected = "/installer/scan/not-detected.nix";
  qemu-guest = "/profiles/qemu-guest.nix";

  family = {
    uefi = {
      reason = "UEFI with systemd-boot, an ext4 root and a FAT boot partition";
      imports = [ not-detected ];
      module.imports = [ systemd-boot ];
    };
    metal = {
      reason = "any processor, any place for a disk and any file system on it";
      imports = [
        not-detected
        "/hardware/network/broadcom-43xx.nix"
      ];
      module =
        { config, ... }:
        {
          imports = [
            systemd-boot
            luks
          ];
          hardware = {
            cpu.amd.updateMicrocode = isx86;
            cpu.intel.updateMicrocode = isx86;
            enableRedistributableFirmware = mkForce true;
          };
          # Emitted up to NixOS 23.11, and still in many a hardware-configuration.nix.
          powerManagement.cpuFreqGovernor = mkDefault "powersave";
          boot = {
            kernelModules = if isx86 then [ "kvm-intel" ] else [ ];
            swraid.enable = true;
            initrd = {
              kernelModules = [ "dm-snapshot" ];
              availableKernelModules = [ "bcache" ];
              # As if the root were on each: their tools are in the initrd then.
              supportedFilesystems = [
                "btrfs"
                "exfat"
                "ext4"
                "f2fs"
                "jfs"
                "reiserfs"
                "vfat"
                "xfs"
              ];
            };
          };
          swapDevices = [ { device = uuid; } ];
          fileSystems =
            lib.mapAttrs' (type: lib.nameValuePair "/variant/${type}") (
              each [
                "btrfs"
                "cifs"
                "exfat"
                "ext2"
                "f2fs"
                "jfs"
                "nfs"
                "ntfs"
                "reiserfs"
                "squashfs"
                "xfs"
              ] fs
            )
            // {
              "/variant/bind" = {
                device = "/variant/xfs";
                fsType = "none";
                options = [ "bind" ];
              };
              "/variant/loop" = fs "ext4" // {
                options = [ "loop" ];
              };
              "/variant/stratis" = fs "xfs" // {
                stratis.poolUuid = "00000000-0000-0000-0000-000000000000";
                # The other kind of initrd cannot have its root there.
                neededForBoot = config.boot.initrd.systemd.enable;
              };
            };
        };
    };
    grub = {
      reason = "GRUB for BIOS and EFI, an encrypted root with its key file, and encrypted swap";
      imports = [ not-detected ];
      module = {
        imports = [
          grub
          luks
        ];
        swapDevices = [
          {
            device = "/dev/disk/by-partuuid/00000000-0000-0000-0000-000000000000";
            randomEncryption.enable = true;
          }
        ];
      };
    };
    guests = {
      reason = "a guest of QEMU, VirtualBox or Hyper-V";
      imports = [ qemu-guest ];
      module.imports = [
        systemd-boot
        guest
      ];
    };
    zfs = {
      reason = "a root on ZFS, and GRUB for it";
      imports = [ not-detected ];
      module = {
        imports = [ grub ];
        fileSystems."/" = {
          device = mkForce "variant/root";
          fsType = mkForce "zfs";
        };
        networking.hostId = mkDefault "00000000";
      };
    };
    bcachefs = {
      reason = "a root on bcachefs, for which NixOS 24.05 takes a newer kernel, with all that is built for a kernel";
      imports = [
        not-detected
        qemu-guest
      ];
      module = {
        imports = [
          systemd-boot
          guest
        ];
        fileSystems."/".fsType = mkForce "bcachefs";
        powerManagement.cpuFreqGovernor = mkDefault "powersave";
      };
    };
    locales = {
      reason = "another language than the configuration's: without this, its locale would be compiled with glibc";
      module = {
        imports = [ systemd-boot ];
        i18n.supportedLocales = mkForce locales;
      };
    };
    broadcom = {
      reason = "wireless cards of Broadcom that need its own driver (unfree), and the Intel PRO/Wireless 2200BG";
      imports = [ not-detected ];
      modulePackages = [ "broadcom_sta" ];
      module = {
        imports = [ systemd-boot ];
        boot.kernelModules = [ "wl" ];
        networking.enableIntel2200BGFirmware = true;
      };
    };
    parallels = {
      reason = "a guest of Parallels Desktop (unfree)";
      module = {
        imports = [ systemd-boot ];
        hardware.parallels.enable = true;
      };
    };
  };
in
{
  variants = lib.mapAttrs (
    _: variant:
    {
      imports = [ ];
      modulePackages = [ ];
    }
    // variant
    // {
      module.imports = [
        machine
        variant.module
      ];
    }
  ) (if isx86 then family else removeAttrs family [ "broadcom" ]);

  # What nixos-generate-config can write and what asks for no package, or only for what it is filled with (the file
  # systems and kernel modules that are looked at by themselves).
  free = [
    "boot.extraModulePackages"
    "boot.initrd.availableKernelModules"
    "boot.initrd.kernelModules"
    "boot.initrd.luks.devices"
    "boot.kernelModules"
    "fileSystems"
    "imports"
    # Long since another name of hardware.enableRedistributableFirmware, which `metal` has.
    "networking.enableIntel3945ABGFirmware"
    "networking.useDHCP"
    "nixpkgs.config.allowUnfreePredicate"
    "nixpkgs.hostPlatform"
    "swapDevices"
  ];

  # What it can write on no machine that an image is booted on, and file systems that no installer makes. Such a machine is
  # refused with this reason.
  never = {
    "boot.isContainer" = "a container of systemd-nspawn does not boot from an image";
    apfs = rare;
    ecryptfs = rare;
    envfs = rare;
    erofs = rare;
    glusterfs = rare;
    overlayfs = rare;
    sshfs = rare;
    unionfs-fuse = rare;
    vboxsf = rare;
  }
  // lib.optionalAttrs (!isx86) (
    each [
      "config.boot.kernelPackages.broadcom_sta"
      "hardware.cpu.amd.updateMicrocode"
      "hardware.cpu.intel.updateMicrocode"
      "networking.enableIntel2200BGFirmware"
      "virtualisation.hypervGuest.enable"
      "virtualisation.virtualbox.guest.enable"
    ] (_: "no machine with this processor has it")
  );
}
