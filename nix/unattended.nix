# A live system that installs by itself, as the answers file on the stick or on the ISO says (docs/fleet.md).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.offlineInstaller;
  # What the boot menu tells the kernel. An entry with it installs; remove it there (`e`) to start the live system as usual.
  parameter = "nix-cfg-install.answers";
  # What an installation takes beside an ISO that is in memory: evaluating and building a small server.
  installationMemory = 2000;
  countdown = pkgs.writeScript "install-without-questions" ''
    #!${pkgs.runtimeShell}
    # Waits a second for a key.
    stop_by_key() {
      if read -rs -n 1 -t 1; then
        printf '\nStopped. To go on: sudo nix-cfg-install --answers\n'
        exit 0
      elif [ $? -le 128 ]; then
        # Not because the second is over: nothing can be read from this console.
        sleep 1
      fi
    }
    # All disks and sticks are known.
    udevadm settle
    # A stick can be found later, or be inserted. What started over the network has none, and was waited for (netboot.nix).
    said=
    until [ -e /iso/nix-cfg-install.answers.yaml ] || [[ $(< /proc/cmdline) == *nix-cfg-install.medium=* ]] ||
      blkid -c /dev/null -t LABEL=NIXCFG > /dev/null; do
      [ -n "$said" ] || echo 'Waiting for the stick with the answers file, whose label is NIXCFG. Any key stops.'
      said=1
      stop_by_key
    done
    # Whether the stick can go on to the next machine. What started over the network has none.
    case $(sed -n 's,^[^ ]* /iso \([^ ]*\) .*,\1,p' /proc/mounts) in
      "") ;;
      tmpfs) echo 'The ISO is in memory: its stick can be removed.' ;;
      *)
        echo 'The stick of the ISO is needed until the end.'
        # In MB.
        iso=$(df -Pm /iso | sed -n '2s/^[^ ]* *\([0-9]*\).*/\1/p')
        memory=$(sed -n 's/^MemTotal: *\([0-9]*\)[0-9]\{3\} kB$/\1/p' /proc/meminfo)
        if [ "$memory" -gt $((iso + ${toString installationMemory})) ]; then
          echo 'The machine has the memory to do without: by copytoram, in the boot menu.'
        else
          echo "For copytoram it has too little memory: $memory MB, and the ISO alone takes $iso MB."
        fi
        ;;
    esac
    left=${toString cfg.unattended.countdown}
    while [ "$left" -gt 0 ]; do
      printf '\rInstalling or updating without questions in %s s. Any key stops. ' "$left"
      stop_by_key
      left=$((left - 1))
    done
    printf '\n'
    exec nix-cfg-install --answers --progress plain
  '';
in
{
  options.offlineInstaller.unattended = {
    enable = lib.mkEnableOption ''
      the installation without questions: the ISO starts with a countdown that any key stops, and then installs what the answers
      file has for the machine (`nix-cfg-install --answers`). There is no desktop then'';
    countdown = lib.mkOption {
      type = lib.types.int;
      default = 30;
      description = "Seconds in which any key stops it.";
    };
    answers = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression "./nix-cfg-install.answers.yaml";
      description = "An answers file for the ISO. One on a stick with the label NIXCFG has priority.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (cfg.unattended.answers != null) {
      isoImage.contents = [
        {
          source = cfg.unattended.answers;
          target = "/nix-cfg-install.answers.yaml";
        }
      ];
    })
    (lib.mkIf cfg.unattended.enable (import ./console-only.nix { inherit lib; }))
    (lib.mkIf cfg.unattended.enable {
      boot.kernelParams = [ parameter ];
      isoImage.appendToMenuLabel = lib.mkForce " (install without questions)";
      systemd.services.nix-cfg-install-answers = {
        description = "Installation without questions";
        wantedBy = [ "multi-user.target" ];
        # Logins wait until it has ended, and its last lines stay above them.
        before = [
          "getty@tty1.service"
          "serial-getty@ttyS0.service"
        ];
        # The store's database is complete then (26.11); before, it is when the first unit starts.
        after = [ "register-nix-paths.service" ];
        unitConfig.ConditionKernelCommandLine = parameter;
        # A switch to another configuration of the live system starts nothing.
        restartIfChanged = false;
        environment.PATH = lib.mkForce "/run/wrappers/bin:/run/current-system/sw/bin";
        serviceConfig = {
          Type = "oneshot";
          ExecStart = countdown;
          StandardInput = "tty-force";
          StandardOutput = "tty";
          StandardError = "tty";
          TTYPath = "/dev/console";
          TTYReset = true;
        };
      };
    })
  ];
}
