# What the layout for disko of a system needs to be made, and the script for it: that which is called `attribute` in `system.build`
# (disko 1.9.0 and later, lib/default.nix). A function from its evaluation to the values that disko.rs describes.
attribute: os:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    isAttrs
    isList
    substring
    ;
  inherit (os) config;
  inherit (config.disko) devices;
  plain = builtins.unsafeDiscardStringContext;

  # Every part of a layout, at any depth. What begins with `_` is made from the rest.
  parts =
    value:
    if isList value then
      concatMap parts value
    else if isAttrs value then
      [ value ]
      ++ concatMap (name: parts value.${name}) (
        filter (name: substring 0 1 name != "_") (attrNames value)
      )
    else
      [ ];
  volumes = filter (part: part.type or null == "luks") (parts devices);
  # A disk without content is only a device that somebody named. The scripts cannot be evaluated with it.
  sorted = builtins.partition (name: devices.disk.${name}.content != null) (attrNames devices.disk);
  is_old = !(config.system.build ? ${attribute});
  script = config.system.build.${attribute};
in
if !(os.options ? disko) || devices.disk == { } then
  { disks = [ ]; }
else
  {
    inherit is_old;
    sets_file_systems = config.disko.enableConfig;
    disks = map (name: {
      inherit name;
      inherit (devices.disk.${name}) device;
      erased = devices.disk.${name}.destroy or true;
    }) sorted.right;
    unknown = sorted.wrong;
    asking = map (volume: volume.name) (filter (volume: volume.askPassword) volumes);
    key_files = filter (file: file != null) (
      concatMap (
        volume:
        [
          volume.passwordFile
          volume.keyFile
          (volume.settings.keyFile or null)
        ]
        ++ volume.additionalKeyFiles
      ) volumes
    );
    script =
      if is_old || sorted.wrong != [ ] then
        null
      else
        {
          drv = plain script.drvPath;
          out = plain script.outPath;
        };
  }
