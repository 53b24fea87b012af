use sconce_display::Bundle;

use crate::Result;
use crate::data::{Dataset, Split};
use crate::plot::{ImageGrid, Table, escape, number, percent, svg_in_html};
use crate::rich::Rich;

/// The images that a model is most wrong about, the worst first: see
/// [`Evaluation::top_losses`](super::Evaluation::top_losses).
#[derive(Debug, Clone, PartialEq)]
pub struct TopLosses {
    images: Vec<TopLoss>,
    class_names: Vec<String>,
    grid: ImageGrid,
}

/// An image and how wrong the model is about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopLoss {
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

impl TopLosses {
    /// `logits` are those of the images at `indices`, row by row, `targets` their classes.
    pub(super) fn of(
        split: Split,
        part: &Dataset,
        indices: &[usize],
        logits: &[f32],
        targets: &[u32],
        n: usize,
    ) -> Result<TopLosses> {
        let rows = logits.chunks(part.num_classes().max(1));
        let samples = indices.iter().zip(targets).zip(rows);
        let mut images: Vec<TopLoss> =
            samples.map(|((&index, &target), row)| TopLoss::of(index, target, row)).collect();
        images.sort_by(|a, b| b.loss.total_cmp(&a.loss));
        images.truncate(n);
        let shown: Vec<usize> = images.iter().map(|image| image.index).collect();
        let class_names = part.class_names().to_vec();
        let grid = part.captioned(&shown, &|at, _| {
            let said = |image: &TopLoss| {
                let [target, said] = [image.target, image.predicted].map(|class| name(&class_names, class));
                format!("{target} → {said} {}", percent(image.probability))
            };
            images.get(at).map_or_else(String::new, said)
        })?;
        let grid = grid.title(&format!("{split} part, most wrong: true → said, how sure"));
        Ok(TopLosses { grid, images, class_names })
    }

    /// The images, the worst first.
    #[must_use]
    pub fn images(&self) -> &[TopLoss] {
        &self.images
    }

    /// The images as pictures, each with its class, what the model said and how sure it was.
    #[must_use]
    pub fn grid(&self) -> &ImageGrid {
        &self.grid
    }

    /// The images as a table.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["image", "true", "predicted", "probability", "loss"]);
        for image in &self.images {
            let [target, predicted] =
                [image.target, image.predicted].map(|class| name(&self.class_names, class));
            let numbers = [percent(image.probability), number(image.loss)];
            let [probability, loss] = &numbers;
            table.push(&[&image.index.to_string(), target, predicted, probability, loss]);
        }
        table
    }
}

impl TopLoss {
    fn of(index: usize, target: u32, row: &[f32]) -> TopLoss {
        let at = |class: usize| f64::from(row.get(class).copied().unwrap_or(f32::NEG_INFINITY));
        let best = (0..row.len()).fold(0, |best, class| if at(class) > at(best) { class } else { best });
        let sum: f64 = row.iter().map(|&z| (f64::from(z) - at(best)).exp()).sum();
        let loss = at(best) - at(target as usize) + sum.ln();
        TopLoss { index, target, predicted: best as u32, probability: 1.0 / sum, loss }
    }
}

fn name(class_names: &[String], class: u32) -> &str {
    class_names.get(class as usize).map_or("?", String::as_str)
}

impl Rich for TopLosses {
    fn rich(&self) -> Bundle {
        let table = self.table();
        let picture = match self.grid.svg() {
            Ok(svg) => svg_in_html(&svg, self.grid.text().trim_end()),
            Err(error) => escape(&error.to_string()),
        };
        let bundle = Bundle::text(table.text()).html(format!("{picture}{}", table.html()));
        match self.grid.picture().map(|picture| picture.png()) {
            Some(Ok(png)) => bundle.png(png),
            _ => bundle,
        }
    }
}
