//! Every sample is read once, in parallel, and looked at by itself.

use super::config::ScanConfig;
use super::finding::FindingKind;
use super::measure::Looked;
use crate::data::Dataset;
use crate::data::ahead::{Ahead, Pace, Work, guarded};
use crate::progress::Walk;
use crate::{Error, Result, threads};

/// So many samples are one piece of work.
const GROUP: usize = 32;

struct Looking {
    data: Dataset,
    config: ScanConfig,
}

impl Work for Looking {
    type Item = Looked;
    type Group = Vec<Looked>;

    fn groups(&self) -> usize {
        self.data.len().div_ceil(GROUP)
    }

    fn items(&self, group: usize) -> usize {
        GROUP.min(self.data.len() - group * GROUP)
    }

    fn item(&self, group: usize, at: usize) -> Result<Looked> {
        let looked = guarded(|| {
            let sample = self.data.sample(group * GROUP + at)?;
            Looked::at(&sample, self.data.num_classes(), self.config)
        });
        match looked {
            Err(error) if !matches!(error, Error::Interrupted { .. }) => {
                Ok(Looked::unread(FindingKind::of_error(&error)))
            }
            looked => looked,
        }
    }

    fn finish(&self, _group: usize, items: Vec<Looked>) -> Result<Vec<Looked>> {
        Ok(items)
    }
}

/// All samples of a data set, before its transforms, in their order.
pub(super) fn look_at_all(data: &Dataset, config: ScanConfig, what: &str) -> Result<Vec<Looked>> {
    let pace = Pace { workers: threads::count()?, prefetch: 4 };
    let mut ahead = Ahead::start(Looking { data: data.clone(), config }, pace, 0)?;
    let mut walk = Walk::start(what, data.len());
    let mut all: Vec<Looked> = Vec::with_capacity(data.len());
    let outcome = loop {
        match ahead.take(|| format!("in {what}, after image {} of {}", all.len(), data.len())) {
            None => break Ok(()),
            Some(Err(error)) => break Err(error),
            Some(Ok(group)) => {
                walk.advance(group.len());
                all.extend(group);
            }
        }
    };
    walk.finish(outcome.as_ref().err());
    outcome?;
    Ok(all)
}
