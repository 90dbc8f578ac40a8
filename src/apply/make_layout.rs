//! The layout for disko, made by disko's own script.

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};

use super::build::realise;
use crate::diagnostic::{Diagnostic, DiskoProblem};
use crate::live::target::Target;
use crate::nix::disko::Mode;
use crate::plan::DiskoPlan;
use crate::plan::request::LiveSystem;
use crate::process::Invocation;
use crate::progress::Unit;

/// Without it the script asks for "yes" (disko 1.9.0, lib/default.nix).
const CONFIRMED: &str = "--yes-wipe-all-disks";

/// Builds the script and runs it: the layout is made, and mounted at `target`.
///
/// # Errors
/// When the script cannot be built, or ends with an error; what it printed is in that.
pub fn make_layout(
    layout: &DiskoPlan,
    target: &Target,
    live: &LiveSystem<'_>,
    passphrase: Option<&SecretString>,
) -> Result<()> {
    let steps = 2;
    live.report
        .progress(0, steps, Unit::Steps, "building the script of disko");
    realise(live.runner, &layout.derivation, &mut |_| {})?;
    let script = Invocation::new(&layout.program);
    let script = match layout.mode {
        Mode::Wipe => script.arg(CONFIRMED),
        Mode::Format | Mode::Mount => script,
    };
    let devices: Vec<&str> = layout.disks.iter().map(|disk| disk.device.as_str()).collect();
    live.report.progress(1, steps, Unit::Steps, &devices.join(", "));
    let script = match passphrase {
        // A volume that is made asks twice, one that is opened once.
        Some(passphrase) => script.stdin(
            format!("{}\n", passphrase.expose_secret())
                .repeat(2 * layout.asking.len())
                .into_bytes(),
        ),
        None => script,
    };
    let finished = live.runner.run(&script, &mut |_, _| {})?;
    if !finished.status.success() {
        let problem = DiskoProblem::Failed {
            line: finished.line,
            target: target.root().to_owned(),
        };
        return Err(Diagnostic::from(problem).raw(finished.tail.join("\n")).into());
    }
    live.report.progress(steps, steps, Unit::Steps, "");
    Ok(())
}
