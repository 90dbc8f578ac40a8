# What the layout for disko of a system needs to be made, and the script for it: that which is called `attribute` in `system.build`
# (disko 1.9.0 and later, lib/default.nix). A function from its evaluation to the values that src/nix/disko.rs describes.
attribute: os:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    elem
    filter
    isAttrs
    isList
    stringLength
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
  all = parts devices;
  volumes = filter (part: part.type or null == "luks") all;
  # What is made or found by a name that the disk has no part in. File systems of `nodev` are not made by the layout.
  made = parts (removeAttrs devices [ "nodev" ]);
  device_names = map (part: part.device) (
    filter (part: part.type or null != "disk" && part.device or null != null) made
  );
  # The first that there is (lib/types/luks.nix).
  key_file =
    volume:
    if volume.settings ? keyFile then
      volume.settings.keyFile
    else if volume.askPassword then
      null
    else if volume.passwordFile != null then
      volume.passwordFile
    else
      volume.keyFile;
  # Where the key of each encrypted dataset of ZFS is read from; without `keylocation`, ZFS asks for it (zfsprops(7)).
  keys_of_datasets = concatMap (
    pool:
    concatMap (
      dataset:
      let
        inherit (dataset) options;
      in
      if options ? keyformat || options ? keylocation then
        [
          {
            name = if dataset.name == "__root" then pool.name else "${pool.name}/${dataset.name}";
            location = options.keylocation or "prompt";
          }
        ]
      else
        [ ]
    ) (attrValues pool.datasets)
  ) (attrValues (devices.zpool or { }));
  file = "file://";
  is_file = key: substring 0 (stringLength file) key.location == file;
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
      destroy = devices.disk.${name}.destroy or true;
      has_table = elem devices.disk.${name}.content.type [
        "gpt"
        "table"
      ];
    }) sorted.right;
    unknown = sorted.wrong;
    asking = map (volume: { inherit (volume) name device; }) (
      filter (volume: volume.askPassword) volumes
    );
    key_files =
      filter (file: file != null) (
        concatMap (volume: [ (key_file volume) ] ++ volume.additionalKeyFiles) volumes
      )
      ++ map (key: substring (stringLength file) (-1) key.location) (filter is_file keys_of_datasets);
    asking_datasets = map (key: key.name) (filter (key: key.location == "prompt") keys_of_datasets);
    names = {
      paths = filter (name: substring 0 5 name == "/dev/") (
        device_names ++ map (volume: "/dev/mapper/${volume.name}") volumes
      );
      partitions = concatMap (
        disk:
        if disk.content.type or null == "gpt" then
          map (partition: partition.label) (attrValues disk.content.partitions)
        else
          [ ]
      ) (attrValues devices.disk);
      groups = attrNames (devices.lvm_vg or { });
      pools = attrNames (devices.zpool or { });
    };
    outside = filter (place: place != null) (
      map (mount: mount.mountpoint) (attrValues (devices.nodev or { }))
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
