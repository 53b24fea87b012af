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

use crate::train::Learner;

pub use compare::{Comparison, compare};
pub use record::RunRecord;
pub use results::RunEvaluation;
pub use run::Run;

/// What a learner is set up with, as a table in Markdown.
pub(super) fn markdown_of(learner: &Learner) -> String {
    let mut text = "| setting | value |\n|---|---|\n".to_owned();
    for (section, facts) in describe::settings(learner) {
        for (name, value) in facts {
            let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
            text += &format!("| {} | {} |\n", cell(&facts::joined(&section, &name)), cell(&value));
        }
    }
    text
}
