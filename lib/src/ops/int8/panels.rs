//! Weights in the order in which they are multiplied.

use super::block::VECTORS;
use super::dot::{Dot, Operand};

/// Weights (outputs, depth), packed: panels of one or two vectors of outputs, in each run after run of depths. What does
/// not fill a panel or a run is zero.
#[derive(Clone)]
pub(super) struct Panels<D: Dot> {
    pub(super) values: Vec<D::W>,
    pub(super) outputs: usize,
    pub(super) depth: usize,
    /// Vectors of a panel.
    pub(super) vectors: usize,
}

impl<D: Dot> Panels<D> {
    /// Packs weights that are found by output and depth.
    pub(super) fn pack(outputs: usize, depth: usize, weight: impl Fn(usize, usize) -> i16) -> Panels<D> {
        let vectors = if outputs <= D::LANES { 1 } else { VECTORS };
        let mut panels = Panels { values: Vec::new(), outputs, depth, vectors };
        panels.values.reserve_exact(panels.count() * panels.len());
        for panel in 0..panels.count() {
            for run in 0..panels.runs() {
                for lane in 0..panels.width() {
                    let output = panel * panels.width() + lane;
                    for depth in run * D::STEP..(run + 1) * D::STEP {
                        let inside = output < outputs && depth < panels.depth;
                        let value = if inside { weight(output, depth) } else { 0 };
                        panels.values.push(D::W::from_i16(value));
                    }
                }
            }
        }
        panels
    }

    /// Outputs of a panel.
    pub(super) fn width(&self) -> usize {
        self.vectors * D::LANES
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.outputs.div_ceil(self.width())
    }

    /// Runs of depths.
    pub(super) fn runs(&self) -> usize {
        self.depth.div_ceil(D::STEP)
    }

    /// Bytes of all panels.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }

    /// Weights of a panel.
    pub(super) fn len(&self) -> usize {
        self.runs() * self.width() * D::STEP
    }
}

impl<D: Dot> std::fmt::Debug for Panels<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panels")
            .field("outputs", &self.outputs)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
