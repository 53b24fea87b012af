//! How long work shows how far it is.

mod bar;
mod task;
mod viewer;

pub(crate) use bar::{Bar, Walk};
pub(crate) use task::{Progress, Unit, bytes};
pub(crate) use viewer::{Quiet, Viewer, duration};
