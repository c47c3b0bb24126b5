//! What the proxy does wrong, to which answers, and how often.

use std::time::Duration;

use super::{Asked, Kind};

/// One way to misbehave. Those that change a body leave an answer alone whose length is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing wrong: for faults that come only now and then.
    Nothing,
    /// The body at this many bytes per second, in small pieces.
    Slow(u64),
    /// Nothing at all for this long.
    Late(Duration),
    /// The connection is closed in the body.
    Cut(Place),
    /// The connection is reset (RST) in the body.
    Reset(Place),
    /// Half of the body, and then silence.
    Stall,
    /// One bit in the middle is another.
    Flip,
    /// One byte more than there is, and the length says so.
    Extra,
    /// The length says half of what is sent.
    Shorter,
    /// The length says more than what is sent; then the connection is closed.
    Longer,
    /// The body is compressed, and the answer says so, though nobody asked for it.
    Gzip,
    /// Success, with a page for people.
    Page,
    /// `Docker-Content-Digest` is that of something else.
    OtherDigest,
    /// 429 with `Retry-After` in seconds.
    TooMany(u32),
    /// An error of the server with this status.
    Failing(u16),
    /// A body without end.
    Endless,
    /// A body of a tebibyte, with its length.
    Huge,
    /// A HEAD tells of this tag, whatever tag was asked for: it moves before the GET.
    HeadOf(String),
}

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Half,
    /// After this many bytes; a shorter body is left alone.
    After(u64),
}

/// The answers that are spoiled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum On {
    #[default]
    Everything,
    Manifests,
    Blobs,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Plan {
    on: On,
    faults: Vec<Fault>,
    turn: usize,
    /// How many answers are still to be spoiled; without it, all.
    left: Option<u32>,
    era: u64,
}

impl Place {
    /// The offset in a body of this length.
    pub(super) fn in_body(self, length: u64) -> u64 {
        match self {
            Place::Half => length / 2,
            Place::After(bytes) => bytes,
        }
    }
}

impl On {
    fn fits(self, kind: Kind) -> bool {
        match self {
            On::Everything => true,
            On::Manifests => kind == Kind::Manifest,
            On::Blobs => kind == Kind::Blob,
        }
    }
}

impl Plan {
    pub(super) fn set(&mut self, on: On, faults: &[Fault], left: Option<u32>) {
        *self = Plan { on, faults: faults.to_vec(), turn: 0, left, era: self.era + 1 };
    }

    pub(super) fn clear(&mut self) {
        self.set(On::Everything, &[], None);
    }

    /// What to do wrong with the answer to this request, and when that was decided (see [`Plan::is_over`]).
    pub(super) fn next(&mut self, asked: &Asked) -> (Option<Fault>, u64) {
        let over = self.faults.is_empty() || self.left == Some(0) || !self.on.fits(asked.kind);
        if over {
            return (None, self.era);
        }
        self.left = self.left.map(|left| left - 1);
        self.turn += 1;
        let fault = &self.faults[(self.turn - 1) % self.faults.len()];
        (Some(fault.clone()).filter(|fault| *fault != Fault::Nothing), self.era)
    }

    /// Whether the proxy was told something else since then.
    pub(super) fn is_over(&self, era: u64) -> bool {
        self.era != era
    }
}
