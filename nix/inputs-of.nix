# The sources of all inputs of a flake, nested ones included, as store paths. They travel on the ISO, so that the target
# can evaluate the flake with the lock as it is. A flake's inputs may form a cycle: genericClosure ends on those.
flake:
let
  # The key must not refer to a store path, or it could not be compared; the path itself must, to be carried along.
  node = input: {
    key = builtins.unsafeDiscardStringContext (toString input.outPath);
    inherit input;
  };
  inputs = of: map node (builtins.attrValues (of.inputs or { }));
  # An input that is a folder inside another one (`path:./sub`) travels with it: only whole store paths can be copied.
  wholePath =
    { key, input }:
    let
      length = builtins.stringLength (
        builtins.concatStringsSep "" (builtins.match "(${builtins.storeDir}/[^/]+).*" key)
      );
    in
    builtins.substring 0 length "${input.outPath}";
in
map wholePath (
  builtins.genericClosure {
    startSet = inputs flake;
    operator = { input, ... }: inputs input;
  }
)
