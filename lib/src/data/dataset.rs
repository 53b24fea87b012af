//! A data set: a handle over any source.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use candle_core::Device;

use super::batches::{BatchConfig, Batches};
use super::labels::Labels;
use super::sample::{Sample, Target};
use super::source::Source;
use super::tensors::Tensors;
use super::transform::{Join, Transform};
use crate::{Error, Result, Rng, Seed};

/// Where images lie that are not in a tensor of the user's.
static HOST: Device = Device::Cpu;

/// Images with what is to be learnt from them, wherever they come from.
///
/// Cloning is cheap: a data set is a handle over a [`Source`], the places of its samples in it, and the
/// transforms that change them on their way into a batch. Nothing is read before it is asked for.
///
/// ```
/// use sconce::data::Dataset;
/// use sconce::{Seed, prelude::*};
///
/// let images = Tensor::zeros((6, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// let data = Dataset::new(images, &[0, 1, 0, 1, 0, 1], &["cat", "dog"])?;
/// assert_eq!((data.len(), data.image_shape()), (6, Some([1, 4, 4])));
/// for batch in data.batches(4).shuffle(Seed(1)) {
///     let batch = batch?;
///     assert_eq!(batch.images.dim(0)?, batch.labels.dim(0)?);
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    source: Arc<dyn Source>,
    /// The source once more where it is one of tensors: it gives whole batches at once.
    tensors: Option<Arc<Tensors>>,
    /// Places in the source; all of them, in its order, where there is no list.
    places: Option<Arc<[usize]>>,
    transforms: Vec<Step>,
    /// The classes of each sample, read when they are first asked for.
    labels: Arc<OnceLock<Labels>>,
    about: Arc<About>,
}

/// What changes a sample on its way into a batch.
#[derive(Debug, Clone)]
enum Step {
    Transform(Arc<dyn Transform>),
    Join(Arc<dyn Join>),
}

/// What all parts of a data set share.
#[derive(Debug, Clone, Default)]
struct About {
    name: String,
    description: String,
}

impl Dataset {
    /// A data set that reads from `source`: files of some layout, drawings, whatever implements [`Source`].
    #[must_use]
    pub fn from_source(source: impl Source + 'static) -> Dataset {
        Dataset::over(Arc::new(source), None)
    }

    pub(super) fn over(source: Arc<dyn Source>, tensors: Option<Arc<Tensors>>) -> Dataset {
        Dataset {
            source,
            tensors,
            places: None,
            transforms: Vec::new(),
            labels: Arc::default(),
            about: Arc::default(),
        }
    }

    /// The data set with one more transform, which changes each sample on its way into a batch, after those
    /// that are there already. The data set it is called on stays as it is: transform the training part and
    /// not the others.
    ///
    /// ```
    /// # use sconce::{Seed, data::datasets, transforms::RandomHorizontalFlip};
    /// let mut data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// data.train = data.train.transform(RandomHorizontalFlip::default());
    /// # Ok::<(), sconce::Error>(())
    /// ```
    #[must_use]
    pub fn transform(&self, transform: impl Transform + 'static) -> Dataset {
        let mut changed = self.clone();
        changed.transforms.push(Step::Transform(Arc::new(transform)));
        changed
    }

    /// The data set with each sample joined with others of it that are drawn anew every time, such as to a
    /// [`Mosaic`](crate::transforms::Mosaic). The others come as the transforms so far leave them. One after it
    /// changes the joined sample; let it bring all to one size where some samples stay alone.
    ///
    /// ```
    /// # use sconce::{Seed, data::datasets, transforms::{Affine, Mosaic, RandomHorizontalFlip, Resize}};
    /// let shapes = datasets::shapes(100, Seed(1));
    /// let train = shapes
    ///     .transform(RandomHorizontalFlip::default())
    ///     .join(Mosaic::new(96).probability(0.5))
    ///     .transform(Affine::new().scale(0.5..=1.5))
    ///     .transform(Resize::new([96, 96]));
    /// # assert_eq!(train.transformed(0, 0, Seed(2))?.image.shape(), [96, 96, 3]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    #[must_use]
    pub fn join(&self, join: impl Join + 'static) -> Dataset {
        let mut changed = self.clone();
        changed.transforms.push(Step::Join(Arc::new(join)));
        changed
    }

    /// The data set without any of its transforms.
    #[must_use]
    pub fn untransformed(&self) -> Dataset {
        Dataset { transforms: Vec::new(), ..self.clone() }
    }

    /// The transforms in their order, as their `Debug` writes them.
    #[must_use]
    pub fn transforms(&self) -> Vec<String> {
        let text = |step: &Step| match step {
            Step::Transform(transform) => format!("{transform:?}"),
            Step::Join(join) => format!("{join:?}"),
        };
        self.transforms.iter().map(text).collect()
    }

    /// Whether the same sample may come into a batch as another one in the next epoch: whether any transform
    /// [is random](Transform::is_random), or samples are joined.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.transforms.iter().any(|step| match step {
            Step::Transform(transform) => transform.is_random(),
            Step::Join(_) => true,
        })
    }

    /// Sets the name, e.g. `digits`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Dataset {
        name.clone_into(&mut Arc::make_mut(&mut self.about).name);
        self
    }

    /// Sets what is to be known about the data: where they come from, who made them, their licence.
    #[must_use]
    pub fn described(mut self, description: &str) -> Dataset {
        description.clone_into(&mut Arc::make_mut(&mut self.about).description);
        self
    }

    /// The name, or an empty text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Where the data come from, who made them, their licence; or an empty text.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.about.description
    }

    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.as_ref().map_or_else(|| self.source.len(), |places| places.len())
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of classes, with images or not.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.class_names().len()
    }

    /// The names of the classes, in the order of the labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        self.source.class_names()
    }

    /// `[channels, height, width]` of every image as it comes into a batch, where that is known without
    /// reading: in tensors and samples in memory that are all of one shape. `None` for files, whose images
    /// may be of several sizes, and where transforms may change the size.
    #[must_use]
    pub fn image_shape(&self) -> Option<[usize; 3]> {
        if self.transforms.is_empty() { self.source.image_shape() } else { None }
    }

    /// Where the pixels are.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.tensors.as_ref().map_or(&HOST, |tensors| tensors.device())
    }

    /// What sample `index` is called: a path below the root, a name, a number.
    ///
    /// # Errors
    /// When there is no such sample.
    pub fn id(&self, index: usize) -> Result<String> {
        Ok(self.source.id(self.place("Dataset::id", index)?))
    }

    /// The file of sample `index`, where it has one of its own.
    ///
    /// # Errors
    /// When there is no such sample.
    pub fn path(&self, index: usize) -> Result<Option<PathBuf>> {
        Ok(self.source.path(self.place("Dataset::path", index)?))
    }

    /// Sample `index` as the source has it, before any transform.
    ///
    /// # Errors
    /// When there is no such sample, or its file is missing or damaged.
    pub fn sample(&self, index: usize) -> Result<Sample> {
        self.source.sample(self.place("Dataset::sample", index)?)
    }

    /// What is to be learnt from sample `index`, before any transform.
    pub(super) fn target_of(&self, index: usize) -> Result<Target> {
        let target = self.source.target(self.place("Dataset::target_of", index)?);
        target.map_err(|error| match error {
            Error::Interrupted { .. } => error,
            error => Error::Sample { index, id: self.id(index).unwrap_or_default(), source: Box::new(error) },
        })
    }

    /// Sample `index` as it comes into a batch of this epoch and seed: what is random in the transforms
    /// follows from seed, epoch and index alone. `data.batches(32).shuffle(seed).epoch(epoch)` gives the
    /// same.
    ///
    /// # Errors
    /// As [`Dataset::sample`], and whatever a transform refuses.
    pub fn transformed(&self, index: usize, epoch: usize, seed: Seed) -> Result<Sample> {
        self.drawn(index, epoch, seed, 0)
    }

    /// The same for a sample that has come `times` times before in this epoch.
    pub(super) fn drawn(&self, index: usize, epoch: usize, seed: Seed, times: usize) -> Result<Sample> {
        let sample = self.source.sample(self.place("Dataset::transformed", index)?)?;
        if self.transforms.is_empty() {
            return Ok(sample);
        }
        let again = if times == 0 { String::new() } else { format!(", time {times}") };
        let mut rng = seed.derive(&format!("epoch {epoch}, sample {index}{again}")).rng();
        self.changed(sample, &self.transforms, &mut rng)
    }

    /// A sample after some steps.
    fn changed(&self, mut sample: Sample, steps: &[Step], rng: &mut Rng) -> Result<Sample> {
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Transform(transform) => sample = transform.apply(sample, rng)?,
                Step::Join(join) => {
                    let others = join.others(rng)?;
                    if others == 0 {
                        continue;
                    }
                    let mut samples = vec![sample];
                    for _ in 0..others {
                        samples.push(self.another(&steps[..at], rng)?);
                    }
                    sample = join.joined(samples, rng)?;
                }
            }
        }
        Ok(sample)
    }

    /// Any sample after some steps.
    fn another(&self, steps: &[Step], rng: &mut Rng) -> Result<Sample> {
        let index = rng.below(self.len());
        let made = self.sample(index).and_then(|sample| self.changed(sample, steps, rng));
        made.map_err(|error| match error {
            Error::Interrupted { .. } => error,
            error => match self.id(index) {
                Ok(id) => Error::Sample { index, id, source: Box::new(error) },
                Err(error) => error,
            },
        })
    }

    /// The samples at these indices, in this order. An index may come several times. Nothing is copied.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn subset(&self, indices: &[usize]) -> Result<Dataset> {
        let places: Vec<usize> =
            indices.iter().map(|&index| self.place("Dataset::subset", index)).collect::<Result<_>>()?;
        let labels = self.labels.get().map(|labels| labels.pick(indices));
        Ok(Dataset {
            places: Some(places.into()),
            labels: Arc::new(labels.map_or_else(OnceLock::new, OnceLock::from)),
            ..self.clone()
        })
    }

    /// All samples but those at these indices, in their order: what is left after a
    /// [`Scan`](super::care::Scan) or [`LabelErrors`](super::care::LabelErrors) said what to drop.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn without(&self, indices: &[usize]) -> Result<Dataset> {
        let mut keep = vec![true; self.len()];
        for &index in indices {
            self.place("Dataset::without", index)?;
            keep[index] = false;
        }
        let kept: Vec<usize> = (0..self.len()).filter(|&index| keep[index]).collect();
        self.subset(&kept)
    }

    /// The samples in batches: of a number of samples, or as a [`BatchConfig`] says.
    ///
    /// ```
    /// # use sconce::{Seed, data::{BatchConfig, LastBatch, datasets}};
    /// let data = datasets::digits()?;
    /// assert_eq!(data.batches(64).shuffle(Seed(1)).count(), 29);
    /// let whole = BatchConfig { batch_size: 64, drop_last: LastBatch::Drop, ..BatchConfig::default() };
    /// assert_eq!(data.batches(whole).count(), 28);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    #[must_use]
    pub fn batches(&self, config: impl Into<BatchConfig>) -> Batches {
        Batches::new(self.clone(), config.into())
    }

    /// Where sample `index` is in the source.
    pub(super) fn place(&self, op: &str, index: usize) -> Result<usize> {
        let place = match &self.places {
            Some(places) => places.get(index).copied(),
            None => (index < self.source.len()).then_some(index),
        };
        place.ok_or_else(|| Error::Argument {
            op: op.into(),
            expected: format!("an index below {}, the number of images", self.len()),
            got: index.to_string(),
            hint: "The first image has index 0.".into(),
        })
    }

    /// The classes of all samples, read once.
    pub(super) fn label_table(&self) -> &Labels {
        self.labels.get_or_init(|| match &self.places {
            Some(places) => Labels::read(&*self.source, places.iter().copied()),
            None => Labels::read(&*self.source, 0..self.source.len()),
        })
    }

    /// The tensors that whole batches may be picked from; none where each sample must be made by itself.
    pub(super) fn whole_tensors(&self) -> Option<&Tensors> {
        self.tensors.as_deref().filter(|_| self.transforms.is_empty())
    }

    /// The places of all samples in the source, `None` where they are all of it in its order.
    pub(super) fn places(&self) -> Option<&[usize]> {
        self.places.as_deref()
    }
}
