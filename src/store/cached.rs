//! What a binary cache has, as Nix itself finds it there.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::closure::Work;
use super::graph::Graph;
use crate::cache::Cache;
use crate::diagnostic::{CacheProblem, Diagnostic, Problem, SupplyProblem};
use crate::nix::explain;
use crate::process::{Finished, Invocation, PATHS_PER_CALL, Runner};
use crate::progress::Reporter;

/// How long a cache is waited for that no longer answers, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const PAUSE: Duration = Duration::from_secs(5);

/// How often it is tried again while a server answers and nothing comes of it.
pub const FRUITLESS: u32 = 3;

/// A store path in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedPath {
    pub path: String,
    /// Bytes of its NAR.
    pub nar_size: u64,
    /// The store paths that it refers to, itself included if it does.
    pub references: Vec<String>,
}

/// A server of the cache that answers.
pub struct Server<'a> {
    cache: &'a Cache,
    pub url: &'a str,
    /// Its place among those of the cache.
    index: usize,
}

impl Cache {
    /// The first server that answers.
    ///
    /// # Errors
    /// [`CacheProblem::Unreachable`] where none does.
    pub fn server(&self, runner: &Runner) -> Result<Server<'_>> {
        self.server_from(runner, 0)
    }

    /// As [`Cache::server`], asked in their order from this one on, and then the others.
    fn server_from(&self, runner: &Runner, first: usize) -> Result<Server<'_>> {
        let mut said = String::new();
        for number in 0..self.urls.len() {
            let index = (first + number) % self.urls.len();
            let url = &self.urls[index];
            let server = Server {
                cache: self,
                url,
                index,
            };
            // Any path will do: a cache that lacks it says so.
            let asked = server.ask(runner, &[], &[NO_PATH])?;
            if asked.status.success() {
                return Ok(server);
            }
            said = asked.tail.join("\n");
        }
        let urls = self.urls.clone();
        Err(Diagnostic::from(CacheProblem::Unreachable { urls }).raw(said).into())
    }

    /// What `look` finds at a server of the cache, which has answered before. Where one goes off meanwhile, another is asked, and where
    /// none is left, they are waited for.
    ///
    /// # Errors
    /// Those of `look`; when no server comes back.
    pub fn look<T>(
        &self,
        (runner, report): (&Runner, &Reporter),
        look: impl Fn(&Server<'_>) -> Result<T>,
    ) -> Result<T> {
        let (mut first, mut fruitless) = (0, 0);
        loop {
            let server = if let Ok(server) = self.server_from(runner, first) {
                server
            } else {
                fruitless = 0;
                self.wait(runner, report)?
            };
            let error = match look(&server) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            fruitless += 1;
            if !is_unreachable(&error) || fruitless == FRUITLESS {
                return Err(error);
            }
            log::debug!("{} failed: {error:#}", server.url);
            first = server.index + 1;
        }
    }

    /// Whether none of the servers answered, and one does again, which is waited for: what failed is worth another try.
    ///
    /// # Errors
    /// Those of [`Cache::wait`].
    pub fn came_back(&self, runner: &Runner, report: &Reporter) -> Result<bool> {
        if self.server(runner).is_ok() {
            return Ok(false);
        }
        self.wait(runner, report).map(|_| true)
    }

    /// Waits until a server answers again, and says so.
    ///
    /// # Errors
    /// [`CacheProblem::GivenUp`] where none does for long; interruption.
    fn wait(&self, runner: &Runner, report: &Reporter) -> Result<Server<'_>> {
        runner.interrupt().check()?;
        let (urls, minutes) = (self.urls.clone(), PATIENCE.as_secs() / 60);
        report.problem(&CacheProblem::Lost { urls, minutes }.into());
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let asked = Instant::now();
            while asked.elapsed() < PAUSE {
                runner.interrupt().check()?;
                sleep(Duration::from_millis(100));
            }
            if let Ok(server) = self.server(runner) {
                report.note(&format!("{} answers again.", server.url));
                return Ok(server);
            }
        }
        let urls = self.urls.clone();
        Err(CacheProblem::GivenUp { urls, minutes }.into())
    }
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|found: &Diagnostic| {
        matches!(found.problem, Problem::CacheProblem(CacheProblem::Unreachable { .. }))
    })
}

/// What a store lacks, Nix (2.26) looks up at the substituters as well, and fails where one of them does not answer.
const ALONE: [&str; 3] = ["--option", "substituters", ""];

/// A store path that no store has: a hash of zeros.
const NO_PATH: &str = "/nix/store/00000000000000000000000000000000-none";

impl Server<'_> {
    /// What has to be done where the cache brings what the live system lacks: of `invalid`, the outputs that this does not have, only
    /// those are asked for that something needs. Returns with it the paths that the cache brings.
    ///
    /// # Errors
    /// When the cache does not answer.
    pub fn work(&self, runner: &Runner, graph: &Graph, invalid: &BTreeSet<String>) -> Result<(Work, BTreeSet<String>)> {
        let (mut absent, mut there) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let work = graph.work(&absent);
            let wanted: BTreeSet<String> = work.uses.intersection(invalid).cloned().collect();
            let unknown: Vec<&str> = wanted.difference(&there).map(String::as_str).collect();
            if unknown.is_empty() {
                return Ok((work, wanted));
            }
            let found: BTreeSet<String> = self.having(runner, &unknown)?.into_iter().collect();
            let unknown: BTreeSet<String> = unknown.into_iter().map(str::to_owned).collect();
            absent.extend(unknown.difference(&found).cloned());
            there.extend(found);
        }
    }

    /// Those of `paths` that it has.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn having(&self, runner: &Runner, paths: &[&str]) -> Result<Vec<String>> {
        let mut having = Vec::new();
        for paths in paths.chunks(PATHS_PER_CALL) {
            let asked = self.ask(runner, &[], paths)?;
            if !asked.status.success() {
                return Err(said(self.unreachable(), &asked));
            }
            having.extend(parse(asked.text()?)?.into_iter().map(|found| found.path));
        }
        Ok(having)
    }

    /// `paths`, which it has, and all that they refer to.
    ///
    /// # Errors
    /// [`CacheProblem::NotWhole`] where something is not there; when it does not answer.
    pub fn closure(&self, runner: &Runner, paths: &[&str]) -> Result<Vec<CachedPath>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.ask(runner, &["--recursive"], paths)?;
        if !asked.status.success() {
            let is_gone = explain::known(&asked.tail.join("\n"))
                .is_some_and(|known| matches!(known.problem, Problem::SupplyProblem(SupplyProblem::Download { .. })));
            let url = self.url.to_owned();
            let problem = if is_gone {
                self.unreachable()
            } else {
                CacheProblem::NotWhole { url }
            };
            return Err(said(problem, &asked));
        }
        parse(asked.text()?)
    }

    /// The problem of paths in the closures of `paths` that have no signature that counts.
    ///
    /// # Errors
    /// When Nix cannot be run.
    pub fn untrusted(&self, runner: &Runner, paths: &[&str]) -> Result<Option<Diagnostic>> {
        if paths.is_empty() {
            return Ok(None);
        }
        let verify = Invocation::new("nix")
            .args(["store", "verify", "--recursive", "--no-contents", "--sigs-needed", "1"])
            .args(ALONE)
            .arg("--store")
            .arg(self.url)
            .args(paths.iter().copied())
            .long();
        let mut lines = String::new();
        let finished = runner.run(&verify, &mut |_, line| {
            lines.extend([line, "\n"]);
        })?;
        if finished.status.success() {
            return Ok(None);
        }
        let paths = explain::untrusted(&lines);
        if paths.is_empty() {
            return Err(said(self.unreachable(), &finished));
        }
        let (url, keys) = (self.url.to_owned(), self.cache.public_keys.clone());
        Ok(Some(CacheProblem::Untrusted { url, paths, keys }.into()))
    }

    fn unreachable(&self) -> CacheProblem {
        let urls = vec![self.url.to_owned()];
        CacheProblem::Unreachable { urls }
    }

    fn ask(&self, runner: &Runner, more: &[&str], paths: &[&str]) -> Result<Finished> {
        let ask = Invocation::new("nix").args(["path-info", "--json"]).args(ALONE);
        let ask = ask.args(more.iter().copied()).arg("--store").arg(self.url);
        let ask = ask.args(paths.iter().copied());
        runner.run(&ask.quiet().long(), &mut |_, _| {})
    }
}

fn said(problem: CacheProblem, finished: &Finished) -> anyhow::Error {
    Diagnostic::from(problem).raw(finished.tail.join("\n")).into()
}

/// The paths that are there, in the JSON of `nix path-info`: an array of objects in which `valid` can be false (2.8), or an object in
/// which a path that is not there has the value `null` (2.26 and 2.34).
fn parse(text: &str) -> Result<Vec<CachedPath>> {
    let named: Vec<(String, Value)> = match serde_json::from_str(text)? {
        Value::Object(paths) => paths.into_iter().collect(),
        Value::Array(paths) => {
            let named = |info: Value| (info["path"].as_str().unwrap_or_default().to_owned(), info);
            paths.into_iter().map(named).collect()
        }
        _ => Vec::new(),
    };
    let is_there = |info: &Value| info.is_object() && info["valid"] != Value::Bool(false);
    let there = named.into_iter().filter(|(_, info)| is_there(info));
    let read = |(path, info): (String, Value)| {
        let references = info["references"].as_array().into_iter().flatten();
        Ok(CachedPath {
            nar_size: info["narSize"]
                .as_u64()
                .with_context(|| format!("{path} has no size"))?,
            references: references.filter_map(Value::as_str).map(str::to_owned).collect(),
            path,
        })
    };
    there.map(read).collect()
}

/// Those of `failed` that do not wait for another one of them: the causes.
#[must_use]
pub fn first_failed(closure: &[CachedPath], failed: &BTreeSet<String>) -> Vec<String> {
    let waits = |one: &CachedPath| {
        one.references
            .iter()
            .any(|other| *other != one.path && failed.contains(other))
    };
    let failed = closure.iter().filter(|one| failed.contains(&one.path));
    failed.filter(|one| !waits(one)).map(|one| one.path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_from_the_json_of_each_nix() {
        let expected = CachedPath {
            path: "/nix/store/a".to_owned(),
            nar_size: 120,
            references: vec!["/nix/store/a".to_owned(), "/nix/store/b".to_owned()],
        };
        let info = r#""narSize":120,"references":["/nix/store/a","/nix/store/b"]"#;
        for text in [
            format!(r#"[{{"path":"/nix/store/x","valid":false}},{{"path":"/nix/store/a",{info}}}]"#),
            format!(r#"{{"/nix/store/x":null,"/nix/store/a":{{{info}}}}}"#),
        ] {
            assert_eq!(parse(&text).unwrap(), std::slice::from_ref(&expected), "{text}");
        }
        parse(r#"{"/nix/store/a":{}}"#).unwrap_err();
    }

    #[test]
    fn of_paths_that_failed_those_are_named_that_wait_for_no_other() {
        let path = |path: &str, references: &[&str]| CachedPath {
            path: path.to_owned(),
            nar_size: 1,
            references: references.iter().map(|&path| path.to_owned()).collect(),
        };
        let closure = [path("a", &["a", "b"]), path("b", &["b", "c"]), path("c", &[])];
        let failed = |names: &[&str]| first_failed(&closure, &names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(failed(&["a", "b"]), ["b"]);
        assert_eq!(failed(&["a"]), ["a"]);
    }
}
