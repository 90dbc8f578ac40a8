//! One more import in a hardware-configuration.nix, as one marked line.

use super::syntax::NixFile;

/// What is imported. The comment at the end of the line that is added says it: a person sees where it is from, and a later run
/// finds it again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    Machine,
    Choices,
}

impl Import {
    const fn mark(self) -> &'static str {
        match self {
            Self::Machine => "# what only the installer knew of this machine (nix-cfg-install)",
            Self::Choices => "# what was chosen when it was installed (nix-cfg-install)",
        }
    }
}

/// `text`, a NixOS module, with the file `name` of the same directory added to its imports. All else stays byte for byte.
///
/// `None` when it is not a module that is written out as an attribute set, or its `imports` are not written out as a list.
pub(crate) fn add(text: &str, name: &str, import: Import) -> Option<String> {
    let mark = import.mark();
    let module = NixFile::parse(text).module()?;
    let imports = module.bindings.iter().find(|binding| binding.is("imports"));
    let (at, added) = if let Some(imports) = imports {
        let bracket = imports.value.lists().first()?.0.end - 1;
        let line_start = text[..bracket].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &text[line_start..bracket];
        if before.trim().is_empty() {
            (line_start, format!("{before}  ./{name} {mark}\n"))
        } else {
            let indent = &before[..before.len() - before.trim_start().len()];
            (bracket, format!("\n{indent}  ./{name} {mark}\n{indent}"))
        }
    } else {
        (module.start, format!("\n  imports = [\n    ./{name} {mark}\n  ];"))
    };
    Some(format!("{}{added}{}", &text[..at], &text[at..]))
}

/// The name of the file that an earlier [`add`] imports.
pub(crate) fn added(text: &str, import: Import) -> Option<&str> {
    let line = text.lines().find(|line| line.trim_end().ends_with(import.mark()))?;
    let (_, path) = line.split_once("./")?;
    path.split([' ', ']']).next().filter(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::Import::{Choices, Machine};
    use super::*;

    const MARK: &str = Machine.mark();

    #[test]
    fn a_generated_file_gets_exactly_one_more_line() {
        let generated = "# Do not modify this file!\n{ config, lib, pkgs, modulesPath, ... }:\n\n{\n  imports =\n    \
                         [ (modulesPath + \"/installer/scan/not-detected.nix\")\n    ];\n\n  swapDevices = [ ];\n}\n";
        let text = add(generated, "machine.nix", Machine).unwrap();
        let line = format!("      ./machine.nix {MARK}\n");
        assert!(text.contains(&line), "{text}");
        assert_eq!(text.replace(&line, ""), generated);
        assert_eq!(added(&text, Machine), Some("machine.nix"));
        assert_eq!(added(generated, Machine), None);
        let both = add(&text, "choices.nix", Choices).unwrap();
        assert_eq!(
            [added(&both, Machine), added(&both, Choices)],
            [Some("machine.nix"), Some("choices.nix")]
        );
    }

    #[test]
    fn other_shapes_of_a_module_are_understood() {
        let cases = [
            (
                "{ ... }: { imports = [ ]; }",
                format!("{{ ... }}: {{ imports = [ \n  ./m.nix {MARK}\n]; }}"),
            ),
            (
                "{ lib, ... }:\nlet a = 1; in with lib;\n{\n  swapDevices = [ ];\n}\n",
                format!(
                    "{{ lib, ... }}:\nlet a = 1; in with lib;\n{{\n  imports = [\n    ./m.nix {MARK}\n  ];\n  swapDevices = [ ];\n}}\n"
                ),
            ),
            (
                "{ a = 1; }",
                format!("{{\n  imports = [\n    ./m.nix {MARK}\n  ]; a = 1; }}"),
            ),
            (
                "{\n  imports = [ ./a.nix ] ++ [ ./b.nix ];\n}\n",
                format!("{{\n  imports = [ ./a.nix \n    ./m.nix {MARK}\n  ] ++ [ ./b.nix ];\n}}\n"),
            ),
        ];
        for (before, expected) in cases {
            let text = add(before, "m.nix", Machine).unwrap();
            assert_eq!(text, expected);
            assert!(NixFile::parse(&text).mistake().is_none(), "{text}");
            assert_eq!(added(&text, Machine), Some("m.nix"));
        }
        assert_eq!(add("import ./other.nix", "m.nix", Machine), None);
        // A list that may not be used.
        assert_eq!(
            add("{ imports = lib.optionals x [ ./a.nix ]; }", "m.nix", Machine),
            None
        );
    }
}
