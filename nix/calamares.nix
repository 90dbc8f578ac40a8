# Calamares as an offline installer. While the package is built, the static program changes the configuration that nixpkgs ships,
# of any version; it refuses a structure that it does not know.
#
# Calamares itself stays that of nixpkgs, because compiling it needs a network, sources and time. What depends on the installed
# systems is text in the live system's /etc, so that another target rebuilds no package.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.offlineInstaller;
  inherit (cfg) package described hosts;
  etc = "nix-cfg-install/calamares";

  # What each configuration decides. A page is dropped only if all of them do; otherwise the installer applies the answer where the
  # chosen one leaves it open.
  asked = map (one: one.asked) described;
  decide = key: lib.all (one: one.decided ? ${key}) asked;
  # Passwords are typed with the layout of this page: without it, with that of the live system.
  hasLayout =
    one:
    lib.all (part: one.current.${part} == config.services.xserver.xkb.${part}) [
      "layout"
      "variant"
    ];
  pages =
    lib.optional (decide "timezone" && decide "locale") "locale"
    ++ lib.optional (decide "layout" && decide "keymap" && lib.all hasLayout asked) "keyboard";
  pageFlags = lib.concatMapStrings (page: " --decided ${page}") pages;

  # The users that all targets have. If they have users, but none in common, the page accepts any name and the check decides. A
  # configuration without users gets the one that is typed, unless it has no place for one.
  each = map (one: builtins.attrNames one.users) asked;
  users = lib.foldl' lib.intersectLists (builtins.head each) each;
  userFlags =
    if builtins.concatLists each == [ ] && decide "user" then
      "--no-users"
    else
      lib.concatMapStrings (name: " --user ${name}") users;
  openFlags = lib.concatMapStrings (key: lib.optionalString (!decide key) " --open ${key}") [
    "autologin"
    "unfree"
  ];
  fileSystemFlags = lib.concatMapStrings (name: " --without-file-system ${name}") (
    lib.unique (lib.concatMap (one: one.withoutFileSystems) described)
  );
  hostFlags =
    lib.concatMapStrings (host: " --host ${lib.escapeShellArg host}") hosts
    # The directories of channel configurations, which only `nix-cfg-iso init --stock` makes.
    + lib.optionalString (cfg.flake == null && hosts != [ ]) " --desktops";
  # The layouts for disko, by the hosts that a person chooses from.
  layouts = lib.filterAttrs (_: layout: layout != null) (
    if lib.length hosts < 2 then
      { "" = (builtins.head described).layout; }
    else
      builtins.listToAttrs (
        lib.zipListsWith (name: one: {
          inherit name;
          value = one.layout;
        }) hosts described
      )
  );
  layoutFlags = lib.optionalString (usesExtensions pkgs) " --layouts ${lib.escapeShellArg (builtins.toJSON layouts)}";
  sizes = map (one: "${pkgs.closureInfo { rootPaths = [ one.toplevel ]; }}/total-nar-size") described;

  extensions = pkgs.calamares-nixos-extensions;
  # Then there is a wrapper around Calamares; not in 24.05.
  usesExtensions =
    pkgs:
    pkgs.calamares-nixos ? override
    && lib.functionArgs pkgs.calamares-nixos.override ? calamares-nixos-extensions;
  # The page "Disk" imports what disks there are.
  listDisks = ''
    if [ -e /run/current-system/etc/${etc}/NixCfgLayouts.js ]; then
      mkdir -p -m 700 /run/nix-cfg-install || true
      { echo 'var disks ='; ${package}/bin/nix-cfg-install --list-disks || echo '[]'; } > /run/nix-cfg-install/disks.js || true
    fi'';

  overlay =
    final: prev:
    let
      upstream = prev.calamares-nixos-extensions;
      stock = prev.calamares;
      # Newer nixpkgs pass the extensions to `calamares.override { extraWrapperArgs = …; }`, so that other extensions compile
      # Calamares again. The same arguments in a wrapper around the stock program have the same effect.
      override =
        {
          extraWrapperArgs ? [ ],
          ...
        }@arguments:
        let
          others = removeAttrs arguments [ "extraWrapperArgs" ];
          program = if others == { } then stock else stock.override others;
        in
        prev.runCommand "calamares-nixos-offline"
          {
            inherit (program) meta;
            nativeBuildInputs = [ prev.makeWrapper ];
            passthru.unwrapped = program;
          }
          ''
            cp -rs ${program} $out
            chmod -R u+w $out
            rm $out/bin/calamares
            makeWrapper ${program}/bin/calamares $out/bin/calamares ${toString extraWrapperArgs} \
              --run ${lib.escapeShellArg listDisks}
            # Files that contain the program's path: polkit finds its action by the path that pkexec runs.
            for file in $(grep -RlF ${program}/bin/calamares $out/share || true); do
              sed "s|${program}/bin/calamares|$out/bin/calamares|g" $file > changed
              mv changed $file
            done
          '';
    in
    {
      calamares-nixos-extensions =
        prev.runCommand "calamares-nixos-extensions-offline"
          {
            inherit (upstream) meta;
            passthru.unchanged = upstream;
          }
          ''
            cp -r ${upstream} $out
            chmod -R u+w $out
            ${package}/bin/nix-cfg-iso calamares-config $out --helper ${package}/bin/nix-cfg-install \
              --targets /run/current-system/etc/${etc}
          '';
      # Older ones (24.05) find the extensions in the live system's profile.
      calamares-nixos =
        if usesExtensions prev then
          prev.calamares-nixos.override {
            inherit (final) calamares-nixos-extensions;
            calamares = stock // {
              inherit override;
            };
          }
        else
          prev.calamares-nixos;
    };
in
{
  nixpkgs.overlays = [ overlay ];
  environment.etc.${etc} = {
    # A live system without a desktop has no Calamares.
    enable = builtins.elem extensions config.environment.systemPackages;
    source = pkgs.runCommand "calamares-targets" { } ''
      # The largest system determines the required disk space.
      bytes=$(sort -n ${toString sizes} | tail -n 1)
      ${package}/bin/nix-cfg-iso calamares-targets ${extensions.unchanged} $out --package ${extensions} \
        --closure-bytes $bytes ${userFlags} ${pageFlags} ${hostFlags} ${openFlags} ${fileSystemFlags} \
        ${layoutFlags}
    '';
  };
}
