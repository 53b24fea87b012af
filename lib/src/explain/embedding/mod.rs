//! Images as points: what a layer says of them, brought to a plane to look at.

mod affinity;
mod distance;
mod leading;
mod pca;
mod rows;
mod tsne;

use candle_core::{DType, Tensor};
use sconce_display::Bundle;

use self::distance::trustworthiness;
use self::rows::{Groups, Rows};
use super::features::{Batches, features};
use crate::nn::Model;
use crate::ops::shape_text;
use crate::plot::{Table, count};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

pub use pca::Pca;
pub use tsne::{Tsne, TsneConfig, TsneStart};

/// How [`embed`] goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedConfig {
    /// The layer whose output describes an image, maps by the mean of each; `None` for what goes into the last linear layer
    /// before the main output.
    pub layer: Option<String>,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for EmbedConfig {
    fn default() -> EmbedConfig {
        EmbedConfig { layer: None, batch: 32 }
    }
}

/// Images as points of a space of many dimensions, one for each number that a layer says of an image. Made by [`embed`],
/// or of any numbers by [`Embedding::new`].
#[derive(Debug, Clone)]
pub struct Embedding {
    name: String,
    rows: Rows,
    groups: Option<Groups>,
}

/// What a layer of a model says of `images` (N, C, H, W), prepared as for the model: a point for each image, to be looked
/// at with [`Embedding::pca`] and [`Embedding::tsne`].
///
/// ```
/// # use sconce::{explain::{self, EmbedConfig}, prelude::*};
/// # let net = Model::build([1, 8, 8], |x| x.conv2d(6, 3).relu().global_avg_pool().linear(3))?.init(Seed(1), &Device::Cpu)?;
/// # let images = Tensor::randn(0_f32, 1.0, (12, 1, 8, 8), &Device::Cpu)?;
/// let points = explain::embed(&net, &images, EmbedConfig::default())?;
/// assert_eq!(points.shape(), [12, 6]);
/// let flat = points.pca(2)?;
/// assert!(flat.variance_ratio()[0] >= flat.variance_ratio()[1]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the model cannot take the images; there is no such layer, or none before a linear one; features that are not finite;
/// a batch of 0; an interrupt.
pub fn embed(model: &Model, images: &Tensor, config: EmbedConfig) -> Result<Embedding> {
    let op = "explain::embed";
    if config.batch == 0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a batch of at least 1".into(),
            got: "0".into(),
            hint: "The default is 32.".into(),
        });
    }
    let found = features(op, model, config.layer.as_deref(), &Batches { images, batch: config.batch })?;
    let rows = Rows { width: found.width, values: found.values };
    Ok(Embedding { name: found.layer, rows, groups: None })
}

impl Embedding {
    /// Points of any numbers (N, D), called `name` where they are shown.
    ///
    /// # Errors
    /// For a tensor of another rank or without numbers, and for numbers that are not finite.
    pub fn new(name: &str, values: &Tensor) -> Result<Embedding> {
        let op = "Embedding::new";
        let &[points, width] = values.dims() else {
            return Err(Error::Shape {
                op: op.into(),
                expected: "numbers (N, D), a row for each point".into(),
                got: shape_text(values.dims()),
                hint: "Bring features of other shapes there with `flatten_from(1)?`.".into(),
            });
        };
        if points * width == 0 {
            return Err(Error::Shape {
                op: op.into(),
                expected: "at least one row and one column".into(),
                got: shape_text(values.dims()),
                hint: "There is nothing to place.".into(),
            });
        }
        let values = values.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if let Some(odd) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "finite numbers".into(),
                got: format!("{} in row {}, column {}", values[odd], odd / width, odd % width),
                hint: "Leave the row out, or look at what makes its numbers.".into(),
            });
        }
        Ok(Embedding { name: name.to_owned(), rows: Rows { width, values }, groups: None })
    }

    /// Sets the class of each point, `labels` (N) of u32, and what the classes are called: for a data set
    /// `data.labels()?` and `data.class_names()`. Pictures show them in their colours.
    ///
    /// # Errors
    /// For another number of labels than of points, of another type, or a class without a name.
    pub fn classes(mut self, labels: &Tensor, names: &[String]) -> Result<Embedding> {
        let op = "Embedding::classes";
        let points = self.rows.len();
        if labels.dims() != [points] || labels.dtype() != DType::U32 {
            return Err(Error::Shape {
                op: op.into(),
                expected: format!("labels ({points}) of u32, one for each point"),
                got: format!("{} of {}", shape_text(labels.dims()), labels.dtype().as_str()),
                hint: "`Dataset::labels` has them in the order of `Dataset::images`.".into(),
            });
        }
        let labels = labels.to_vec1::<u32>()?;
        if let Some(label) = labels.iter().find(|&&label| label as usize >= names.len()) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a name for each class".into(),
                got: format!("{} names and a label of {label}", names.len()),
                hint: "Labels count from 0.".into(),
            });
        }
        self.groups = Some(Groups { labels, names: names.to_vec() });
        Ok(self)
    }

    /// Points and dimensions, N and D.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.rows.len(), self.rows.width]
    }

    /// The numbers, point by point.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.rows.values
    }

    /// `points` of the points, drawn without repetition, in the order in which they stand; all where there are no more.
    #[must_use]
    pub fn sample(&self, points: usize, seed: Seed) -> Embedding {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        seed.rng().shuffle(&mut order);
        order.truncate(points);
        order.sort_unstable();
        let values = order.iter().flat_map(|&at| self.rows.row(at).iter().copied()).collect();
        let groups = self.groups.as_ref().map(|groups| Groups {
            labels: order.iter().filter_map(|&at| groups.labels.get(at).copied()).collect(),
            names: groups.names.clone(),
        });
        Embedding { name: self.name.clone(), rows: Rows { width: self.rows.width, values }, groups }
    }

    /// The `components` directions in which the points differ most, and where the points lie along them (Pearson 1901): a
    /// true shadow of the points, which keeps distances as well as so few numbers can.
    ///
    /// ```
    /// # use sconce::{explain::Embedding, prelude::*};
    /// let points = Tensor::new(&[[0.0_f32, 0.0], [3.0, 4.0], [6.0, 8.0]], &Device::Cpu)?;
    /// let line = Embedding::new("a line", &points)?.pca(1)?;
    /// assert!((line.values()[2] - 5.0).abs() < 1e-9 && line.variance_ratio()[0] > 0.999_999);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// For fewer than 2 points, points that are all equal, and more components than the points have dimensions; an
    /// interrupt.
    pub fn pca(&self, components: usize) -> Result<Pca> {
        Pca::of(self, components)
    }

    /// The points in a plane, so that those near each other stay near (van der Maaten and Hinton 2008, JMLR 9): groups
    /// show, but distances between groups, and their sizes, say little.
    ///
    /// ```
    /// # use sconce::{explain::{Embedding, TsneConfig}, prelude::*};
    /// # let points = Tensor::randn(0_f32, 1.0, (40, 6), &Device::Cpu)?;
    /// let config = TsneConfig { perplexity: 8.0, steps: 100, early_steps: 25, ..TsneConfig::default() };
    /// assert_eq!(Embedding::new("noise", &points)?.tsne(config)?.points().len(), 40);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// For fewer than 4 points or more than [`Tsne::MOST`], a perplexity that is too large for them, more equal points
    /// than the perplexity, and settings out of range; an interrupt.
    pub fn tsne(&self, config: TsneConfig) -> Result<Tsne> {
        Tsne::of(self, &config)
    }

    /// How far the neighbours of a point in a plane are its neighbours here (Venna and Kaski 2001): 1 where the `neighbours`
    /// nearest points of each in the plane are among its nearest here, less the more and the farther the strangers are among
    /// them; about 0.5 for points that are strewn at random.
    ///
    /// # Errors
    /// For another number of points than here, one that is not finite, and neighbours of 0 or of half the points or more; an
    /// interrupt.
    pub fn trustworthiness(&self, points: &[[f64; 2]], neighbours: usize) -> Result<f64> {
        trustworthiness(&self.rows, points, neighbours)
    }

    /// How many points each class has.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["class", "points"]);
        match &self.groups {
            None => table.push(&["all".into(), count(self.rows.len())]),
            Some(groups) => {
                for (label, name) in groups.names.iter().enumerate() {
                    let points = groups.labels.iter().filter(|&&other| other as usize == label).count();
                    table.push(&[name.clone(), count(points)]);
                }
            }
        }
        table
    }
}

impl Rich for Embedding {
    fn rich(&self) -> Bundle {
        let [points, width] = self.shape();
        let title = format!("{:?}: {} points of {} numbers\n", self.name, count(points), count(width));
        let text = format!("{title}{}", self.table().text());
        self.table().rich().with("text/plain", sconce_display::Content::Text(text))
    }
}
