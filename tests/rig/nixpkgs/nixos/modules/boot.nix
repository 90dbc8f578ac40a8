{ config, lib, ... }:
let
  inherit (lib) mkOption mkEnableOption types;
  strings = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  string =
    default:
    mkOption {
      type = types.str;
      inherit default;
    };
  cfg = config.boot;
in
{
  options.boot = {
    initrd = {
      availableKernelModules = strings;
      kernelModules = strings;
      services.lvm.enable = mkEnableOption "LVM";
      secrets = mkOption {
        type = types.attrs;
        default = { };
      };
      luks.devices = mkOption {
        default = { };
        type = types.attrsOf (
          types.submodule {
            options = {
              device = mkOption { type = types.str; };
              keyFile = mkOption {
                type = types.nullOr types.str;
                default = null;
              };
            };
          }
        );
      };
    };
    kernelModules = strings;
    kernelParams = strings;
    plymouth.enable = mkEnableOption "a splash screen";
    extraModulePackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
    };
    supportedFilesystems = strings;
    loader = {
      timeout = mkOption {
        type = types.nullOr types.int;
        default = 5;
      };
      efi = {
        canTouchEfiVariables = mkEnableOption "writing EFI variables";
        efiSysMountPoint = string "/boot";
      };
      systemd-boot.enable = mkEnableOption "systemd-boot";
      grub = {
        enable = mkOption {
          type = types.bool;
          default = !cfg.loader.systemd-boot.enable;
        };
        device = string "";
        devices = strings;
        extraGrubInstallArgs = strings;
        fsIdentifier = string "uuid";
        efiSupport = mkEnableOption "EFI support in GRUB";
        efiInstallAsRemovable = mkEnableOption "installing GRUB as the removable boot loader";
        enableCryptodisk = mkEnableOption "encrypted /boot";
        useOSProber = mkEnableOption "looking for other systems";
      };
    };
  };

  config.boot.loader.grub.devices = lib.optional (
    cfg.loader.grub.device != ""
  ) cfg.loader.grub.device;
  config.assertions = [
    {
      assertion = !(cfg.loader.grub.enable && cfg.loader.grub.devices == [ ]);
      message = "You must set the option ‘boot.loader.grub.devices’ or 'boot.loader.grub.mirroredBoots' to make the system bootable.";
    }
    {
      assertion = !(cfg.loader.grub.enable && cfg.loader.systemd-boot.enable);
      message = "Only one boot loader can be enabled.";
    }
  ];
}
