//! Which handshake is computed next: pure, so that it can be tried without sockets and clock.
//!
//! Two kinds wait: those that this node began and those of peers that have dialled. Peers wait no
//! longer than their own deadline (a stock Icinga 2: 10 s), and a handshake that is finished after
//! it has only cost time. So as many are under way as finish quickly, none is begun that cannot
//! finish in time, and when more wait than can be served the newest go first: those who still wait
//! for long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Who began the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// This node.
    Outbound,
    /// The peer.
    Inbound,
}

/// What is to be done with one that waited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<T> {
    /// It is begun; [`Admission::finished`] follows.
    Begin(T),
    /// Its time is over, or too short for a handshake.
    GiveUp(T),
}

#[derive(Debug)]
struct Waiting<T> {
    what: T,
    since: Instant,
    deadline: Instant,
}

/// The queue for the handshake lane.
#[derive(Debug)]
pub(crate) struct Admission<T> {
    outbound: VecDeque<Waiting<T>>,
    inbound: VecDeque<Waiting<T>>,
    inbound_turn: bool,
    running: usize,
    width: usize,
    width_min: usize,
    width_max: usize,
    /// How long handshakes took lately, in seconds.
    typical_s: f64,
    narrowed: Option<Instant>,
}

/// Handshakes under way for each core, at least, at the beginning, and at most. Each costs a core
/// one to five milliseconds, so the least is about a tenth of a second of work; many more are of
/// use where peers are far away.
const WIDTH_MIN_A_CORE: usize = 16;
const WIDTH_FIRST_A_CORE: usize = 32;
const WIDTH_MAX_A_CORE: usize = 512;
/// Below this the lane may become wider, above the other it becomes narrower: a quarter of the
/// time that peers wait.
const QUICK: Duration = Duration::from_millis(1_000);
const SLOW: Duration = Duration::from_millis(2_500);
/// At most once in so long it becomes narrower: handshakes that began together end together.
const NARROWING_PAUSE: Duration = Duration::from_secs(1);
/// Peers who have waited longer are no longer served in their order.
const PATIENCE: Duration = Duration::from_secs(3);
/// Weight of a new duration in the typical one.
const WEIGHT: f64 = 0.05;

impl<T> Admission<T> {
    pub(crate) fn new(cores: usize) -> Self {
        let cores = cores.max(1);
        Self {
            outbound: VecDeque::new(),
            inbound: VecDeque::new(),
            inbound_turn: false,
            running: 0,
            width: WIDTH_FIRST_A_CORE * cores,
            width_min: WIDTH_MIN_A_CORE * cores,
            width_max: WIDTH_MAX_A_CORE * cores,
            typical_s: 0.0,
            narrowed: None,
        }
    }

    /// Puts one into the queue.
    pub(crate) fn offer(&mut self, side: Side, what: T, now: Instant, deadline: Instant) {
        let queue = match side {
            Side::Outbound => &mut self.outbound,
            Side::Inbound => &mut self.inbound,
        };
        queue.push_back(Waiting {
            what,
            since: now,
            deadline,
        });
    }

    /// The next one for which there is room, or whose time is over. To be asked until there is
    /// none.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Turn<T>> {
        let has_room = self.running < self.width;
        // Those whose time is over are told so, whether there is room or not.
        let needed = Duration::from_secs_f64(2.0 * self.typical_s);
        for queue in [&mut self.outbound, &mut self.inbound] {
            let hopeless = |waiting: &Waiting<T>| waiting.deadline < now + needed;
            if queue.front().is_some_and(hopeless)
                && let Some(waiting) = queue.pop_front()
            {
                return Some(Turn::GiveUp(waiting.what));
            }
        }
        if !has_room {
            return None;
        }
        let inbound = match (self.outbound.is_empty(), self.inbound.is_empty()) {
            (true, true) => return None,
            (true, false) => true,
            (false, true) => false,
            (false, false) => self.inbound_turn,
        };
        self.inbound_turn = !inbound;
        let waiting = if inbound {
            let overdue = |waiting: &Waiting<T>| now > waiting.since + PATIENCE;
            if self.inbound.front().is_some_and(overdue) {
                self.inbound.pop_back()
            } else {
                self.inbound.pop_front()
            }
        } else {
            self.outbound.pop_front()
        }?;
        self.running += 1;
        Some(Turn::Begin(waiting.what))
    }

    /// One that was begun has ended; with a time when it was a whole handshake.
    pub(crate) fn finished(&mut self, took: Option<Duration>, now: Instant) {
        let was_full = self.running >= self.width;
        self.running = self.running.saturating_sub(1);
        let Some(took) = took else { return };
        self.typical_s = if self.typical_s == 0.0 {
            took.as_secs_f64()
        } else {
            self.typical_s + WEIGHT * (took.as_secs_f64() - self.typical_s)
        };
        if self.typical_s > SLOW.as_secs_f64() {
            let rested = |at: Instant| now >= at + NARROWING_PAUSE;
            if self.narrowed.is_none_or(rested) {
                self.narrowed = Some(now);
                self.width = (self.width - self.width / 4).max(self.width_min);
            }
        } else if was_full && self.typical_s < QUICK.as_secs_f64() {
            self.width = (self.width + 1).min(self.width_max);
        }
    }

    /// How many wait: for what this node began, and for what peers began.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.outbound.len(), self.inbound.len())
    }

    /// How many are under way.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many may be under way at present.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How long handshakes took lately.
    pub(crate) fn typical(&self) -> Duration {
        Duration::from_secs_f64(self.typical_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    /// Begins all for which there is room; yields those that were begun and those given up.
    fn turns(admission: &mut Admission<u32>, now: Instant) -> (Vec<u32>, Vec<u32>) {
        let (mut begun, mut given_up) = (Vec::new(), Vec::new());
        while let Some(turn) = admission.next(now) {
            match turn {
                Turn::Begin(what) => begun.push(what),
                Turn::GiveUp(what) => given_up.push(what),
            }
        }
        (begun, given_up)
    }

    #[test]
    fn both_sides_take_turns_and_no_more_are_under_way_than_there_is_room_for() {
        let start = Instant::now();
        let mut admission = Admission::new(1);
        for number in 0..100 {
            let side = if number < 50 {
                Side::Outbound
            } else {
                Side::Inbound
            };
            admission.offer(side, number, start, after(start, 10.0));
        }
        let (begun, given_up) = turns(&mut admission, start);
        assert_eq!(begun.len(), WIDTH_FIRST_A_CORE);
        assert_eq!(begun[..4], [0, 50, 1, 51]);
        assert!(given_up.is_empty());
        admission.finished(Some(Duration::from_millis(3)), start);
        // One has ended, and the lane has become wider by one.
        assert_eq!(turns(&mut admission, start).0.len(), 2);
    }

    #[test]
    fn none_is_begun_that_cannot_finish_in_time() {
        let start = Instant::now();
        let mut admission = Admission::new(1);
        admission.offer(Side::Outbound, 0, start, after(start, 60.0));
        assert_eq!(turns(&mut admission, start).0, [0]);
        admission.finished(Some(Duration::from_secs(2)), start);
        admission.offer(Side::Inbound, 1, start, after(start, 10.0));
        admission.offer(Side::Inbound, 2, start, after(start, 20.0));
        let (begun, given_up) = turns(&mut admission, after(start, 7.0));
        assert_eq!((begun, given_up), (vec![2], vec![1]));
    }

    #[test]
    fn when_peers_wait_too_long_the_newest_goes_first() {
        let start = Instant::now();
        let mut admission = Admission::new(1);
        for number in 0..10 {
            let at = after(start, f64::from(number));
            admission.offer(Side::Inbound, number, at, after(at, 10.0));
        }
        let (begun, _) = turns(&mut admission, after(start, 9.0));
        assert_eq!(begun, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn slow_handshakes_make_the_lane_narrow_and_quick_ones_wide() {
        let start = Instant::now();
        let mut admission: Admission<u32> = Admission::new(2);
        for second in 0..100 {
            admission.finished(
                Some(Duration::from_secs(8)),
                after(start, f64::from(second)),
            );
        }
        assert_eq!(admission.width(), 2 * WIDTH_MIN_A_CORE);
        // It only becomes wider while there is more to do than room.
        for _ in 0..10_000 {
            admission.finished(Some(Duration::from_millis(5)), after(start, 200.0));
        }
        assert_eq!(admission.width(), 2 * WIDTH_MIN_A_CORE);
        for number in 0..10_000 {
            admission.offer(Side::Outbound, number, start, after(start, 900.0));
            while let Some(Turn::Begin(_)) = admission.next(after(start, 200.0)) {}
            if admission.running() >= admission.width() {
                admission.finished(Some(Duration::from_millis(5)), after(start, 200.0));
            }
        }
        assert_eq!(admission.width(), 2 * WIDTH_MAX_A_CORE);
    }
}
