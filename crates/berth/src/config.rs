//! The configuration: one table of options, and everything that is made from it.
//!
//! [`SETTINGS`] is the only place where an option is written down. The TOML keys, the environment variables, the
//! flags, their help, `berth config show`, the example file and `docs/configuration.md` are all read from it.

mod addresses;
mod file;
mod load;
mod model;
mod options;
mod reference;
mod report;
mod setting;
mod suggest;
mod value;
mod words;

pub(crate) use addresses::ListenAddress;
pub(crate) use load::{Effective, Sources, check_file, load};
pub(crate) use model::{Config, Log, LogFormat, OpenId, Sparse};
pub(crate) use options::SETTINGS;
pub(crate) use reference::{example_file, page};
pub(crate) use report::Mistakes;
pub(crate) use setting::Setting;
pub(crate) use value::{Size, Value};
