# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  # This machine starts from a BIOS: GRUB belongs on the disk that was chosen, whichever one the configuration
  # names.
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];
  # The kernel is on an encrypted volume: GRUB asks for the passphrase (with the US keymap).
  boot.loader.grub.enableCryptodisk = true;
  # Calamares made the volume with SHA-512, of which grub-install knows nothing: without this, GRUB takes the right
  # passphrase for a wrong one.
  boot.loader.grub.extraGrubInstallArgs = [ "--modules=gcry_sha512" ];

  # The key that opens the volumes after GRUB has, so that nobody is asked twice. It is in the initrd, on the
  # encrypted volume.
  boot.initrd.secrets."/luks.key" = "/etc/secrets/initrd/luks.key";

  boot.initrd.luks.devices."luks-33333333-0000-4000-8000-000000000000" = {
    device = "/dev/disk/by-uuid/33333333-0000-4000-8000-000000000000";
    keyFile = "/luks.key";
  };

  # The keymap with which the passphrase was typed, unless the configuration says another.
  console.keyMap = lib.mkDefault "de-latin1";
}
