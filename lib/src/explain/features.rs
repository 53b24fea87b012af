//! What a layer says of each image, as a row of numbers.

use candle_core::Tensor;

use super::layer::called;
use super::subject::named;
use crate::nn::{Model, Operator};
use crate::ops::shape_text;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// A row of features for each image.
#[derive(Debug)]
pub(super) struct Features {
    /// The layer that they are of.
    pub(super) layer: String,
    /// How many numbers there are for an image.
    pub(super) width: usize,
    /// Image by image.
    pub(super) values: Vec<f32>,
}

/// Which images, and how many at once.
pub(super) struct Batches<'a> {
    /// (N, C, H, W).
    pub(super) images: &'a Tensor,
    pub(super) batch: usize,
}

/// What the layer called `layer` says, maps by the mean of each; without one, what goes into the last linear layer before
/// the main output. Features that are not finite are an error.
pub(super) fn features(
    op: &'static str,
    model: &Model,
    layer: Option<&str>,
    of: &Batches<'_>,
) -> Result<Features> {
    let node = match layer {
        Some(name) => called(op, model, name)?,
        None => described(op, model)?,
    };
    let images = of.images;
    if images.rank() != 4 {
        return Err(Error::Shape {
            op: op.into(),
            expected: "images (N, C, H, W)".into(),
            got: shape_text(images.dims()),
            hint: "For a single image add the batch dimension with `unsqueeze(0)?`.".into(),
        });
    }
    let count = images.dims()[0];
    let mut found =
        Features { layer: model.graph().nodes()[node].name.clone(), width: 0, values: Vec::new() };
    let mut progress = Progress::start("features", Unit::Images, Some(count as u64));
    let mut done = 0;
    while done < count {
        let part = images.narrow(0, done, of.batch.clamp(1, count - done))?;
        let mut values = model.values(&part, &[node]).map_err(named(op))?;
        let Some(values) = values.pop() else { break };
        let rows = match values.rank() {
            4 => values.flatten_from(2)?.mean(2)?, // (B, C)
            _ => values.flatten_from(1)?,
        };
        let (rows, width) = (rows.flatten_all()?.to_vec1::<f32>()?, rows.dims()[1]);
        if let Some(odd) = rows.iter().position(|value| !value.is_finite()) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "finite features".into(),
                got: format!("{} for image {}", rows[odd], done + odd / width.max(1)),
                hint: "Look at the image and the weights.".into(),
            });
        }
        found.width = width;
        found.values.extend(rows);
        done += part.dims()[0];
        progress.at(done as u64)?;
    }
    Ok(found)
}

/// The node that goes into the last linear layer.
fn described(op: &'static str, model: &Model) -> Result<usize> {
    let leads = model.leads_to_output();
    let nodes = model.graph().nodes();
    let last = (0..nodes.len())
        .rev()
        .find(|&node| leads[node] && matches!(nodes[node].operator, Operator::Linear { .. }));
    last.and_then(|last| nodes[last].inputs.first().copied()).ok_or_else(|| Error::Argument {
        op: op.into(),
        expected: "a model with a linear layer, before which features are taken".into(),
        got: "one without".into(),
        hint: "Say which layer describes an image: `layer: Some(\"…\".into())`.".into(),
    })
}
