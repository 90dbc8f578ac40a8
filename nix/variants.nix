# The family of machines: one variant for each, as nixos-generate-config and the installer would describe it. Together they need all
# packages that hardware and the installer's choices can require.
#
# Requirements combine: LUKS of one variant and btrfs of another need no more packages. Those that do not combine are in one variant:
# packages that are built for each other (GRUB for ZFS) or for a kernel (guest additions for the kernel that bcachefs needs).
#
# A variant has: `reason`; `imports`, modules of nixpkgs; `modulePackages`, kernel modules from outside the kernel; `module`;
# `when`, if only some releases of nixpkgs can describe such a machine; `shared`, if it combines with all others that have it:
# they are evaluated as one machine, unless the configuration refuses that (or one of the `packages` that they bring);
# `bootLoaderOnly`, if other variants need all that it needs but GRUB: then only its boot loader is evaluated; and `of`, the name of a
# variant without which it is not supported either.
{
  lib,
  # The system whose variants they are, as `nixosSystem` returns it.
  target,
  # The locales that can be chosen, as in i18n.supportedLocales.
  locales,
  # What nixos-generate-config can write (`nix-cfg-iso hardware-features`).
  written,
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
  names = map (what: what.name) written.features;
  known = builtins.filter (type: builtins.elem type names);
  # A script that could not be parsed may write anything.
  writes = name: written.unreadable != null || builtins.elem name names;

  # Common to all variants, which can override it; `priority` is that of the file systems.
  machine = priority: {
    nixpkgs.hostPlatform = mkDefault system;
    networking.useDHCP = mkDefault true;
    boot.initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "sd_mod"
      "usb_storage"
      "xhci_pci"
    ];
    fileSystems = lib.mapAttrs (_: lib.mapAttrs (_: lib.mkOverride priority)) {
      "/" = {
        device = uuid;
        fsType = "ext4";
      };
      "/boot" = {
        device = uuid;
        fsType = "vfat";
      };
    };
    imports = [ completed ];
  };

  # What the configuration only completes (`fileSystems."/home".options`), and its own hardware configuration defines, has to be
  # whole on these machines as well. Any definition of the configuration's own is stronger.
  completed =
    let
      weak = lib.mapAttrs (_: lib.mkOverride 1400);
      fileSystem =
        { fsType, ... }:
        weak {
          device = uuid;
          fsType = if fsType == "vfat" then "vfat" else "ext4";
        };
    in
    {
      fileSystems = lib.mapAttrs (_: fileSystem) target.config.fileSystems;
      boot.initrd.luks.devices = lib.mapAttrs (_: _: weak { device = uuid; }) (
        target.config.boot.initrd.luks.devices
      );
    };

  # Another boot loader of the configuration is kept, as the installer does.
  stock = target.config.boot.loader.systemd-boot.enable || target.config.boot.loader.grub.enable;
  systemd-boot.boot.loader = mkIf stock {
    systemd-boot.enable = mkForce true;
    grub.enable = mkForce false;
  };
  # With a device and EFI support, both builds of GRUB are needed.
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
  zfsAt = path: {
    fileSystems.${path} = {
      device = mkForce "variant/root";
      fsType = mkForce "zfs";
      neededForBoot = true;
    };
    # Weaker than a default of the configuration's own.
    networking.hostId = lib.mkOverride 1400 "00000000";
  };
  guest.virtualisation = {
    hypervGuest.enable = true;
    virtualbox.guest.enable = isx86;
  };
  # hardware.facter.report (NixOS 26.11) can enable these as well. An option that this nixpkgs does not have would make the whole
  # variant fail.
  facter =
    let
      isOption =
        path: (target.options.hardware or { }) ? facter && lib.attrByPath path null target.options != null;
      wanted = map (lib.splitString ".") [
        "hardware.bluetooth.enable"
        "hardware.graphics.enable"
        "services.fprintd.enable"
      ];
    in
    map (path: lib.setAttrByPath path true) (builtins.filter isOption wanted);
  container = "a systemd-nspawn container does not boot from an image";
  rare = "no installer installs a system on this file system";
  not-detected = "/installer/scan/not-detected.nix";
  qemu-guest = "/profiles/qemu-guest.nix";

  family = {
    uefi = {
      reason = "UEFI with systemd-boot, an ext4 root and a FAT boot partition";
      shared = true;
      imports = [ not-detected ];
    };
    metal = {
      reason = "any processor, firmware, disk controller and file system";
      shared = true;
      imports = [
        not-detected
        "/hardware/network/broadcom-43xx.nix"
      ];
      module =
        { config, ... }:
        {
          imports = facter;
          hardware = {
            cpu.amd.updateMicrocode = isx86;
            cpu.intel.updateMicrocode = isx86;
            enableRedistributableFirmware = mkForce true;
          };
          networking.enableIntel2200BGFirmware = isx86;
          # Written up to NixOS 23.11, and still in many hardware configurations.
          powerManagement.cpuFreqGovernor = mkDefault "powersave";
          boot = {
            kernelModules = if isx86 then [ "kvm-intel" ] else [ ];
            swraid.enable = true;
            initrd = {
              kernelModules = [ "dm-snapshot" ];
              availableKernelModules = [ "bcache" ];
              # As if the root were on each, so that their tools are in the initrd.
              supportedFilesystems = known [
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
              each (known [
                "btrfs"
                "cifs"
                "exfat"
                "ext2"
                "ext3"
                "f2fs"
                "jfs"
                "nfs"
                "nfs4"
                "ntfs"
                "ntfs-3g"
                "overlay"
                "reiserfs"
                "squashfs"
                "xfs"
              ]) fs
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
                # The scripted initrd cannot mount a root on it.
                neededForBoot = config.boot.initrd.systemd.enable;
              };
            };
        };
    };
    encrypted = {
      reason = "an encrypted root with its key file, and encrypted swap";
      shared = true;
      module = {
        boot.initrd = {
          luks.devices.variant.device = uuid;
          secrets = mkIf stock { "/crypto_keyfile.bin" = null; };
        };
        swapDevices = [
          {
            device = "/dev/disk/by-partuuid/00000000-0000-0000-0000-000000000000";
            randomEncryption.enable = true;
          }
        ];
      };
    };
    grub = {
      reason = "GRUB for BIOS and EFI";
      bootLoaderOnly = true;
      when = stock;
    };
    guests = {
      reason = "a guest of QEMU, VirtualBox or Hyper-V";
      shared = true;
      imports = [ qemu-guest ];
      module = guest;
    };
    zfs = {
      reason = "a root on ZFS";
      # Some packages are others where ZFS is on (podman): where the system itself has it, the other machines stay without.
      shared = target.options.boot ? zfs.modulePackage && !target.config.boot.zfs.enabled;
      packages = [ target.config.boot.zfs.modulePackage ];
      imports = [ not-detected ];
      module = zfsAt "/variant/zfs";
    };
    zfs-grub = {
      reason = "GRUB for a root on ZFS";
      of = "zfs";
      bootLoaderOnly = true;
      when = stock;
      module = zfsAt "/";
    };
    bcachefs = {
      reason = "a root on bcachefs, with all that is built for its kernel: NixOS 24.05 uses a newer kernel, later releases a module";
      shared = target.options.boot ? bcachefs.modulePackage;
      imports = [
        not-detected
        qemu-guest
      ];
      module = {
        imports = [ guest ];
        fileSystems."/".fsType = mkForce "bcachefs";
        powerManagement.cpuFreqGovernor = mkDefault "powersave";
      };
    };
    locales = {
      reason = "another language than the configuration's: otherwise its locale would be compiled with glibc";
      shared = true;
      module.i18n.supportedLocales = mkForce locales;
    };
    choices = {
      reason = "answers to what the configuration leaves open: keyboard, time zone, host name, user, automatic login";
      shared = true;
      module.imports = import ./answered.nix { inherit lib target; };
    };
    broadcom = {
      reason = "wireless cards of Broadcom that need its own driver (unfree)";
      shared = true;
      # In NixOS 26.11 it has known vulnerabilities, and nixos-generate-config does not write it any more.
      when = isx86 && writes "config.boot.kernelPackages.broadcom_sta";
      imports = [ not-detected ];
      modulePackages = [ "broadcom_sta" ];
      module.boot.kernelModules = [ "wl" ];
    };
    npu = {
      reason = "the NPU of an Intel Core Ultra: its driver, its firmware, and graphics";
      shared = true;
      when = isx86 && writes "hardware.cpu.intel.npu.enable";
      imports = [ not-detected ];
      module.hardware.cpu.intel.npu.enable = true;
    };
    parallels = {
      reason = "a guest of Parallels Desktop (unfree)";
      shared = true;
      packages = [ target.config.hardware.parallels.package or { } ];
      when = writes "hardware.parallels.enable";
      module.hardware.parallels.enable = true;
    };
  };
  # Priority 60 overrides what a configuration defines outside its hardware-configuration.nix.
  complete =
    priority: variant:
    {
      imports = [ ];
      modulePackages = [ ];
    }
    // variant
    // {
      module.imports = [
        (machine priority)
        (variant.module or { })
      ];
    };
  # It boots with GRUB or systemd-boot.
  withBootLoader =
    variant:
    complete 60 (
      variant
      // {
        module.imports = [
          (if variant.bootLoaderOnly or false then grub else systemd-boot)
          variant.module or { }
        ];
      }
    );
in
{
  variants = lib.mapAttrs (_: withBootLoader) (
    lib.filterAttrs (_: variant: variant.when or true) family
  );
  # All names, those for other releases of nixpkgs and other processors included.
  names = builtins.attrNames family;

  # A variant for an unknown feature, from its `imports`, `modulePackages` or `module`.
  unknown = withBootLoader;
  fileSystem = fs;
  # A variant of the caller, whose own definitions win.
  added = complete 900;

  # What nixos-generate-config can write and needs no variant: it requires no package, or its values (file systems, kernel modules)
  # are covered by themselves.
  free = [
    "boot.extraModulePackages"
    "boot.initrd.availableKernelModules"
    "boot.initrd.kernelModules"
    "boot.initrd.luks.devices"
    "boot.kernelModules"
    "fileSystems"
    "imports"
    # An old name of hardware.enableRedistributableFirmware, which `metal` sets.
    "networking.enableIntel3945ABGFirmware"
    "networking.useDHCP"
    "nixpkgs.config.allowUnfreePackages"
    "nixpkgs.config.allowUnfreePredicate"
    "nixpkgs.hostPlatform"
    "swapDevices"
  ];

  # What it cannot write on a machine that boots from an image, and file systems that no installer creates. The installer refuses such
  # a machine with this reason.
  never = {
    "boot.isContainer" = container;
    "boot.isNspawnContainer" = container;
    apfs = rare;
    ecryptfs = rare;
    envfs = rare;
    erofs = rare;
    "fuse.bindfs" = rare;
    "fuse.sshfs" = rare;
    glusterfs = rare;
    sshfs = rare;
    unionfs-fuse = rare;
    vboxsf = rare;
  }
  // lib.optionalAttrs (!isx86) (
    each [
      "config.boot.kernelPackages.broadcom_sta"
      "hardware.cpu.amd.updateMicrocode"
      "hardware.cpu.intel.npu.enable"
      "hardware.cpu.intel.updateMicrocode"
      "networking.enableIntel2200BGFirmware"
      "virtualisation.virtualbox.guest.enable"
    ] (_: "no machine with this processor has it")
  );
}
