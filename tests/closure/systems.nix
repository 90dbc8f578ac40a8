# Systems of a real nixpkgs, each on the machine of ./hardware-configuration.nix.
let
  server =
    { pkgs, ... }:
    {
      imports = [ ./hardware-configuration.nix ];
      boot.loader.systemd-boot.enable = true;
      boot.loader.efi.canTouchEfiVariables = true;
      networking.hostName = "server";
      nixpkgs.config.allowUnfree = true;
      services.openssh.enable = true;
      time.timeZone = "Europe/Lisbon";
      users.users.alice = {
        isNormalUser = true;
        extraGroups = [ "wheel" ];
        initialHashedPassword = "";
      };
      environment.systemPackages = [
        pkgs.git
        pkgs.vim
      ];
      system.stateVersion = "24.05";
    };
  desktop = {
    imports = [ server ];
    networking.networkmanager.enable = true;
    hardware.pulseaudio.enable = false;
    services = {
      printing.enable = true;
      pipewire = {
        enable = true;
        alsa.enable = true;
        pulse.enable = true;
      };
      xserver.enable = true;
    };
  };
in
{
  inherit server;
  # Leaves open all that an installer can ask.
  open =
    { pkgs, ... }:
    {
      imports = [ ./hardware-configuration.nix ];
      boot.loader.systemd-boot.enable = true;
      boot.loader.efi.canTouchEfiVariables = true;
      nixpkgs.config.allowUnfreePredicate = _: true;
      networking.networkmanager.enable = true;
      services.xserver = {
        enable = true;
        windowManager.icewm.enable = true;
      };
      environment.systemPackages = [ pkgs.git ];
      system.stateVersion = "24.05";
    };
  # A desktop of stock NixOS, which the test writes.
  stock = /stock/configuration.nix;
  gnome = {
    imports = [ desktop ];
    services.xserver = {
      displayManager.gdm.enable = true;
      desktopManager.gnome.enable = true;
    };
  };
  plasma6 = {
    imports = [ desktop ];
    services.displayManager.sddm.enable = true;
    services.desktopManager.plasma6.enable = true;
  };
}
