//! How data sets show themselves.

use std::fmt::Write as _;

use sconce_display::Bundle;

use super::dataset::Dataset;
use crate::plot::{ImageGrid, count, escape};
use crate::rich::Rich;

impl Dataset {
    /// The first `n` images with their class names as a picture; all of them where there are fewer.
    #[must_use]
    pub fn show_batch(&self, n: usize) -> ImageGrid {
        self.grid(&(0..self.len().min(n)).collect::<Vec<_>>())
    }

    /// The first image of each class that has one, as it comes into a batch; of the first 20 classes where there
    /// are more.
    #[must_use]
    pub fn show_classes(&self) -> ImageGrid {
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
}

impl Rich for Dataset {
    fn rich(&self) -> Bundle {
        let (balance, balance_html) = match self.class_balance() {
            Ok(balance) => (balance.text(), balance.html()),
            Err(error) => (format!("{error}\n"), escape(&error.to_string())),
        };
        let mut text = format!("{}\n{balance}", self.headline());
        if !self.description().is_empty() {
            let _ = writeln!(text, "{}", self.description());
        }
        let examples = self.show_classes();
        let picture = examples.picture().and_then(|picture| Some((picture.size(), picture.data_uri().ok()?)));
        let picture = picture.map_or(String::new(), |([height, width], uri)| {
            format!(
                "<img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"one image of each class\" \
                 style=\"max-width:100%;height:auto;border:1px solid rgba(128,128,128,.4)\">"
            )
        });
        let description = escape(self.description());
        Bundle::text(text).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b><br>{picture}{balance_html}<small>{description}</small></div>",
            escape(&self.headline()),
        ))
    }
}
