//! What is read, and how often: from the image, as it is mounted, and once more.

use std::path::{Path, PathBuf};

use anyhow::Result;
use squashfs_image::Reader;

use super::remove;
use crate::interrupt::Interrupted;
use crate::nix::explain::damaged;
use crate::store::database::Record;
use crate::store::image::Image;
use crate::store::nar::Archive;
use crate::store::source::{Mounted, Unreadable};

/// What one worker reads from.
pub(super) struct Medium<'a> {
    image: Option<(&'a Image, Reader<'a>)>,
    mounted: Mounted,
}

impl<'a> Medium<'a> {
    pub(super) fn new(image: Option<&'a Image>) -> Self {
        Self {
            image: image.and_then(|image| Some((image, image.reader().ok()?))),
            mounted: Mounted::default(),
        }
    }

    /// Reads a path from the image, and as it is mounted if that has a wrong hash or fails, and then once more: a stick
    /// that stumbles is no damaged one. `staged` is where it is written.
    pub(super) fn read(&mut self, record: &Record, archive: &mut Archive<'_>, staged: Option<&Path>) -> Result<()> {
        let size = record.nar_size;
        if let Some((image, reader)) = &mut self.image
            && let Some(node) = image.find(&record.path)
        {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(reader, &node, size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                Err(error) if error.is::<Interrupted>() => return Err(error),
                // Whatever it is, a full disk too, the second way meets it again.
                other => log::debug!("{} from the image: {other:?}", record.path),
            }
        }
        for _ in 0..2 {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(&mut self.mounted, &PathBuf::from(&record.path), size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                // The kernel gives EIO when a block of the squashfs cannot be decompressed, and other errors for its folders.
                Err(error) if !error.is::<Unreadable>() => return Err(error),
                other => log::debug!("{}, which should be {}: {other:?}", record.path, record.nar_hash),
            }
        }
        Err(damaged(format!(
            "{} was read twice and is not what it was when the ISO was made.",
            record.path
        ))
        .into())
    }
}
