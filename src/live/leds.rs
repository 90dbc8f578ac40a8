//! The lights of the keyboard, for whoever comes back to a machine without looking at its screen.

use std::fs;
use std::path::Path;

use crate::files::names;

/// Those that mean nothing while nobody types (Linux, drivers/input/input-leds.c: `input3::scrolllock`).
const LIGHTS: [&str; 2] = ["::scrolllock", "::capslock"];

/// Has them shine or, where `has_failed`, blink. `live` is the root of the live system; what has no such lights stays as it is. The kernel
/// needs a module for blinking, which it has not loaded everywhere: then they are off.
pub fn show(live: &Path, has_failed: bool) {
    let leds = live.join("sys/class/leds");
    for name in names(&leds) {
        if !LIGHTS.iter().any(|light| name.ends_with(light)) {
            continue;
        }
        let write = |file: &str, value: &str| fs::write(leds.join(&name).join(file), value);
        // What cannot be written is no light.
        let _ = write("trigger", "none").and_then(|()| write("brightness", if has_failed { "0" } else { "1" }));
        if has_failed {
            let _ = write("trigger", "heartbeat").or_else(|_| write("trigger", "timer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lights_of_a_keyboard_shine_or_blink_and_no_others_are_touched() {
        let live = tempfile::tempdir().unwrap();
        let leds = live.path().join("sys/class/leds");
        show(live.path(), false);
        for name in ["input3::scrolllock", "input3::numlock", "mmc0::"] {
            fs::create_dir_all(leds.join(name)).unwrap();
            fs::write(leds.join(name).join("trigger"), "[kbd]").unwrap();
        }
        let read = |name: &str, file: &str| fs::read_to_string(leds.join(name).join(file)).unwrap();
        show(live.path(), false);
        assert_eq!(read("input3::scrolllock", "trigger"), "none");
        assert_eq!(read("input3::scrolllock", "brightness"), "1");
        show(live.path(), true);
        assert_eq!(read("input3::scrolllock", "trigger"), "heartbeat");
        assert_eq!(read("input3::scrolllock", "brightness"), "0");
        assert_eq!(
            read("input3::numlock", "trigger") + &read("mmc0::", "trigger"),
            "[kbd][kbd]"
        );
    }
}
