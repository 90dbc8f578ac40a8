# All inputs of a flake, nested ones included. A flake's inputs may form a cycle: genericClosure ends on those.
flake:
let
  # The key must not refer to a store path, or it could not be compared.
  node = input: {
    key = builtins.unsafeDiscardStringContext (toString input.outPath);
    inherit input;
  };
  nodes = of: map node (builtins.attrValues (of.inputs or { }));
  all = builtins.genericClosure {
    startSet = nodes flake;
    operator = { input, ... }: nodes input;
  };
  # An input that is a folder inside another one (`path:./sub`) travels with it: only whole store paths can be copied.
  wholePath =
    { key, input }:
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
