use std::fs;
use std::path::{Path, PathBuf};

use super::callback::{Callback, Control, Ending, EpochEnd, FitBegin, FitEnd, StepEnd};
use super::learner::Learner;
use super::monitor::Monitor;
use crate::{Error, Result, atomic_file};

/// Keeps the last and the best state of a training in a folder: `last.safetensors` and `best.safetensors`, each as
/// [`Learner::save`] writes it. A file is whole or as it was before, whatever happens while it is written.
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{Checkpoints, Monitor};
/// # fn main() -> sconce::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("digits");
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let checkpoints = Checkpoints::new(&folder).monitor(Monitor::metric("accuracy"));
/// let mut learner = Learner::new(net, data).metric(accuracy()).callback(checkpoints);
/// learner.fit(3)?;
/// learner.load(folder.join("best.safetensors"))?; // the epoch that was best
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Checkpoints {
    folder: PathBuf,
    monitor: Option<Monitor>,
    every: Option<usize>,
    existing: Existing,
    /// Whether what is in the folder is of this training.
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refuse,
    Overwrite,
}

const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";

impl Checkpoints {
    /// A file after each epoch, and where a fit is interrupted. The best epoch is that of the lowest validation loss or, where there
    /// is no validation part, training loss.
    pub fn new(folder: impl AsRef<Path>) -> Checkpoints {
        Checkpoints {
            folder: folder.as_ref().to_owned(),
            monitor: None,
            every: None,
            existing: Existing::Refuse,
            begun: false,
        }
    }

    /// What tells which epoch is best.
    pub fn monitor(mut self, monitor: Monitor) -> Checkpoints {
        self.monitor = Some(monitor);
        self
    }

    /// The last state also after every so many steps, at least 1, for epochs that take hours.
    pub fn every_steps(mut self, steps: usize) -> Checkpoints {
        self.every = Some(steps);
        self
    }

    /// Lets a training that begins take the place of one whose files are in the folder.
    pub fn overwrite(mut self) -> Checkpoints {
        self.existing = Existing::Overwrite;
        self
    }

    fn write(&self, learner: &Learner, names: &[&str]) -> Result<()> {
        let bytes = learner.checkpoint(&self.folder.join(LAST))?;
        names.iter().try_for_each(|name| atomic_file::write(&self.folder.join(name), &bytes))
    }

    /// Removes what a process that was killed while it wrote has left.
    fn tidy_up(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = [LAST, BEST].iter().any(|file| name.starts_with(&format!(".{file}.")));
            if ours && name.ends_with(".tmp") {
                // It does no harm, but takes room.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn monitor_of(&self, learner: &Learner) -> Monitor {
        self.monitor.clone().unwrap_or_else(|| match learner.data().valid.is_empty() {
            true => Monitor::train_loss(),
            false => Monitor::valid_loss(),
        })
    }
}

impl Callback for Checkpoints {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        if self.every == Some(0) {
            return Err(Error::Argument {
                op: "Checkpoints::every_steps".into(),
                expected: "at least 1 step".into(),
                got: "0".into(),
                hint: "Leave it out to have a file after each epoch only.".into(),
            });
        }
        self.monitor_of(begin.learner).check(begin.learner)?;
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(|source| Error::Io {
            op: "create",
            path: folder.clone(),
            source,
        })?;
        let last = folder.join(LAST);
        let begins = !self.begun && self.existing == Existing::Refuse;
        if begins && last.exists() && !begin.learner.goes_on_from(&last)? {
            return Err(Error::Argument {
                op: "Checkpoints".into(),
                expected: "a folder without another training".into(),
                got: last.display().to_string(),
                hint: "To go on with that one, call learner.load(path)? and learner.resume()? or fit; to begin anew, choose \
                       another folder, or say .overwrite()."
                    .into(),
            });
        }
        self.tidy_up();
        self.begun = true;
        Ok(())
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        if self.every.is_some_and(|every| end.total_steps.is_multiple_of(every)) {
            self.write(end.learner, &[LAST])?;
        }
        Ok(Control::GoOn)
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        let epochs = end.learner.history().epochs();
        let best = self.monitor_of(end.learner).best(epochs, 0.0)?;
        let is_best = best.is_some_and(|(best, _)| best.epoch == end.epoch.epoch);
        self.write(end.learner, if is_best { &[LAST, BEST] } else { &[LAST] })?;
        Ok(Control::GoOn)
    }

    fn on_fit_end(&mut self, end: &FitEnd) -> Result<()> {
        // What stands within an epoch no file has yet; what an error has ended may be past use.
        let kept = match end.ending {
            Ending::Interrupted => end.history.num_steps() > 0,
            Ending::Stopped(_) => end.learner.is_within_an_epoch(),
            Ending::Complete | Ending::Failed(_) => false,
        };
        if kept { self.write(end.learner, &[LAST]) } else { Ok(()) }
    }
}
