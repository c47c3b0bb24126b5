//! Upstreams, and what is had from them while it is stored.
