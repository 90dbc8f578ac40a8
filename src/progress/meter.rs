//! From work done to one fraction that never goes back, and an estimate of what is left.

use std::time::Instant;

use super::event::Phase;

/// Seconds that a phase is expected to take until something better is known. Only their proportions matter.
fn default_cost(phase: Phase) -> f64 {
    match phase {
        Phase::Settings | Phase::Source => 0.1,
        Phase::Check => 15.0,
        Phase::Place | Phase::Keep => 0.5,
        Phase::Build => 10.0,
        Phase::Copy => 90.0,
        Phase::Activate => 8.0,
    }
}

/// An estimate is shown only after this share of the phase and this many seconds: before, it would jump about.
const MEANINGFUL_SHARE: f64 = 0.05;
const MEANINGFUL_SECONDS: f64 = 2.0;

/// Keeps the fraction. What is left is shared out among the remaining phases at every start of a phase, so a cost that
/// turns out different bends the curve and never turns it back.
pub(super) struct Meter {
    costs: [f64; Phase::ALL.len()],
    phase: Phase,
    began: Instant,
    /// Fraction of the whole at which the current phase began.
    base: f64,
    /// Share of the whole that belongs to the current phase.
    share: f64,
    /// Fraction of the current phase, 0 to 1.
    within: f64,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        let mut meter = Self {
            costs: Phase::ALL.map(default_cost),
            phase: Phase::Settings,
            began: now,
            base: 0.0,
            share: 0.0,
            within: 0.0,
        };
        meter.begin(Phase::Settings, now);
        meter
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn expect(&mut self, phase: Phase, seconds: f64) {
        self.costs[phase as usize] = seconds.max(0.01);
        // What is known when the phase has begun and nothing of it is done still counts.
        if phase == self.phase && self.within <= 0.0 {
            self.share_out();
        }
    }

    /// Shares out what is left among this phase and those to come.
    fn share_out(&mut self) {
        let left: f64 = self.costs[self.phase as usize..].iter().sum();
        self.share = (1.0 - self.base) * self.costs[self.phase as usize] / left;
    }

    pub(super) fn begin(&mut self, phase: Phase, now: Instant) {
        // The phase before is over, whether or not its work could be counted.
        self.within = 1.0;
        self.base = self.fraction();
        self.within = 0.0;
        self.phase = phase;
        self.began = now;
        self.share_out();
    }

    #[allow(clippy::cast_precision_loss)] // Far below 2^52 bytes; a fraction needs no more.
    pub(super) fn advance(&mut self, done: u64, total: u64) {
        if total > 0 {
            self.within = self.within.max((done as f64 / total as f64).min(1.0));
        }
    }

    pub(super) fn finish(&mut self) {
        self.base = 1.0;
        self.share = 0.0;
    }

    pub(super) fn fraction(&self) -> f64 {
        self.share.mul_add(self.within, self.base).clamp(0.0, 1.0)
    }

    /// What was done a second in this phase, once that is meaningful. `done` in any unit.
    pub(super) fn pace(&self, done: u64, now: Instant) -> Option<u64> {
        let elapsed = now - self.began;
        let millis = u64::try_from(elapsed.as_millis()).ok()?;
        (elapsed.as_secs_f64() >= MEANINGFUL_SECONDS).then(|| done.saturating_mul(1000) / millis)
    }

    /// Seconds to the end of the run: the current phase at its measured pace, later ones at their expected cost.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Never negative, and a bound is applied.
    pub(super) fn eta(&self, now: Instant) -> Option<u64> {
        let elapsed = (now - self.began).as_secs_f64();
        if self.within < MEANINGFUL_SHARE || elapsed < MEANINGFUL_SECONDS {
            return None;
        }
        let rest = elapsed * (1.0 - self.within) / self.within;
        let later: f64 = self.costs[self.phase as usize + 1..].iter().sum();
        Some((rest + later).min(1e7).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_fraction_never_goes_back_even_when_a_cost_turns_out_different() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let mut last = 0.0;
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            meter.expect(Phase::Copy, f64::from(u32::try_from(index).unwrap()) * 400.0);
            meter.begin(phase, start);
            for done in [0, 3, 2, 10, 7] {
                meter.advance(done, 10);
                assert!(
                    meter.fraction() >= last,
                    "{phase:?} {done}: {} < {last}",
                    meter.fraction()
                );
                last = meter.fraction();
            }
        }
        assert!(last > 0.999, "all phases done, but the fraction is {last}");
    }

    #[test]
    fn a_phase_that_turns_out_long_at_its_start_gets_its_share() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.expect(Phase::Copy, 1.0);
        meter.begin(Phase::Copy, start);
        meter.expect(Phase::Activate, 10.0);
        meter.expect(Phase::Copy, 89.5);
        let began = meter.fraction();
        meter.advance(1, 1);
        let share = (meter.fraction() - began) / (1.0 - began);
        assert!((share - 0.895).abs() < 0.001, "{share}");
    }

    #[test]
    fn the_estimate_counts_the_pace_of_this_phase_and_the_costs_of_the_later_ones() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.begin(Phase::Copy, start);
        meter.expect(Phase::Activate, 5.0);
        meter.expect(Phase::Keep, 1.0);
        assert_eq!(meter.eta(start + Duration::from_secs(30)), None, "nothing is done yet");
        meter.advance(1, 4);
        assert_eq!(meter.eta(start + Duration::from_secs(10)), Some(36));
        assert_eq!(meter.pace(1000, start + Duration::from_secs(10)), Some(100));
        assert_eq!(meter.pace(1000, start + Duration::from_millis(10)), None);
    }
}
