# The overrides of nixpkgs' packages: each keeps what nixpkgs knows of it, and has the files of a group.
{ lib, groups }:
self: super:
let
  data = lib.importTOML ./packages.toml;

  # A package of nixpkgs whose every output is the group; to override it changes what is known of it, never the files.
  filesOf =
    group: package:
    let
      outputs = lib.genAttrs (package.outputs or [ "out" ]) (_: result);
      overridden =
        change:
        let
          first = if lib.isFunction change then change package else change;
          attributes = if lib.isFunction first then first package else first;
        in
        filesOf group (package // attributes.passthru or { });
      result =
        package
        // outputs
        // {
          inherit (group) outPath drvPath;
          type = "derivation";
          all = [ result ];
          override = _: result;
          overrideAttrs = overridden;
          overrideDerivation = _: result;
        };
    in
    result;

  # Empty files, and programs that succeed.
  empty =
    attribute: files: package:
    filesOf (derivation {
      name = "empty-${attribute}";
      system = "x86_64-linux";
      builder = "${groups.bash}/bin/bash";
      PATH = "${groups.coreutils}/bin";
      args = [
        "-euc"
        ''
          ${lib.optionalString (files == [ ]) ": > $out"}
          for file in ${toString files}; do
            mkdir -p $(dirname $out/$file)
            case $file in
              bin/*) printf '#!%s\n' ${groups.bash}/bin/bash > $out/$file; chmod 755 $out/$file ;;
              *) : > $out/$file ;;
            esac
          done
        ''
      ];
    }) package;

  known = lib.filterAttrs (attribute: _: super ? ${attribute});
  mapped =
    lib.mapAttrs (attribute: group: filesOf groups.${group} super.${attribute}) (
      known (lib.mapAttrs (name: _: name) data.groups // data.same)
    )
    // lib.mapAttrs (attribute: files: empty attribute files super.${attribute}) (known data.empty);

  perl = filesOf groups.perl (
    super.perl5.override {
      self = perl;
      overrides =
        _:
        lib.genAttrs data.perl.attributes (
          name:
          filesOf groups.perl-modules (
            super.perl5.pkgs.${name}
            // {
              perlModule = perl;
              requiredPerlModules = [ ];
            }
          )
        );
    }
  );

  kernel = filesOf groups.linux (
    super.linuxPackages.kernel
    // rec {
      inherit (groups.linux) version;
      name = "linux-${version}";
      modDirVersion = groups.kernel;
      baseVersion = version;
      kernelOlder = lib.versionOlder version;
      kernelAtLeast = lib.versionAtLeast version;
      # It is Debian's: every question about it is answered as wanted.
      configfile = "${groups.linux}/config";
      config =
        lib.genAttrs [ "isSet" "isYes" "isNo" "isModule" "isEnabled" "isDisabled" ] (_: _: true)
        // {
          getValue = _: "y";
        };
    }
  );
  linuxPackages = (super.linuxKernel.packagesFor kernel).extend (
    _: packages: { cpupower = empty "cpupower" [ "bin/cpupower" ] packages.cpupower; }
  );

  # One group has the files of all platforms.
  grub =
    target:
    filesOf groups.grub2 (super.grub2 // { grubTarget = target; })
    // {
      override = arguments: grub (if arguments.efiSupport or false then "x86_64-efi" else target);
    };
in
mapped
// {
  grub2 = grub "i386-pc";
  grub2_efi = grub "x86_64-efi";
  inherit linuxPackages;
  linuxPackages_latest = linuxPackages;
  linux = kernel;
  linux_latest = kernel;
  perl5 = perl;
  inherit perl;
  perlPackages = perl.pkgs;

  # Without the tools that make a wheel of it.
  nixos-rebuild-ng =
    let
      program = super.nixos-rebuild-ng.override { withShellFiles = false; };
    in
    filesOf (self.runCommand program.name { nativeBuildInputs = [ self.makeWrapper ]; } ''
      cp -r ${program.src} src
      chmod -R u+w src
      cd src
      ${program.postPatch}
      mkdir -p $out/lib
      cp -r nixos_rebuild $out/lib/
      makeWrapper ${groups.python313}/bin/python3 $out/bin/nixos-rebuild --add-flags "-m nixos_rebuild" \
        --prefix PATH : ${self.nix}/bin --set PYTHONPATH $out/lib
    '') program;

  gcc-unwrapped = self.stdenv.cc.cc;
  gcc = self.stdenv.cc;
  gcc15 = self.gcc;
  binutils-unwrapped-all-targets = self.binutils-unwrapped;
  # Musl would be a toolchain of its own.
  pkgsStatic = self;

  rustPlatform = self.makeRustPlatform { inherit (self) rustc cargo; };
  cargo-auditable = super.cargo-auditable // {
    meta = super.cargo-auditable.meta // {
      broken = true;
    };
  };

  cacert = filesOf (self.runCommand "cacert" { } ''
    mkdir -p $out/etc/ssl/certs
    cat ${groups.ca-certificates}/share/ca-certificates/mozilla/*.crt > $out/etc/ssl/certs/ca-bundle.crt
    cp $out/etc/ssl/certs/ca-bundle.crt $out/etc/ssl/certs/ca-no-trust-rules-bundle.crt
  '') super.cacert;

  # It converts names of files from another code page, with modules that glibc looks for in /usr/lib.
  mtools = filesOf (self.runCommand "mtools" { nativeBuildInputs = [ self.makeWrapper ]; } ''
    for program in ${groups.mtools}/bin/*; do
      makeWrapper $program $out/bin/$(basename $program) --set GCONV_PATH ${groups.deb-libc-gconv-modules-extra}/lib/gconv
    done
  '') super.mtools;

  # The only source of a mapped package that a module asks for is a header of glibc.
  srcOnly =
    arguments:
    if arguments.pname or "" == "glibc" then
      self.stdenvNoCC.mkDerivation {
        name = "glibc";
        phases = [
          "buildPhase"
          "installPhase"
        ];
        buildPhase = ''
          mkdir -p sysdeps/generic
          echo '#define UNSECURE_ENVVARS ${
            lib.concatMapStringsSep " " (name: "\"${name}\\0\"") data.unsecure.variables
          }' > sysdeps/generic/unsecvars.h
        '';
      }
    else
      super.srcOnly arguments;
}
