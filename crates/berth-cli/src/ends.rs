//! Where images come from and go to, beside registries: the ends of a copy.

mod any;
mod engine;
mod local;
mod pushed;
mod remembered;

pub(crate) use any::AnySource;
pub(crate) use engine::Engine;
pub(crate) use local::{LocalImage, LocalStore};
pub(crate) use pushed::Pushed;
pub(crate) use remembered::Remembered;

#[cfg(test)]
mod tests;
