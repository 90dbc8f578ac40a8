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
in
{
  # Units are not made of it. What has the console starts before the logins (stage-2.sh).
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
    environment.etc."systemd/system/greeter.service" = lib.mkIf config.services.greeter.enable {
      source = "${unit "greeter" "${pkgs.hello}/bin/hello"}/greeter.service";
    };
    environment.etc."systemd/system/cows.service" = lib.mkIf config.services.cows.enable {
      source = "${unit "cows" "${pkgs.cowsay}/bin/cowsay"}/cows.service";
    };
  };
}
