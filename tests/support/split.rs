//! The ways in which a network may cut what one side says.

/// How bytes are cut into the pieces in which they arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Split {
    Whole,
    Bytes,
    /// At random places, which the seed decides.
    Random(u64),
}

/// Whole, byte by byte, and at random places.
pub(crate) fn every_way() -> impl Iterator<Item = Split> {
    [Split::Whole, Split::Bytes].into_iter().chain((1..=16).map(Split::Random))
}

impl Split {
    /// Cuts `bytes`; what is said in one round after another is cut differently each time.
    pub(crate) fn cut(self, bytes: &[u8], round: usize) -> Vec<&[u8]> {
        let longest = match self {
            Self::Whole => return Vec::from_iter((!bytes.is_empty()).then_some(bytes)),
            Self::Bytes => 1,
            // Some seeds cut into crumbs, some into large pieces.
            Self::Random(seed) => 2 << (seed % 8 * 2),
        };
        let mut random = match self {
            Self::Random(seed) => Random(seed ^ (round as u64).wrapping_mul(0x9E37_79B9)),
            _ => Random(0),
        };
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = 1 + random.below(longest as u64) as usize;
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
