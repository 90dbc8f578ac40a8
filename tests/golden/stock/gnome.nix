# The configuration of this machine: edit it, and run: sudo nixos-rebuild switch
# All options: man configuration.nix. The manual: nixos-help.

{ pkgs, ... }:

{
  imports = [
    # The file systems and kernel modules of this machine, as nixos-generate-config found them.
    ./hardware-configuration.nix
  ];

  # The boot loader.
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  # The name of this machine.
  networking.hostName = "box";

  # The time zone.
  time.timeZone = "Europe/Berlin";

  # The language, and the formats of a region.
  i18n.defaultLocale = "de_DE.UTF-8";
  i18n.extraLocaleSettings = {
    LC_TIME = "de_AT.UTF-8";
  };
  # The locales of the installation medium: others are compiled, which needs a network. With one, this line can go.
  i18n.supportedLocales = [ "all" ];

  # The keyboard on the console, and in graphical sessions.
  console.keyMap = "de-latin1";
  services.xserver.xkb = {
    layout = "de";
    variant = "nodeadkeys";
  };

  # The users.
  # The password is not in the configuration: passwd changes it.
  users.users.alice = {
    isNormalUser = true;
    description = "Alice";
    extraGroups = [
      "networkmanager"
      "wheel"
    ];
  };

  # Who is logged in without a password.
  services.displayManager.autoLogin = {
    enable = true;
    user = "alice";
  };
  # Otherwise the login prompt of the console ends the session that GDM starts.
  systemd.services."getty@tty1".enable = false;
  systemd.services."autovt@tty1".enable = false;

  # Packages that are not free software.
  nixpkgs.config.allowUnfree = true;

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
