# A type has a name for errors, a check, and a merge of definitions ({ file, value }) to one value.
lib:
let
  inherit (builtins)
    isAttrs
    isBool
    isInt
    isList
    isPath
    isString
    all
    head
    tail
    ;
  named = loc: "`${builtins.concatStringsSep "." loc}'";
  listing = defs: lib.concatMapStrings (def: "\n- In `${def.file}': ${lib.show def.value}") defs;
  mergeEqual =
    loc: defs:
    if all (def: def.value == (head defs).value) (tail defs) then
      (head defs).value
    else
      throw "The option ${named loc} has conflicting definition values:${listing defs}\nUse `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";
  simple = name: check: {
    inherit name check;
    description = name;
    merge = mergeEqual;
  };
  isDerivation = value: isAttrs value && (value.type or "") == "derivation";
in
{
  inherit listing named;
  bool = simple "boolean" isBool;
  int = simple "signed integer" isInt;
  str = simple "string" isString;
  path = simple "path" (
    value: isPath value || isDerivation value || isString value && lib.substring 0 1 value == "/"
  );
  package = simple "package" (value: isDerivation value || isString value);
  enum =
    values:
    simple "one of ${builtins.concatStringsSep ", " (map lib.show values)}" (
      value: builtins.elem value values
    );
  lines = {
    name = "strings concatenated with \"\\n\"";
    check = isString;
    merge = _loc: defs: builtins.concatStringsSep "\n" (map (def: def.value) defs);
  };
  anything = simple "anything" (_value: true);
  # Never looked into: it may be a whole system, which has no end.
  raw = {
    name = "raw value";
    check = _value: true;
    merge = _loc: defs: (head defs).value;
  };
  # Attribute sets that are merged by name, as nixpkgs.config is.
  attrs = {
    name = "attribute set";
    check = isAttrs;
    merge = _loc: defs: builtins.foldl' (all: def: all // def.value) { } defs;
  };
  nullOr = inner: {
    name = "null or ${inner.name}";
    check = value: value == null || inner.check value;
    merge =
      loc: defs:
      if all (def: def.value == null) defs then
        null
      else
        inner.merge loc (lib.filter (def: def.value != null) defs);
  };
  listOf = inner: {
    name = "list of ${inner.name}";
    check = isList;
    merge =
      loc: defs:
      builtins.concatMap (
        def:
        map (
          value:
          if inner.check value then
            inner.merge loc [ (def // { inherit value; }) ]
          else
            throw "A definition for option ${
              named (loc ++ [ "[definition 1-entry 1]" ])
            } is not of type `${inner.name}'. Definition values:${listing [ (def // { inherit value; }) ]}"
        ) def.value
      ) defs;
  };
  attrsOf = inner: {
    name = "attribute set of ${inner.name}";
    check = isAttrs;
    merge =
      loc: defs:
      let
        # A name whose definitions all stand under a condition that does not hold is not there.
        held = builtins.mapAttrs (
          name: _value:
          builtins.concatMap (
            def:
            # A priority around the whole set says nothing of the entries.
            lib.optionals (def.value ? ${name}) (
              lib.discharge {
                inherit (def) file;
                value = def.value.${name};
              }
            )
          ) defs
        ) (builtins.foldl' (all: def: all // def.value) { } defs);
      in
      builtins.mapAttrs (name: mine: lib.mergeDefinitions (loc ++ [ name ]) inner (lib.highest mine)) (
        lib.filterAttrs (_name: mine: mine != [ ]) held
      );
  };
  submodule = module: {
    name = "submodule";
    check = value: isAttrs value || builtins.isFunction value;
    merge =
      loc: defs:
      (lib.evalModules {
        prefix = loc;
        modules = [
          module
          { _module.args.name = builtins.elemAt loc (builtins.length loc - 1); }
        ]
        ++ map (
          def:
          {
            _file = def.file;
          }
          # A set defines values, also where one of them is called `options`.
          // (if isAttrs def.value then { config = def.value; } else { imports = [ def.value ]; })
        ) defs;
      }).config;
  };
}
