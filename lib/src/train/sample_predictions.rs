use sconce_display::{Handle, display_with_id, in_notebook};

use super::callback::{Callback, Control, EpochEnd, FitBegin};
use crate::plot::percent;
use crate::rich::Rich;
use crate::{Error, Result};

/// Shows what the model says of some images after each epoch, in a notebook: one picture that changes while training runs.
///
/// ```no_run
/// use sconce::prelude::*;
/// use sconce::train::SamplePredictions;
/// # fn main() -> sconce::Result<()> {
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let mut learner = Learner::new(net, data).callback(SamplePredictions::new(16));
/// learner.fit(10)?
/// # ; Ok(()) }
/// ```
#[derive(Debug)]
pub struct SamplePredictions {
    images: usize,
    handle: Option<Handle>,
}

impl SamplePredictions {
    /// So many images, at least 1, spread evenly over the validation part or, where that is empty, the training part.
    #[must_use]
    pub fn new(images: usize) -> SamplePredictions {
        SamplePredictions { images, handle: None }
    }
}

impl Callback for SamplePredictions {
    fn on_fit_begin(&mut self, _: &FitBegin) -> Result<()> {
        self.handle = None;
        if self.images > 0 {
            return Ok(());
        }
        Err(Error::Argument {
            op: "SamplePredictions".into(),
            expected: "at least 1 image".into(),
            got: "0".into(),
            hint: "16 fit into a cell.".into(),
        })
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        if !in_notebook() {
            return Ok(Control::GoOn);
        }
        let data = end.learner.data();
        let part = if data.valid.is_empty() { &data.train } else { &data.valid };
        let shown = self.images.min(part.len());
        let indices: Vec<usize> = (0..shown).map(|at| at * part.len() / shown).collect();
        let mut captions = Vec::with_capacity(shown);
        for batch in part.subset(&indices)?.batches(shown) {
            let batch = batch?;
            let predictions = end.learner.predict(&batch.images)?;
            for ((said, sure), label) in
                predictions.names().iter().zip(predictions.confidence()).zip(batch.labels.to_vec1::<u32>()?)
            {
                let truth = part.class_names().get(label as usize).map_or("?", String::as_str);
                captions.push(format!("{truth} → {said} {}", percent(f64::from(*sure))));
            }
        }
        let grid = part.captioned(&indices, &|at, _| captions.get(at).cloned().unwrap_or_default())?;
        let grid = grid.title(&format!("epoch {}: true → said, how sure", end.epoch.epoch));
        match &self.handle {
            Some(handle) => handle.update(grid.rich()),
            None => self.handle = Some(display_with_id(grid.rich())),
        }
        Ok(Control::GoOn)
    }
}
