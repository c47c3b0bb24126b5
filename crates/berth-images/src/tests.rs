//! What the store promises, tested from outside.

mod crash;
mod fixture;
mod inspecting;
mod pulling;
mod removing;
mod resolving;
