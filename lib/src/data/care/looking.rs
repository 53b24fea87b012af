//! Every sample is read once, in parallel, and looked at by itself.

use super::config::ScanConfig;
use super::finding::FindingKind;
use super::measure::Looked;
use crate::data::Dataset;
use crate::data::ahead::guarded;
use crate::data::every::every;
use crate::{Error, Result};

/// Shows all samples of a data set, before its transforms, in their order, and how far it is. An interrupt ends it:
/// what was seen until then has been shown.
pub(super) fn look_at_all(
    data: &Dataset,
    config: ScanConfig,
    what: &str,
    see: impl FnMut(usize, Looked) -> Result<()>,
) -> Result<()> {
    let look = move |data: &Dataset, index: usize| {
        let looked = guarded(|| Looked::at(&data.sample(index)?, data.num_classes(), config));
        match looked {
            Err(error) if !matches!(error, Error::Interrupted { .. }) => {
                Ok(Looked::unread(FindingKind::of_error(&error)))
            }
            looked => looked,
        }
    };
    match every(data, what, look, see) {
        Err(Error::Interrupted { .. }) => Ok(()),
        outcome => outcome,
    }
}
