//! What `make real` shows of each test: passed or not, and what it took.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::Failed;
use serde_json::{Value, json};

/// What the evaluations of one test took together, as Nix says it (`NIX_SHOW_STATS`).
#[derive(Default)]
struct Taken {
    cpu_s: Option<f64>,
    heap_mb: Option<u64>,
    counts: Option<Value>,
    also: Option<Value>,
}

thread_local! {
    static TAKEN: RefCell<Taken> = RefCell::default();
}

/// Adds an evaluation: seconds of CPU, and the size of the garbage collector's heap in MiB.
fn took(cpu_s: f64, heap_mb: u64) {
    TAKEN.with_borrow_mut(|taken| {
        taken.cpu_s = Some(taken.cpu_s.unwrap_or(0.0) + cpu_s);
        taken.heap_mb = taken.heap_mb.max(Some(heap_mb));
    });
}

/// The same from what Nix wrote to `NIX_SHOW_STATS_PATH`.
pub fn figures(stats: &str) -> (f64, u64) {
    let stats: Value = serde_json::from_str(stats).unwrap();
    let cpu = stats["cpuTime"].as_f64().unwrap();
    let heap = stats["gc"]["heapSize"].as_u64().unwrap() >> 20;
    took(cpu, heap);
    (cpu, heap)
}

/// How many outputs there are, by kind.
pub fn counts(counts: Value) {
    TAKEN.with_borrow_mut(|taken| taken.counts = Some(counts));
}

/// Other figures of this test.
pub fn also(figures: Value) {
    TAKEN.with_borrow_mut(|taken| taken.also = Some(figures));
}

/// The rows of one test binary, in a file that says at every moment what was shown so far.
pub struct Rows {
    file: PathBuf,
    rows: Mutex<Vec<Value>>,
}

impl Rows {
    /// A row for each test, which has not run.
    pub fn new(file: &Path, names: Vec<String>) -> Self {
        let row = |name| json!({ "name": name, "ok": false, "cpu_s": null, "heap_mb": null, "why": "it did not run" });
        let rows = Self {
            file: file.to_owned(),
            rows: Mutex::new(names.into_iter().map(row).collect()),
        };
        rows.change(|_| ());
        rows
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Value>)) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut rows);
        std::fs::write(&self.file, serde_json::to_string_pretty(&*rows).unwrap()).unwrap();
    }

    /// Runs the test of row `index`, and writes down how it went.
    pub fn record(&self, index: usize, test: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
        self.change(|rows| rows[index]["why"] = "it did not end".into());
        TAKEN.take();
        let (started, before) = (Instant::now(), children());
        let result = catch_unwind(AssertUnwindSafe(test));
        let taken = TAKEN.take();
        // Without an evaluation that was asked for its figures: all that the test started.
        let cpu_s = taken.cpu_s.unwrap_or_else(|| children() - before);
        self.change(|rows| {
            let row = &mut rows[index];
            row["ok"] = matches!(result, Ok(Ok(()))).into();
            row["cpu_s"] = tenths(cpu_s).into();
            row["heap_mb"] = taken.heap_mb.into();
            row["wall_s"] = tenths(started.elapsed().as_secs_f64()).into();
            if let Some(counts) = taken.counts {
                row["counts"] = counts;
            }
            if let Some(figures) = taken.also {
                row["figures"] = figures;
            }
            row["why"] = match &result {
                Ok(Ok(())) => Value::Null,
                Ok(Err(failed)) => failed.message().unwrap_or("it failed").into(),
                Err(panic) => panic_text(&**panic).into(),
            };
        });
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Seconds of CPU that all ended children took (proc(5): fields 16 and 17 of stat, in hundredths).
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    [fields[13], fields[14]]
        .map(|field| field.parse::<f64>().unwrap())
        .iter()
        .sum::<f64>()
        / 100.0
}
