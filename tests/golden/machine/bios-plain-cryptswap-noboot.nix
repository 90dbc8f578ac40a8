# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  # This machine starts from a BIOS: GRUB belongs on the disk that was chosen, whichever one the configuration
  # names.
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];

  # Encrypted swap: opened before it is waited for.
  boot.initrd.luks.devices."luks-44444444-0000-4000-8000-000000000000" = {
    device = "/dev/disk/by-uuid/44444444-0000-4000-8000-000000000000";
  };

  # The keymap with which the passphrase was typed, unless the configuration says another.
  console.keyMap = lib.mkDefault "de-latin1";
}
