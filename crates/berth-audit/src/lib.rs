//! The audit log: who did what, to what, from where. Rows are only ever added.
//!
//! A row is written by the transaction that makes the change which it tells of ([`append`]), so there is no change
//! without its row and no row without its change.

mod log;
mod schema;

pub use log::{Actor, AuditError, AuditLog, Entry, Event, Filter, append};
