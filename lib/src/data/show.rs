//! How data sets show themselves.

use std::fmt::Write as _;

use candle_core::{Device, Tensor};
use sconce_display::Bundle;

use super::dataset::Dataset;
use crate::Result;
use crate::plot::{ImageGrid, Picture, Table, ValueRange, count, escape, percent};
use crate::rich::Rich;

impl Dataset {
    /// The first `n` images with their class names as a picture; all of them where there are fewer.
    #[must_use]
    pub fn show_batch(&self, n: usize) -> ImageGrid {
        self.grid(&(0..self.len().min(n)).collect::<Vec<_>>())
    }

    /// These images with their class names; what cannot be drawn is said in the note.
    fn grid(&self, indices: &[usize]) -> ImageGrid {
        let drawn = self.select("show_batch", indices).and_then(|(images, _, labels)| {
            let captions: Vec<&str> =
                labels.iter().map(|&label| self.class_names()[label as usize].as_str()).collect();
            images_grid(&images, &captions)
        });
        drawn.unwrap_or_else(|error| ImageGrid::new().note(&format!("could not be drawn: {error}")))
    }

    /// The first image of each of the first 20 classes.
    fn examples(&self) -> ImageGrid {
        let first = |class: usize| self.label_values().iter().position(|&label| label as usize == class);
        self.grid(&(0..self.num_classes().min(20)).filter_map(first).collect::<Vec<_>>())
    }

    /// `digits: 1,797 images of 1 x 8 x 8, 10 classes`.
    fn headline(&self) -> String {
        let [channels, height, width] = self.image_shape();
        let name = if self.name().is_empty() { "Dataset" } else { self.name() };
        let classes = if self.num_classes() == 1 { "class" } else { "classes" };
        let images = count(self.len());
        format!(
            "{name}: {images} images of {channels} x {height} x {width}, {} {classes}",
            self.num_classes()
        )
    }

    /// Images by class, with bars: at most 20 classes, the others summed up.
    fn balance(&self) -> Table {
        let counts = self.class_counts();
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
        table
    }
}

impl Rich for Dataset {
    fn rich(&self) -> Bundle {
        let mut text = format!("{}\n{}", self.headline(), self.balance().text());
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
            "<div style=\"font-size:13px\"><b>{}</b><br>{picture}{}<small>{description}</small></div>",
            escape(&self.headline()),
            self.balance().html(),
        ))
    }
}

/// A batch of images `(N, C, H, W)` as a grid. 3 channels are drawn as RGB, others by their first one.
pub(super) fn images_grid(images: &Tensor, captions: &[&str]) -> Result<ImageGrid> {
    let images = images.to_device(&Device::Cpu)?;
    let (n, channels, height, width) = images.dims4()?;
    let drawn = if channels == 3 { 3 } else { 1 };
    let values: Vec<f32> = images.narrow(1, 0, drawn)?.flatten_all()?.to_vec1()?;
    let unit = values.iter().all(|value| !value.is_finite() || (0.0..=1.0).contains(value));
    let range = if unit { ValueRange::Unit } else { span(&values) };
    let mut grid = ImageGrid::new();
    for (at, values) in values.chunks(drawn * height * width).enumerate().take(n) {
        let picture = Picture::from_values([drawn, height, width], values, range)?;
        grid.push(picture, captions.get(at).copied().unwrap_or_default());
    }
    let mut notes = Vec::new();
    if drawn != channels {
        notes.push(format!("channel 0 of {channels}"));
    }
    if let ValueRange::Between { black, white } = range {
        notes.push(format!("black is {black:.3}, white is {white:.3}"));
    }
    Ok(grid.note(&notes.join("; ")))
}

/// From the least to the greatest finite value, the same for all images of a grid.
fn span(values: &[f32]) -> ValueRange {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    ValueRange::Between {
        black: finite().fold(f32::INFINITY, f32::min),
        white: finite().fold(f32::NEG_INFINITY, f32::max),
    }
}
