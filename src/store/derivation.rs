//! A reader of .drv files: the `ATerm` form that Nix has written since 0.x (src/libstore/derivations.cc, `unparse`).
//!
//! It borrows from the bytes of the file: a graph of ten thousand derivations is read on every check.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};
use memchr::memchr2;

/// One output of a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<'a> {
    /// `out`, `dev`, …
    pub name: Cow<'a, str>,
    /// Its store path; empty where it is known only after the build (floating content-addressed).
    pub path: Cow<'a, str>,
    /// `sha256`, `r:sha256`, … for an output whose content is fixed; empty otherwise.
    pub hash_algo: Cow<'a, str>,
    /// Its hash in base 16; empty unless it is fixed.
    pub hash: Cow<'a, str>,
}

/// What a derivation is made of. Bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Derivation<'a> {
    /// At least one.
    pub outputs: Vec<Output<'a>>,
    /// The .drv files that are needed, each with the names of the outputs that are used.
    pub input_drvs: Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>,
    /// The store paths that are needed as they are.
    pub input_srcs: Vec<Cow<'a, str>>,
    /// `x86_64-linux`, `builtin`, …
    pub system: Cow<'a, str>,
    /// The program that builds.
    pub builder: Cow<'a, str>,
    /// Its arguments.
    pub args: Vec<Cow<'a, str>>,
    /// Its environment, in the order of the file.
    pub env: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The structured attributes (`__structuredAttrs`), which are in the variable `__json`; null without them.
    pub attributes: serde_json::Value,
}

impl<'a> Derivation<'a> {
    /// Reads a derivation from the bytes of its file.
    ///
    /// # Errors
    /// When they are not a derivation, with the offset of the first wrong byte.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
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

    /// The value of a variable of its environment as it stands in the file; [`Derivation::words`] knows structured
    /// attributes as well.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// The words of an attribute: a list's elements, or a string split at white space, as nixpkgs passes lists to builders.
    /// None when there is no such attribute or it is empty.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        if let Some(text) = self.variable(name) {
            return split(text);
        }
        match self.attributes.get(name) {
            Some(serde_json::Value::String(text)) => split(text),
            Some(serde_json::Value::Array(items)) => {
                let texts = items.iter().filter_map(serde_json::Value::as_str);
                texts.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether its outputs may be copied from another store (`allowSubstitutes`, true unless it says otherwise).
    #[must_use]
    pub fn is_substitutable(&self) -> bool {
        // Nix's own spelling of false; in structured attributes it is JSON's.
        match self.variable("allowSubstitutes") {
            Some(value) => value == "1",
            None => self.attributes.get("allowSubstitutes") != Some(&serde_json::Value::Bool(false)),
        }
    }

    /// Where a source comes from: the first of `urls`, or `url`.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let urls = self.words("urls");
        urls.into_iter().chain(self.words("url")).next()
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn derivation(&mut self) -> Result<Derivation<'a>> {
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
        let json = env.iter().find(|(name, _)| name == "__json");
        let attributes = json.and_then(|(_, value)| serde_json::from_str(value).ok());
        Ok(Derivation {
            outputs,
            input_drvs,
            input_srcs,
            system,
            builder,
            args,
            env,
            attributes: attributes.unwrap_or_default(),
        })
    }

    fn tuple4(&mut self) -> Result<[Cow<'a, str>; 4]> {
        self.expect(b"(")?;
        let mut values = [const { Cow::Borrowed("") }; 4];
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

    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b"\"")?;
        // Only text with a backslash is copied.
        let mut copied: Vec<u8> = Vec::new();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(plain) = memchr2(b'"', b'\\', rest) else {
                bail!("a string has no end");
            };
            self.at += plain + 1;
            if rest[plain] == b'"' {
                if copied.is_empty() {
                    return Ok(String::from_utf8_lossy(&rest[..plain]));
                }
                copied.extend_from_slice(&rest[..plain]);
                return Ok(Cow::Owned(String::from_utf8_lossy(&copied).into_owned()));
            }
            let Some(&escaped) = rest.get(plain + 1) else {
                bail!("a string has no end");
            };
            copied.extend_from_slice(&rest[..plain]);
            copied.push(match escaped {
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
            [("/nix/store/i.drv".into(), vec!["dev".into(), "out".into()])]
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
        assert_eq!(derivation.address().as_deref(), Some("https://a.example/x.tar"));
    }

    #[test]
    fn words_are_the_same_with_and_without_structured_attributes() {
        let plain = r#"Derive([("out","/o","","")],[],[],"","",[],[("src","/nix/store/a /nix/store/b"),("empty","")])"#;
        let structured = r#"Derive([("out","/o","","")],[],[],"","",[],[("__json","{\"src\":[\"/nix/store/a\",\"/nix/store/b\"],\"empty\":[]}")])"#;
        for text in [plain, structured] {
            let derivation = Derivation::parse(text.as_bytes()).unwrap();
            assert_eq!(derivation.words("src"), ["/nix/store/a", "/nix/store/b"]);
            assert_eq!(derivation.words("empty"), [""; 0]);
            assert_eq!(derivation.words("absent"), [""; 0]);
        }
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
