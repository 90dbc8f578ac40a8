# What Debian's programs look for outside of the store, in the initrd and in the system; and no documentation, whose tools are many.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  # And no live system that is started over the network.
  isMedium = options ? isoImage.splashImage;
  systemd = config.systemd.package;
  links = {
    "/usr/lib/systemd" = "${systemd}/lib/systemd";
    "/usr/lib/udev" = "${systemd}/lib/udev";
    "/usr/share/systemd" = "${systemd}/share/systemd";
  };
  # /usr/bin of the initrd is one directory of links.
  programs = {
    mount = "${pkgs.util-linux}/bin/mount";
    umount = "${pkgs.util-linux}/bin/umount";
    true = "${pkgs.coreutils}/bin/true";
    false = "${pkgs.coreutils}/bin/false";
  };
  systemLinks =
    links
    // lib.mapAttrs' (name: lib.nameValuePair "/usr/bin/${name}") programs
    // {
      "/lib/modules" = "/run/booted-system/kernel-modules/lib/modules";
      "/usr/lib/modules" = "/run/booted-system/kernel-modules/lib/modules";
      "/usr/lib/openssh" = "${pkgs.openssh}/lib/openssh";
      "/usr/lib/resolvconf" = "${pkgs.openresolv}/lib/resolvconf";
      "/usr/lib/x86_64-linux-gnu/dhcpcd" = "${pkgs.dhcpcd}/lib/dhcpcd";
      "/usr/lib/x86_64-linux-gnu/xtables" = "${pkgs.iptables}/lib/xtables";
      "/usr/libexec/dhcpcd-hooks" = "${pkgs.dhcpcd}/libexec/dhcpcd-hooks";
      "/usr/libexec/dhcpcd-run-hooks" = "${pkgs.dhcpcd}/libexec/dhcpcd-run-hooks";
      "/usr/libexec/sudo" = "${pkgs.sudo}/libexec/sudo";
      "/usr/sbin/unix_chkpwd" = "/run/wrappers/bin/unix_chkpwd";
      "/usr/bin/dbus-broker" = "${pkgs.dbus-broker}/bin/dbus-broker";
      "/usr/bin/systemd-tty-ask-password-agent" = "${systemd}/bin/systemd-tty-ask-password-agent";
      "/usr/share/dbus-1" = "/run/current-system/sw/share/dbus-1";
      "/usr/share/zoneinfo" = "/etc/zoneinfo";
    }
    // lib.optionalAttrs config.boot.loader.grub.enable { "/usr/lib/grub" = "${pkgs.grub2}/lib/grub"; };
in
{
  config = lib.mkMerge [
    {
      # Debian's kernel lacks some drivers of old hardware.
      boot.initrd.allowMissingModules = true;
      boot.initrd.systemd.extraBin = programs;
      boot.initrd.systemd.contents = lib.mapAttrs (_: source: { inherit source; }) links;
      system.activationScripts.debian = lib.concatStrings (
        lib.mapAttrsToList (path: target: ''
          mkdir -p ${dirOf path}
          ln -sfn ${target} ${path}
        '') systemLinks
      );
      # Debian's Nix would take /usr/bin/bash-static.
      nix.settings.sandbox-paths = [ "/bin/sh=${pkgs.busybox}/bin/busybox" ];
      # sudo and su ask for these when they start a login shell.
      security.pam.services = {
        sudo-i = { };
        su-l.rootOK = true;
      };
      # It changes owners, which its unit forbids.
      networking.dhcpcd.allowSetuid = true;
      # systemd of nixpkgs finds its own programs by their bare names.
      systemd.services.systemd-tmpfiles-resetup.serviceConfig.ExecStart =
        lib.mkForce "${systemd}/bin/systemd-tmpfiles --create --remove --exclude-prefix=/dev";
      # sshd is built to have it; that of nixpkgs has /var/empty.
      systemd.tmpfiles.rules = [ "d /run/sshd 0755 root root" ];
      # Its module would have to be compiled, and for a kernel that it supports.
      boot.supportedFilesystems.zfs = lib.mkForce false;
      # A picture that would be downloaded.
      boot.loader.grub.splashImage = lib.mkForce null;
      documentation = {
        enable = lib.mkForce false;
        nixos.enable = lib.mkForce false;
        man.enable = lib.mkForce false;
        info.enable = lib.mkForce false;
        doc.enable = lib.mkForce false;
      };
    }
    (lib.optionalAttrs (options ? isoImage) {
      # Debian's kernel has no CONFIG_SQUASHFS_CHOICE_DECOMP_BY_MOUNT, which threads=multi needs.
      fileSystems = (if isMedium then lib.mkImageMediaOverride else lib.id) {
        "/nix/.ro-store" = lib.mkImageMediaOverride {
          options = lib.mkForce [
            "loop"
            "x-initrd.mount"
          ];
        };
      };
      # Pictures that would be downloaded; and what a live system without a network has no use for.
      isoImage = lib.optionalAttrs isMedium {
        splashImage = lib.mkForce pkgs.emptyFile;
        efiSplashImage = lib.mkForce pkgs.emptyFile;
        grubTheme = lib.mkForce null;
      };
      boot.loader.grub.memtest86.enable = lib.mkForce false;
      networking.networkmanager.enable = lib.mkForce false;
      boot.kernelParams = [
        "console=tty0"
        "console=ttyS0,115200n8"
      ];
    })
  ];
}
