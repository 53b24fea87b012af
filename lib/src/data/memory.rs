//! Samples that lie in memory.

use super::dataset::Dataset;
use super::sample::{Sample, Target};
use super::source::Source;
use crate::{Error, Result};

#[derive(Debug)]
struct InMemory {
    samples: Vec<Sample>,
    /// `[channels, height, width]`, where all have the same.
    shape: Option<[usize; 3]>,
    class_names: Vec<String>,
}

impl Dataset {
    /// A data set of samples in memory: images of any sizes with whatever is known of them.
    ///
    /// ```
    /// use sconce::data::{Dataset, Image, Pixels, Sample, Target};
    ///
    /// let image = Image::new([2, 3, 1], Pixels::U8(vec![0; 6]))?;
    /// let target = Target { labels: vec![1], ..Target::default() };
    /// let data = Dataset::in_memory(vec![Sample { id: "a".into(), image, target }], &["cat", "dog"])?;
    /// assert_eq!(data.image_shape(), Some([1, 2, 3]));
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a class of an image, an object or a pixel has no name.
    pub fn in_memory(samples: Vec<Sample>, class_names: &[&str]) -> Result<Dataset> {
        for sample in &samples {
            let target = &sample.target;
            let labels = target.labels.iter().chain(target.objects.iter().map(|object| &object.label));
            if let Some(label) = labels.copied().find(|&label| label as usize >= class_names.len()) {
                return Err(Error::Argument {
                    op: "Dataset::in_memory".into(),
                    expected: format!("labels below {}, the number of class names", class_names.len()),
                    got: format!("label {label} of sample {:?}", sample.id),
                    hint: "A label is the place of its class in `class_names`, from 0.".into(),
                });
            }
        }
        let shape = |sample: &Sample| {
            let [height, width, channels] = sample.image.shape();
            [channels, height, width]
        };
        let first = samples.first().map(shape);
        let same = samples.iter().all(|sample| Some(shape(sample)) == first);
        Ok(Dataset::from_source(InMemory {
            samples,
            shape: first.filter(|_| same),
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
        }))
    }
}

impl InMemory {
    fn find(&self, index: usize) -> Result<&Sample> {
        self.samples.get(index).ok_or_else(|| Error::Argument {
            op: "Source::sample".into(),
            expected: format!("an index below {}, the number of samples", self.samples.len()),
            got: index.to_string(),
            hint: "The first sample has index 0.".into(),
        })
    }
}

impl Source for InMemory {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn id(&self, index: usize) -> String {
        self.samples.get(index).map_or_else(String::new, |sample| sample.id.clone())
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        self.samples.get(index).map_or_else(Vec::new, |sample| sample.target.labels.clone())
    }

    fn target(&self, index: usize) -> Result<Target> {
        Ok(self.find(index)?.target.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.find(index).cloned()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn image_shape(&self) -> Option<[usize; 3]> {
        self.shape
    }
}
