//! Images that lie in one tensor.

use std::sync::Arc;

use candle_core::{DType, Device, IndexOp, Tensor};

use super::dataset::Dataset;
use super::image::Image;
use super::sample::{Sample, Target};
use super::source::Source;
use crate::{Error, Result};

/// Images f32 (N, C, H, W) with a class each.
#[derive(Debug)]
pub(super) struct Tensors {
    images: Tensor, // (N, C, H, W)
    shape: [usize; 3],
    labels: Vec<u32>,
    class_names: Vec<String>,
}

impl Dataset {
    /// A data set of one's own tensors: images f32 `(N, C, H, W)`, as many labels, each below the number
    /// of class names. Its batches are picked out of the tensor at once.
    ///
    /// # Errors
    /// When the images have another rank or dtype, an image has no pixels, there are no class names, the
    /// number of labels is another than N, or a label is out of range.
    pub fn new(images: Tensor, labels: &[u32], class_names: &[&str]) -> Result<Dataset> {
        let shape = checked_shape(&images, labels, class_names)?;
        // Threads that read them do not wait for what this one has queued on a GPU.
        images.device().synchronize()?;
        let tensors = Arc::new(Tensors {
            images: images.detach(),
            shape,
            labels: labels.to_vec(),
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
        });
        Ok(Dataset::over(Arc::clone(&tensors) as Arc<dyn Source>, Some(tensors)))
    }
}

/// `[C, H, W]` of images that go with their labels.
fn checked_shape(images: &Tensor, labels: &[u32], class_names: &[&str]) -> Result<[usize; 3]> {
    let op = || "Dataset::new".to_owned();
    let &[n, channels, height, width] = images.dims() else {
        let one_image = images.rank() == 3;
        return Err(Error::Shape {
            op: op(),
            expected: "images of shape (N, C, H, W)".into(),
            got: format!("{:?}", images.dims()),
            hint: if one_image { "Make a batch of one with `unsqueeze(0)`." } else { "Reshape them first." }
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
            hint: "Convert them: `images.to_dtype(DType::F32)?`, and for bytes `/ 255.0` to reach 0 to 1."
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
    Ok([channels, height, width])
}

impl Tensors {
    pub(super) fn device(&self) -> &Device {
        self.images.device()
    }

    /// The images at these places, which exist, (B, C, H, W); all of them for `None`.
    pub(super) fn pick(&self, places: Option<&[usize]>) -> Result<Tensor> {
        let Some(places) = places else { return Ok(self.images.clone()) };
        if places.is_empty() {
            let [channels, height, width] = self.shape;
            return Ok(Tensor::zeros((0, channels, height, width), DType::F32, self.device())?);
        }
        let at: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        Ok(self.images.index_select(&Tensor::from_vec(at, places.len(), self.device())?, 0)?)
    }

    /// The class at a place that exists.
    pub(super) fn label(&self, place: usize) -> u32 {
        self.labels[place]
    }
}

impl Source for Tensors {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn id(&self, index: usize) -> String {
        index.to_string()
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        self.labels.get(index).map_or_else(Vec::new, |&label| vec![label])
    }

    fn target(&self, index: usize) -> Result<Target> {
        Ok(Target { labels: self.labels(index), ..Target::default() })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let image = Image::from_tensor(&self.images.i(index)?)?;
        Ok(Sample { id: self.id(index), image, target: self.target(index)? })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn image_shape(&self) -> Option<[usize; 3]> {
        Some(self.shape)
    }
}
