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
in
{
  # Units are not made of it.
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
    environment.etc."systemd/system/greeter.service" = lib.mkIf config.services.greeter.enable {
      source = "${unit "greeter" "${pkgs.hello}/bin/hello"}/greeter.service";
    };
    environment.etc."systemd/system/cows.service" = lib.mkIf config.services.cows.enable {
      source = "${unit "cows" "${pkgs.cowsay}/bin/cowsay"}/cows.service";
    };
  };
}
