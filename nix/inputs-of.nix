# All inputs of a flake, nested ones included. Inputs may form a cycle, with which genericClosure terminates.
{
  # Inputs that are not evaluated, and so not fetched, by the path of their names: "tools/extra".
  without ? [ ],
}:
flake:
let
  # genericClosure cannot compare keys with a string context.
  node = inputPath: input: {
    key = builtins.unsafeDiscardStringContext (toString input.outPath);
    inherit input inputPath;
  };
  nodes =
    inputPath: of:
    builtins.concatMap (
      name:
      if builtins.elem (inputPath + name) without then
        [ ]
      else
        [ (node (inputPath + name) of.inputs.${name}) ]
    ) (builtins.attrNames (of.inputs or { }));
  all = builtins.genericClosure {
    startSet = nodes "" flake;
    operator = { input, inputPath, ... }: nodes "${inputPath}/" input;
  };
  # An input may be a directory in another one (`path:./sub`). Only whole store paths can be copied.
  wholePath =
    { key, input, ... }:
    let
      path = builtins.head (builtins.match "(${builtins.storeDir}/[^/]+).*" key);
    in
    builtins.substring 0 (builtins.stringLength path) "${input.outPath}";
in
{
  # Their store paths: with these in its store, the target evaluates the flake with its lock unchanged.
  sources = map wholePath all;
  # Their NAR hashes, as in flake.lock.
  narHashes = builtins.concatMap (
    { input, ... }: if input ? narHash then [ input.narHash ] else [ ]
  ) all;
}
