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
  counting = cfg.loader.systemd-boot.bootCounting;
  counter = lib.optionalString counting.enable "+${toString counting.tries}";

  # What must not be in the store is added to the initrd here, as NixOS does it (append-initrd-secrets).
  initrd = ''
    put_initrd() {
      (umask 077 && cp "$of/initrd" "$1")
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
  # Calls `each NUMBER`, with $of as its toplevel and $suffix for the names of its files in $files, for every generation, the one that is
  # started first. What a generation that is gone has left is removed before, as by systemd-boot-builder.py. Its kernel is copied
  # only where it is not there.
  generations = ''
    for_generations() {
      files=$1
      for file in $files/kernel-* $files/initrd-*; do
        [ -e /nix/var/nix/profiles/system-''${file##*-}-link ] || rm -f "$file"
      done
      for link in $(ls -d /nix/var/nix/profiles/system-*-link | sort -t- -k2 -n -r); do
        of=$(readlink $link)
        [ "$of" != "$system" ] || generation $link
      done
      for link in $(ls -d /nix/var/nix/profiles/system-*-link | sort -t- -k2 -n -r); do
        of=$(readlink $link)
        [ "$of" = "$system" ] || generation $link
      done
    }
    generation() {
      number=''${1#*/system-} number=''${number%-link} suffix=
      [ $number = 1 ] || suffix=-$number
      cmp -s "$of/kernel" $files/kernel$suffix || cp "$of/kernel" $files/kernel$suffix
      cmp -s "$of/initrd" $files/initrd$suffix || put_initrd $files/initrd$suffix
      each $number
    }
  '';
  systemd-boot = ''
    esp=${efi}
    mkdir -p $esp/loader/entries $esp/EFI/nixos $esp/EFI/systemd $esp/EFI/BOOT
    cp ${pkgs.systemd}/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/systemd/systemd-bootx64.efi
    cp ${pkgs.systemd}/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/BOOT/BOOTX64.EFI
    for entry in $esp/loader/entries/nixos-generation-*.conf; do
      number=''${entry##*/nixos-generation-}
      [ -e /nix/var/nix/profiles/system-''${number%%[+.]*}-link ] || rm -f "$entry"
    done
    each() {
      # An entry keeps its counter, which only the boot loader changes.
      entry=$(cd $esp/loader/entries && ls | grep "^nixos-generation-$1[+.]") || entry=nixos-generation-$1${counter}.conf
      printf 'title NixOS, generation %s\nlinux /EFI/nixos/kernel%s\ninitrd /EFI/nixos/initrd%s\noptions init=%s/init ${parameters}\n' \
        $1 "$suffix" "$suffix" "$of" > $esp/loader/entries/$entry
      # As systemd-boot-builder.py (26.11): systemd-boot before 260 only knows the pattern, which a system that was given up comes last in.
      [ "$of" != "$system" ] || printf 'timeout 1\n${
        if counting.enable then
          "preferred nixos-generation-%s.conf\\ndefault nixos-*"
        else
          "default nixos-generation-%s.conf"
      }\n' $1 > $esp/loader/loader.conf
    }
    for_generations $esp/EFI/nixos
  '';
  # Kernel and initrd stand beside GRUB's own files, so that one prefix finds all of them, encrypted or not.
  grub2 = ''
    mkdir -p /boot/grub/kernels
    ${lib.optionalString grub.enableCryptodisk "export GRUB_ENABLE_CRYPTODISK=y"}
    for device in ${toString grub.devices}; do
      echo "installing the GRUB 2 boot loader on $device..."
      [ "$device" = nodev ] || ${pkgs.grub2}/bin/grub-install --target=i386-pc --boot-directory=/boot \
        ${toString (map lib.escapeShellArg grub.extraGrubInstallArgs)} "$device"
    done
    echo 'set timeout=1' > /boot/grub/grub.cfg.new
    each() {
      printf 'menuentry "NixOS, generation %s" {\n  linux $prefix/kernels/kernel%s init=%s/init ${parameters}\n  initrd $prefix/kernels/initrd%s\n}\n' \
        $1 "$suffix" "$of" "$suffix" >> /boot/grub/grub.cfg.new
    }
    for_generations /boot/grub/kernels
    mv /boot/grub/grub.cfg.new /boot/grub/grub.cfg
  '';
in
{
  options.system.build.installBootLoader = lib.mkOption { type = lib.types.lines; };
  options.boot.loader.systemd-boot.bootCounting = {
    enable = lib.mkEnableOption "counting of starts";
    tries = lib.mkOption {
      type = lib.types.int;
      default = 3;
    };
  };

  config = {
    boot.kernelParams = [
      "console=ttyS0"
      "panic=-1"
    ];
    system.build.installBootLoader =
      if cfg.loader.systemd-boot.enable then
        initrd + generations + systemd-boot
      else if grub.enable then
        initrd + generations + grub2
      else
        "";
  };
}
