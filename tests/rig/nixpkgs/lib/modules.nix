# A module system with what NixOS configurations use: imports, options, priorities, conditions. The words of its errors
# have the form of nixpkgs 24.05's.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    elemAt
    filter
    foldl'
    functionArgs
    genList
    isAttrs
    isFunction
    isPath
    isString
    length
    mapAttrs
    ;
  inherit (lib.types) listing named;

  isType = name: value: isAttrs value && (value._type or "") == name;
  isOption = isType "option";
  isFile = module: isPath module || isString module;

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };

  # One definition, whose value may be conditional or have a priority, to those that hold.
  discharge =
    def:
    let
      again = value: discharge (def // { inherit value; });
    in
    if isType "if" def.value then
      (if def.value.condition then again def.value.content else [ ])
    else if isType "merge" def.value then
      concatMap again def.value.contents
    else if isType "override" def.value then
      map (inner: inner // { inherit (def.value) priority; }) (again def.value.content)
    else
      [ ({ priority = 100; } // def) ];

  highest =
    defs:
    let
      best = foldl' (least: def: if def.priority < least then def.priority else least) 9999 defs;
    in
    filter (def: def.priority == best) defs;

  mergeDefinitions =
    loc: type: defs:
    let
      wrong = filter (def: !type.check def.value) defs;
    in
    if defs == [ ] then
      throw "The option ${named loc} is used but not defined."
    else if wrong != [ ] then
      throw "A definition for option ${named loc} is not of type `${type.name}'. Definition values:${listing wrong}"
    else
      type.merge loc defs;

  # A condition or priority around a whole set is pushed down to its values.
  pushDown =
    config:
    if isType "if" config then
      map (mapAttrs (
        _name: content: {
          _type = "if";
          inherit (config) condition;
          inherit content;
        }
      )) (pushDown config.content)
    else if isType "merge" config then
      concatMap pushDown config.contents
    else if isType "override" config then
      map (mapAttrs (_name: mkOverride config.priority)) (pushDown config.content)
    else
      [ config ];

  # The definitions of `name` in sets of definitions.
  under =
    name: defs:
    concatMap (
      def:
      if def.value ? ${name} then
        [
          {
            inherit (def) file;
            value = def.value.${name};
          }
        ]
      else
        [ ]
    ) defs;

  # The definitions below `name`.
  within =
    name: defs:
    concatMap (
      def:
      map (inner: {
        inherit (def) file;
        value = inner;
      }) (pushDown def.value)
    ) (under name defs);

  # The options as modules see them: each with the strongest priority of its definitions.
  describe =
    options: defs:
    mapAttrs (
      name: option:
      if isOption option then
        option
        // {
          highestPrio = foldl' (least: def: if def.priority < least then def.priority else least) (
            if option ? default then 1500 else 9999
          ) (concatMap discharge (under name defs));
          # Those that count.
          definitionsWithLocations = map (def: { inherit (def) file value; }) (
            highest (concatMap discharge (under name defs))
          );
        }
      else
        describe option (within name defs)
    ) options;

  declare =
    file:
    mapAttrs (
      _name: option:
      if isOption option then option // { declarations = [ file ]; } else declare file option
    );

  mergeOptions =
    left: right:
    left
    // mapAttrs (
      name: option:
      if left ? ${name} && !isOption left.${name} then mergeOptions left.${name} option else option
    ) right;

  # Walks the options and the definitions together.
  merge =
    strict: loc: options: defs:
    let
      defined = lib.unique (concatMap (def: attrNames def.value) defs);
      refuse =
        name:
        let
          found = concatMap discharge (under name defs);
        in
        if found == [ ] then
          true
        else
          throw "The option ${named (loc ++ [ name ])} does not exist. Definition values:${listing found}";
      value =
        name: option:
        if isOption option then
          let
            given = concatMap discharge (under name defs);
            default = lib.optional (option ? default) {
              file = "<default>";
              value = option.default;
              priority = 1500;
            };
            merged = mergeDefinitions (loc ++ [ name ]) option.type (highest (given ++ default));
          in
          if option ? apply then option.apply merged else merged
        else
          merge strict (loc ++ [ name ]) option (within name defs);
    in
    assert !strict || builtins.all refuse (filter (name: !(options ? ${name})) defined);
    mapAttrs value options;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      strictArgs = {
        inherit config lib;
        options = described;
      }
      // specialArgs;
      # Arguments by name only, and lazily: which there are is known when all modules have been called.
      call =
        module:
        if isFunction module then
          module (mapAttrs (name: _optional: strictArgs.${name} or moduleArgs.${name}) (functionArgs module))
        else
          module;
      load =
        parent: index: module:
        let
          file = if isFile module then toString module else parent.file;
          value = call (if isFile module then import module else module);
          explicit = value ? config || value ? options;
        in
        {
          key = if isFile module then file else "${parent.key}:anon-${toString index}";
          file = value._file or file;
          imports = value.imports or [ ];
          disabled = value.disabledModules or [ ];
          options = declare (value._file or file) (if explicit then value.options or { } else { });
          config =
            if explicit then
              value.config or { }
            else
              removeAttrs value [
                "imports"
                "disabledModules"
                "_file"
                "_module"
              ];
          args = (value._module or { }).args or { };
          strict = (value._module or { }).check or true;
        };
      collect =
        parent: list:
        concatMap (
          index:
          let
            module = load parent index (elemAt list index);
          in
          [ module ] ++ collect module module.imports
        ) (genList (index: index) (length list));
      all = collect {
        key = "";
        file = "<unknown-file>";
      } modules;
      disabled = map toString (concatMap (module: module.disabled) all);
      active =
        (foldl'
          (
            seen: module:
            if elem module.key seen.keys then
              seen
            else
              {
                keys = seen.keys ++ [ module.key ];
                list = seen.list ++ [ module ];
              }
          )
          {
            keys = disabled;
            list = [ ];
          }
          all
        ).list;
      moduleArgs = mapAttrs (_name: value: if isType "override" value then value.content else value) (
        foldl' (sum: module: sum // module.args) { } active
      );
      options = foldl' mergeOptions { } (map (module: module.options) active);
      definitions = concatMap (
        module:
        map (value: {
          inherit (module) file;
          inherit value;
        }) (pushDown module.config)
      ) active;
      described = describe options definitions;
      config = merge (builtins.all (module: module.strict) active) prefix options definitions;
    in
    {
      inherit config;
      options = described;
      inherit (moduleArgs) pkgs;
      extendModules =
        more:
        evalModules {
          inherit prefix;
          modules = modules ++ more.modules or [ ];
          specialArgs = specialArgs // more.specialArgs or { };
        };
    };
in
{
  inherit
    discharge
    evalModules
    highest
    mergeDefinitions
    mkOverride
    ;
  mkOption = option: option // { _type = "option"; };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkForce = mkOverride 50;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
}
