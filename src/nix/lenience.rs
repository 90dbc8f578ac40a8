//! What an evaluation passes over, to find what else is wrong.

/// What an evaluation passes over, to find what else is wrong. Its toplevel is not what the user asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lenience {
    /// Options that do not exist.
    pub undeclared: bool,
    /// Packages that nixpkgs refuses: unfree, insecure, broken, not for this platform, …
    pub refused: bool,
    /// Rules of modules that are broken.
    pub assertions: bool,
}

impl Lenience {
    /// The module that does so, unless nothing is passed over.
    pub(super) fn module(self) -> Option<String> {
        if self == Self::default() {
            return None;
        }
        let undeclared = if self.undeclared { "_module.check = false;" } else { "" };
        let refused = if self.refused { TELL_REFUSED } else { "" };
        // What `lib.mkForce [ ]` is, without the lib of a nixpkgs.
        let assertions = if self.assertions {
            "assertions = { _type = \"override\"; priority = 50; content = [ ]; };"
        } else {
            ""
        };
        Some(format!(
            "({{ options, ... }}: {{ {undeclared} {refused} {assertions} }})"
        ))
    }
}

/// Reports each package that nixpkgs refuses, and accepts it (pkgs/stdenv/generic/check-meta.nix, 24.05 and 26.11; the one for
/// broken packages since 26.05, where the other does not get their names). A nixpkgs that was made outside the modules takes
/// no settings from them.
const TELL_REFUSED: &str = r#"nixpkgs.config =
      if options.nixpkgs ? pkgs && options.nixpkgs.pkgs.isDefined then { } else {
        handleEvalIssue = _: message:
          builtins.trace "nix-cfg-install: refused ${builtins.toJSON { inherit message; }}" true;
        allowBrokenPredicate = package:
          let name = package.name or "${package.pname or ""}-${package.version or ""}";
          in builtins.trace "nix-cfg-install: refused ${builtins.toJSON { package = name; }}" true;
      };"#;
