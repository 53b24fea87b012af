use sconce_display::Bundle;

use crate::data::{Image, Sample, Target};
use crate::plot::{Table, percent, svg_in_html};
use crate::rich::Rich;

/// Pixels of the longer side of the picture beside the names.
const SIDE: usize = 256;

/// The likeliest classes of an image, the likeliest first. Made by [`crate::predict::Classifier::rank`].
#[derive(Debug, Clone)]
pub struct Ranking {
    image: Image,
    classes: Vec<Ranked>,
}

/// A class in a [`Ranking`].
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Its place among the outputs.
    pub label: u32,
    /// Its name.
    pub name: String,
    /// How likely the model holds it, in `0..=1`.
    pub probability: f32,
}

impl Ranking {
    pub(super) fn new(image: &Image, classes: Vec<Ranked>) -> Ranking {
        Ranking { image: image.clone(), classes }
    }

    /// The classes.
    #[must_use]
    pub fn classes(&self) -> &[Ranked] {
        &self.classes
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["class", "probability"]);
        for class in &self.classes {
            table.push(&[class.name.clone(), percent(f64::from(class.probability))]);
        }
        table
    }
}

impl Rich for Ranking {
    fn rich(&self) -> Bundle {
        let table = self.table();
        let sample = Sample { id: String::new(), image: self.image.clone(), target: Target::default() };
        let picture =
            sample.show().and_then(|shown| shown.picture()).and_then(|picture| picture.reduced(SIDE).svg());
        let picture = picture.map_or(String::new(), |svg| svg_in_html(&svg, "the image"));
        let html = format!(
            "<div style=\"display:flex;gap:16px;align-items:flex-start\"><div>{picture}</div><div>{}</div></div>",
            table.html()
        );
        Bundle::text(table.text()).html(html)
    }
}
