//! Everything that leaves this program leaves here: where it may go, over what, for how long and how much comes back.
//!
//! An [`Egress`] belongs to one destination that an operator named. It connects to public addresses only, unless the
//! operator said that this destination is on a private network; and it looks at the addresses at the moment when it
//! connects, so that no name can mean one thing when it is checked and another when it is used. Redirects are never
//! followed by themselves: a caller who wants to asks [`Origin`] where they lead, and decides what to take along.

mod address;
mod body;
mod connect;
mod egress;
mod error;
mod origin;
mod outgoing;
mod proxy;
mod requests;
mod roots;

#[cfg(test)]
mod tests;

pub use address::{Forbidden, Reach};
pub use body::{Incoming, whole};
pub use egress::{Egress, EgressOptions, Limits};
pub use error::{EgressError, TlsTrouble};
pub use origin::{Link, Origin, OriginError};
pub use outgoing::{Outgoing, bytes, empty, form, stream};
pub use proxy::{Proxies, ProxyError};
pub use roots::RootsError;
