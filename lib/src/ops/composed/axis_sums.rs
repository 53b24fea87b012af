use candle_core::{Result, Tensor};

use super::grid_index::NOTHING;
use super::sums::{indices, uploaded};

/// What every place of an output axis is made of: some places of the input axis, each with its weight.
#[derive(Debug, Clone)]
pub(super) struct AxisSums {
    /// The length of the input axis.
    pub(super) inputs: usize,
    pub(super) terms: Vec<Vec<(usize, f64)>>,
}

impl AxisSums {
    /// The same sums seen from the inputs: where each goes, which is the way of the gradient.
    pub(super) fn transposed(&self) -> AxisSums {
        let mut terms = vec![Vec::new(); self.inputs];
        for (output, of_output) in self.terms.iter().enumerate() {
            of_output.iter().for_each(|&(input, weight)| terms[input].push((output, weight)));
        }
        AxisSums { inputs: self.terms.len(), terms }
    }

    /// The sums along `axis` of `x`.
    pub(super) fn apply(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        let longest = self.terms.iter().map(Vec::len).max().unwrap_or(0).max(1);
        // Shorter sums are filled up with what is not there, which counts as 0.
        let filled = self.terms.iter().flat_map(|terms| {
            let terms = terms.iter().map(|&(input, weight)| (input as u32, weight));
            terms.chain(std::iter::repeat((NOTHING, 0.0))).take(longest)
        });
        let (inputs, weights): (Vec<u32>, Vec<f64>) = filled.unzip();
        let picked = x.contiguous()?.index_select(&indices(inputs, x.device())?, axis)?;
        let mut dims = x.dims().to_vec();
        dims[axis] = self.terms.len();
        dims.insert(axis + 1, longest);
        let mut picked = picked.reshape(dims)?; // (…, out, terms, …)
        if self.terms.iter().flatten().any(|&(_, weight)| weight != 1.0) {
            let mut shape = vec![1; picked.rank()];
            (shape[axis], shape[axis + 1]) = (self.terms.len(), longest);
            picked = picked.broadcast_mul(&uploaded(weights, &shape, x.dtype(), x.device())?)?;
        }
        if longest == 1 { picked.squeeze(axis + 1) } else { picked.sum(axis + 1) }
    }
}

/// Sums along the rows and columns of images (B, C, H, W).
pub(super) fn image_sums([rows, columns]: &[AxisSums; 2], x: &Tensor) -> Result<Tensor> {
    rows.apply(&columns.apply(x, 3)?, 2)
}
