//! Mean and standard deviation of the pixels of a data set.

use sconce_display::Bundle;

use super::ahead::guarded;
use super::collate::channels_first;
use super::dataset::Dataset;
use super::every::every;
use crate::plot::{Table, count, number};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// Mean and standard deviation of each channel over all pixels of all images, each pixel counting the same.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStatistics {
    /// One for each channel, in the units of the images: fractions of 255 for bytes.
    pub mean: Vec<f32>,
    /// One for each channel: the root of the mean squared distance from the mean.
    pub std: Vec<f32>,
    /// How many images they are of.
    pub images: usize,
}

/// What is known of the pixels of a channel: their number, their mean, and the sum of the squared distances
/// from it.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of(values: &[f32]) -> Moments {
        let count = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let squares = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
        Moments { count, mean, squares }
    }

    /// Both together, without cancellation (Chan, Golub and LeVeque 1983).
    fn and(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let apart = other.mean - self.mean;
        Moments {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares + other.squares + apart * apart * self.count * other.count / count,
        }
    }
}

/// The moments of each channel of sample `index`, as it comes into a batch.
fn moments(data: &Dataset, index: usize) -> Result<Vec<Moments>> {
    let sample = guarded(|| data.transformed(index, 0, Seed(0)));
    match sample {
        Ok(sample) => {
            let image = &sample.image;
            let values = channels_first(image);
            Ok(values.chunks_exact(image.height() * image.width()).map(Moments::of).collect())
        }
        Err(error @ Error::Interrupted { .. }) => Err(error),
        Err(error) => Err(Error::Sample { index, id: data.id(index)?, source: Box::new(error) }),
    }
}

impl Dataset {
    /// Mean and standard deviation of each channel over all images as they come into batches, to normalize
    /// by: reads every image once, in parallel, and shows how far it is. The same bit for bit whatever the
    /// number of threads.
    ///
    /// ```
    /// # use sconce::data::datasets;
    /// let statistics = datasets::digits()?.statistics()?;
    /// assert!((statistics.mean[0] - 0.305).abs() < 0.001);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are no images, their channels differ in number, or one cannot be read;
    /// [`Error::Interrupted`].
    pub fn statistics(&self) -> Result<ChannelStatistics> {
        let op = "Dataset::statistics";
        if self.is_empty() {
            return Err(Error::Argument {
                op: op.into(),
                expected: "at least one image".into(),
                got: "none".into(),
                hint: "The mean of nothing is not known.".into(),
            });
        }
        // Of each image by itself, put together in the order of the images: the sum does not depend on who was
        // faster.
        let mut all: Vec<Moments> = Vec::new();
        every(self, "statistics", moments, |index, image| self.gather(&mut all, &image, index))?;
        let mean = all.iter().map(|moments| moments.mean as f32).collect();
        let std = all.iter().map(|moments| (moments.squares / moments.count).sqrt() as f32).collect();
        Ok(ChannelStatistics { mean, std, images: self.len() })
    }

    fn gather(&self, all: &mut Vec<Moments>, image: &[Moments], index: usize) -> Result<()> {
        if index == 0 {
            all.resize(image.len(), Moments::default());
        }
        if all.len() != image.len() {
            return Err(Error::Shape {
                op: "Dataset::statistics".into(),
                expected: format!("images of {} channels, like the first", all.len()),
                got: format!("{} channels in {:?}", image.len(), self.id(index)?),
                hint: "Bring all images to one number of channels with a transform.".into(),
            });
        }
        for (all, image) in all.iter_mut().zip(image) {
            *all = all.and(*image);
        }
        Ok(())
    }
}

impl Rich for ChannelStatistics {
    fn rich(&self) -> Bundle {
        let mut table = Table::new(&["channel", "mean", "std"]);
        for (channel, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            table.push(&[channel.to_string(), number(f64::from(*mean)), number(f64::from(*std))]);
        }
        let headline = format!("pixels of {} images", count(self.images));
        Bundle::text(format!("{headline}\n{}", table.text())).html(format!("{headline}{}", table.html()))
    }
}
