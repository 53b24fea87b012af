//! Looking after data: what is wrong with images ([`Dataset::scan`](super::Dataset::scan)), which of them are
//! in several parts of a split ([`DataSplit::leaks`](super::DataSplit::leaks)), and which labels are likely to
//! be wrong ([`label_errors`]).

mod confident;
mod config;
mod finding;
mod grey;
mod hash;
mod leaks;
mod looking;
mod measure;
mod near;
mod scan;
mod show;
mod suspects;

pub use confident::{LabelErrorConfig, Pruning, Ranking, label_errors};
pub use config::ScanConfig;
pub use finding::{Finding, FindingKind, Problem};
pub use hash::PerceptualHash;
pub use leaks::{Leak, Leaks, Place};
pub use measure::Measured;
pub use scan::{RareClass, Scan};
pub use suspects::{LabelErrors, LabelSuspect};
