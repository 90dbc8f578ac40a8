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
  of-console = lib.filterAttrs (
    _: service: (service.serviceConfig.StandardInput or "") == "tty-force"
  ) config.systemd.services;
  on-console = service: ''
    if grep -qw ${service.unitConfig.ConditionKernelCommandLine} /proc/cmdline; then
      PATH=${service.environment.PATH.content} ${service.serviceConfig.ExecStart}
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
  # Units are not made of it. What has the console, and what boot-complete.target requires, starts before the logins (stage-2.sh).
  options.systemd.services = lib.mkOption {
    default = { };
    type = lib.types.attrsOf lib.types.attrs;
  };
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
    environment.etc.on-console = lib.mkIf (of-console != { }) {
      text = lib.concatStrings (map on-console (builtins.attrValues of-console));
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
