//! Metrics: against scikit-learn and torchmetrics, against counts by hand, in corner cases, with bad input.

#![allow(clippy::unwrap_used)]

mod by_hand;
mod corners;
mod curves;
mod fixture;
mod intervals;
mod reference;
mod refused;
mod states;
