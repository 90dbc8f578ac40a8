# What `nix-cfg-iso delta` makes an update image from (docs/update.md): what it signs with the hash of the image of the store, and the
# programs that make the image.
{
  config,
  lib,
  pkgs,
  # For each host: `name`, which its systems have in their names; `roots`, what the image holds for it; `common`, what of it machines with
  # any hardware have, as far as their system needs it at all.
  targets,
}:
let
  cfg = config.offlineInstaller;
  inherit (builtins) unsafeDiscardStringContext;
  file = name: "${config.environment.etc.${name}.source}";
  onIso =
    target:
    (builtins.head (builtins.filter (one: one.target == target) config.isoImage.contents)).source;
  settings = file "nix-cfg-install.yaml";
  nixConf = file "nix/nix.conf";
  channel = lib.optional config.system.installer.channel.enable config.nix.registry.nixpkgs.to.path;

  names = if cfg.hosts == [ ] then [ "system" ] else cfg.hosts;
  closureOf = rootPaths: pkgs.closureInfo { inherit rootPaths; };
  more = [
    settings
    nixConf
  ]
  ++ channel;
  hosts = lib.zipListsWith (name: target: {
    inherit name;
    system = target.name;
    closure = closureOf (target.roots ++ more);
    common = closureOf target.common;
  }) names targets;
  forEach = line: lib.concatMapStrings (host: line host + "\n") hosts;

  # It says what belongs to the live system, by names and hashes, so one signature covers all of it. The live system of the ISO is not
  # built: a machine updates itself with its own programs.
  signed = pkgs.runCommand "nix-cfg-update" { } ''
    mkdir -p $out/etc/nix $out/registration
    cp -rP ${onIso "/nix-cfg"} $out/nix-cfg
    cp ${onIso "/nix-cfg-install.yaml"} $out/nix-cfg-install.yaml
    cp ${settings} $out/etc/nix-cfg-install.yaml
    cp ${nixConf} $out/etc/nix/nix.conf
    cp ${pkgs.writeText "live-system.yaml" ''
      system: ${unsafeDiscardStringContext "${config.system.build.toplevel}"}
      ${lib.optionalString (channel != [ ]) "channel: ${builtins.head channel}"}
    ''} $out/live-system.yaml
    ${forEach (host: "cp ${host.closure}/registration $out/registration/${host.name}")}
  '';
  compression = config.isoImage.squashfsCompression;
in
# The links keep from a collection of garbage what is copied from the store.
pkgs.runCommand "nix-cfg-delta" { } ''
  mkdir -p $out/bin $out/closures $out/common
  ln -s ${signed} $out/signed
  ${forEach (host: "ln -s ${host.closure} $out/closures/${host.name}")}
  ${forEach (host: "ln -s ${host.common} $out/common/${host.name}")}
  ln -s ${pkgs.squashfsTools}/bin/* ${pkgs.xorriso}/bin/xorriso $out/bin/
  ln -s ${cfg.package.static or "${cfg.package}/bin"}/nix-cfg-install $out/bin/
  cp ${
    pkgs.writeText "delta.json" (
      builtins.toJSON {
        compression =
          if compression == null then
            [ "-no-compression" ]
          else
            [ "-comp" ] ++ lib.filter (word: word != "") (lib.splitString " " compression);
        names = map (host: [
          host.name
          host.system
        ]) hosts;
        # Where the whole ISO is, if it was built.
        iso = unsafeDiscardStringContext "${config.system.build.isoImage}";
      }
    )
  } $out/delta.json
''
