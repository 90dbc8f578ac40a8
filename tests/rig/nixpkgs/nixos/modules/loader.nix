# What switch-to-configuration does for the boot loader: $system is the toplevel.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.boot;
  inherit (cfg.loader) grub;
  inherit (cfg.initrd) secrets;
  parameters = toString cfg.kernelParams;
  efi = cfg.loader.efi.efiSysMountPoint;

  # What must not be in the store is added to the initrd here, as NixOS does it (append-initrd-secrets).
  initrd = ''
    put_initrd() {
      (umask 077 && cp "$system/initrd" "$1")
      ${lib.optionalString (secrets != { }) ''
        added=$(mktemp -d)
        ${lib.concatStrings (
          lib.mapAttrsToList (at: source: ''
            mkdir -p $added/$(dirname ${at}) && cp ${
              # As in nixpkgs: null means the same path.
              if source == null then at else toString source
            } $added/${at}
          '') secrets
        )}
        (cd $added && find . | cpio -o -H newc) >> "$1"
        rm -r $added
      ''}
    }
  '';
  systemd-boot = ''
    esp=${efi}
    mkdir -p $esp/loader/entries $esp/EFI/nixos $esp/EFI/systemd $esp/EFI/BOOT
    cp ${pkgs.systemd}/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/systemd/systemd-bootx64.efi
    cp ${pkgs.systemd}/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/BOOT/BOOTX64.EFI
    cp "$system/kernel" $esp/EFI/nixos/kernel && put_initrd $esp/EFI/nixos/initrd
    printf 'timeout 1\ndefault nixos-generation-1.conf\n' > $esp/loader/loader.conf
    printf 'title NixOS\nlinux /EFI/nixos/kernel\ninitrd /EFI/nixos/initrd\noptions init=%s/init ${parameters}\n' "$system" \
      > $esp/loader/entries/nixos-generation-1.conf
  '';
  # Kernel and initrd stand beside GRUB's own files, so that one prefix finds all of them, encrypted or not.
  grub2 = ''
    mkdir -p /boot/grub/kernels
    cp "$system/kernel" /boot/grub/kernels/kernel && put_initrd /boot/grub/kernels/initrd
    ${lib.optionalString grub.enableCryptodisk "export GRUB_ENABLE_CRYPTODISK=y"}
    for device in ${toString grub.devices}; do
      echo "installing the GRUB 2 boot loader on $device..."
      [ "$device" = nodev ] || ${pkgs.grub2}/bin/grub-install --target=i386-pc --boot-directory=/boot \
        ${toString (map lib.escapeShellArg grub.extraGrubInstallArgs)} "$device"
    done
    {
      echo 'set timeout=1'
      printf 'menuentry "NixOS" {\n  linux $prefix/kernels/kernel init=%s/init ${parameters}\n  initrd $prefix/kernels/initrd\n}\n' "$system"
    } > /boot/grub/grub.cfg
  '';
in
{
  options.system.build.installBootLoader = lib.mkOption { type = lib.types.lines; };

  config = {
    boot.kernelParams = [
      "console=ttyS0"
      "panic=-1"
    ];
    system.build.installBootLoader =
      if cfg.loader.systemd-boot.enable then
        initrd + systemd-boot
      else if grub.enable then
        initrd + grub2
      else
        "";
  };
}
