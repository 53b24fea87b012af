use candle_core::{DType, Tensor};
use sconce_display::Bundle;

use super::graph::Node;
use crate::ops::shape_text;
use crate::plot::{ImageGrid, Picture, Table, ValueRange, number};
use crate::rich::Rich;
use crate::{Error, Result};

/// What a layer makes of one image, a map per channel. Made by [`crate::nn::Model::feature_maps`].
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMaps {
    layer: String,
    /// C, H, W.
    shape: [usize; 3],
    values: Vec<f32>,
}

impl FeatureMaps {
    /// Of the output (1, C, H, W) of `node`.
    pub(super) fn new(node: &Node, output: &Tensor) -> Result<FeatureMaps> {
        let &[1, channels, height, width] = output.dims() else {
            return Err(Error::Shape {
                op: format!("feature_maps of {}", node.label()),
                expected: "a layer that gives maps (1, C, H, W) of a single image".into(),
                got: shape_text(output.dims()),
                hint: "Choose a layer before pooling to (B, C) or flatten, and one image.".into(),
            });
        };
        let values = output.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        Ok(FeatureMaps { layer: node.name.clone(), shape: [channels, height, width], values })
    }

    /// The layer's name.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Channels, height and width.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The maps one after the other, each row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn maps(&self) -> std::slice::Chunks<'_, f32> {
        self.values.chunks((self.shape[1] * self.shape[2]).max(1))
    }

    /// The maps as grey pictures on one scale, so that they can be compared: the least value of all is
    /// black, the greatest white.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn grid(&self) -> Result<ImageGrid> {
        let finite = || self.values.iter().copied().filter(|value| value.is_finite());
        let (black, white) =
            (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
        let range = if black < white { ValueRange::Between { black, white } } else { ValueRange::Data };
        let [channels, height, width] = self.shape;
        let mut grid =
            ImageGrid::new().title(&format!("{}, {channels} maps of {height} x {width}", self.layer));
        if black < white {
            let (black, white) = (number(f64::from(black)), number(f64::from(white)));
            grid = grid.note(&format!("black is {black}, white is {white}"));
        }
        for (channel, map) in self.maps().enumerate() {
            grid.push(Picture::from_values([1, height, width], map, range)?, &channel.to_string());
        }
        Ok(grid)
    }

    /// Each channel's least, mean and greatest value.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["channel", "min", "mean", "max"]);
        for (channel, map) in self.maps().enumerate() {
            let values = || map.iter().copied().map(f64::from);
            let mean = values().sum::<f64>() / map.len() as f64;
            let (min, max) =
                (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            table.push(&[channel.to_string(), number(min), number(mean), number(max)]);
        }
        table
    }
}

impl Rich for FeatureMaps {
    fn rich(&self) -> Bundle {
        let [channels, height, width] = self.shape;
        let title = format!("{}: {channels} maps of {height} x {width}\n", self.layer);
        let text = format!("{title}{}", self.table().text());
        match self.grid() {
            Ok(grid) => grid.rich().with("text/plain", sconce_display::Content::Text(text)),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
