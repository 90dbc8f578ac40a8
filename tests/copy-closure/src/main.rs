//! Copies closures into a target's store as the installer does, and nothing else: for tests and for `make bench`.
//! With `KERNEL` in the environment it reads the store through its mount, not from the image.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix_cfg_install::for_tests::Interrupt;
use nix_cfg_install::for_tests::Runner;
use nix_cfg_install::for_tests::StoreImage;
use nix_cfg_install::for_tests::Target;
use nix_cfg_install::for_tests::phases;
use nix_cfg_install::for_tests::{Ahead, Stores, copy};
use nix_cfg_install::for_tests::{Channels, Network, environment};
use nix_cfg_install::for_tests::{Format, Reporter};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let target = args.next().context("usage: copy-closure TARGET ROOT…")?;
    let target = Target::new(PathBuf::from(target));
    let roots: Vec<String> = args.collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let report = Reporter::new(Format::Json.renderer(), std::slice::from_ref(phases::COPY));
    report.phase(phases::COPY);
    let runner = Runner::new(
        environment(&Channels::default(), Network::None),
        Interrupt::on_signals()?,
    );
    let image = std::env::var_os("KERNEL")
        .is_none()
        .then(StoreImage::of_live_store)
        .flatten();
    let stores = Stores {
        runner: &runner,
        target: &target,
        image: image.as_ref(),
    };
    copy(&stores, &report, (&roots, 0), &BTreeMap::new(), &Ahead::default()).map(drop)
}
