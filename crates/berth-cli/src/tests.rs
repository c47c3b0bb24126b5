//! What the tests of several modules need.

#[allow(dead_code, reason = "others need more of it")]
#[path = "../../berth-egress/src/tests/fake.rs"]
pub(crate) mod fake;
