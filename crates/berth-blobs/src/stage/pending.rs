//! Bytes that wait until there are enough for a batch.

use bytes::{Bytes, BytesMut};

/// Shorter pieces are copied together, so that a trickle of single bytes does not pin large receive buffers.
const COPY_BELOW: usize = 4 * 1024;

/// Pieces in order, followed by the copied tail.
#[derive(Default)]
pub(super) struct Pending {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < COPY_BELOW {
            self.tail.extend_from_slice(&piece);
        } else {
            self.cut_tail();
            self.pieces.push(piece);
        }
    }

    /// Everything, leaving nothing.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.cut_tail();
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }

    /// Everything as one piece, leaving nothing.
    pub(super) fn join(&mut self) -> Bytes {
        let mut pieces = self.take();
        if pieces.len() == 1 { pieces.remove(0) } else { pieces.concat().into() }
    }

    fn cut_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).freeze());
        }
    }
}
