use sconce_display::Bundle;

use super::judged_images::{JudgedImage, JudgedImages};
use crate::data::{Dataset, Split};
use crate::plot::{ImageGrid, Table, count};
use crate::rich::Rich;
use crate::{Error, Result};

const OP: &str = "Evaluation::misclassified";

/// Which of the images that a model gets wrong are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MisclassifiedConfig {
    /// At most so many images.
    pub most: usize,
    /// Which come first.
    pub order: Sureness,
    /// Only these mistakes; `None` for all.
    pub pair: Option<MistakenPair>,
}

impl Default for MisclassifiedConfig {
    /// The 24 that the model is surest about.
    fn default() -> MisclassifiedConfig {
        MisclassifiedConfig { most: 24, order: Sureness::MostFirst, pair: None }
    }
}

/// In what order mistakes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sureness {
    /// Those first that the model is surest about: often a wrong label, or a thing it has never seen so.
    MostFirst,
    /// Those first that it is least sure about: what is hard to tell apart.
    LeastFirst,
}

/// Images of one class that are taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MistakenPair {
    /// The class that they are of.
    pub target: u32,
    /// The class that they are taken for.
    pub predicted: u32,
}

/// The images that a model gets wrong: see [`Evaluation::misclassified`](super::Evaluation::misclassified).
#[derive(Debug, Clone, PartialEq)]
pub struct Misclassified {
    shown: JudgedImages,
    total: usize,
}

impl Misclassified {
    pub(super) fn of(
        split: Split,
        part: &Dataset,
        images: impl Iterator<Item = JudgedImage>,
        config: MisclassifiedConfig,
    ) -> Result<Misclassified> {
        let names = part.class_names();
        let mut kind = String::new();
        if let Some(MistakenPair { target, predicted }) = config.pair {
            let [Some(from), Some(to)] = [target, predicted].map(|class| names.get(class as usize)) else {
                return Err(refused(format!("classes below {}", names.len()), target, predicted));
            };
            if target == predicted {
                return Err(refused("two different classes".into(), target, predicted));
            }
            kind = format!(", {from} taken for {to}");
        }
        let wanted = |image: &JudgedImage| match config.pair {
            None => image.target != image.predicted,
            Some(pair) => pair == MistakenPair { target: image.target, predicted: image.predicted },
        };
        let mut looked_at = 0;
        let mut wrong: Vec<JudgedImage> = images.inspect(|_| looked_at += 1).filter(wanted).collect();
        let total = wrong.len();
        match config.order {
            Sureness::MostFirst => wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability)),
            Sureness::LeastFirst => wrong.sort_by(|a, b| a.probability.total_cmp(&b.probability)),
        }
        wrong.truncate(config.most);
        let order = match config.order {
            Sureness::MostFirst => "surest first",
            Sureness::LeastFirst => "least sure first",
        };
        let title = format!("{split} part, wrong{kind}, {order}");
        let of = if config.pair.is_some() { "wrong in this way" } else { "wrong" };
        let headline =
            format!("{} of {} images {of}, {} shown", count(total), count(looked_at), count(wrong.len()));
        let shown = JudgedImages::of(part, wrong, &title)?.headline(headline);
        Ok(Misclassified { shown, total })
    }

    /// The images that are shown, in their order.
    #[must_use]
    pub fn images(&self) -> &[JudgedImage] {
        self.shown.images()
    }

    /// How many images are wrong in this way, shown or not.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The first 256 images as pictures, each with its class, what the model said and how sure it was.
    #[must_use]
    pub fn grid(&self) -> &ImageGrid {
        self.shown.grid()
    }

    /// The first 50 images as a table, and how many more of them there are.
    #[must_use]
    pub fn table(&self) -> Table {
        self.shown.table()
    }
}

fn refused(expected: String, target: u32, predicted: u32) -> Error {
    Error::Argument {
        op: OP.into(),
        expected,
        got: format!("target {target} and predicted {predicted}"),
        hint: "Classes count from 0, in the order of class_names; most_confused lists the pairs there are."
            .into(),
    }
}

impl Rich for Misclassified {
    fn rich(&self) -> Bundle {
        self.shown.rich()
    }
}
