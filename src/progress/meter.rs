//! From work done to one fraction that never goes back, and an estimate of what is left.

use std::time::Instant;

use super::event::Phase;

/// An estimate is shown only after this share of the phase and this many seconds: before, it would jump about.
const MEANINGFUL_SHARE: f64 = 0.05;
const MEANINGFUL_SECONDS: f64 = 2.0;

/// Keeps the fraction. What is left is shared out among the remaining phases at every start of a phase, so a cost that
/// turns out different bends the curve and never turns it back.
pub(super) struct Meter {
    phases: &'static [Phase],
    /// Of each phase, in seconds.
    costs: Vec<f64>,
    /// Index of the current phase.
    current: usize,
    began: Instant,
    /// Fraction of the whole at which the current phase began.
    base: f64,
    /// Share of the whole that belongs to the current phase.
    share: f64,
    /// Fraction of the current phase, 0 to 1.
    within: f64,
}

impl Meter {
    /// Begins with the first of `phases`, of which there is one at least.
    pub(super) fn new(phases: &'static [Phase], now: Instant) -> Self {
        let mut meter = Self {
            phases,
            costs: phases.iter().map(|phase| phase.seconds).collect(),
            current: 0,
            began: now,
            base: 0.0,
            share: 0.0,
            within: 0.0,
        };
        meter.share_out();
        meter
    }

    pub(super) fn phase(&self) -> &'static Phase {
        &self.phases[self.current]
    }

    /// A phase that is not of the list is the current one: what it counts belongs to no other.
    fn index(&self, phase: &Phase) -> usize {
        let same = |one: &Phase| one.name == phase.name;
        self.phases.iter().position(same).unwrap_or(self.current)
    }

    pub(super) fn expect(&mut self, phase: &Phase, seconds: f64) {
        let index = self.index(phase);
        self.costs[index] = seconds.max(0.01);
        // What is known when the phase has begun and nothing of it is done still counts.
        if index == self.current && self.within <= 0.0 {
            self.share_out();
        }
    }

    /// Shares out what is left among this phase and those to come.
    fn share_out(&mut self) {
        let left: f64 = self.costs[self.current..].iter().sum();
        self.share = (1.0 - self.base) * self.costs[self.current] / left;
    }

    pub(super) fn begin(&mut self, phase: &Phase, now: Instant) {
        // The phase before is over, whether or not its work could be counted.
        self.within = 1.0;
        self.base = self.fraction();
        self.within = 0.0;
        self.current = self.index(phase);
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
        let later: f64 = self.costs[self.current + 1..].iter().sum();
        Some((rest + later).min(1e7).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static PHASES: [Phase; 4] = [
        phase("check", 15.0),
        phase("copy", 90.0),
        phase("activate", 8.0),
        phase("keep", 0.5),
    ];
    static COPY: &Phase = &PHASES[1];
    static ACTIVATE: &Phase = &PHASES[2];
    static KEEP: &Phase = &PHASES[3];

    const fn phase(name: &'static str, seconds: f64) -> Phase {
        Phase {
            name,
            title: "",
            seconds,
        }
    }

    #[test]
    fn the_fraction_never_goes_back_even_when_a_cost_turns_out_different() {
        let start = Instant::now();
        let mut meter = Meter::new(&PHASES, start);
        let mut last = 0.0;
        for (index, phase) in PHASES.iter().enumerate() {
            meter.expect(COPY, f64::from(u32::try_from(index).unwrap()) * 400.0);
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
        let mut meter = Meter::new(&PHASES, start);
        meter.expect(COPY, 1.0);
        meter.begin(COPY, start);
        meter.expect(ACTIVATE, 10.0);
        meter.expect(COPY, 89.5);
        let began = meter.fraction();
        meter.advance(1, 1);
        let share = (meter.fraction() - began) / (1.0 - began);
        assert!((share - 0.895).abs() < 0.001, "{share}");
    }

    #[test]
    fn the_estimate_counts_the_pace_of_this_phase_and_the_costs_of_the_later_ones() {
        let start = Instant::now();
        let mut meter = Meter::new(&PHASES, start);
        meter.begin(COPY, start);
        meter.expect(ACTIVATE, 5.0);
        meter.expect(KEEP, 1.0);
        assert_eq!(meter.eta(start + Duration::from_secs(30)), None, "nothing is done yet");
        meter.advance(1, 4);
        assert_eq!(meter.eta(start + Duration::from_secs(10)), Some(36));
        assert_eq!(meter.pace(1000, start + Duration::from_secs(10)), Some(100));
        assert_eq!(meter.pace(1000, start + Duration::from_millis(10)), None);
    }
}
