# How packages are made. Two static programs build everything: the rig puts them into ./bootstrap/bin.
{ config, system }:
let
  bootstrap = builtins.path {
    path = ../bootstrap;
    name = "bootstrap-tools";
  };

  # What only a machine that boots needs: a kernel, boot loaders, programs with their libraries. tests/vm/setup puts them
  # into ./machine; without it there are packages of the same names and shapes that boot nothing, and small stores.
  machine = ../machine;
  real =
    name: otherwise:
    if builtins.pathExists (machine + "/${name}") then
      {
        type = "derivation";
        inherit name;
        outPath = builtins.path {
          path = machine + "/${name}";
          inherit name;
        };
      }
    else
      otherwise;

  # Runs `script` in busybox's shell. What is not written to $out does not exist.
  run =
    name: attrs: script:
    derivation (
      {
        inherit name system;
        builder = "${bootstrap}/bin/busybox";
        args = [
          "sh"
          "-euc"
          ''
            export PATH=${bootstrap}/bin
            if [ ! -e "$PATH/mkdir" ]; then
              busybox mkdir tools && busybox --install -s tools && export PATH=$PWD/tools:$PATH
            fi
            for input in ''${nativeBuildInputs:-}; do PATH=$input/bin:$PATH; done
            ${script}
          ''
        ];
      }
      // attrs
    );

  # A package that can be made again with other arguments.
  overridable =
    function: arguments:
    function arguments
    // {
      override = {
        __functor = _: more: overridable function (arguments // more);
        __functionArgs = builtins.functionArgs function;
      };
    };

  compiler =
    run "gcc-wrapper-13.2.0" { src = fetchurl "gcc-13.2.0.tar" "the source of a compiler\n"; }
      ''
        mkdir -p $out/bin && cp $src $out/bin/gcc
      '';
  mkStdenv =
    tools:
    run "stdenv-linux" { defaultNativeBuildInputs = tools; } ''
      mkdir -p $out && echo "$defaultNativeBuildInputs" > $out/setup
    '';
  stdenv =
    mkStdenv [
      bootstrap
      compiler
    ]
    // {
      inherit hostPlatform;
    };
  stdenvNoCC = mkStdenv [ bootstrap ];
  hostPlatform = {
    inherit system;
    isx86 = system == "x86_64-linux";
    uname.processor = builtins.head (builtins.match "([^-]+)-.*" system);
  };

  # Programs of the machine that the rig runs on, with the libraries and the loader that they need.
  imageTools = builtins.path {
    path = ../image-tools;
    name = "image-tools";
  };
  # The command line that starts one of them.
  imageTool =
    name: "${imageTools}/lib/loader --library-path ${imageTools}/lib ${imageTools}/bin/${name}";

  # A source that is on the network, where nobody can reach it. `text` is what it would be; only its hash is used.
  fetchurl =
    name: text:
    derivation {
      inherit name system;
      builder = "builtin:fetchurl";
      url = "https://example.invalid/${name}";
      urls = [ "https://example.invalid/${name}" ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = builtins.hashString "sha256" text;
      preferLocalBuild = true;
      unpack = false;
      executable = false;
    }
    // {
      sourceText = text;
    };

  # Why a package is refused, in the words of nixpkgs (pkgs/stdenv/generic/check-meta.nix).
  reasons = name: {
    unfree = {
      allowed = config.allowUnfree or false;
      words = "has an unfree license (‘unfree’)";
      rest = "a) To temporarily allow unfree packages, you can use an environment variable";
    };
    insecure = {
      allowed = builtins.elem name (config.permittedInsecurePackages or [ ]);
      words = "is marked as insecure";
      rest = ''

        Known issues:
         - CVE-0000-1: anybody can read it
         - CVE-0000-2

        You can install it anyway by allowing this package, using the
        following methods:'';
    };
    broken = {
      allowed = config.allowBroken or false;
      words = "is marked as broken";
      rest = "a) To temporarily allow broken packages, you can use an environment variable";
    };
    # In the place of `broken` since 26.05.
    problem = {
      allowed = config ? allowBrokenPredicate && config.allowBrokenPredicate { inherit name; };
      words = "has problems:\n- broken: This package is broken.\n";
      rest = "See also https://nixos.org/manual/nixpkgs/unstable#sec-problems";
    };
    unsupported = {
      allowed = config.allowUnsupportedSystem or false;
      words = ''
        is not available on the requested hostPlatform:
          hostPlatform.system = "${system}"
          package.meta.platforms = [ ]
          package.meta.badPlatforms = [ ]
      '';
      rest = "a) To temporarily allow packages that are unsupported for this system, you can use";
    };
  };

  # Whether it is not refused, or an error. The form of the message is nixpkgs 24.05's, or 26.11's.
  checked =
    name: reason: recent:
    let
      why = (reasons name).${reason};
      position = "${toString ./default.nix}:1";
      message =
        if recent then
          "Refusing to evaluate package '${name}' in ${position} because it ${why.words}\n${why.rest}\n"
        else
          "Package ‘${name}’ in ${position} ${why.words}, refusing to evaluate.\n\n${why.rest}\n";
    in
    if why.allowed then
      true
    else if config ? handleEvalIssue then
      config.handleEvalIssue reason message
    else
      throw message;

  # A package that is compiled from a source.
  package =
    name:
    {
      inputs ? [ ],
      unfree ? false,
      refused ? if unfree then "unfree" else null,
      recent ? false,
      script ? "",
    }:
    let
      drv =
        run name
          {
            inherit stdenv inputs;
            src = fetchurl "${name}.tar" "the source of ${name}\n";
          }
          ''
            mkdir -p $out/bin $out/share/${name}
            cp $src $out/share/${name}/source
            echo "$inputs" > $out/share/${name}/inputs
            program=$out/bin/${(builtins.parseDrvName name).name}
            printf '#!%s/bin/bash\necho %s\n' ${bootstrap} ${name} > $program && chmod +x $program
            ${script}
          '';
      accepted = refused == null || checked name refused recent;
    in
    drv
    // (
      if refused == null then
        { }
      else
        {
          outPath =
            assert accepted;
            drv.outPath;
          drvPath =
            assert accepted;
            drv.drvPath;
        }
    )
    // {
      pname = (builtins.parseDrvName name).name;
      meta.license.free = !unfree;
    };

  # Text that configures something: no source, no compiler, seconds to make.
  glue =
    name: attrs: script:
    run name (
      {
        stdenv = stdenvNoCC;
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
      // attrs
    ) script;
in
{
  inherit
    bootstrap
    fetchurl
    glue
    hostPlatform
    imageTool
    overridable
    package
    real
    run
    stdenv
    stdenvNoCC
    ;
}
