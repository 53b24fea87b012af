//! Images with labels in memory.

use std::sync::Arc;

use candle_core::{DType, Device, IndexOp, Tensor};

use super::batches::{BatchConfig, Batches};
use crate::{Error, Result};

/// Images with a class each.
///
/// Images are f32 `(C, H, W)`, all of one shape; a label is the class's place in [`Dataset::class_names`].
/// Cloning is cheap: the pixels are shared.
///
/// ```
/// use sconce::data::Dataset;
/// use sconce::{Seed, prelude::*};
///
/// let images = Tensor::zeros((6, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// let data = Dataset::new(images, &[0, 1, 0, 1, 0, 1], &["cat", "dog"])?;
/// assert_eq!((data.len(), data.image_shape()), (6, [1, 4, 4]));
/// for batch in data.batches(4).shuffle(Seed(1)) {
///     let batch = batch?;
///     assert_eq!(batch.images.dim(0)?, batch.labels.dim(0)?);
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    images: Tensor,  // (N, C, H, W)
    targets: Tensor, // (N,)
    labels: Arc<[u32]>,
    shape: [usize; 3],
    about: Arc<About>,
}

/// What all parts of a data set share.
#[derive(Debug, Clone)]
struct About {
    name: String,
    description: String,
    class_names: Vec<String>,
}

impl Dataset {
    /// A data set of one's own tensors: images f32 `(N, C, H, W)`, as many labels, each below the number
    /// of class names.
    ///
    /// # Errors
    /// When the images have another rank or dtype, an image has no pixels, there are no class names, the
    /// number of labels is another than N, or a label is out of range.
    pub fn new(images: Tensor, labels: &[u32], class_names: &[&str]) -> Result<Dataset> {
        let op = || "Dataset::new".to_owned();
        let &[n, channels, height, width] = images.dims() else {
            let one_image = images.rank() == 3;
            return Err(Error::Shape {
                op: op(),
                expected: "images of shape (N, C, H, W)".into(),
                got: format!("{:?}", images.dims()),
                hint: if one_image {
                    "Make a batch of one with `unsqueeze(0)`."
                } else {
                    "Reshape them first."
                }
                .into(),
            });
        };
        if channels * height * width == 0 {
            return Err(Error::Shape {
                op: op(),
                expected: "at least one channel, row and column".into(),
                got: format!("{:?}", images.dims()),
                hint: "The shape is (N, C, H, W).".into(),
            });
        }
        if images.dtype() != DType::F32 {
            return Err(Error::Argument {
                op: op(),
                expected: "images of dtype f32".into(),
                got: images.dtype().as_str().into(),
                hint:
                    "Convert them: `images.to_dtype(DType::F32)?`, and for bytes `/ 255.0` to reach 0 to 1."
                        .into(),
            });
        }
        if labels.len() != n {
            return Err(Error::Argument {
                op: op(),
                expected: format!("{n} labels, one for each image"),
                got: format!("{} labels", labels.len()),
                hint: "Images and labels stand in the same order.".into(),
            });
        }
        if let Some((at, label)) =
            labels.iter().enumerate().find(|(_, label)| **label as usize >= class_names.len())
        {
            return Err(Error::Argument {
                op: op(),
                expected: format!("labels below {}, the number of class names", class_names.len()),
                got: format!("label {label} of image {at}"),
                hint: "A label is the place of its class in `class_names`, from 0.".into(),
            });
        }
        if class_names.is_empty() {
            return Err(Error::Argument {
                op: op(),
                expected: "at least one class name".into(),
                got: "none".into(),
                hint: "Name the classes in the order of the labels.".into(),
            });
        }
        let about = About {
            name: String::new(),
            description: String::new(),
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
        };
        let images = images.detach();
        let targets = Tensor::from_slice(labels, n, images.device())?;
        Ok(Dataset {
            images,
            targets,
            labels: labels.into(),
            shape: [channels, height, width],
            about: Arc::new(about),
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

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of classes, with images or not.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.about.class_names.len()
    }

    /// The names of the classes, in the order of the labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.about.class_names
    }

    /// `[channels, height, width]` of every image.
    #[must_use]
    pub fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Where the pixels are.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.images.device()
    }

    /// All images, f32 `(N, C, H, W)`.
    #[must_use]
    pub fn images(&self) -> Tensor {
        self.images.clone()
    }

    /// All labels, u32 `(N,)`, on the images' device.
    #[must_use]
    pub fn labels(&self) -> Tensor {
        self.targets.clone()
    }

    /// All labels, as plain numbers.
    #[must_use]
    pub fn label_values(&self) -> &[u32] {
        &self.labels
    }

    /// Image `index`, f32 `(C, H, W)`, and its label.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn get(&self, index: usize) -> Result<(Tensor, usize)> {
        match self.labels.get(index) {
            Some(&label) => Ok((self.images.i(index)?, label as usize)), // (C, H, W)
            None => Err(self.no_such("Dataset::get", index)),
        }
    }

    /// The images at these indices, in this order. An index may come several times.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn subset(&self, indices: &[usize]) -> Result<Dataset> {
        let (images, targets, labels) = self.select("Dataset::subset", indices)?;
        Ok(Dataset {
            images,
            targets,
            labels: labels.into(),
            shape: self.shape,
            about: Arc::clone(&self.about),
        })
    }

    /// Images, labels as a tensor and labels as numbers at these indices.
    pub(super) fn select(&self, op: &str, indices: &[usize]) -> Result<(Tensor, Tensor, Vec<u32>)> {
        let mut labels = Vec::with_capacity(indices.len());
        for &index in indices {
            labels.push(*self.labels.get(index).ok_or_else(|| self.no_such(op, index))?);
        }
        let targets = Tensor::from_slice(&labels, labels.len(), self.device())?;
        let images = if indices.is_empty() {
            let [channels, height, width] = self.shape;
            Tensor::zeros((0, channels, height, width), DType::F32, self.device())?
        } else {
            let at: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
            self.images.index_select(&Tensor::from_vec(at, indices.len(), self.device())?, 0)?
        };
        Ok((images, targets, labels))
    }

    fn no_such(&self, op: &str, index: usize) -> Error {
        Error::Argument {
            op: op.into(),
            expected: format!("an index below {}, the number of images", self.len()),
            got: index.to_string(),
            hint: "The first image has index 0.".into(),
        }
    }

    /// How many images each class has.
    #[must_use]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.num_classes()];
        for &label in self.labels.iter() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The images in batches: of a number of images, or as a [`BatchConfig`] says.
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
}
