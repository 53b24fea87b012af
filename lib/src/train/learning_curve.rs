//! How good a model gets with how many images.

use sconce_display::interrupt;

use super::evaluation::Evaluation;
use super::learner::Learner;
use crate::data::{DataSplit, Dataset, Split};
use crate::plot::count;
use crate::progress::{Bar, Quiet, duration};
use crate::{Error, Result, Seed};

/// What [`LearningCurve::new`] is to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningCurveConfig {
    /// Shares of the training part, each above 0 and at most 1; their order does not matter.
    pub fractions: Vec<f64>,
    /// How many times each is trained, with other images and other weights: more than once shows what is chance.
    pub repeats: usize,
    /// Which part is measured on.
    pub measured_on: Split,
    /// What draws the images, and where the seeds of the trainings come from.
    pub seed: Seed,
}

impl Default for LearningCurveConfig {
    /// 10, 20, 40, 70 and 100 % of the images, once, measured on the validation part, seed 42.
    fn default() -> LearningCurveConfig {
        LearningCurveConfig {
            fractions: vec![0.1, 0.2, 0.4, 0.7, 1.0],
            repeats: 1,
            measured_on: Split::Valid,
            seed: Seed(42),
        }
    }
}

/// Loss and metrics over the number of training images: a value that shows itself as curves and a table. It tells whether
/// more images would help. Let each training come to its end: in the same number of epochs, fewer images are fewer steps, and
/// the curve would show that instead.
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{LearningCurve, LearningCurveConfig};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// let config = LearningCurveConfig { fractions: vec![0.1, 0.3, 1.0], ..LearningCurveConfig::default() };
/// let mut curve = LearningCurve::new(data, config)?;
/// curve.run(|data, seed| {
///     let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(seed, &Device::Cpu)?;
///     let mut learner = Learner::new(net, data).metric(accuracy()).optimizer(adamw(0.01)).seed(seed);
///     learner.fit(3)?;
///     Ok(learner)
/// })?;
/// let accuracy = curve.measured("accuracy")?;
/// assert!(accuracy[0].1 < accuracy[2].1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LearningCurve {
    pub(super) data: DataSplit,
    pub(super) config: LearningCurveConfig,
    /// How many images each size of each repeat has, and which.
    pub(super) plan: Vec<Planned>,
    /// As many as trainings are done, in the order of the plan.
    pub(super) done: Vec<Measured>,
}

/// One training that is to be.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    indices: Vec<usize>,
    seed: Seed,
}

/// What one training brought.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    images: usize,
    /// By name, the loss first.
    pub(super) train: Vec<(String, f64)>,
    pub(super) measured: Vec<(String, f64)>,
}

pub(super) const LOSS: &str = "loss";

impl LearningCurve {
    /// A curve of which nothing is measured yet. The images of a smaller share are among those of a larger one, and each
    /// class is in each in proportion, with one image at least.
    ///
    /// # Errors
    /// No fractions, or one that is not above 0 and at most 1; no repeats; an empty part; images without one class.
    pub fn new(data: DataSplit, config: LearningCurveConfig) -> Result<LearningCurve> {
        let refused = |expected: &str, got: String, hint: &str| Error::Argument {
            op: "LearningCurve::new".into(),
            expected: expected.into(),
            got,
            hint: hint.into(),
        };
        let mut fractions = config.fractions.clone();
        fractions.sort_by(f64::total_cmp);
        if fractions.is_empty() || !fractions.iter().all(|fraction| *fraction > 0.0 && *fraction <= 1.0) {
            let hint = "For example vec![0.1, 0.3, 1.0].";
            return Err(refused("fractions above 0 and at most 1", format!("{:?}", config.fractions), hint));
        }
        if config.repeats == 0 {
            return Err(refused("at least 1 repeat", "0".into(), "1 is the default."));
        }
        for part in [Split::Train, config.measured_on] {
            if data.part(part).is_empty() {
                let expected = format!("images in the {part} part");
                return Err(refused(&expected, "none".into(), "Give it a fraction above 0 in split()."));
            }
        }
        let mut plan = Vec::new();
        for repeat in 0..config.repeats {
            let seed = config.seed.derive(&format!("repeat {repeat}"));
            let classes = shuffled_classes(&data.train, seed)?;
            let mut sizes = Vec::new();
            for &fraction in &fractions {
                let mut indices: Vec<usize> = classes
                    .iter()
                    .flat_map(|class| &class[..taken(class.len(), fraction)])
                    .copied()
                    .collect();
                indices.sort_unstable();
                // Of small sets several fractions may be the same images.
                if sizes.last() != Some(&indices.len()) {
                    sizes.push(indices.len());
                    plan.push(Planned { indices, seed });
                }
            }
        }
        Ok(LearningCurve { data, config, plan, done: Vec::new() })
    }

    /// Makes all trainings that are left: `train` gets data whose training part is smaller, and a seed, and gives a learner
    /// that has been trained. Trainings show no bars of their own. An interrupt, or an error, leaves what is done; the next
    /// call goes on with the training that was stopped, from its beginning.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; whatever `train` or the evaluation refuse.
    pub fn run(
        &mut self,
        mut train: impl FnMut(DataSplit, Seed) -> Result<Learner>,
    ) -> Result<LearningCurve> {
        let mut bar = Bar::start();
        let began = self.done.len();
        let outcome = loop {
            let Some(planned) = self.plan.get(self.done.len()) else { break Ok(()) };
            let images = count(planned.indices.len());
            let line = format!("training {} of {}, {images} images", self.done.len() + 1, self.plan.len());
            self.show(&mut bar, began, &line);
            if interrupt::requested() {
                break Err(self.interrupted());
            }
            match self.measure(planned, &mut train) {
                Ok(measured) => self.done.push(measured),
                Err(Error::Interrupted { .. }) => break Err(self.interrupted()),
                Err(error) => break Err(error),
            }
        };
        let done =
            format!("{} of {} trainings, {}", self.done.len(), self.plan.len(), duration(bar.seconds()));
        self.show(&mut bar, began, &done);
        bar.close();
        outcome.map(|()| self.clone())
    }

    fn interrupted(&self) -> Error {
        let at = format!("in the learning curve, after {} of {} trainings", self.done.len(), self.plan.len());
        Error::Interrupted { at }
    }

    fn show(&self, bar: &mut Bar, began: usize, line: &str) {
        let done = (self.done.len() - began) as f64 / (self.plan.len() - began).max(1) as f64;
        let left = bar.left(done).filter(|_| done < 1.0);
        let line = left.map_or_else(|| line.to_owned(), |left| format!("{line}, {} left", duration(left)));
        bar.show(done, &line, || match self.done.is_empty() {
            true => String::new(),
            false => self.picture(),
        });
    }

    fn measure(
        &self,
        planned: &Planned,
        train: &mut impl FnMut(DataSplit, Seed) -> Result<Learner>,
    ) -> Result<Measured> {
        let _quiet = Quiet::begin();
        let part = self.data.train.subset(&planned.indices)?;
        let learner = train(DataSplit { train: part, ..self.data.clone() }, planned.seed)?;
        let named = |evaluation: &Evaluation| {
            let loss = (LOSS.to_owned(), evaluation.loss());
            [loss].into_iter().chain(evaluation.metrics().iter().cloned()).collect::<Vec<_>>()
        };
        Ok(Measured {
            images: planned.indices.len(),
            train: named(&learner.evaluate(Split::Train)?),
            measured: named(&learner.evaluate(self.config.measured_on)?),
        })
    }

    /// Whether all trainings are done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.done.len() == self.plan.len()
    }

    /// Images and the mean over the repeats of `"loss"` or a metric on the part that is measured on, the fewest images first.
    ///
    /// # Errors
    /// A name that no training has measured.
    pub fn measured(&self, name: &str) -> Result<Vec<(usize, f64)>> {
        self.means_of(name, |measured| &measured.measured)
    }

    /// The same on the images that were trained with.
    ///
    /// # Errors
    /// A name that no training has measured.
    pub fn trained(&self, name: &str) -> Result<Vec<(usize, f64)>> {
        self.means_of(name, |measured| &measured.train)
    }

    fn means_of(&self, name: &str, of: fn(&Measured) -> &Vec<(String, f64)>) -> Result<Vec<(usize, f64)>> {
        let names = self.names();
        if !names.contains(&name) {
            return Err(Error::Argument {
                op: "LearningCurve".into(),
                expected: format!("one of {names:?}"),
                got: format!("{name:?}"),
                hint: "The learner must have the metric, and `run` must have made a training.".into(),
            });
        }
        Ok(self.spread(name, of).into_iter().map(|(images, mean, _)| (images, mean)).collect())
    }

    /// Images, the mean and the standard deviation over the repeats.
    pub(super) fn spread(
        &self,
        name: &str,
        of: fn(&Measured) -> &Vec<(String, f64)>,
    ) -> Vec<(usize, f64, f64)> {
        let mut sizes: Vec<usize> = self.done.iter().map(|measured| measured.images).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let spread = sizes.into_iter().filter_map(|images| {
            let of_size = self.done.iter().filter(|measured| measured.images == images);
            let values: Vec<f64> = of_size
                .filter_map(|measured| {
                    of(measured).iter().find(|(known, _)| known == name).map(|(_, value)| *value)
                })
                .collect();
            if values.is_empty() {
                return None;
            }
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };
            Some((images, mean, deviation))
        });
        spread.collect()
    }

    /// The loss and all metrics.
    pub(super) fn names(&self) -> Vec<&str> {
        self.done
            .first()
            .map_or_else(Vec::new, |first| first.measured.iter().map(|(name, _)| name.as_str()).collect())
    }
}

/// The images of each class in an order by chance, so that the first of them are a sample.
fn shuffled_classes(part: &Dataset, seed: Seed) -> Result<Vec<Vec<usize>>> {
    let mut classes = vec![Vec::new(); part.num_classes()];
    for (index, &label) in part.label_values()?.iter().enumerate() {
        classes[label as usize].push(index);
    }
    for (class, indices) in classes.iter_mut().enumerate() {
        seed.derive(&format!("class {class}")).rng().shuffle(indices);
    }
    Ok(classes)
}

/// How many of a class go into a share; one at least, if there are any.
fn taken(images: usize, fraction: f64) -> usize {
    ((images as f64 * fraction).round() as usize).clamp(images.min(1), images)
}
