//! Transforms: against the reference values, and what must hold for any image.
#![allow(clippy::unwrap_used)]

mod filters;
mod geometry;
mod policy;
mod reference;
mod scene;
mod several;
mod strength;
