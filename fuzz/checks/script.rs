//! What an input of the dialogues' targets means: bytes, and between them marks that are no part of
//! UTF-8, so that an input reads like the dialogue it is and a mutation stays where it happened.

use crate::transcript::Side;

/// Here the network cuts.
pub(crate) const CUT: u8 = 0xfe;
/// Here the other side begins to speak; the client is first.
pub(crate) const TURN: u8 = 0xfd;
/// The byte after the next comes 2ⁿ times, n being the next byte modulo 16: what reaches the limits
/// of lines is still a short input.
pub(crate) const MANY: u8 = 0xfc;

/// More than any limit of the machines under test; an input that means more is cut off.
const MOST_BYTES: usize = 192 * 1024;
/// Byte by byte every byte that waits is judged anew each time, so that long ones take long.
const MOST_ONE_BY_ONE: usize = 2048;

/// What one side says in one breath, in the pieces in which it arrives.
pub(crate) struct Turn {
    pub(crate) speaker: Side,
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// How the pieces of a breath arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Whole,
    AsCut,
    OneByOne,
}

pub(crate) fn read(input: &[u8]) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut speaker = Side::Client;
    let mut left = MOST_BYTES;
    for breath in split(input, TURN) {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for piece in split(breath, CUT) {
            let piece = unfold(piece, left);
            left -= piece.len();
            if !piece.is_empty() {
                pieces.push(piece);
            }
        }
        turns.push(Turn { speaker, pieces });
        speaker = match speaker {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
    }
    turns
}

/// Every way in which these turns may arrive, the whole one first.
pub(crate) fn ways(turns: &[Turn]) -> Vec<Way> {
    let pieces = || turns.iter().flat_map(|turn| &turn.pieces);
    let mut ways = vec![Way::Whole];
    if turns.iter().any(|turn| turn.pieces.len() > 1) {
        ways.push(Way::AsCut);
    }
    if pieces().map(Vec::len).sum::<usize>() <= MOST_ONE_BY_ONE {
        ways.push(Way::OneByOne);
    }
    ways
}

impl Turn {
    pub(crate) fn arrives(&self, way: Way) -> Vec<Vec<u8>> {
        match way {
            Way::Whole => vec![self.pieces.concat()],
            Way::AsCut => self.pieces.clone(),
            Way::OneByOne => self.pieces.concat().chunks(1).map(<[u8]>::to_vec).collect(),
        }
    }
}

fn split(bytes: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    bytes.split(move |byte| *byte == mark)
}

fn unfold(piece: &[u8], limit: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (*first, behind) {
            (MANY, [times, byte, behind @ ..]) => {
                bytes.extend(std::iter::repeat_n(*byte, 1 << (times % 16)));
                rest = behind;
            }
            (byte, _) => bytes.push(byte),
        }
        if bytes.len() >= limit {
            bytes.truncate(limit);
            break;
        }
    }
    bytes
}
