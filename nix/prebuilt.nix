# The programs that the generator put into ./bin: static, so that nothing of the user's nixpkgs is needed to make them.
{ runCommand, stdenv }:
let
  inherit (stdenv.hostPlatform) system;
  programs = ./bin + "/${system}";
in
if !builtins.pathExists programs then
  throw ''
    There is no nix-cfg-install for ${system} in ${toString ./bin}.
    Make the folder again with `nix-cfg-iso init … --system ${system}`, on a ${system} machine or with `--build-helper`.''
else
  # The programs as they are, for what runs while the image is evaluated: it should not wait for a standard environment.
  runCommand "nix-cfg-install" { passthru.static = "${programs}"; } ''
    mkdir -p $out/bin
    cp ${programs}/* $out/bin/
    chmod 555 $out/bin/*
  ''
