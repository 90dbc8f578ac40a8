# Takes the place of pkgs/stdenv/linux/default.nix: a stdenv of Debian's programs, and packages whose files are Debian's.
{
  lib,
  localSystem,
  crossSystem,
  config,
  overlays,
  ...
}:

assert crossSystem == localSystem;

let
  # As packages of their own: with the outputs that nixpkgs asks for.
  groups = lib.mapAttrs (
    name: group:
    if name == "kernel" then
      group
    else
      let
        package =
          group
          // lib.genAttrs [
            "out"
            "bin"
            "dev"
            "lib"
            "man"
            "info"
            "static"
            "getent"
            "libgcc"
          ] (_: package)
          // lib.genAttrs [ "override" "overrideAttrs" ] (_: _: package)
          // {
            meta = { };
          };
      in
      package
  ) (import ./groups.nix);
  genericStdenv = import ../generic { defaultConfig = config; };

  shell = "${groups.bash}/bin/bash";

  stdenvWith =
    cc:
    genericStdenv {
      name = "debian-stdenv";
      inherit cc config shell;
      overrides = import ./packages.nix {
        inherit lib groups;
      };
      buildPlatform = localSystem;
      hostPlatform = localSystem;
      targetPlatform = localSystem;
      preHook = ''
        export NIX_ENFORCE_PURITY="''${NIX_ENFORCE_PURITY-1}"
        export NIX_ENFORCE_NO_NATIVE="''${NIX_ENFORCE_NO_NATIVE-1}"
      '';
      initialPath = map (name: groups.${name}) [
        "coreutils"
        "findutils"
        "diffutils"
        "gnused"
        "gnugrep"
        "gawk"
        "gnutar"
        "gzip"
        "bzip2"
        "gnumake"
        "bash"
        "gnupatch"
        "xz"
        "file"
      ];
      extraNativeBuildInputs = [ groups.patchelf ];
      extraAttrs.shellPackage = groups.bash;
      fetchurlBoot = import ../../build-support/fetchurl/boot.nix {
        inherit (localSystem) system;
        inherit (config) rewriteURL;
      };
    };
in
[
  (
    { }:
    let
      stdenvNoCC = stdenvWith null;
      tools = {
        inherit lib stdenvNoCC;
        inherit (groups) coreutils gnugrep;
        runtimeShell = shell;
        nativeTools = false;
        nativeLibc = false;
        expand-response-params = "";
        libc = groups.glibc;
      };
    in
    {
      __raw = true;
      stdenv = stdenvNoCC;
      gcc = lib.makeOverridable (import ../../build-support/cc-wrapper) (
        tools
        // {
          isGNU = true;
          cc = groups.gcc-unwrapped // {
            isGNU = true;
            hardeningUnsupportedFlags = [ ];
          };
          bintools = lib.makeOverridable (import ../../build-support/bintools-wrapper) (
            tools
            // {
              isGNU = true;
              bintools = groups.binutils-unwrapped;
            }
          );
        }
      );
    }
  )
  (prevStage: {
    inherit config overlays;
    stdenv = stdenvWith prevStage.gcc;
  })
]
