//! Runs in folders: written down while they are made, opened later, and compared.

mod compare;
mod describe;
mod facts;
mod file;
mod git;
mod machine;
mod record;
mod results;
mod run;
mod shortened;

use crate::train::Learner;

pub use compare::{Comparison, compare};
pub use record::RunRecord;
pub use results::RunEvaluation;
pub use run::Run;

/// What a learner is set up with, by whole names.
pub(super) fn settings_of(learner: &Learner) -> Vec<(String, String)> {
    let sections = describe::settings(learner).into_iter();
    let named = |(section, facts): (String, facts::Facts)| {
        facts
            .into_iter()
            .map(move |(name, value)| (facts::joined(&section, &name), value))
            .collect::<Vec<_>>()
    };
    sections.flat_map(named).collect()
}
