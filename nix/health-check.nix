# For the installed system (docs/update.md): a new generation is good when the units that the configuration names are active. Until then
# systemd-boot counts its starts, and goes back to a former generation when it has been started often enough.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  units = config.offlineInstaller.healthCheck;
  loader = config.boot.loader.systemd-boot;
  tries = loader.bootCounting.tries or 3;
  esp =
    if loader.xbootldrMountPoint or null != null then
      loader.xbootldrMountPoint
    else
      config.boot.loader.efi.efiSysMountPoint;

  # A unit is looked at some seconds after it was started: one that ends at once was active for a moment.
  check = pkgs.writeScript "nix-cfg-install-health-check" ''
    #!${pkgs.runtimeShell}
    for look in 1 2 3 4 5 6; do
      sleep 10
      failed=
      for unit in ${lib.concatMapStringsSep " " lib.escapeShellArg units}; do
        systemctl is-active --quiet "$unit" || failed="$failed $unit"
      done
      [ -n "$failed" ] || exit 0
    done
    echo "Not active:$failed"
    # NAME+LEFT-DONE.conf, in UTF-16 after four bytes of attributes (systemd-boot(7)).
    entry=${esp}$(tail -c +5 /sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f | tr -d '\0' | tr '\\' /)
    started=''${entry##*-}
    # A system that was given up before was chosen by a person, or is the only one: it stays, to be repaired.
    if [ -e "$entry" ] && [ "''${started%.*}" -le ${toString tries} ]; then
      echo "This system is on trial. Restarting."
      systemctl reboot
    fi
    exit 1
  '';
in
{
  options.offlineInstaller.healthCheck = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
    example = [ "sshd.service" ];
    description = ''
      Units that have to be active within a minute after a new generation was started. Otherwise the machine restarts, and after
      `boot.loader.systemd-boot.bootCounting.tries` starts it is back in a former generation. A check of your own is a service
      with `Type = "oneshot"` and `RemainAfterExit = true`.
    '';
  };

  config = lib.mkIf (units != [ ]) (
    lib.mkMerge [
      (lib.optionalAttrs (options.boot.loader.systemd-boot ? bootCounting) {
        boot.loader.systemd-boot.bootCounting.enable = lib.mkDefault true;
      })
      {
        assertions = map (unit: {
          assertion = builtins.match ".+[.][a-z]+" unit != null;
          message = "offlineInstaller.healthCheck: ${unit} is not the name of a unit, such as sshd.service.";
        }) units;
        warnings = lib.optional (!(loader.enable && loader.bootCounting.enable or false)) ''
          offlineInstaller.healthCheck has no effect: only systemd-boot counts starts, in a nixpkgs that has
          boot.loader.systemd-boot.bootCounting. If a new generation does not start, choose a former one in the boot menu.
        '';
        # A system that does not get as far as the check has to restart as well.
        boot.kernelParams = [
          "panic=30"
          "boot.panic_on_fail"
        ];
        systemd.services.nix-cfg-install-health-check = {
          description = "Health check of a new generation";
          # Only while starts are counted is this target wanted, by systemd-bless-boot.service, which it has to precede.
          requiredBy = [ "boot-complete.target" ];
          before = [ "boot-complete.target" ];
          wants = units;
          after = units;
          # Another configuration that is activated is none that was started.
          restartIfChanged = false;
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = check;
            StandardOutput = "journal+console";
          };
        };
      }
    ]
  );
}
