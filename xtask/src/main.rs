//! Everything a developer does with this workspace, one command each.
fn main() {}
