//! Random numbers that a seed repeats (SplitMix64).

pub(in crate::proxy) struct Random(u64);

impl Random {
    pub(in crate::proxy) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::proxy) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Another one, which this one's seed makes.
    pub(in crate::proxy) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `end`, which isn't 0.
    pub(in crate::proxy) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(in crate::proxy) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(in crate::proxy) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}
