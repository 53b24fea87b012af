//! Images with what a model says of them: a grid of pictures and a table.

use sconce_display::Bundle;

use crate::Result;
use crate::data::Dataset;
use crate::plot::{ImageGrid, Table, count, escape, number, percent, svg_in_html};
use crate::rich::Rich;

/// A grid draws no more pictures.
const DRAWN: usize = 256;
/// A table has no more rows.
const ROWS: usize = 50;

/// An image and what a model says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedImage {
    /// Where the image stands in the part.
    pub index: usize,
    /// Its class.
    pub target: u32,
    /// The class that the model takes it for.
    pub predicted: u32,
    /// The probability of that class, in `[0, 1]`.
    pub probability: f64,
    /// The cross-entropy of the image, in nats: minus the logarithm of the probability of its class.
    pub loss: f64,
}

impl JudgedImage {
    /// `row` are the logits of the image.
    fn of(index: usize, target: u32, row: &[f32]) -> JudgedImage {
        let at = |class: usize| f64::from(row.get(class).copied().unwrap_or(f32::NEG_INFINITY));
        let best = (0..row.len()).fold(0, |best, class| if at(class) > at(best) { class } else { best });
        let sum: f64 = row.iter().map(|&z| (f64::from(z) - at(best)).exp()).sum();
        let loss = at(best) - at(target as usize) + sum.ln();
        JudgedImage { index, target, predicted: best as u32, probability: 1.0 / sum, loss }
    }
}

/// All images of a part: `logits` are those of the images at `indices`, row by row, `targets` their classes.
pub(super) fn judged<'a>(
    part: &Dataset,
    indices: &'a [usize],
    logits: &'a [f32],
    targets: &'a [u32],
) -> impl Iterator<Item = JudgedImage> + 'a {
    let rows = logits.chunks(part.num_classes().max(1));
    let samples = indices.iter().zip(targets).zip(rows);
    samples.map(|((&index, &target), row)| JudgedImage::of(index, target, row))
}

/// Images in the order in which they are shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JudgedImages {
    images: Vec<JudgedImage>,
    class_names: Vec<String>,
    grid: ImageGrid,
    /// A line above all; may be empty.
    headline: String,
}

impl JudgedImages {
    /// `title` is said above the pictures.
    pub(super) fn of(part: &Dataset, images: Vec<JudgedImage>, title: &str) -> Result<JudgedImages> {
        let drawn: Vec<usize> = images.iter().take(DRAWN).map(|image| image.index).collect();
        let class_names = part.class_names().to_vec();
        let grid = part.captioned(&drawn, &|at, _| {
            let said = |image: &JudgedImage| {
                let [target, said] = [image.target, image.predicted].map(|class| name(&class_names, class));
                format!("{target} → {said} {}", percent(image.probability))
            };
            images.get(at).map_or_else(String::new, said)
        })?;
        let some = match images.len() > DRAWN {
            true => format!(" (the first {DRAWN} of {})", count(images.len())),
            false => String::new(),
        };
        let grid = grid.title(&format!("{title}{some}: true → said, how sure"));
        Ok(JudgedImages { images, class_names, grid, headline: String::new() })
    }

    /// Says a line above all.
    pub(super) fn headline(mut self, headline: String) -> JudgedImages {
        self.headline = headline;
        self
    }

    pub(super) fn images(&self) -> &[JudgedImage] {
        &self.images
    }

    pub(super) fn grid(&self) -> &ImageGrid {
        &self.grid
    }

    /// The first images, and how many more there are.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["image", "true", "predicted", "probability", "loss"]);
        for image in self.images.iter().take(ROWS) {
            let [target, predicted] =
                [image.target, image.predicted].map(|class| name(&self.class_names, class));
            let numbers = [percent(image.probability), number(image.loss)];
            let [probability, loss] = &numbers;
            table.push(&[&image.index.to_string(), target, predicted, probability, loss]);
        }
        if let Some(more) = self.images.len().checked_sub(ROWS).filter(|&more| more > 0) {
            table.push(&[format!("and {} more", count(more))]);
        }
        table
    }
}

fn name(class_names: &[String], class: u32) -> &str {
    class_names.get(class as usize).map_or("?", String::as_str)
}

impl Rich for JudgedImages {
    fn rich(&self) -> Bundle {
        let table = self.table();
        let picture = match self.grid.svg() {
            Ok(svg) => svg_in_html(&svg, self.grid.text().trim_end()),
            Err(error) => escape(&error.to_string()),
        };
        let (text, html) = match self.headline.as_str() {
            "" => (String::new(), String::new()),
            line => (format!("{line}\n"), format!("<div style=\"font-size:13px\">{}</div>", escape(line))),
        };
        let bundle = Bundle::text(text + &table.text()).html(format!("{html}{picture}{}", table.html()));
        match self.grid.picture().map(|picture| picture.png()) {
            Some(Ok(png)) => bundle.png(png),
            _ => bundle,
        }
    }
}
