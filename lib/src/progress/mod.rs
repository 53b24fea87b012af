//! How long work shows how far it is.

mod bar;
mod task;

pub(crate) use bar::{Bar, Quiet, Walk, duration};
pub(crate) use task::{Progress, Unit, bytes};
