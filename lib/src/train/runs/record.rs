//! A callback that writes down what a run is and what it brings.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::describe;
use super::facts::{Facts, joined};
use super::file::{Fit, RunFile};
use super::{git, machine};
use crate::train::fresh_folder::fresh;
use crate::train::{Callback, Control, Ending, EpochEnd, FitBegin, FitEnd, History, Learner};
use crate::{Error, Result, atomic_file};

pub(super) const RUN: &str = "run.json";
pub(super) const HISTORY: &str = "history.json";
/// How a fit has ended that has not.
const RUNNING: &str = "running";
/// While training goes on, no more than this share of the time is spent on writing.
const SHARE: f64 = 0.01;

/// Keeps a run in a folder of its own: what it was made with, and what it has brought. Give it to
/// [`Learner::callback`](super::super::Learner::callback):
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{Run, RunRecord};
///
/// # fn main() -> sconce::Result<()> {
/// # let above = tempfile::tempdir().unwrap();
/// # std::env::set_current_dir(&above).unwrap();
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
/// let record = RunRecord::new("runs/first")?;
/// let folder = record.folder().to_owned();
/// let mut learner = Learner::new(net, data).metric(accuracy()).callback(record);
/// learner.fit(2)?;
///
/// let mut run = Run::open(&folder)?;
/// run.save_evaluation(&learner.evaluate(Split::Test)?)?;
/// assert_eq!(run.setting("optimizer.name"), Some("adamw"));
/// assert_eq!(run.history().len(), 2);
/// # Ok(()) }
/// ```
///
/// | file | what it holds |
/// |---|---|
/// | `run.json` | model, loss, optimizer with all settings, training with seed, data with a [fingerprint](crate::data::Dataset::fingerprint) of each part, machine and releases, state of git; each call of `fit` and how it ended |
/// | `model.txt` | the layers |
/// | `history.json` | the [`History`], bit for bit |
/// | `epochs.csv`, `steps.csv` | the same as tables |
/// | `evaluation-test.json`, … | what [`Run::save_evaluation`](super::Run::save_evaluation) was given |
///
/// Each file is whole or as it was before. The history and `epochs.csv` are written after each epoch, as long as writing has
/// taken no more than 1 % of the time, and in any case after the first epoch and at the end of each fit; `steps.csv` then
/// only.
#[derive(Debug)]
pub struct RunRecord {
    folder: PathBuf,
    file: RunFile,
    begun: Instant,
    /// Spent on writing the history of this fit, in seconds.
    spent: f64,
    /// This process has looked at data, machine and git.
    looked: bool,
}

impl RunRecord {
    /// Makes the folder of a new run. One of that name that is there already stays as it is: then it is `name-2`, `name-3`,
    /// …, and [`RunRecord::folder`] says which.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: impl AsRef<Path>) -> Result<RunRecord> {
        let folder = fresh("RunRecord::new", folder.as_ref(), |_| Ok(true))?;
        let file = RunFile { begun: machine::now(), ..RunFile::default() };
        Ok(RunRecord { folder, file, begun: Instant::now(), spent: 0.0, looked: false })
    }

    /// Goes on with a run that was stopped, for a learner that goes on from its checkpoint: its history takes the place of
    /// the one in the folder. What is no longer as it was, settings, data, machine or source, is noted with the next fit.
    ///
    /// # Errors
    /// A folder that holds no run, or a damaged one.
    pub fn resume(folder: impl AsRef<Path>) -> Result<RunRecord> {
        let folder = folder.as_ref().to_owned();
        let mut file = RunFile::load(&folder.join(RUN))?;
        for fit in file.fits.iter_mut().filter(|fit| fit.ending == RUNNING) {
            fit.ending = "cut off".into();
        }
        Ok(RunRecord { folder, file, begun: Instant::now(), spent: 0.0, looked: false })
    }

    /// Where the run is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn save_run(&self) -> Result<()> {
        self.file.save(&self.folder.join(RUN))
    }

    /// Notes a fit that begins. The first fit says what the run is; later ones, in what they are other.
    fn describe(&mut self, learner: &Learner) -> Result<()> {
        let mut sections = describe::settings(learner);
        if !self.looked {
            let device = learner.net().device();
            let more = [
                ("data", describe::data(learner)?),
                ("machine", machine::facts(&device)),
                ("git", git::state()),
            ];
            sections.extend(more.map(|(name, facts)| (name.to_owned(), facts)));
        }
        let mut changed = Facts::new();
        if self.file.sections.is_empty() {
            self.file.sections = sections;
            let text = describe::text_of_model(learner);
            atomic_file::write(&self.folder.join("model.txt"), text.as_bytes())?;
        } else {
            for (section, facts) in &sections {
                let others =
                    facts.iter().filter(|(name, value)| self.file.fact(section, name) != Some(value));
                changed.extend(others.map(|(name, value)| (joined(section, name), value.clone())));
                let before = self.file.section(section).iter();
                let gone = before.filter(|(name, _)| !facts.iter().any(|(known, _)| known == name));
                changed.extend(gone.map(|(name, _)| (joined(section, name), "none".to_owned())));
            }
        }
        self.looked = true;
        self.file.fits.push(Fit {
            begun: machine::now(),
            from: learner.history().len(),
            until: learner.history().len(),
            ending: RUNNING.into(),
            seconds: 0.0,
            changed,
        });
        Ok(())
    }

    fn save_history(&mut self, history: &History) -> Result<()> {
        let start = Instant::now();
        history.save_json(self.folder.join(HISTORY))?;
        history.save_csv(self.folder.join("epochs.csv"))?;
        self.spent += start.elapsed().as_secs_f64();
        Ok(())
    }
}

impl Callback for RunRecord {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        self.describe(begin.learner)?;
        if let Some(fit) = self.file.fits.last_mut() {
            fit.until = begin.until;
        }
        (self.begun, self.spent) = (Instant::now(), 0.0);
        self.save_run()
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        if self.spent <= SHARE * self.begun.elapsed().as_secs_f64() {
            self.save_history(end.learner.history())?;
        }
        Ok(Control::GoOn)
    }

    fn on_fit_end(&mut self, end: &FitEnd) -> Result<()> {
        if let Some(fit) = self.file.fits.last_mut() {
            fit.seconds = self.begun.elapsed().as_secs_f64();
            fit.ending = match end.ending {
                Ending::Complete => "complete".into(),
                Ending::Stopped(why) => format!("stopped: {why}"),
                Ending::Interrupted => "interrupted".into(),
                Ending::Failed(why) => format!("failed: {why}"),
            };
        }
        self.save_history(end.history)?;
        end.history.save_steps_csv(self.folder.join("steps.csv"))?;
        self.save_run()
    }
}

/// A folder without what makes it a run.
pub(super) fn no_run(folder: &Path) -> Error {
    Error::Argument {
        op: "Run::open".into(),
        expected: format!("the folder of a run, with {RUN}"),
        got: format!("{:?}, which has none", folder.display().to_string()),
        hint: "RunRecord makes one: learner.callback(RunRecord::new(\"runs/first\")?). It writes the file when the first \
               fit begins."
            .into(),
    }
}
