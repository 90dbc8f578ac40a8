let
  make =
    lib:
    builtins
    // {
      types = import ./types.nix lib;
      modules = import ./modules.nix { inherit lib; };
      inherit (lib.modules)
        discharge
        evalModules
        highest
        mergeDefinitions
        mkDefault
        mkImageMediaOverride
        mkForce
        mkIf
        mkMerge
        mkOption
        mkOverride
        ;
      mkEnableOption =
        what:
        lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether to enable ${what}.";
        };
      functionArgs = function: function.__functionArgs or (builtins.functionArgs function);
      version = builtins.readFile ../.version;
      optional = condition: value: if condition then [ value ] else [ ];
      subtractLists = remove: builtins.filter (value: !(builtins.elem value remove));
      intersectLists = left: builtins.filter (value: builtins.elem value left);
      optionalAttrs = condition: set: if condition then set else { };
      literalExpression = text: text;
      versionAtLeast = version: least: builtins.compareVersions version least >= 0;
      getVersion = package: (builtins.parseDrvName package.name).version;
      optionals = condition: list: if condition then list else [ ];
      optionalString = condition: text: if condition then text else "";
      escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
      concatStrings = builtins.concatStringsSep "";
      concatMapStrings = f: list: builtins.concatStringsSep "" (map f list);
      mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
      filterAttrs =
        keep: set:
        builtins.listToAttrs (
          builtins.concatMap (
            name:
            if keep name set.${name} then
              [
                {
                  inherit name;
                  value = set.${name};
                }
              ]
            else
              [ ]
          ) (builtins.attrNames set)
        );
      concatMapStringsSep =
        between: f: list:
        builtins.concatStringsSep between (map f list);
      genAttrs = names: f: builtins.listToAttrs (map (name: lib.nameValuePair name (f name)) names);
      nameValuePair = name: value: { inherit name value; };
      mapAttrs' = f: set: builtins.listToAttrs (map (name: f name set.${name}) (builtins.attrNames set));
      getAttrs = names: set: lib.genAttrs names (name: set.${name});
      attrByPath =
        path: default: set:
        if path == [ ] then
          set
        else if builtins.isAttrs set && set ? ${builtins.head path} then
          lib.attrByPath (builtins.tail path) default set.${builtins.head path}
        else
          default;
      splitString =
        between: text: builtins.filter builtins.isString (builtins.split (lib.escape between) text);
      escape = builtins.replaceStrings [ "." ] [ "\\." ];
      hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
      removePrefix =
        prefix: text:
        if lib.hasPrefix prefix text then
          builtins.substring (builtins.stringLength prefix) (-1) text
        else
          text;
      setAttrByPath =
        path: value:
        if path == [ ] then
          value
        else
          { ${builtins.head path} = lib.setAttrByPath (builtins.tail path) value; };
      removeSuffix =
        suffix: text:
        let
          end = builtins.stringLength text - builtins.stringLength suffix;
        in
        if end >= 0 && builtins.substring end (-1) text == suffix then
          builtins.substring 0 end text
        else
          text;
      warnIf =
        condition: text: value:
        if condition then builtins.trace "warning: ${text}" value else value;
      zipListsWith =
        f: left: right:
        let
          length = list: builtins.length list;
          least = if length left < length right then length left else length right;
        in
        builtins.genList (at: f (builtins.elemAt left at) (builtins.elemAt right at)) least;
      filesystem.listFilesRecursive =
        folder:
        builtins.concatLists (
          lib.mapAttrsToList (
            name: type:
            if type == "directory" then
              lib.filesystem.listFilesRecursive (folder + "/${name}")
            else
              [ (folder + "/${name}") ]
          ) (builtins.readDir folder)
        );
      unique = builtins.foldl' (seen: x: if builtins.elem x seen then seen else seen ++ [ x ]) [ ];
      getName = pkg: pkg.pname or (builtins.parseDrvName pkg.name).name;
      # A value as an error shows it.
      show =
        value:
        if builtins.isString value then
          builtins.toJSON (builtins.unsafeDiscardStringContext value)
        else if builtins.isBool value then
          (if value then "true" else "false")
        else if value == null then
          "null"
        else if builtins.isList value then
          "[ ${builtins.concatStringsSep " " (map lib.show value)} ]"
        else if builtins.isPath value then
          toString value
        else if builtins.isFunction value then
          "<function>"
        else if builtins.isAttrs value then
          (
            if value ? type && value.type == "derivation" then
              "<derivation ${value.name}>"
            else
              "{ ${
                builtins.concatStringsSep " " (
                  lib.mapAttrsToList (name: inner: "${name} = ${lib.show inner};") value
                )
              } }"
          )
        else
          toString value;
    };
  # With `more`, which gets the whole and what was before.
  extended =
    more:
    let
      before = make lib;
      lib =
        before
        // more lib before
        // {
          extend =
            again:
            extended (
              final: prev:
              let
                first = more final prev;
              in
              first // again final (prev // first)
            );
        };
    in
    lib;
in
extended (_final: _prev: { })
