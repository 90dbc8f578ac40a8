# The programs with which a person installs, on the live systems that start (see pkgs/default.nix).
{ lib, pkgs, ... }:
{
  environment.systemPackages = lib.optionals (pkgs.nixos-install-tools != null) [
    pkgs.nixos-install-tools
    pkgs.dosfstools
    pkgs.e2fsprogs
    pkgs.parted
    # Of util-linux, what an installation without questions starts. Its other programs are busybox' here.
    (pkgs.glue "util-linux-disks" { } ''
      mkdir -p $out/bin
      ln -s ${pkgs.util-linux}/bin/blkid ${pkgs.util-linux}/bin/sfdisk $out/bin/
    '')
  ];
}
