//! Collecting problems, so that all of them are reported at once.

use anyhow::Result;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// The value, or `None` after its problem, or all of them, were added to `problems`.
///
/// # Errors
/// An error that is neither a [`Diagnostic`] nor [`Diagnostics`].
pub(super) fn keep<T>(result: Result<T>, problems: &mut Vec<Diagnostic>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            problems.extend(Diagnostics::of(error)?);
            Ok(None)
        }
    }
}

/// The `problems`, if all of them are warnings.
///
/// # Errors
/// All of them as [`Diagnostics`].
pub(super) fn only_warnings(problems: Vec<Diagnostic>) -> Result<Vec<Diagnostic>> {
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Diagnostics(problems).into());
    }
    Ok(problems)
}
