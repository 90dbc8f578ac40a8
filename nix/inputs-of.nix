# All inputs of a flake, nested ones included. A flake's inputs may form a cycle: genericClosure ends on those.
{
  # Inputs that are not looked at, and so not fetched, by the way to them: "tools/extra".
  without ? [ ],
}:
flake:
let
  # The key must not refer to a store path, or it could not be compared.
  node = way: input: {
    key = builtins.unsafeDiscardStringContext (toString input.outPath);
    inherit input way;
  };
  nodes =
    way: of:
    builtins.concatMap (
      name: if builtins.elem (way + name) without then [ ] else [ (node (way + name) of.inputs.${name}) ]
    ) (builtins.attrNames (of.inputs or { }));
  all = builtins.genericClosure {
    startSet = nodes "" flake;
    operator = { input, way, ... }: nodes "${way}/" input;
  };
  # An input that is a folder inside another one (`path:./sub`) travels with it: only whole store paths can be copied.
  wholePath =
    { key, input, ... }:
    let
      path = builtins.head (builtins.match "(${builtins.storeDir}/[^/]+).*" key);
    in
    builtins.substring 0 (builtins.stringLength path) "${input.outPath}";
in
{
  # Their sources, as store paths: with these in its store the target evaluates the flake with the lock as it is.
  sources = map wholePath all;
  # What a lock calls them.
  narHashes = builtins.concatMap (
    { input, ... }: if input ? narHash then [ input.narHash ] else [ ]
  ) all;
}
