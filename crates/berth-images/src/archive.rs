//! Archives of images: what `docker save`, `podman save` and skopeo write, and `docker import` of a file system.

mod change;
mod import;
mod layout;
mod listing;
mod load;
mod pack;
mod packed;
mod save;
mod stage;
mod tar_writer;
mod time;

pub use import::Import;
pub use load::Loaded;
pub use save::Format;
