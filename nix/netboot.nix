# A live system that starts over the network, with nixpkgs' own netboot modules, and installs from the cache of the server that it came
# from (docs/fleet.md). It holds what evaluating the configuration needs, and nothing of the system.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  # The kernel parameter with the address of a server, which the room's iPXE script adds.
  medium = "nix-cfg-install.medium";
in
{
  # What an ISO would have in its file system is in the store here.
  options.isoImage = {
    contents = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    storeContents = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    squashfsCompression = mkOption { type = types.str; };
    volumeID = mkOption { type = types.str; };
    appendToMenuLabel = mkOption { type = types.str; };
  };

  config = {
    netboot = { inherit (config.isoImage) storeContents squashfsCompression; };
    # An update reads live-system.yaml, from a medium that is mounted; here the system would refer to itself.
    systemd.tmpfiles.rules = map ({ source, target }: "L+ /iso${target} - - - - ${source}") (
      builtins.filter ({ target, ... }: target != "/live-system.yaml") config.isoImage.contents
    );
    offlineInstaller.unattended.enable = lib.mkDefault true;

    systemd.services.nix-cfg-install-medium = {
      description = "What the server of this room says";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "network-online.target"
        "systemd-tmpfiles-setup.service"
      ];
      before = [ "nix-cfg-install-answers.service" ];
      unitConfig.ConditionKernelCommandLine = medium;
      restartIfChanged = false;
      path = [ pkgs.curl ];
      serviceConfig = {
        Type = "oneshot";
        StandardOutput = "journal+console";
      };
      script = ''
        urls= waits= said=
        for word in $(cat /proc/cmdline); do
          case $word in
            ${medium}=*) urls="$urls ''${word#*=}" ;;
          esac
        done
        # Where there are several, each machine begins with another one.
        urls=$(shuf -e $urls)
        # With the key: another one in the settings of the ISO is not that of these servers, and would count in its place.
        {
          echo medium:
          printf -- '- "%s"\n' $urls
          echo 'public-key: ${builtins.toJSON config.offlineInstaller.cache.publicKeys}'
        } > /run/nix-cfg-install.yaml
        # A file of the live system's own would be a link into the store, and installed by where no server answers.
        rm -f /iso/nix-cfg-install.answers.yaml
        # A switch that looks for loops (STP) passes nothing in the first half minute or more, and an address comes after that.
        while [ "$SECONDS" -lt 300 ]; do
          for url in $urls; do
            # One that was cut off may still be well-formed, and name other disks.
            if said=$(curl --fail --silent --show-error --connect-timeout 5 --max-time 30 --output /iso/answers.new \
              "$url/room/nix-cfg-install.answers.yaml" 2>&1); then
              mv /iso/answers.new /iso/nix-cfg-install.answers.yaml
              exit 0
            fi
          done
          [ -n "$waits" ] || echo "Waiting for the server of this room, at" $urls
          waits=1
          sleep 2
        done
        echo "The server of this room does not answer: $said. Look at its screen, and at this machine's cable."
      '';
    };

    # The kernel, the initrd with the whole system in it, the iPXE script that starts them, and the names of what is in its store.
    system.build.netbootDirectory = pkgs.runCommand "netboot" { } ''
      mkdir $out
      ln -s ${config.system.build.kernel}/${config.system.boot.loader.kernelFile} $out/
      ln -s ${config.system.build.netbootRamdisk}/initrd $out/
      ln -s ${config.system.build.netbootIpxeScript}/netboot.ipxe $out/
      ln -s ${pkgs.closureInfo { rootPaths = config.netboot.storeContents; }}/store-paths $out/
    '';
  };
}
