# The scripts that make the layout for disko of a system (disko 1.9.0 and later, lib/default.nix), by the names of their variants. None
# where it has no layout, or its scripts cannot be evaluated: the installer then says so.
system:
let
  inherit (system.config.system) build;
  works = script: (builtins.tryEval script.drvPath).success;
  scripts = {
    disko-wipe = build.destroyFormatMount;
    disko-format = build.formatMount;
    disko-mount = build.mount;
  };
in
if
  !(build ? destroyFormatMount && system.options ? disko) || system.config.disko.devices.disk == { }
then
  { }
else
  builtins.listToAttrs (
    builtins.filter (script: works script.value) (
      map (name: {
        inherit name;
        value = scripts.${name};
      }) (builtins.attrNames scripts)
    )
  )
