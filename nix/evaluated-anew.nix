# A flake with its outputs evaluated once more, as Nix' call-flake.nix does: what is evaluated in these is freed with them, while the
# flake that a caller has stays as long as the evaluation.
flake:
let
  outputs = (import "${flake.outPath}/flake.nix").outputs (flake.inputs // { inherit self; });
  self = flake // outputs // { inherit outputs; };
in
self
