//! Position embeddings of one image size for another.

use candle_core::Tensor;

use super::graph::Graph;
use super::operator::Operator;
use crate::ops::shape_text;
use crate::{Error, Result};

/// What a position embedding has numbers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// Tokens before those of the image, such as a class token.
    before: usize,
    /// Height and width, in patches or pixels.
    size: [usize; 2],
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// (1, before + H·W, D).
    Tokens,
    /// (1, C, H, W).
    Image,
}

impl Grid {
    /// Of the position embedding at `node`.
    pub(super) fn of(graph: &Graph, node: usize) -> Result<Grid> {
        let first = |node: usize| graph.nodes[node].inputs.first().copied();
        let mut at = first(node);
        let mut before = 0;
        while let Some(index) = at {
            match (&graph.nodes[index].operator, graph.nodes[index].shape.as_slice()) {
                (Operator::ClassToken { .. }, _) => before += 1,
                (Operator::Dropout { .. }, _) => {}
                (_, &[_, height, width]) => {
                    // The embedding may stand on the image, or behind what makes tokens of it.
                    let layout = if first(node) == Some(index) { Layout::Image } else { Layout::Tokens };
                    return Ok(Grid { before, size: [height, width], layout });
                }
                (Operator::ImageToTokens, _) => {}
                _ => break,
            }
            at = first(index);
        }
        Err(Error::Argument {
            op: graph.nodes[node].label(),
            expected: "an embedding of the patches or pixels of an image".into(),
            got: format!("one of {}", shape_text(&graph.nodes[node].shape)),
            hint:
                "Only behind image_to_tokens() and class_token(), or on an image, is it known where they lie."
                    .into(),
        })
    }

    /// The grid of `tensor`, called `name`, if that belongs to square images.
    pub(super) fn square_of(self, name: &str, tensor: &Tensor) -> Result<Grid> {
        let refused = || Error::Shape {
            op: format!("position embedding {name:?}"),
            expected: match self.layout {
                Layout::Tokens => {
                    format!("(1, N, D) with {} and then a square number of tokens", self.before)
                }
                Layout::Image => "(1, C, H, W)".into(),
            },
            got: shape_text(tensor.dims()),
            hint: "It must be one of the same kind of model, for another image size.".into(),
        };
        let size = match (self.layout, tensor.dims()) {
            (Layout::Tokens, &[1, rows, _]) => {
                let patches = rows.saturating_sub(self.before);
                let side = patches.isqrt();
                if side == 0 || side * side != patches {
                    return Err(refused());
                }
                [side, side]
            }
            (Layout::Image, &[1, _, height, width]) => [height, width],
            _ => return Err(refused()),
        };
        Ok(Grid { size, ..self })
    }

    /// The embedding `tensor` of the grid `from` for the grid `to`: bicubic, with corners aligned, as torchvision's
    /// `interpolate_embeddings`. Tokens before those of the image stay as they are.
    pub(super) fn interpolate(from: Grid, to: Grid, tensor: &Tensor) -> Result<Tensor> {
        let device = tensor.device();
        let (rows, columns) = (weights(from.size[0], to.size[0]), weights(from.size[1], to.size[1]));
        let (rows, columns) = (matrix(&rows, from.size[0]), matrix(&columns, from.size[1]));
        let matrix = |values: Vec<f32>, to: usize, from: usize| Tensor::from_vec(values, (to, from), device);
        let rows = matrix(rows, to.size[0], from.size[0])?;
        let columns = matrix(columns, to.size[1], from.size[1])?;
        let tensor = tensor.detach();
        let [height, width] = from.size;
        let (before, image) = match from.layout {
            Layout::Image => (None, tensor.squeeze(0)?), // (C, H, W)
            Layout::Tokens => {
                let tokens = tensor.squeeze(0)?; // (before + H·W, D)
                let patches = tokens.narrow(0, from.before, height * width)?;
                let before = tokens.narrow(0, 0, from.before)?;
                (Some(before), patches.t()?.contiguous()?.reshape(((), height, width))?) // (D, H, W)
            }
        };
        let image = image.broadcast_matmul(&columns.t()?)?; // (D, H, OW)
        let image = rows.broadcast_matmul(&image)?; // (D, OH, OW)
        Ok(match before {
            None => image.unsqueeze(0)?,
            Some(before) => {
                let patches = image.flatten_from(1)?.t()?; // (OH·OW, D)
                Tensor::cat(&[before, patches.contiguous()?], 0)?.unsqueeze(0)?
            }
        })
    }
}

/// For each place of `to` along a side of `from`, which four places it is made of, and how much of each. Beyond the edge
/// lies the edge again.
fn weights(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    let step = if to > 1 { (from - 1) as f64 / (to - 1) as f64 } else { 0.0 };
    (0..to)
        .map(|place| {
            let at = place as f64 * step;
            let left = (at.floor() as usize).min(from - 1);
            let t = at - left as f64;
            let near = |x: f64| ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0;
            let far = |x: f64| ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC;
            let index = |shift: usize| (left + shift).saturating_sub(1).min(from - 1);
            [
                (index(0), far(t + 1.0)),
                (index(1), near(t)),
                (index(2), near(1.0 - t)),
                (index(3), far(2.0 - t)),
            ]
        })
        .collect()
}

/// PyTorch's choice among the cubic convolutions (Keys 1981).
const CUBIC: f64 = -0.75;

/// The same as a matrix (to, from).
fn matrix(weights: &[[(usize, f64); 4]], from: usize) -> Vec<f32> {
    let mut matrix = vec![0.0_f64; weights.len() * from];
    for (row, four) in matrix.chunks_exact_mut(from).zip(weights) {
        four.iter().for_each(|&(index, weight)| row[index] += weight);
    }
    matrix.into_iter().map(|value| value as f32).collect()
}
