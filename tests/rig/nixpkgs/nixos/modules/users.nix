{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption mkEnableOption types;
  users = lib.mapAttrsToList (name: user: user // { inherit name; }) config.users.users;
  nullString = mkOption {
    type = types.nullOr types.str;
    default = null;
  };
in
{
  options.users = {
    mutableUsers = mkOption {
      type = types.bool;
      default = true;
    };
    groups = mkOption {
      default = { };
      type = types.attrsOf types.attrs;
    };
    users = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            options = {
              isNormalUser = mkEnableOption "being a person";
              isSystemUser = mkEnableOption "being a service";
              uid = mkOption {
                type = types.nullOr types.int;
                default = null;
              };
              description = mkOption {
                type = types.str;
                default = "";
              };
              group = mkOption {
                type = types.str;
                default = "users";
              };
              extraGroups = mkOption {
                type = types.listOf types.str;
                default = [ ];
              };
              home = mkOption {
                type = types.str;
                default = if config.isNormalUser then "/home/${name}" else "/var/empty";
              };
              packages = mkOption {
                type = types.listOf types.package;
                default = [ ];
              };
              initialPassword = nullString;
              password = nullString;
              hashedPassword = nullString;
              initialHashedPassword = nullString;
              hashedPasswordFile = nullString;
              openssh.authorizedKeys.keys = mkOption {
                type = types.listOf types.str;
                default = [ ];
              };
            };
          }
        )
      );
    };
  };

  config = {
    users.users.root = {
      uid = 0;
      home = "/root";
      group = "root";
    };
    users.groups = {
      root = { };
      users = { };
    };
    environment.systemPackages = builtins.concatMap (user: user.packages) users;
    environment.etc."pam.d/login".text =
      lib.concatStrings (
        map (kind: "${kind} required ${pkgs.shadow}/lib/security/pam_unix.so\n") [
          "auth"
          "account"
        ]
      )
      + "session required ${pkgs.shadow}/lib/security/pam_permit.so\n";
    # name:uid:group:home:password, read by the activation.
    environment.etc."users.spec".text = lib.concatMapStrings (
      user:
      let
        hash = if user.hashedPassword != null then user.hashedPassword else user.initialHashedPassword;
      in
      "${user.name}:${toString user.uid}:${user.group}:${user.home}:${
        if hash == null then "!" else hash
      }\n"
    ) users;
  };
}
