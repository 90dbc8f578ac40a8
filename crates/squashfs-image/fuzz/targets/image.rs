//! Reads whatever it is given as an image. `fuzz/run` runs it.

#![no_main]

#[path = "../../tests/walk/mod.rs"]
mod walk;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = walk::walk(bytes);
});
