//! What a convolution looks for.

use sconce_display::{Bundle, Content};

use super::layer::{called, quoted};
use crate::nn::{Model, Operator};
use crate::plot::{ImageGrid, Picture, Table, ValueRange, count, number};
use crate::rich::Rich;
use crate::{Error, Result};

/// So many pictures are drawn.
const PICTURES: usize = 256;
/// So many filters are in the table.
const ROWS: usize = 256;

/// The weights of a convolution as pictures. Made by [`filters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    layer: String,
    /// Filters, channels, height and width.
    shape: [usize; 4],
    values: Vec<f32>,
}

/// The filters of a convolution, by default of the first. Those over 3 channels are shown in colour.
///
/// # Errors
/// If there is no such layer, it is no convolution, or the model has none.
pub fn filters(model: &Model, layer: Option<&str>) -> Result<Filters> {
    let op = "explain::filters";
    let nodes = model.graph().nodes();
    let convolutions: Vec<usize> =
        (0..nodes.len()).filter(|&node| matches!(nodes[node].operator, Operator::Conv2d { .. })).collect();
    let node = match layer {
        Some(layer) => Some(called(op, model, layer)?),
        None => convolutions.first().copied(),
    };
    let Some(node) = node.filter(|node| convolutions.contains(node)) else {
        let names: Vec<&str> = convolutions.iter().take(6).map(|&node| nodes[node].name.as_str()).collect();
        return Err(Error::Argument {
            op: op.into(),
            expected: "a convolution".into(),
            got: node.map_or("a model without".into(), |node| nodes[node].label()),
            hint: match names.is_empty() {
                true => "There are no filters to see.".into(),
                false => format!("The first convolutions are {}.", quoted(&names, ", ")),
            },
        });
    };
    let weights = model.weights_of(node);
    let weight = weights.first().ok_or_else(|| Error::Argument {
        op: op.into(),
        expected: "a convolution with a weight".into(),
        got: nodes[node].label(),
        hint: "Please report this.".into(),
    })?;
    let (filters, channels, height, width) = weight.dims4()?;
    Ok(Filters {
        layer: nodes[node].name.clone(),
        shape: [filters, channels, height, width],
        values: weight.flatten_all()?.to_vec1()?,
    })
}

impl Filters {
    /// The layer's name.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Filters, channels that each looks at, height and width.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The weights, filter by filter and channel by channel.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn each(&self) -> std::slice::Chunks<'_, f32> {
        self.values.chunks(self.shape[1..].iter().product::<usize>().max(1))
    }

    /// The filters on one scale, on which 0 is the middle: over 3 channels in colour, over one in grey, over others a
    /// picture for each filter and channel. The first 256 pictures; [`Filters::values`] has all weights.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn grid(&self) -> Result<ImageGrid> {
        let [filters, channels, height, width] = self.shape;
        let finite = self.values.iter().copied().filter(|value| value.is_finite());
        let end = finite.fold(0.0_f32, |end, value| end.max(value.abs())).max(f32::MIN_POSITIVE);
        let range = ValueRange::Between { black: -end, white: end };
        let note = match channels {
            3 => format!("channels as red, green and blue, from -{0} to {0}", number(f64::from(end))),
            _ => format!("black is -{0}, white is {0}", number(f64::from(end))),
        };
        let pictures = if channels == 3 { filters } else { filters * channels };
        let note = match pictures > PICTURES {
            true => format!("{note}; the first {PICTURES} of {} pictures", count(pictures)),
            false => note,
        };
        let mut grid = ImageGrid::new()
            .title(&format!("{}, {filters} filters of {channels} x {height} x {width}", self.layer))
            .note(&note);
        for (filter, values) in self.each().enumerate().take(PICTURES) {
            if channels == 3 {
                grid.push(Picture::from_values([3, height, width], values, range)?, &filter.to_string());
                continue;
            }
            for (channel, values) in values.chunks((height * width).max(1)).enumerate() {
                if grid.len() >= PICTURES {
                    break;
                }
                let caption = if channels == 1 { filter.to_string() } else { format!("{filter}:{channel}") };
                grid.push(Picture::from_values([1, height, width], values, range)?, &caption);
            }
        }
        Ok(grid)
    }

    /// The least, mean and greatest weight of each of the first 256 filters, and its length.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["filter", "min", "mean", "max", "length"]);
        for (filter, values) in self.each().enumerate().take(ROWS) {
            let values = || values.iter().copied().map(f64::from);
            let numbers = [
                values().fold(f64::INFINITY, f64::min),
                values().sum::<f64>() / values().count().max(1) as f64,
                values().fold(f64::NEG_INFINITY, f64::max),
                values().map(|value| value * value).sum::<f64>().sqrt(),
            ];
            table.push(&[vec![filter.to_string()], numbers.map(number).to_vec()].concat());
        }
        table
    }
}

impl Rich for Filters {
    fn rich(&self) -> Bundle {
        let [filters, channels, height, width] = self.shape;
        let title = format!("{}: {filters} filters of {channels} x {height} x {width}\n", self.layer);
        let mut text = format!("{title}{}", self.table().text());
        if filters > ROWS {
            text += &format!("({} more filters)\n", count(filters - ROWS));
        }
        match self.grid() {
            Ok(grid) => grid.rich().with("text/plain", Content::Text(text)),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
