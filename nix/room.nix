# A live system that serves a room: the others start from it over the network, and install from the cache of its store (docs/fleet.md).
# Existing engines do it: dnsmasq, iPXE, nginx and harmonia; room.sh writes what they read.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.offlineInstaller.room;
  # What the boot menu tells the kernel.
  parameter = "nix-cfg-install.room";
  # Of an IPv4 address.
  number = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  first = "(22[0-3]|2[01][0-9]|1[0-9][0-9]|[1-9][0-9]?)";
  harmoniaIs = lib.versionAtLeast (lib.getVersion pkgs.harmonia);
  # iPXE by the names that room.sh serves.
  ipxe = pkgs.runCommand "ipxe-for-the-room" { } ''
    mkdir $out
    cp ${pkgs.ipxe}/undionly.kpxe $out/
    cp ${pkgs.ipxe}/ipxe.efi $out/
  '';
in
{
  imports = [ ./console-only.nix ];

  options.offlineInstaller.room = {
    publicKey = mkOption {
      type = types.str;
      example = "room-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
      description = ''
        The key that the netbooted systems trust. Its secret half is the file `room.secret` on the stick with the answers, and is
        not on the ISO.
      '';
    };
    address = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "10.213.0.1/24";
      description = ''
        The address of the server in a room without a DHCP server, where it hands out addresses itself. Without one, the room's DHCP
        server does, and this one only adds what to start.
      '';
    };
    interface = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "enp1s0";
      description = "The network card that the room is at, if there are several.";
    };
    netboot = mkOption {
      type = types.package;
      internal = true;
      description = "What the others start.";
    };
  };

  config = {
    # `modules` can have these for the ISO of the same flake: this one has the systems, which it serves, and installs nothing.
    offlineInstaller = {
      unattended.enable = lib.mkForce false;
      cache.publicKeys = lib.mkForce [ ];
      cache.urls = lib.mkForce [ ];
    };
    assertions = [
      {
        assertion = builtins.match "[^:[:space:]]+:[A-Za-z0-9+/]{43}=" cfg.publicKey != null;
        message = ''
          room.publicKey is no public key. It is the text of room.public; room.secret does not belong into a flake. To make both:
          nix-store --generate-binary-cache-key room-1 room.secret room.public'';
      }
      {
        # What room.sh calculates with.
        assertion =
          cfg.address == null
          ||
            builtins.match "${first}\\.${number}\\.${number}\\.([1-9]|[1-3][0-9]|4[01])/([89]|1[0-9]|2[0-4])" cfg.address
            != null;
        message = ''
          room.address is "${toString cfg.address}". It must be an IPv4 address and the length of its prefix, like "10.213.0.1/24":
          a last number from 1 to 41, because the nine from it on are for servers, and 50 to 250 for the others; and /8 to /24.'';
      }
    ];
    isoImage = {
      appendToMenuLabel = lib.mkForce " (serve this room)";
      # By this file `nix-cfg-iso customize` knows it, which would change nothing for the others (src/iso/customize.rs).
      contents = [
        {
          source = pkgs.writeText "nix-cfg-room" ''
            This ISO serves a room. What the machines there install is in its store.
          '';
          target = "/nix-cfg-room";
        }
      ];
    };
    boot.kernelParams = [
      parameter
      # The first console shows who is where.
      "systemd.mask=getty@tty1.service"
    ];
    networking = {
      firewall.enable = lib.mkForce false;
    }
    # Where this one hands out addresses, it asks for none: what asks would take its own away again.
    // lib.optionalAttrs (cfg.address != null) {
      useDHCP = lib.mkForce false;
      networkmanager.enable = lib.mkForce false;
    };
    systemd.services.nix-cfg-install-room = {
      description = "The server of this room";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "network-online.target"
        "register-nix-paths.service"
      ];
      before = [
        "serial-getty@ttyS0.service"
      ];
      unitConfig.ConditionKernelCommandLine = parameter;
      restartIfChanged = false;
      path = [
        pkgs.curl
        pkgs.dnsmasq
        pkgs.gawk
        pkgs.iproute2
        pkgs.iputils
        pkgs.nginx
        pkgs.util-linux
      ];
      environment = {
        HARMONIA = "${pkgs.harmonia}/bin/${pkgs.harmonia.meta.mainProgram or "harmonia-cache"}";
        # 24.05 has 0.7, which takes one key only.
        SIGNS_BY = if harmoniaIs "1" then "SIGN_KEY_PATHS" else "SIGN_KEY_PATH";
        # By default, 3.1 and later compress up to 64 files at once with 35 MB of memory each.
        SETTINGS = if harmoniaIs "3.1" then "zstd.long_distance_matching = false" else "";
        PUBLIC_KEY = cfg.publicKey;
        IPXE = "${ipxe}";
        NETBOOT = "${cfg.netboot}";
        ADDRESS = if cfg.address == null then "" else cfg.address;
        UDHCPC = "${pkgs.busybox}/bin/udhcpc";
        SCREEN = "${./room-screen.awk}";
        INTERFACE = if cfg.interface == null then "" else cfg.interface;
      };
      serviceConfig = {
        ExecStart = "${pkgs.runtimeShell} ${./room.sh}";
        StandardOutput = "journal+console";
        Restart = "on-failure";
        RestartSec = 5;
        # As nixpkgs' own module of harmonia has it (26.11).
        LimitNOFILE = 65536;
      };
    };
  };
}
