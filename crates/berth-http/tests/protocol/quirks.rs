//! The quirks of real clients, each as a test with its number; those about accounts and mirrors come with these.
//!
//! What is behind a socket (the TLS hello on a plain port, parallel connections) is tested with the transport; what is
//! only about time (leases, collection) with the registry.

#[path = "quirks/building.rs"]
mod building;
#[path = "quirks/first_day.rs"]
mod first_day;
#[path = "quirks/pulling.rs"]
mod pulling;
#[path = "quirks/supply_chain.rs"]
mod supply_chain;
