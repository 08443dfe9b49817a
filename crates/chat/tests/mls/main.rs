//! Two and more devices, on any order of what they are brought.

mod talking;
mod world;
