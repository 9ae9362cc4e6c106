//! How many a second, over the last minute.

use bheka_value::Timestamp;

const SLOT_S: u64 = 5;
const SLOTS: usize = 12;
const WINDOW_S: f64 = 60.0;

/// A counter over the last 60 seconds, in slots of 5.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    slots: [u64; SLOTS],
    /// Number of the newest slot since 1970.
    newest: u64,
}

impl Rate {
    /// Counts.
    pub(crate) fn add(&mut self, count: u64, now: Timestamp) {
        self.advance(now);
        let index = self.newest as usize % SLOTS;
        self.slots[index] = self.slots[index].saturating_add(count);
    }

    /// Per second, over the last 60 seconds.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn per_second(&self, now: Timestamp) -> f64 {
        let mut copy = self.clone();
        copy.advance(now);
        copy.slots.iter().sum::<u64>() as f64 / WINDOW_S
    }

    fn advance(&mut self, now: Timestamp) {
        let slot = crate::log::whole_seconds(now) / SLOT_S;
        if slot <= self.newest {
            return;
        }
        let passed = (slot - self.newest).min(SLOTS as u64);
        for back in 0..passed {
            self.slots[(slot - back) as usize % SLOTS] = 0;
        }
        self.newest = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut rate = Rate::default();
        let start = 1_000_000.0;
        for second in 0..120 {
            rate.add(3, Timestamp(start + f64::from(second)));
        }
        assert_eq!(rate.per_second(Timestamp(start + 119.0)), 3.0);
        assert_eq!(rate.per_second(Timestamp(start + 149.0)), 1.5);
        assert_eq!(rate.per_second(Timestamp(start + 1000.0)), 0.0);
    }

    #[test]
    fn a_clock_that_jumps_back_is_survived() {
        let mut rate = Rate::default();
        rate.add(60, Timestamp(1000.0));
        rate.add(60, Timestamp(500.0));
        assert_eq!(rate.per_second(Timestamp(1000.0)), 2.0);
    }
}
