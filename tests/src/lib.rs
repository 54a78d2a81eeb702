//! Whole-system stories: the real binary, real TLS, real databases, each in a folder of its own.

pub mod python;
