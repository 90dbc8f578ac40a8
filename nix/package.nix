# Both programs from their source, static: `pkgsStatic.callPackage ./nix/package.nix { }`. Needs Rust 1.88.
{ lib, rustPlatform }:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
in
rustPlatform.buildRustPackage {
  pname = manifest.package.name;
  inherit (manifest.workspace.package) version;
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../crates
      ../src
      ../nix
      ../calamares-module
      ../examples
      ../docs
      # A member of the workspace must be there, although nothing of it is built.
      ../tests/rig/Cargo.toml
      (lib.fileset.fileFilter (file: file.hasExt "rs") ../tests/rig)
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  # The tests need live systems, which the CI of the project makes.
  doCheck = false;
  meta = {
    inherit (manifest.package) description;
    homepage = manifest.workspace.package.repository;
    license = lib.licenses.mit;
    mainProgram = "nix-cfg-install";
    platforms = lib.platforms.linux;
  };
}
