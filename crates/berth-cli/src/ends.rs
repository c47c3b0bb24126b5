//! Where images come from and go to, beside registries: the ends of a copy.

mod local;

pub(crate) use local::{LocalImage, LocalStore};
