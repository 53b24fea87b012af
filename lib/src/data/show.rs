//! How data sets show themselves.

use std::fmt::Write as _;

use candle_core::{Device, Tensor};
use sconce_display::Bundle;

use super::collate::channels_first;
use super::dataset::Dataset;
use super::image::Image;
use crate::plot::{ImageGrid, Picture, Table, ValueRange, count, escape, percent};
use crate::rich::Rich;
use crate::{Result, Seed};

impl Dataset {
    /// The first `n` images with their class names as a picture; all of them where there are fewer.
    #[must_use]
    pub fn show_batch(&self, n: usize) -> ImageGrid {
        self.grid(&(0..self.len().min(n)).collect::<Vec<_>>())
    }

    /// These images as they come into a batch, with their class names; what cannot be drawn is said in the
    /// note.
    fn grid(&self, indices: &[usize]) -> ImageGrid {
        let drawn = || {
            let mut images = Vec::with_capacity(indices.len());
            let mut captions = Vec::with_capacity(indices.len());
            for &index in indices {
                let sample = self.transformed(index, 0, Seed(0))?;
                self.check_labels("show_batch", &sample.target.labels, index)?;
                images.push(Drawn::of(&sample.image));
                let names =
                    sample.target.labels.iter().map(|&label| self.class_names()[label as usize].as_str());
                captions.push(names.collect::<Vec<_>>().join(", "));
            }
            images_grid(&images, &captions)
        };
        drawn().unwrap_or_else(|error| ImageGrid::new().note(&format!("could not be drawn: {error}")))
    }

    /// The first image of each of the first 20 classes.
    fn examples(&self) -> ImageGrid {
        let mut first = vec![None; self.num_classes().min(20)];
        for index in 0..self.len() {
            for &label in self.labels_of(index).unwrap_or_default() {
                if let Some(first) = first.get_mut(label as usize) {
                    first.get_or_insert(index);
                }
            }
            if first.iter().all(Option::is_some) {
                break;
            }
        }
        self.grid(&first.into_iter().flatten().collect::<Vec<_>>())
    }

    /// `digits: 1,797 images of 1 x 8 x 8, 10 classes`.
    fn headline(&self) -> String {
        let name = if self.name().is_empty() { "Dataset" } else { self.name() };
        let classes = if self.num_classes() == 1 { "class" } else { "classes" };
        let images = count(self.len());
        format!("{name}: {images} images{}, {} {classes}", self.shape_text(), self.num_classes())
    }

    /// ` of 1 x 8 x 8`, or nothing where that is not known.
    pub(super) fn shape_text(&self) -> String {
        self.image_shape().map_or_else(String::new, |[channels, height, width]| {
            format!(" of {channels} x {height} x {width}")
        })
    }

    /// Images by class, with bars: at most 20 classes, the others summed up.
    fn balance(&self) -> Result<Table> {
        let counts = self.class_counts()?;
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let mut table = Table::new(&["class", "images", "share", ""]);
        let mut row = |name: &str, images: usize| {
            let share = if self.is_empty() { 0.0 } else { images as f64 / self.len() as f64 };
            let bar = "█".repeat((images as f64 / most as f64 * 20.0).round().min(20.0) as usize);
            table.push(&[name.to_owned(), images.to_string(), percent(share), bar]);
        };
        let shown = if counts.len() > 20 { 19 } else { counts.len() };
        for (name, &images) in self.class_names().iter().zip(&counts).take(shown) {
            row(name, images);
        }
        if counts.len() > shown {
            row(&format!("{} others", counts.len() - shown), counts[shown..].iter().sum());
        }
        Ok(table)
    }
}

impl Rich for Dataset {
    fn rich(&self) -> Bundle {
        let (balance, balance_html) = match self.balance() {
            Ok(table) => (table.text(), table.html()),
            Err(error) => (format!("{error}\n"), escape(&error.to_string())),
        };
        let mut text = format!("{}\n{balance}", self.headline());
        if !self.description().is_empty() {
            let _ = writeln!(text, "{}", self.description());
        }
        let examples = self.examples();
        let picture = examples.picture().and_then(|picture| Some((picture.size(), picture.data_uri().ok()?)));
        let picture = picture.map_or(String::new(), |([height, width], uri)| {
            format!(
                "<img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"one image of each class\" \
                 style=\"max-width:100%;border:1px solid rgba(128,128,128,.4)\">"
            )
        });
        let description = escape(self.description());
        Bundle::text(text).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b><br>{picture}{balance_html}<small>{description}</small></div>",
            escape(&self.headline()),
        ))
    }
}

/// The numbers of an image to be drawn.
pub(super) struct Drawn {
    /// `[channels, height, width]`.
    shape: [usize; 3],
    values: Vec<f32>,
}

impl Drawn {
    fn of(image: &Image) -> Drawn {
        let [height, width, channels] = image.shape();
        Drawn { shape: [channels, height, width], values: channels_first(image) }
    }

    /// The images of a batch (B, C, H, W).
    pub(super) fn batch(images: &Tensor) -> Result<Vec<Drawn>> {
        let (_, channels, height, width) = images.dims4()?;
        let values: Vec<f32> = images.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        let shape = [channels, height, width];
        Ok(values
            .chunks(channels * height * width)
            .map(|values| Drawn { shape, values: values.to_vec() })
            .collect())
    }
}

/// Images as a grid. 3 channels are drawn as RGB, others by their first one.
pub(super) fn images_grid(images: &[Drawn], captions: &[String]) -> Result<ImageGrid> {
    let drawn = |image: &Drawn| if image.shape[0] == 3 { 3 } else { 1 };
    let seen = |image: &Drawn| drawn(image) * image.shape[1] * image.shape[2];
    let values = || images.iter().flat_map(|image| &image.values[..seen(image)]).copied();
    let unit = values().all(|value| !value.is_finite() || (0.0..=1.0).contains(&value));
    let range = if unit { ValueRange::Unit } else { span(values()) };
    let mut grid = ImageGrid::new();
    for (at, image) in images.iter().enumerate() {
        let [_, height, width] = image.shape;
        let picture =
            Picture::from_values([drawn(image), height, width], &image.values[..seen(image)], range)?;
        grid.push(picture, captions.get(at).map_or("", String::as_str));
    }
    let mut notes = Vec::new();
    if let Some(other) = images.iter().find(|image| drawn(image) != image.shape[0]) {
        notes.push(format!("channel 0 of {}", other.shape[0]));
    }
    if let ValueRange::Between { black, white } = range {
        notes.push(format!("black is {black:.3}, white is {white:.3}"));
    }
    Ok(grid.note(&notes.join("; ")))
}

/// From the least to the greatest finite value, the same for all images of a grid.
fn span(values: impl Iterator<Item = f32>) -> ValueRange {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    let (black, white) = values
        .filter(|value| value.is_finite())
        .fold(start, |(low, high), value| (low.min(value), high.max(value)));
    ValueRange::Between { black, white }
}
