# The static programs that the generator put into ./bin, for which the user's nixpkgs has to build nothing.
{ runCommand, stdenv }:
let
  inherit (stdenv.hostPlatform) system;
  programs = ./bin + "/${system}";
in
if !builtins.pathExists programs then
  throw ''
    There is no nix-cfg-install for ${system} in ${toString ./bin}.
    Create the directory again with `nix-cfg-iso init … --system ${system}`, on a ${system} machine or with `--build-helper`.''
else
  # `static`: the programs as they are, for what runs during the evaluation of the image, without building a stdenv first.
  runCommand "nix-cfg-install" { passthru.static = "${programs}"; } ''
    mkdir -p $out/bin
    cp ${programs}/* $out/bin/
    chmod 555 $out/bin/*
  ''
