//! What people have told Docker and podman about registries: sign-ins, certificates, mirrors, and who is spoken to
//! without TLS.
//!
//! Files and programs only, no network; everything here blocks for as long as a file or a credential helper takes.
//! [`Folders`] says where to look. [`sign_in::find`] finds a sign-in, [`DockerConfig`] keeps one, [`certificates`] finds
//! certificates, [`Registries`] and [`Daemon`] say how images are reached.

mod atomic;
mod certificates;
mod daemon;
mod docker_config;
mod error;
mod folders;
mod helper;
mod name;
mod registries;

pub mod sign_in;

pub use certificates::{Certificates, certificates};
pub use daemon::{Daemon, is_loopback};
pub use docker_config::{DockerConfig, Kept};
pub use error::ConfigError;
pub use folders::Folders;
pub use helper::Helper;
pub use registries::{Endpoint, Registries, Route};
pub use sign_in::SignIn;
