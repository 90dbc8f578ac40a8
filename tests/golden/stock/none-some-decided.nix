# The configuration of this machine: edit it, and run: sudo nixos-rebuild switch
# All options: man configuration.nix. The manual: nixos-help.

{ pkgs, ... }:

{
  imports = [
    # The file systems and kernel modules of this machine, as nixos-generate-config found them.
    ./hardware-configuration.nix
  ];

  # The boot loader.
  # It was decided to install no boot loader.
  boot.loader.grub.enable = false;

  # The language, and the formats of a region.
  # i18n.defaultLocale = "en_US.UTF-8";

  # The keyboard on the console, and in graphical sessions.
  # console.keyMap = "us";
  # services.xserver.xkb.layout = "us";

  # The users.
  # users.users.alice = {
  #   isNormalUser = true;
  #   extraGroups = [ "wheel" ]; # May use sudo.
  # };

  # The network: wired and wireless connections, which users in the group networkmanager can change.
  networking.networkmanager.enable = true;
  # networking.firewall.allowedTCPPorts = [ 80 ];

  # Programs for all users.
  environment.systemPackages = with pkgs; [
    # git
    # vim
  ];

  # Remote login.
  # services.openssh.enable = true;

  # The release that this machine was installed with: services keep their data as it had them. Leave it when you upgrade; the
  # option's description says when it may be changed.
  system.stateVersion = "26.11";
}
