//! Every sample of a data set, once.

use super::ahead::{Ahead, Pace, Work};
use super::dataset::Dataset;
use crate::progress::Walk;
use crate::{Result, threads};

/// So many samples are one piece of work.
const GROUP: usize = 32;

/// What is made of each sample, by any thread.
struct Every<F> {
    data: Dataset,
    make: F,
}

impl<T, F> Work for Every<F>
where
    T: Send + 'static,
    F: Fn(&Dataset, usize) -> Result<T> + Send + Sync + 'static,
{
    type Item = T;
    type Group = Vec<T>;

    fn groups(&self) -> usize {
        self.data.len().div_ceil(GROUP)
    }

    fn items(&self, group: usize) -> usize {
        GROUP.min(self.data.len() - group * GROUP)
    }

    fn item(&self, group: usize, at: usize) -> Result<T> {
        (self.make)(&self.data, group * GROUP + at)
    }

    fn finish(&self, _group: usize, items: Vec<T>) -> Result<Vec<T>> {
        Ok(items)
    }
}

/// Makes something of every sample, in parallel, and shows it to `see` in the order of the samples, with the
/// number of each. A bar called `what` shows how far it is.
///
/// # Errors
/// The first of `make` or `see`; [`crate::Error::Interrupted`].
pub(super) fn every<T: Send + 'static>(
    data: &Dataset,
    what: &str,
    make: impl Fn(&Dataset, usize) -> Result<T> + Send + Sync + 'static,
    mut see: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let pace = Pace { workers: threads::count()?, prefetch: 4 };
    let mut ahead = Ahead::start(Every { data: data.clone(), make }, pace, 0)?;
    let mut walk = Walk::start(what, data.len());
    let mut seen = 0;
    let outcome = loop {
        let group = match ahead.take(|| format!("in {what}, after image {seen} of {}", data.len())) {
            None => break Ok(()),
            Some(Err(error)) => break Err(error),
            Some(Ok(group)) => group,
        };
        walk.advance(group.len());
        let mut show = |made| {
            seen += 1;
            see(seen - 1, made)
        };
        if let Err(error) = group.into_iter().try_for_each(&mut show) {
            break Err(error);
        }
    };
    walk.finish(outcome.as_ref().err());
    outcome
}
