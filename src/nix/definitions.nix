# What facts.nix and secret_facts.nix share. How the definitions of an option are read: those that count, with their files, even
# where they contradict each other.
let
  inherit (builtins) concatMap filter isAttrs;
  plain = builtins.unsafeDiscardStringContext;

  # A text or list of texts, or `none` where it throws, as two definitions that contradict each other do.
  orElse =
    none: value:
    let
      result = builtins.tryEval (builtins.deepSeq value value);
    in
    if result.success then result.value else none;

  # What holds of one definition, with its priority: mkIf, mkMerge and mkOverride are sets with a `_type`, and 100 is the
  # priority of a definition without one (lib/modules.nix of 24.05 and 26.11).
  held =
    priority: value:
    let
      type = if isAttrs value then value._type or "" else "";
    in
    if type == "if" then
      (if value.condition == true then held priority value.content else [ ])
    else if type == "merge" then
      concatMap (held priority) value.contents
    else if type == "override" then
      held value.priority value.content
    else
      [ { inherit priority value; } ];
  strongest =
    definitions:
    let
      least = builtins.foldl' (
        least: definition: if definition.priority < least then definition.priority else least
      ) 9999 definitions;
    in
    filter (definition: definition.priority == least) definitions;
  inside =
    name: definitions:
    strongest (
      concatMap (
        { file, value, ... }:
        if isAttrs value && value ? ${name} then
          map (one: one // { inherit file; }) (held 100 value.${name})
        else
          [ ]
      ) definitions
    );
  # The definitions that count for `option.NAME.ATTRIBUTE`, with their files: `option` is a set of submodules.
  set =
    option: name: attribute:
    orElse [ ] (
      map (definition: {
        file = plain (toString definition.file);
        value = if isAttrs definition.value then "" else plain (toString definition.value);
      }) (inside attribute (inside name (option.definitionsWithLocations or [ ])))
    );
  # The mount points that the initrd mounts in any case (nixos/lib/utils.nix, 24.05 and 26.11).
  neededForBoot = [
    "/"
    "/nix"
    "/nix/store"
    "/var"
    "/var/log"
    "/var/lib"
    "/var/lib/nixos"
    "/etc"
    "/usr"
  ];
in
{
  inherit
    orElse
    inside
    set
    neededForBoot
    ;
}
