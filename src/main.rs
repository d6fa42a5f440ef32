//! The `telltaled` command.

fn main() {}
