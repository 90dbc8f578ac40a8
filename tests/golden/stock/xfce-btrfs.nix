# The configuration of this machine: edit it, and run: sudo nixos-rebuild switch
# All options: man configuration.nix. The manual: nixos-help.

{ pkgs, ... }:

{
  imports = [
    # The file systems and kernel modules of this machine, as nixos-generate-config found them.
    ./hardware-configuration.nix
  ];

  # The boot loader.
  boot.loader.grub.enable = true;
  boot.loader.grub.device = "/dev/disk/by-id/ata-X";
  boot.loader.grub.useOSProber = true;
  # The root is btrfs: GRUB looks for the file system by the UUID in `fileSystems`, and does not ask blkid for it.
  boot.loader.grub.fsIdentifier = "provided";

  # The newest kernel, with which the installation medium was started.
  boot.kernelPackages = pkgs.linuxPackages_latest;

  # The name of this machine.
  networking.hostName = "nixos";

  # The time zone.
  time.timeZone = "Etc/UTC";

  # The language, and the formats of a region.
  i18n.defaultLocale = "en_US.UTF-8";

  # The keyboard on the console, and in graphical sessions.
  console.keyMap = "us";
  services.xserver.xkb.layout = "us";

  # The users.
  # The password is not in the configuration: passwd changes it.
  users.users.bob = {
    isNormalUser = true;
    extraGroups = [
      "networkmanager"
      "wheel"
    ];
  };

  # Packages that are not free software.
  # nixpkgs.config.allowUnfree = true;

  # The network: wired and wireless connections, which users in the group networkmanager can change.
  networking.networkmanager.enable = true;
  # networking.firewall.allowedTCPPorts = [ 80 ];

  # The desktop: Xfce, and the display manager in which users log in.
  services.xserver.enable = true;
  services.xserver.displayManager.lightdm.enable = true;
  services.xserver.desktopManager.xfce.enable = true;

  # Printing.
  services.printing.enable = true;

  # Sound, by PipeWire.
  hardware.pulseaudio.enable = false;
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
  system.stateVersion = "24.05";
}
