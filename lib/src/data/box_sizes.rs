//! How large the boxes of a data set are.

use std::path::Path;

use sconce_display::Bundle;

use super::dataset::Dataset;
use super::every::every;
use super::sample::Object;
use crate::plot::{Scatter, Table, count, number, percent, svg_in_html};
use crate::rich::Rich;
use crate::{Error, Result};

/// The sides of squares by which COCO tells small from medium, and medium from large things, in pixels.
const SIDES: [f64; 2] = [32.0, 96.0];
const NAMES: [&str; 3] = ["small", "medium", "large"];
/// A border is drawn through so many points.
const POINTS: i32 = 60;

/// How large the boxes of a data set are, in pixels before any transform: a value that shows itself as a picture with the
/// borders of COCO's small (below 32² pixels), medium and large (above 96²) things, and as a table. [`Dataset::box_sizes`]
/// makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxSizes {
    name: String,
    images: usize,
    /// Width and height of the boxes that count, by size.
    sizes: [Vec<(f64, f64)>; 3],
    without_box: usize,
    ignored: usize,
    /// Boxes without a width or a height.
    flat: usize,
}

impl BoxSizes {
    /// How many boxes are small, medium and large. As in COCO's scores, the area that the data set says counts, that of the
    /// mask mostly, and that of the box where it says none.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|size| self.sizes[size].len())
    }

    /// Width and height of each box that counts, the small ones first.
    #[must_use]
    pub fn sizes(&self) -> Vec<(f64, f64)> {
        self.sizes.concat()
    }

    /// How many boxes do not count: of groups, or too hard.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// How many boxes have no width or no height.
    #[must_use]
    pub fn flat(&self) -> usize {
        self.flat
    }

    fn push(&mut self, object: &Object) {
        let [width, height] = [object.bbox.width(), object.bbox.height()].map(f64::from);
        let area = object.area.unwrap_or(width * height);
        if object.ignore {
            self.ignored += 1;
        } else if !(width > 0.0 && height > 0.0) {
            self.flat += 1;
        } else {
            let size = SIDES.iter().filter(|side| area >= **side * **side).count();
            self.sizes[size].push((width, height));
        }
    }

    fn total(&self) -> usize {
        self.counts().iter().sum()
    }

    fn title(&self) -> String {
        let boxes = match self.total() {
            1 => "1 box".to_owned(),
            total => format!("{} boxes", count(total)),
        };
        let images = match self.images {
            1 => "1 image".to_owned(),
            images => format!("{} images", count(images)),
        };
        format!("{}: {boxes} in {images}", self.name)
    }

    /// Width and height of each box, on logarithmic axes.
    #[must_use]
    pub fn scatter(&self) -> Scatter {
        let sizes = NAMES.iter().zip(self.counts()).map(|(name, boxes)| format!("{} {name}", count(boxes)));
        let title = format!("{}: {}", self.title(), sizes.collect::<Vec<_>>().join(", "));
        let plot = Scatter::new(&title).x_label("width").y_label("height");
        let plot = plot.logarithmic_x().logarithmic_y();
        let there = NAMES.iter().zip(&self.sizes).filter(|(_, sizes)| !sizes.is_empty());
        let plot = there.fold(plot, |plot, (name, sizes)| plot.points(name, sizes));
        SIDES.iter().fold(plot, |plot, side| {
            // Of all widths from a hundredth to a hundred times the side.
            let steps = (-POINTS..=POINTS).map(|step| 10_f64.powf(2.0 * f64::from(step) / f64::from(POINTS)));
            let points: Vec<(f64, f64)> = steps.map(|factor| (side * factor, side / factor)).collect();
            plot.line(&format!("an area of {side} x {side}"), &points)
        })
    }

    /// A row for each size: boxes, their share, and what their widths and heights span.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["size", "boxes", "share", "width", "height"]);
        for (name, sizes) in NAMES.iter().zip(&self.sizes) {
            let share = match self.total() {
                0 => "–".to_owned(),
                total => percent(sizes.len() as f64 / total as f64),
            };
            let span = |of: &dyn Fn(&(f64, f64)) -> f64| match sizes.is_empty() {
                true => "–".to_owned(),
                false => {
                    let low = sizes.iter().map(of).fold(f64::INFINITY, f64::min);
                    format!("{} to {}", number(low), number(sizes.iter().map(of).fold(0.0, f64::max)))
                }
            };
            let spans = [span(&|size| size.0), span(&|size| size.1)];
            let cells = [(*name).to_owned(), count(sizes.len()), share].into_iter().chain(spans);
            table.push(&cells.collect::<Vec<_>>());
        }
        table
    }

    /// What is not in the table.
    fn notes(&self) -> String {
        let notes = [
            (self.without_box, "images without a box:"),
            (self.ignored, "boxes of groups or too hard, left out:"),
            (self.flat, "boxes without a width or a height, left out:"),
        ];
        let notes = notes.iter().filter(|(many, _)| *many > 0);
        notes.map(|(many, what)| format!("{what} {}\n", count(*many))).collect()
    }

    /// The table in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}{}", self.title(), self.table().text(), self.notes())
    }

    /// Writes the picture to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.scatter().save(path)
    }
}

impl Rich for BoxSizes {
    fn rich(&self) -> Bundle {
        let text = self.text();
        match self.scatter().svg() {
            Ok(svg) => {
                let html = svg_in_html(&svg, text.trim_end());
                Bundle::text(text).html(html)
            }
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}

impl Dataset {
    /// How large the boxes of all objects are, before any transform, as a picture and a table. No image is decoded where the
    /// source needs none for its boxes.
    ///
    /// # Errors
    /// When no image has an object; when a file is missing or damaged; [`Error::Interrupted`].
    pub fn box_sizes(&self) -> Result<BoxSizes> {
        let mut sizes = BoxSizes {
            name: if self.name().is_empty() { "Dataset".into() } else { self.name().to_owned() },
            images: self.len(),
            sizes: [const { Vec::new() }; 3],
            without_box: 0,
            ignored: 0,
            flat: 0,
        };
        every(self, "reading boxes", Dataset::target_of, |_, target| {
            sizes.without_box += usize::from(target.objects.is_empty());
            target.objects.iter().for_each(|object| sizes.push(object));
            Ok(())
        })?;
        if sizes.without_box == sizes.images {
            return Err(Error::Argument {
                op: "Dataset::box_sizes".into(),
                expected: "a data set with boxes".into(),
                got: format!("{} images without one", count(sizes.images)),
                hint: "How often each class comes is told by class_balance().".into(),
            });
        }
        Ok(sizes)
    }
}
