use sconce_display::Bundle;

use super::judged_images::{JudgedImage, JudgedImages};
use crate::Result;
use crate::data::{Dataset, Split};
use crate::plot::{ImageGrid, Table};
use crate::rich::Rich;

/// The images that a model is most wrong about, the worst first: see
/// [`Evaluation::top_losses`](super::Evaluation::top_losses).
#[derive(Debug, Clone, PartialEq)]
pub struct TopLosses(JudgedImages);

impl TopLosses {
    pub(super) fn of(
        split: Split,
        part: &Dataset,
        images: impl Iterator<Item = JudgedImage>,
        n: usize,
    ) -> Result<TopLosses> {
        let mut images: Vec<JudgedImage> = images.collect();
        images.sort_by(|a, b| b.loss.total_cmp(&a.loss));
        images.truncate(n);
        Ok(TopLosses(JudgedImages::of(part, images, &format!("{split} part, most wrong"))?))
    }

    /// The images, the worst first.
    #[must_use]
    pub fn images(&self) -> &[JudgedImage] {
        self.0.images()
    }

    /// The first 256 images as pictures, each with its class, what the model said and how sure it was.
    #[must_use]
    pub fn grid(&self) -> &ImageGrid {
        self.0.grid()
    }

    /// The first 50 images as a table, and how many more there are.
    #[must_use]
    pub fn table(&self) -> Table {
        self.0.table()
    }
}

impl Rich for TopLosses {
    fn rich(&self) -> Bundle {
        self.0.rich()
    }
}
