//! What all connections of a server share.

use std::sync::Arc;

use crate::health::Operations;

use super::admission::Admission;
use super::limits::Limits;
use super::pulse::Watch;

/// What all connections of a server share, whatever its handler.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) limits: Limits,
    pub(crate) operations: Operations,
    pub(crate) access_log: bool,
    pub(crate) admission: Arc<Admission>,
    pub(crate) watch: Arc<Watch>,
}
