//! How an installation without questions ended, for whoever is in the room: a sound, the lights of the keyboard, and on the screen a QR code.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use console::Term;
use qrcodegen::{Mask, QrCode, QrCodeEcc, QrSegment, Version};

use crate::live::leds;
use crate::live::this_machine::LIVE;

/// The light border that readers need, in modules (ISO/IEC 18004 wants 4; on a dark screen 2 are read).
const BORDER: i32 = 2;

/// Gives the signals of a run that ended with `code`. `text` is what the QR code has: a few words.
pub fn give(code: u8, text: &str) {
    leds::show(Path::new(LIVE), code != 0);
    if !io::stderr().is_terminal() {
        return;
    }
    let screen = Term::stderr().size_checked();
    if let Some(code) = qr_code(text).filter(|code| fits(code, screen)) {
        write(&code.concat());
    }
    // Hz and ms of the console's bell (console_codes(4)); other terminals have one sound.
    let (sounds, pitch, length) = if code == 0 { (1, 880, 600) } else { (3, 220, 250) };
    for _ in 0..sounds {
        write(&format!("\x1b[10;{pitch}]\x1b[11;{length}]\x07"));
        sleep(Duration::from_millis(2 * length));
    }
}

/// Nobody reads what cannot be written.
fn write(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// The lines of a QR code, two of its rows in each. `None` where the text is too long.
fn qr_code(text: &str) -> Option<Vec<String>> {
    let data = [QrSegment::make_bytes(text.as_bytes())];
    let (least, most) = (Version::MIN, Version::new(10));
    // Any mask can be read; to choose the best one takes more code than all else.
    let mask = Some(Mask::new(0));
    let code = QrCode::encode_segments_advanced(&data, QrCodeEcc::Low, least, most, mask, true).ok()?;
    // Bright white on black, which is what most consoles have, and said for the others.
    let end = code.size() + BORDER;
    let line = |row: i32| {
        let modules = (-BORDER..end).map(|column| {
            let is_light = |row: i32| row < end && !code.get_module(column, row);
            match (is_light(row), is_light(row + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        });
        format!("\x1b[40;37;1m{}\x1b[0m\r\n", modules.collect::<String>())
    };
    Some((-BORDER..end).step_by(2).map(line).collect())
}

/// Whether a screen with this many rows and columns has room for it and for the last lines above it.
fn fits(code: &[String], screen: Option<(u16, u16)>) -> bool {
    let columns = 2 * code.len();
    screen.is_some_and(|(rows, width)| code.len() + 4 <= usize::from(rows) && columns <= usize::from(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_reads_what_is_on_the_screen() {
        let text = "nix-cfg-install 0 PF3ABC12 teacher /dev/nvme0n1";
        let lines = qr_code(text).unwrap();
        let rows: Vec<Vec<char>> = lines
            .iter()
            .map(|line| line.chars().filter(|char| "█▀▄ ".contains(*char)).collect())
            .collect();
        let is_light = |x: usize, y: usize| match rows[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        // As a camera sees it: each module is some pixels large, and around it the screen is dark.
        let (scale, dark) = (6, 4 * 6);
        let (width, height) = (rows[0].len() * scale, 2 * rows.len() * scale);
        let pixel = |x: usize, y: usize| {
            let inside = |at: usize, end: usize| (dark..dark + end).contains(&at);
            let is_inside = inside(x, width) && inside(y, height);
            if is_inside && is_light((x - dark) / scale, (y - dark) / scale) {
                255
            } else {
                0
            }
        };
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width + 2 * dark, height + 2 * dark, pixel);
        let codes = seen.detect_grids();
        assert_eq!(codes.len(), 1);
        assert_eq!(codes[0].decode().unwrap().1, text);
        // On a text console; and nowhere where its size is not known.
        assert!(fits(&lines, Some((25, 80))));
        assert!(!fits(&lines, Some((15, 80))) && !fits(&lines, Some((25, 30))));
        assert!(!fits(&lines, None));
        assert!(qr_code(&"x".repeat(500)).is_none());
    }
}
