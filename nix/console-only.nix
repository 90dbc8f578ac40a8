# A live system that works on its console, although it may have a desktop: neither that nor a splash screen is started.
{ lib, ... }:
{
  # Each display manager is part of graphical.target, whatever the name of its unit.
  boot.kernelParams = [ "systemd.unit=multi-user.target" ];
  # With GNOME configured, only its display manager would end the splash screen (services/display-managers/gdm.nix, 26.11).
  boot.plymouth.enable = lib.mkForce false;
}
