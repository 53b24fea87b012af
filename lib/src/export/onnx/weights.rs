//! Weights as constants, whole numbers with what makes f32 of them.

use candle_core::Tensor;

use super::attribute::int;
use super::builder::{Builder, Dim, Name};
use super::proto::Element;
use crate::Result;
use crate::export::source::{Integers, Weights};
use crate::tensor_file::of_f32;

/// How the values of a weight lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Layout {
    /// As the model has them.
    AsIs,
    /// A matrix, rows as columns.
    Turned,
    /// In these dimensions.
    Shaped(Vec<usize>),
}

impl Builder<'_> {
    /// The node's weight number `slot`, as f32.
    pub(super) fn weight(&mut self, slot: usize, layout: Layout) -> Result<Name> {
        let missing = || self.refused("its weights", "none", "Please report this.");
        let place = self.node().tensors.get(slot).copied().ok_or_else(missing)?;
        // Whole numbers are there once for each layer: onnxruntime fails where it rewrites those that layers share.
        let is_whole = matches!(self.source.weights[place], Weights::Whole { .. });
        if let Some(name) = self.weights.get(&(place, layout.clone())).filter(|_| !is_whole) {
            return Ok(name.clone());
        }
        // The first has the name that the model gives it.
        let name = match self.weights.keys().any(|(known, _)| *known == place) {
            false => self.source.graph.tensors()[place].name.clone(),
            true => self.free(&format!("{}.other", self.source.graph.tensors()[place].name)),
        };
        let source = self.source;
        let value = match &source.weights[place] {
            Weights::Float(tensor) => {
                let (dims, values) = laid_out(tensor, &layout)?;
                self.constant(&name, Element::F32, &dims, of_f32(&values));
                name
            }
            Weights::Whole { values, scales, shape } => {
                let turned = layout == Layout::Turned;
                let (dims, values) = match (turned, shape.as_slice()) {
                    (true, &[rows, columns]) => (vec![columns, rows], turn(values, rows, columns)),
                    _ => (shape.clone(), values.clone()),
                };
                let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
                self.constant(&name, Element::I8, &dims, bytes);
                let zeros = vec![0; scales.len()];
                self.dequantized(&name, &dims, scales, usize::from(turned), (Element::I8, zeros))
            }
        };
        self.weights.insert((place, layout), value.clone());
        Ok(value)
    }

    /// What a constant of whole numbers stands for, with a scale for each of its places along `axis`.
    fn dequantized(
        &mut self,
        name: &str,
        dims: &[usize],
        scales: &[f32],
        axis: usize,
        (element, zeros): (Element, Vec<u8>),
    ) -> Name {
        let scale = self.free(&format!("{name}_scale"));
        self.constant(&scale, Element::F32, &[scales.len()], of_f32(scales));
        let zero = self.free(&format!("{name}_zero_point"));
        self.constant(&zero, element, &[scales.len()], zeros);
        let shape: Vec<Dim> = dims.iter().map(|&dim| Dim::Fixed(dim)).collect();
        let attributes = vec![int("axis", axis as i64)];
        self.step("DequantizeLinear", &[name, &scale, &zero], attributes, &shape)
    }

    /// The bias of a layer, its tensor number 1, if it has one: where bytes are multiplied with whole numbers, whole
    /// numbers of 32 bits.
    pub(super) fn bias(&mut self) -> Result<Option<Name>> {
        let (node, source) = (self.node(), self.source);
        let &[weight, bias] = node.tensors.as_slice() else { return Ok(None) };
        let (Some(Integers::Static(input)), Weights::Whole { scales, .. }, Weights::Float(values)) =
            (source.integers.get(&self.at), &source.weights[weight], &source.weights[bias])
        else {
            return self.weight(1, Layout::AsIs).map(Some);
        };
        let unit = |scale: &f32| f64::from(input.scale) * f64::from(*scale);
        let values = values.to_vec1::<f32>()?;
        let whole = values.iter().zip(scales).flat_map(|(value, scale)| {
            ((f64::from(*value) / unit(scale)).round_ties_even() as i32).to_le_bytes()
        });
        let whole: Vec<u8> = whole.collect();
        let units: Vec<f32> = scales.iter().map(|scale| unit(scale) as f32).collect();
        // The scale is the input's too, so that each layer has whole numbers of its own.
        let name = self.own("bias_int32");
        self.constant(&name, Element::I32, &[values.len()], whole);
        let zeros = vec![0; 4 * values.len()];
        Ok(Some(self.dequantized(&name, &[values.len()], &units, 0, (Element::I32, zeros))))
    }
}

fn laid_out(tensor: &Tensor, layout: &Layout) -> Result<(Vec<usize>, Vec<f32>)> {
    let tensor = match layout {
        Layout::AsIs => tensor.clone(),
        Layout::Turned => tensor.t()?.contiguous()?,
        Layout::Shaped(dims) => tensor.reshape(dims.as_slice())?,
    };
    Ok((tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?))
}

fn turn(values: &[i8], rows: usize, columns: usize) -> Vec<i8> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}
