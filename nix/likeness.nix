# What decides which packages the variants of a system need, as a hash. Systems with the same one differ in what is rebuilt on each
# machine anyway: names, users, addresses, files in /etc. A module that brings a package for some hardware on one of them only, by a
# condition that neither its packages nor its options show, is not seen: the installer's check refuses that machine.
{
  # As `nixosSystem` returns it.
  target,
  # From family.nix.
  family,
  # The packages that it is made of: the frontier of the system alone, from `nix-cfg-iso frontier`.
  frontier,
}:
let
  inherit (target) pkgs;
  inherit (pkgs) lib;

  # Null if it throws.
  attempt =
    value:
    let
      result = builtins.tryEval value;
    in
    if result.success then result.value else null;
  # Functions cannot be compared.
  isPlain =
    value:
    builtins.isBool value
    || builtins.isInt value
    || builtins.isString value
    || builtins.isList value && builtins.all builtins.isString value;
  config = pkgs.config or { };

  # What a variant sets as well can be refused, or ignored, because of the strength of a definition whose value changes nothing in the
  # system (`boot.swraid.enable = false`); and other definitions only count beside what a variant brings (`fido2Support` of LUKS).
  said =
    option:
    let
      # 1500 is the priority of a default in the declaration.
      strength = option.highestPrio or 9999;
      isCompared = builtins.elem (option.type.name or null) [
        "bool"
        "enum"
      ];
    in
    [
      strength
      (if isCompared && strength < 1500 then attempt option.value else null)
    ];
  trees = map (lib.splitString ".") [
    "boot"
    "environment.systemPackages"
    "fileSystems"
    "hardware"
    "networking.enableIntel2200BGFirmware"
    "networking.hostId"
    "powerManagement"
    "services.fprintd"
    "services.zfs"
    "swapDevices"
    "system.fsPackages"
    "virtualisation.hypervGuest"
    "virtualisation.virtualbox.guest"
  ];
  optionsAt =
    value:
    if value._type or null == "option" then
      [ value ]
    else if builtins.isAttrs value then
      builtins.concatMap optionsAt (builtins.attrValues value)
    else
      [ ];
in
builtins.hashString "sha256" (
  builtins.unsafeDiscardStringContext (
    builtins.toJSON {
      nixpkgs = toString pkgs.path;
      packages = builtins.sort builtins.lessThan (
        builtins.concatMap (
          entry: map (path: "${path} ${toString entry.variants}") (builtins.attrValues entry.outputs)
        ) frontier
      );
      options = map (path: map said (optionsAt (lib.attrByPath path { } target.options))) trees;
      # The variant `choices` answers the others.
      decided = builtins.attrNames (import ./decided.nix target).decided;
      # What nixpkgs refuses, and how it configures packages; of overlays only the names of the packages that each changes.
      inherit (family) parts;
      config = lib.filterAttrs (_: value: attempt (isPlain value) == true) config;
      set = builtins.attrNames config;
      overlays = map (overlay: attempt (builtins.attrNames (overlay pkgs pkgs))) (pkgs.overlays or [ ]);
      overrides = attempt (builtins.attrNames ((config.packageOverrides or (_: { })) pkgs));
    }
  )
)
