//! What goes wrong when.

use crate::world::World;

/// How much goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Mean seconds between two faults.
    pub interval_s: f64,
    /// Whether nodes crash.
    pub crashes: bool,
    /// Whether nodes are parted.
    pub partitions: bool,
    /// Whether connections are cut.
    pub cuts: bool,
}

impl Chaos {
    /// Everything.
    pub const ALL: Self = Self {
        interval_s: 15.0,
        crashes: true,
        partitions: true,
        cuts: true,
    };

    /// Nothing is forgotten, but connections come and go.
    pub const NETWORK: Self = Self {
        crashes: false,
        ..Self::ALL
    };

    /// Lets a world run for so many seconds with faults, then until all of them are over.
    pub fn run(self, world: &mut World, seconds: f64) {
        let end = world.elapsed() + seconds;
        while world.elapsed() < end {
            let pause = world.random.between(0.0, 2.0 * self.interval_s);
            world.run(pause);
            self.strike(world);
        }
        world.run(FAULT_MAX_S + 1.0);
    }

    fn strike(self, world: &mut World) {
        let names = world.names();
        let one = names[world.random.below(names.len())].clone();
        let other = names[world.random.below(names.len())].clone();
        match world.random.below(3) {
            0 if self.crashes => {
                let down_s = world.random.between(0.5, FAULT_MAX_S / 2.0);
                world.crash(&one, down_s);
            }
            1 if self.partitions => {
                let seconds = world.random.between(0.5, FAULT_MAX_S);
                world.part(&one, &other, seconds);
            }
            _ if self.cuts => world.cut_any(),
            _ => {}
        }
    }
}

/// The longest fault. It is longer than a node takes to find that a link is dead.
const FAULT_MAX_S: f64 = 120.0;
