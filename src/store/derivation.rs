//! A reader of .drv files: the `ATerm` form that Nix has written since 0.x (src/libstore/derivations.cc, `unparse`).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// One output of a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `out`, `dev`, …
    pub name: String,
    /// Its store path; empty where it is known only after the build (floating content-addressed).
    pub path: String,
    /// `sha256`, `r:sha256`, … for an output whose content is fixed; empty otherwise.
    pub hash_algo: String,
    /// Its hash in base 16; empty unless it is fixed.
    pub hash: String,
}

/// What a derivation is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Derivation {
    /// At least one.
    pub outputs: Vec<Output>,
    /// The .drv files that are needed, each with the names of the outputs that are used.
    pub input_drvs: Vec<(String, Vec<String>)>,
    /// The store paths that are needed as they are.
    pub input_srcs: Vec<String>,
    /// `x86_64-linux`, `builtin`, …
    pub system: String,
    /// The program that builds.
    pub builder: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, in the order of the file. Bytes that are no UTF-8 are replaced.
    pub env: Vec<(String, String)>,
}

impl Derivation {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is not a derivation (with the offset of the first wrong byte).
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("Failed to read {}", path.display()))?;
        Self::parse(&bytes)
            .with_context(|| format!("{} is not a derivation that this program can read", path.display()))
    }

    /// Reads a derivation from the bytes of its file.
    ///
    /// # Errors
    /// As [`Derivation::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut parser = Parser { bytes, at: 0 };
        let derivation = parser
            .derivation()
            .with_context(|| format!("wrong at byte {} of {}", parser.at, bytes.len()))?;
        ensure!(
            parser.at == bytes.len(),
            "there is more after its end, at byte {}",
            parser.at
        );
        Ok(derivation)
    }

    /// Whether its content is known before it is built: a source, usually from the network.
    #[must_use]
    pub fn is_fixed_output(&self) -> bool {
        self.outputs.iter().any(|output| !output.hash.is_empty())
    }

    /// The value of a variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// Where a source comes from: the first of `urls`, or `url`.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.variable("urls")
            .or(self.variable("url"))?
            .split_whitespace()
            .next()
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn derivation(&mut self) -> Result<Derivation> {
        if self.bytes.starts_with(b"DrvWithVersion") {
            bail!("it is of a newer, experimental kind (dynamic derivations)");
        }
        self.expect(b"Derive(")?;
        let outputs = self.list(|parser| {
            parser.tuple4().map(|[name, path, hash_algo, hash]| Output {
                name,
                path,
                hash_algo,
                hash,
            })
        })?;
        ensure!(!outputs.is_empty(), "it has no outputs");
        self.expect(b",")?;
        let input_drvs = self.list(|parser| {
            parser.expect(b"(")?;
            let path = parser.string()?;
            parser.expect(b",")?;
            let names = parser.list(Self::string)?;
            parser.expect(b")")?;
            Ok((path, names))
        })?;
        self.expect(b",")?;
        let input_srcs = self.list(Self::string)?;
        self.expect(b",")?;
        let system = self.string()?;
        self.expect(b",")?;
        let builder = self.string()?;
        self.expect(b",")?;
        let args = self.list(Self::string)?;
        self.expect(b",")?;
        let env = self.list(|parser| {
            parser.expect(b"(")?;
            let name = parser.string()?;
            parser.expect(b",")?;
            let value = parser.string()?;
            parser.expect(b")")?;
            Ok((name, value))
        })?;
        self.expect(b")")?;
        Ok(Derivation {
            outputs,
            input_drvs,
            input_srcs,
            system,
            builder,
            args,
            env,
        })
    }

    fn tuple4(&mut self) -> Result<[String; 4]> {
        self.expect(b"(")?;
        let mut values = [const { String::new() }; 4];
        for (index, value) in values.iter_mut().enumerate() {
            if index > 0 {
                self.expect(b",")?;
            }
            *value = self.string()?;
        }
        self.expect(b")")?;
        Ok(values)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(b"[")?;
        let mut items = Vec::new();
        while self.bytes.get(self.at) != Some(&b']') {
            if !items.is_empty() {
                self.expect(b",")?;
            }
            items.push(item(self)?);
        }
        self.expect(b"]")?;
        Ok(items)
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        ensure!(
            rest.starts_with(wanted),
            "`{}` was expected",
            String::from_utf8_lossy(wanted)
        );
        self.at += wanted.len();
        Ok(())
    }

    fn string(&mut self) -> Result<String> {
        self.expect(b"\"")?;
        let mut out = Vec::new();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                bail!("a string has no end");
            };
            out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Ok(String::from_utf8_lossy(&out).into_owned());
            }
            let Some(&escaped) = rest.get(plain + 1) else {
                bail!("a string has no end");
            };
            out.push(match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => other,
            });
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"Derive([("out","/nix/store/a-x.tar","sha256","00ff")],[],[],"x86_64-linux","builtin:fetchurl",[],[("name","x.tar"),("urls","https://a.example/x.tar https://b.example/x.tar")])"#;

    #[test]
    fn all_parts_of_a_derivation_are_read() {
        let text = r#"Derive([("dev","/nix/store/d","",""),("out","/nix/store/o","","")],[("/nix/store/i.drv",["dev","out"])],["/nix/store/s"],"x86_64-linux","/bin/sh",["-c","echo \"a\\b\"\n\t"],[("k","v")])"#;
        let derivation = Derivation::parse(text.as_bytes()).unwrap();
        assert_eq!(derivation.outputs.len(), 2);
        assert_eq!(derivation.outputs[1].path, "/nix/store/o");
        assert_eq!(
            derivation.input_drvs,
            [("/nix/store/i.drv".to_owned(), vec!["dev".to_owned(), "out".to_owned()])]
        );
        assert_eq!(derivation.input_srcs, ["/nix/store/s"]);
        assert_eq!(derivation.args, ["-c", "echo \"a\\b\"\n\t"]);
        assert_eq!(derivation.variable("k"), Some("v"));
        assert!(!derivation.is_fixed_output());
    }

    #[test]
    fn a_source_is_fixed_and_has_an_address() {
        let derivation = Derivation::parse(SOURCE.as_bytes()).unwrap();
        assert!(derivation.is_fixed_output());
        assert_eq!(derivation.address(), Some("https://a.example/x.tar"));
    }

    #[test]
    fn every_truncation_is_an_error_with_its_place_and_never_a_panic() {
        for end in 0..SOURCE.len() {
            let error = Derivation::parse(&SOURCE.as_bytes()[..end]).unwrap_err();
            assert!(format!("{error:#}").contains("wrong at byte"), "{error:#}");
        }
        let more = format!("{SOURCE} ");
        assert!(
            Derivation::parse(more.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("more after its end")
        );
    }

    #[test]
    fn a_derivation_of_an_unknown_kind_is_refused_by_its_name() {
        let error = Derivation::parse(b"DrvWithVersion(\"xp-dyn-drv\",[])").unwrap_err();
        assert!(format!("{error:#}").contains("dynamic derivations"), "{error:#}");
    }
}
