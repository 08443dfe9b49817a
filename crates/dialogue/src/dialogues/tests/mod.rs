//! Two machines joined in one process: by hand for the named cases, under virtual time with faults for the laws.

mod adversaries;
mod glare;
mod laws;
mod ordinary;
mod pair;
mod world;
