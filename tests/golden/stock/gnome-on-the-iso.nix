# The configuration of this machine: edit it, and run: sudo nixos-rebuild switch
# All options: man configuration.nix. The manual: nixos-help.

{ pkgs, ... }:

{
  imports = [
    # The file systems and kernel modules of this machine, as nixos-generate-config found them.
    ./hardware-configuration.nix
  ];

  # The boot loader.
  # For a machine with a BIOS, nix-cfg-install writes GRUB here.
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  # nix-cfg-install writes here what is chosen for a machine: its name, time zone, language, keyboard and user.

  # The network: wired and wireless connections, which users in the group networkmanager can change.
  networking.networkmanager.enable = true;
  # networking.firewall.allowedTCPPorts = [ 80 ];

  # The desktop: GNOME, and the display manager in which users log in.
  services.xserver.enable = true;
  services.displayManager.gdm.enable = true;
  services.desktopManager.gnome.enable = true;

  # Printing.
  services.printing.enable = true;

  # Sound, by PipeWire.
  services.pulseaudio.enable = false;
  security.rtkit.enable = true;
  services.pipewire = {
    enable = true;
    alsa.enable = true;
    alsa.support32Bit = true;
    pulse.enable = true;
    # jack.enable = true;
  };

  # A web browser.
  programs.firefox.enable = true;

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
