//! Which images a model finds alike.

use candle_core::Tensor;
use sconce_display::{Bundle, Content};

use super::features::{Batches, Features, features};
use super::subject::picture;
use crate::nn::Model;
use crate::plot::{ImageGrid, Table, number};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// So many images are compared between two looks at whether somebody wants it to stop.
const CHECKED: usize = 4096;
/// So many queries are shown, and stand in the table.
const SHOWN: usize = 16;

/// How [`nearest_neighbours`] goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighboursConfig {
    /// The layer whose output describes an image, maps by the mean of each; `None` for what goes into the last linear layer
    /// before the main output.
    pub layer: Option<String>,
    /// How many neighbours of each image.
    pub count: usize,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for NeighboursConfig {
    fn default() -> NeighboursConfig {
        NeighboursConfig { layer: None, count: 5, batch: 32 }
    }
}

/// An image that is like another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Where it stands among the images that were searched.
    pub index: usize,
    /// The cosine of the angle between the features, from -1 to 1; 0 where either has none.
    pub likeness: f64,
}

/// The images most like some others, for a model. Made by [`nearest_neighbours`].
#[derive(Debug, Clone)]
pub struct Neighbours {
    layer: String,
    found: Vec<Vec<Neighbour>>,
    queries: Tensor,
    images: Tensor,
}

/// Of each of `queries` (Q, C, H, W) the most alike of `images` (N, C, H, W), by the cosine of the angle between what a
/// layer makes of them, the most alike first; equals in the order of their numbers.
///
/// ```
/// # use sconce::{explain::{self, NeighboursConfig}, prelude::*};
/// # let net = Model::build([1, 8, 8], |x| x.conv2d(4, 3).relu().global_avg_pool().linear(3))?.init(Seed(1), &Device::Cpu)?;
/// # let images = Tensor::randn(0_f32, 1.0, (12, 1, 8, 8), &Device::Cpu)?;
/// let alike = explain::nearest_neighbours(&net, &images.narrow(0, 4, 1)?, &images, NeighboursConfig::default())?;
/// assert_eq!(alike.of(0)?[0].index, 4);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the model cannot take the images; there is no such layer, or none before a linear one; features that are not finite;
/// a count of 0 or of more than there are images; an interrupt.
pub fn nearest_neighbours(
    model: &Model,
    queries: &Tensor,
    images: &Tensor,
    config: NeighboursConfig,
) -> Result<Neighbours> {
    let op = "explain::nearest_neighbours";
    let known = images.dims().first().copied().unwrap_or_default();
    if config.count == 0 || config.count > known || config.batch == 0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!(
                "from 1 to {known} neighbours, the number of images, and a batch of at least 1"
            ),
            got: format!("count {}, batch {}", config.count, config.batch),
            hint: "The defaults are 5 and 32.".into(),
        });
    }
    let features =
        |images| features(op, model, config.layer.as_deref(), &Batches { images, batch: config.batch });
    let known = features(images)?;
    let asked = features(queries)?;
    let mut progress = Progress::start("neighbours", Unit::Images, Some(queries.dims()[0] as u64));
    let (layer, known, asked) = (known.layer.clone(), directions(&known), directions(&asked));
    let mut found = Vec::with_capacity(asked.len());
    for query in &asked {
        let mut all: Vec<Neighbour> = Vec::with_capacity(known.len());
        for (start, part) in known.chunks(CHECKED).enumerate() {
            all.extend(part.iter().enumerate().map(|(at, other)| Neighbour {
                index: start * CHECKED + at,
                likeness: query.iter().zip(other).map(|(a, b)| a * b).sum(),
            }));
            progress.at(found.len() as u64)?;
        }
        // -0 and 0 are equal.
        let nearest_first = |a: &Neighbour, b: &Neighbour| {
            (b.likeness + 0.0).total_cmp(&(a.likeness + 0.0)).then(a.index.cmp(&b.index))
        };
        if config.count < all.len() {
            all.select_nth_unstable_by(config.count, nearest_first);
            all.truncate(config.count);
        }
        all.sort_by(nearest_first);
        found.push(all);
    }
    Ok(Neighbours { layer, found, queries: queries.detach(), images: images.detach() })
}

/// The features of each image, brought to length 1; of length 0 where it has none.
fn directions(features: &Features) -> Vec<Vec<f64>> {
    let rows = features.values.chunks_exact(features.width.max(1));
    let direction = |row: &[f32]| {
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        row.iter().map(|&value| f64::from(value) * scale).collect()
    };
    rows.map(direction).collect()
}

impl Neighbours {
    /// The neighbours of a query, the most alike first.
    ///
    /// # Errors
    /// If there is no such query.
    pub fn of(&self, query: usize) -> Result<&[Neighbour]> {
        self.found.get(query).map(Vec::as_slice).ok_or_else(|| Error::Argument {
            op: "Neighbours::of".into(),
            expected: format!("a query below {}", self.found.len()),
            got: query.to_string(),
            hint: "Queries count from 0.".into(),
        })
    }

    /// A row of images for each query: the query, then its neighbours with their likeness. The first 16 queries; [`Neighbours::of`]
    /// has the others.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn grid(&self) -> Result<ImageGrid> {
        let columns = self.found.first().map_or(0, Vec::len) + 1;
        let mut grid = ImageGrid::new()
            .title(&format!("nearest by {:?}", self.layer))
            .note("left the query; under each neighbour its number and likeness")
            .columns(columns);
        for (query, neighbours) in self.found.iter().enumerate().take(SHOWN) {
            grid.push(picture(&self.queries.narrow(0, query, 1)?)?, &format!("query {query}"));
            for neighbour in neighbours {
                let image = picture(&self.images.narrow(0, neighbour.index, 1)?)?;
                grid.push(image, &format!("{}: {}", neighbour.index, number(neighbour.likeness)));
            }
        }
        Ok(grid)
    }

    /// A row for each neighbour of the first 16 queries.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["query", "rank", "image", "likeness"]);
        for (query, neighbours) in self.found.iter().enumerate().take(SHOWN) {
            for (rank, neighbour) in neighbours.iter().enumerate() {
                let numbers = [query, rank + 1, neighbour.index].map(|number| number.to_string());
                table.push(&[numbers.as_slice(), &[number(neighbour.likeness)]].concat());
            }
        }
        table
    }
}

impl Rich for Neighbours {
    fn rich(&self) -> Bundle {
        let mut text = format!("nearest by {:?}\n{}", self.layer, self.table().text());
        if let Some(more) = self.found.len().checked_sub(SHOWN + 1) {
            text += &format!("({} more queries)\n", more + 1);
        }
        match self.grid() {
            Ok(grid) => grid.rich().with("text/plain", Content::Text(text)),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
