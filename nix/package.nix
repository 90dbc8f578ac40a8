# Both programs, built from source and linked statically, with their man pages and shell completions:
# `pkgsStatic.callPackage ./nix/package.nix { }`. Needs Rust 1.90.
{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
}:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
  # The man pages and completions are written by a program that is built with the others.
  canRun = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
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
      # A member of the workspace must be there, although nothing of it is built.
      ../tests/copy-closure
      ../tests/rig/Cargo.toml
      (lib.fileset.fileFilter (file: file.hasExt "rs") ../tests/rig)
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  nativeBuildInputs = [ installShellFiles ];
  cargoBuildFlags = [
    "--bins"
    "--example=package-docs"
  ];
  postBuild = lib.optionalString canRun ''
    find target -path '*/release/examples/package-docs' -exec {} package-docs \;
  '';
  postInstall = lib.optionalString canRun ''
    installManPage package-docs/*.1
    for program in $out/bin/*; do
      name=$(basename "$program")
      installShellCompletion --bash "package-docs/$name.bash" --fish "package-docs/$name.fish" --zsh "package-docs/_$name"
    done
  '';
  # Most tests need live systems, which `make test` sets up.
  doCheck = false;
  meta = {
    inherit (manifest.package) description;
    homepage = manifest.workspace.package.repository;
    license = lib.licenses.mit;
    mainProgram = "nix-cfg-install";
    platforms = lib.platforms.linux;
  };
}
