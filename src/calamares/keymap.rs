//! The console's keymap for a keyboard layout, where Calamares does not name one: by the table of systemd (localed, 252 to 257).

use std::fs;

/// Where the table is: in a NixOS live system, and elsewhere.
const TABLES: [&str; 2] = [
    "/run/current-system/sw/share/systemd/kbd-model-map",
    "/usr/share/systemd/kbd-model-map",
];

/// The keymap that fits the layout and the variant (both as X names them) best, if the live system knows any.
#[must_use]
pub fn of_layout(layout: &str, variant: &str) -> Option<String> {
    if layout.is_empty() {
        return None;
    }
    let table = TABLES.iter().find_map(|table| fs::read_to_string(table).ok())?;
    find(&table, layout, variant)
}

/// The row with this variant; else the one without any; else the first of that layout. A row is: keymap, layouts, model, variants,
/// options; `-` is nothing.
fn find(table: &str, layout: &str, variant: &str) -> Option<String> {
    let rows = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let first = |index: usize| words.get(index)?.split(',').next();
        Some((*words.first()?, first(1)?, first(3).unwrap_or("-")))
    });
    let fitting = rows.filter(|(_, row_layout, _)| *row_layout == layout);
    let wanted = if variant.is_empty() { "-" } else { variant };
    let worse = |row_variant: &str| match row_variant {
        exact if exact == wanted => 0,
        "-" => 1,
        _ => 2,
    };
    // The first of several that are equally good.
    let (keymap, ..) = fitting.min_by_key(|(_, _, row_variant)| worse(row_variant))?;
    Some(keymap.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# name layout model variant options\n\
                         de-latin1-nodeadkeys de pc105 nodeadkeys terminate:ctrl_alt_bksp\n\
                         de de pc105 - terminate:ctrl_alt_bksp\n\
                         de-latin1 de pc105 - terminate:ctrl_alt_bksp\n\
                         dvorak us pc105 dvorak terminate:ctrl_alt_bksp\n\
                         ru ru,us pc105 - terminate:ctrl_alt_bksp\n\
                         mk-utf mk,us pc105 -,-\n";

    #[test]
    fn the_variant_decides_and_without_it_the_plain_layout() {
        for (layout, variant, keymap) in [
            ("de", "", Some("de")),
            ("de", "nodeadkeys", Some("de-latin1-nodeadkeys")),
            ("de", "neo", Some("de")),
            ("us", "", Some("dvorak")),
            ("us", "dvorak", Some("dvorak")),
            ("ru", "", Some("ru")),
            ("mk", "", Some("mk-utf")),
            ("xx", "", None),
        ] {
            assert_eq!(find(TABLE, layout, variant).as_deref(), keymap, "{layout} {variant}");
        }
    }
}
