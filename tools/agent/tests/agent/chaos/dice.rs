//! What happens follows from a seed, but for the order of processes and threads.

pub struct Dice(u64);

impl Dice {
    /// The throws of one of many that begin with the same seed, SEED= of `make test-agent-long`.
    pub fn of(number: u64) -> Self {
        let seed = from_environment("TSC_AGENT_SEED", 1);
        let mixed = (seed << 32 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(mixed | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    pub fn choose<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.roll(things.len() as u64) as usize]
    }
}

pub fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// How many processes live in threads of a test. All tests have a short and a long form.
pub fn lives() -> u64 {
    from_environment("TSC_AGENT_LIVES", 300)
}

/// How many processes a test kills.
pub fn kills() -> u64 {
    from_environment("TSC_AGENT_KILLS", 60)
}
