//! What the store promises, tested from outside.

mod archives;
mod crash;
mod fixture;
mod hostile;
mod importing;
mod inspecting;
mod layouts;
mod pulling;
mod removing;
mod resolving;
mod tarball;
