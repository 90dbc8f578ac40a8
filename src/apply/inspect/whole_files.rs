//! Whether a copy has the bytes of its original.

use std::io::{self, Read};

/// What a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// It begins with all bytes of the original: secrets can be appended to an initrd, and a signature to a kernel.
    Whole,
    /// It ends before the original does.
    Cut,
    /// A byte differs.
    Other,
}

const PIECE: u64 = 1 << 16;

/// Compares `copy` with `original`.
///
/// # Errors
/// When one of them cannot be read.
pub(super) fn compare(mut copy: impl Read, mut original: impl Read) -> io::Result<Copied> {
    let (mut wanted, mut here) = (Vec::new(), Vec::new());
    let mut is_same = true;
    loop {
        wanted.clear();
        here.clear();
        original.by_ref().take(PIECE).read_to_end(&mut wanted)?;
        copy.by_ref().take(wanted.len() as u64).read_to_end(&mut here)?;
        if here.len() < wanted.len() {
            return Ok(Copied::Cut);
        }
        is_same &= here == wanted;
        if wanted.is_empty() {
            return Ok(if is_same { Copied::Whole } else { Copied::Other });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_may_be_longer_but_neither_shorter_nor_different() {
        let original = vec![7; 200_000];
        let compare = |copy: &[u8]| compare(copy, original.as_slice()).unwrap();
        assert_eq!(compare(&original), Copied::Whole);
        assert_eq!(compare(&[original.as_slice(), b"secrets"].concat()), Copied::Whole);
        assert_eq!(compare(&original[..199_999]), Copied::Cut);
        assert_eq!(compare(&[]), Copied::Cut);
        let mut other = original.clone();
        other[150_000] = 8;
        assert_eq!(compare(&other), Copied::Other);
        assert_eq!(compare(&other[..160_000]), Copied::Cut);
    }
}
