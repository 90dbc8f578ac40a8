# Calamares as an offline installer: an overlay that changes the configuration that nixpkgs ships, whatever version that is.
# The static program does it while the package is built, and refuses a structure that it does not know.
{
  lib,
  # The package with nix-cfg-install and nix-cfg-iso.
  package,
  # What is installed, as `nixosSystem` gives it.
  targets,
  # Their names in the flake: of several, the person at the machine chooses one.
  hosts,
}:
let
  normalUsers =
    target: builtins.attrNames (lib.filterAttrs (_: user: user.isNormalUser) target.config.users.users);
  # Whoever is a user of each of them. Where they share none, but have some, the page stays open and the check decides.
  each = map normalUsers targets;
  users = lib.foldl' lib.intersectLists (builtins.head each) each;
  userFlags =
    if builtins.concatLists each == [ ] then
      "--no-users"
    else
      lib.concatMapStrings (name: " --user ${name}") users;
in
_final: prev: {
  calamares-nixos-extensions = prev.calamares-nixos-extensions.overrideAttrs (
    old:
    let
      sizes = map (
        target:
        "${prev.closureInfo { rootPaths = [ target.config.system.build.toplevel ]; }}/total-nar-size"
      ) targets;
    in
    {
      postInstall = old.postInstall or "" + ''
        # The largest system decides how much room is asked for.
        bytes=$(sort -n ${toString sizes} | tail -n 1)
        ${package}/bin/nix-cfg-iso calamares-config $out --closure-bytes $bytes ${userFlags} \
          ${
            lib.concatMapStrings (host: " --host ${lib.escapeShellArg host}") hosts
          } --helper ${package}/bin/nix-cfg-install
      '';
    }
  );
}
