{
  config,
  lib,
  pkgs,
  ...
}:
let
  unit =
    name: program:
    pkgs.glue "unit-${name}.service" { } ''
      mkdir -p $out
      echo "ExecStart=${program}" > $out/${name}.service
    '';
  # Those that a word of the kernel's command line asks for start before the logins (stage-2.sh), first what another one waits for.
  asked = lib.filterAttrs (
    _: service: service ? unitConfig.ConditionKernelCommandLine
  ) config.systemd.services;
  isWaitedFor =
    name:
    builtins.any (other: builtins.elem "${other}.service" (asked.${name}.before or [ ])) (
      builtins.attrNames asked
    );
  inOrder = builtins.partition isWaitedFor (builtins.attrNames asked);
  program =
    service:
    service.serviceConfig.ExecStart or (pkgs.writeScript "unit-script" ''
      #!${pkgs.runtimeShell}
      set -e
      ${service.script}
    '');
  start =
    service:
    let
      path = map (package: "${package}/bin") (
        service.path or [ ]
        ++ [
          pkgs.bash
          pkgs.busybox
        ]
      );
      plain = lib.filterAttrs (_: builtins.isString) (service.environment or { });
      variables = {
        PATH = service.environment.PATH.content or (builtins.concatStringsSep ":" path);
      }
      // plain;
      assignments = lib.mapAttrsToList (name: value: "${name}=${lib.escapeShellArg value}") variables;
      waits = (service.serviceConfig.Type or "simple") == "oneshot";
    in
    ''
      if grep -qw ${service.unitConfig.ConditionKernelCommandLine} /proc/cmdline; then
        ${toString assignments} ${program service} ${lib.optionalString (!waits) "&"}
      fi
    '';
  # As systemd starts what a target requires, one after the other.
  of-boot-complete = lib.filterAttrs (
    _: service: builtins.elem "boot-complete.target" (service.requiredBy or [ ])
  ) config.systemd.services;
  # A service is its program, and active if that ends well.
  systemctl =
    pkgs.glue "systemctl"
      {
        text = ''
          #!${pkgs.bash}/bin/bash
          PATH=${pkgs.busybox}/bin
          unit=/etc/systemd/system/$3
          case $1 in
            is-active) [ -e "$unit" ] && sh -c "$(sed -n 's/^ExecStart=//p' "$unit")" > /dev/null 2>&1 ;;
            reboot) kill -TERM 1 ;;
          esac
        '';
        passAsFile = [ "text" ];
      }
      ''
        mkdir -p $out/bin
        cp $textPath $out/bin/systemctl
        chmod +x $out/bin/systemctl
      '';
in
{
  # Units are not made of it. What the kernel's command line asks for, and what boot-complete.target requires, starts before the logins
  # (stage-2.sh).
  options.systemd.services = lib.mkOption {
    default = { };
    type = lib.types.attrsOf lib.types.attrs;
  };
  # Only links are made of it (L+).
  options.systemd.tmpfiles.rules = lib.mkOption {
    default = [ ];
    type = lib.types.listOf lib.types.str;
  };
  # What a desktop has (update-launcher.nix): nothing is made of it.
  options.systemd.user.services = lib.mkOption { type = lib.types.raw; };
  options.services.udev.extraRules = lib.mkOption { type = lib.types.lines; };
  options.security.polkit.enable = lib.mkEnableOption "polkit";
  options.services = {
    greeter.enable = lib.mkEnableOption "the greeter, which says hello";
    cows.enable = lib.mkEnableOption "the cow service";
  };

  config = {
    systemd.services.sshd.wantedBy = [ "multi-user.target" ];
    systemd.services.online = {
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
    };
    environment.etc.start = lib.mkIf (asked != { }) {
      text = lib.concatMapStrings (name: start asked.${name}) (inOrder.right ++ inOrder.wrong);
    };
    environment.etc."tmpfiles.d/links" = lib.mkIf (config.systemd.tmpfiles.rules != [ ]) {
      text = lib.concatMapStrings (rule: "${rule}\n") config.systemd.tmpfiles.rules;
    };
    environment.etc.boot-complete = lib.mkIf (of-boot-complete != { }) {
      text = lib.concatStrings (
        map (service: "${service.serviceConfig.ExecStart} || exit\n") (builtins.attrValues of-boot-complete)
      );
    };
    environment.systemPackages = lib.optional (of-boot-complete != { }) systemctl;
    environment.etc."systemd/system/greeter.service" = lib.mkIf config.services.greeter.enable {
      source = "${unit "greeter" "${pkgs.hello}/bin/hello"}/greeter.service";
    };
    environment.etc."systemd/system/cows.service" = lib.mkIf config.services.cows.enable {
      source = "${unit "cows" "${pkgs.cowsay}/bin/cowsay"}/cows.service";
    };
  };
}
