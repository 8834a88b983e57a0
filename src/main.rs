//! The binary: one expression.
fn main() {}
