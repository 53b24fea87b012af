//! Linear layers, norms and attention.

use super::attribute::{float, int, ints};
use super::builder::{Builder, Dim, Name};
use super::proto::Element;
use super::weights::Layout;
use crate::Result;
use crate::export::source::{Integers, Weights};
use crate::nn::{GroupNormConfig, SinePositionConfig};
use crate::ops::sine_position_embedding;

impl Builder<'_> {
    pub(super) fn linear(&mut self) -> Result<Name> {
        let mut x = self.input(0)?;
        if let Some(Integers::Dynamic) = self.source.integers.get(&self.at) {
            x = self.rounded_in_its_range(&x);
        }
        if self.shape().len() == 2 {
            let weight = self.weight(0, Layout::AsIs)?;
            let bias = self.bias()?;
            let inputs = [x.as_str(), &weight].into_iter().chain(bias.as_deref());
            return Ok(self.done("Gemm", &inputs.collect::<Vec<_>>(), vec![int("transB", 1)]));
        }
        let weight = self.weight(0, Layout::Turned)?;
        match self.bias()? {
            None => Ok(self.done("MatMul", &[&x, &weight], Vec::new())),
            Some(bias) => {
                let shape = self.shape().to_vec();
                let product = self.step("MatMul", &[&x, &weight], Vec::new(), &shape);
                Ok(self.done("Add", &[&product, &bias], Vec::new()))
            }
        }
    }

    /// `x` as 255 numbers, evenly spread from its largest size to its negative, as `compress::quantize_dynamic` has it.
    fn rounded_in_its_range(&mut self, x: &str) -> Name {
        if let Some(known) = self.rounded.get(x) {
            return known.clone();
        }
        let shape = self.input_shape(0).to_vec();
        let sizes = self.step("Abs", &[x], Vec::new(), &shape);
        let most = self.step("ReduceMax", &[&sizes], vec![int("keepdims", 0)], &[]);
        let steps = self.floats("steps", &[], &[127.0]);
        let scale = self.step("Div", &[&most, &steps], Vec::new(), &[]);
        let (least, one) = (self.floats("least", &[], &[1e-20]), self.floats("one", &[], &[1.0]));
        let is_some = self.step_of("Greater", &[&most, &least], Vec::new(), Element::Bool, &[]);
        let scale = self.step("Where", &[&is_some, &scale, &one], Vec::new(), &[]);
        let zero = self.own("zero_point");
        self.constant(&zero, Element::U8, &[], vec![128]);
        let bytes = self.step_of("QuantizeLinear", &[x, &scale, &zero], Vec::new(), Element::U8, &shape);
        let rounded = self.step("DequantizeLinear", &[&bytes, &scale, &zero], Vec::new(), &shape);
        self.rounded.insert(x.to_owned(), rounded.clone());
        rounded
    }

    /// Over the last dimension.
    pub(super) fn layer_norm(&mut self, eps: f64) -> Result<Name> {
        let x = self.input(0)?;
        let (weight, bias) = (self.weight(0, Layout::AsIs)?, self.weight(1, Layout::AsIs)?);
        let attributes = vec![int("axis", -1), float("epsilon", eps)];
        Ok(self.done("LayerNormalization", &[&x, &weight, &bias], attributes))
    }

    /// Over the channels of each pixel.
    pub(super) fn layer_norm2d(&mut self, eps: f64) -> Result<Name> {
        let x = self.input(0)?;
        let (weight, bias) = (self.weight(0, Layout::AsIs)?, self.weight(1, Layout::AsIs)?);
        let shape = self.shape().to_vec();
        let pixels: Vec<Dim> = [0, 2, 3, 1].map(|dim: usize| shape[dim].clone()).to_vec();
        let x = self.step("Transpose", &[&x], vec![ints("perm", [0, 2, 3, 1])], &pixels); // (B, H, W, C)
        let attributes = vec![int("axis", -1), float("epsilon", eps)];
        let y = self.step("LayerNormalization", &[&x, &weight, &bias], attributes, &pixels);
        Ok(self.done("Transpose", &[&y], vec![ints("perm", [0, 3, 1, 2])])) // (B, C, H, W)
    }

    /// Each group as one channel of an instance norm, then weight and bias of the channels.
    pub(super) fn group_norm(&mut self, config: &GroupNormConfig) -> Result<Name> {
        let x = self.input(0)?;
        let (shape, groups) = (self.shape().to_vec(), config.groups);
        let inner = self.lengths(&shape, 1).map(|dims| dims.iter().product::<usize>() / groups.max(1));
        let grouped = [shape[0].clone(), Dim::Fixed(groups), inner.map_or(Dim::Open, Dim::Fixed)];
        let to_groups = self.whole("groups", &[0, groups as i64, -1]);
        let back = match self.lengths(&shape, 1) {
            Ok(dims) => {
                let dims: Vec<i64> = [0].into_iter().chain(dims.into_iter().map(|dim| dim as i64)).collect();
                self.whole("dimensions", &dims)
            }
            Err(_) => self.lengths_of(&x, 0..shape.len()),
        };
        let y = self.step("Reshape", &[&x, &to_groups], Vec::new(), &grouped); // (B, G, …)
        let ones = self.floats("unit", &[groups], &vec![1.0; groups]);
        let zeros = self.floats("zero", &[groups], &vec![0.0; groups]);
        let attributes = vec![float("epsilon", config.eps)];
        let y = self.step("InstanceNormalization", &[&y, &ones, &zeros], attributes, &grouped);
        let y = self.step("Reshape", &[&y, &back], Vec::new(), &shape);
        let channels = self.lengths(&shape[1..2], 0)?;
        let along = [channels, vec![1; shape.len() - 2]].concat();
        let weight = self.weight(0, Layout::Shaped(along.clone()))?;
        let bias = self.weight(1, Layout::Shaped(along))?;
        let y = self.step("Mul", &[&y, &weight], Vec::new(), &shape);
        Ok(self.done("Add", &[&y, &bias], Vec::new()))
    }

    /// Of queries (B, …, N, D), keys (B, …, M, D) and values (B, …, M, E).
    pub(super) fn attention(&mut self, heads: usize) -> Result<Name> {
        let rank = self.shape().len();
        let mut parts = Vec::new();
        for slot in 0..3 {
            let (x, shape) = (self.input(slot)?, self.input_shape(slot).to_vec());
            let Some(Dim::Fixed(features)) = shape.last() else {
                return Err(self.refused("features of one number", "others", "Please report this."));
            };
            let size = features / heads.max(1);
            // Heads before tokens; keys turned.
            let cut = [&shape[..rank - 1], &[Dim::Fixed(heads), Dim::Fixed(size)]].concat();
            let dims = [vec![0; rank - 1], vec![heads as i64, size as i64]].concat();
            let dims = self.whole("heads", &dims);
            let x = self.step("Reshape", &[&x, &dims], Vec::new(), &cut); // (B, …, N, heads, D)
            let last = if slot == 1 { [rank - 1, rank, rank - 2] } else { [rank - 1, rank - 2, rank] };
            let order: Vec<usize> = (0..rank - 2).chain(last).collect();
            let shape: Vec<Dim> = order.iter().map(|&dim| cut[dim].clone()).collect();
            parts.push((self.step("Transpose", &[&x], vec![ints("perm", order)], &shape), shape, size));
        }
        let [(q, q_shape, size), (k, k_shape, _), (v, v_shape, width)] = parts.as_slice() else {
            return Err(self.refused("queries, keys and values", "others", "Please report this."));
        };
        let scores = [&q_shape[..rank], &k_shape[rank..]].concat(); // (B, …, heads, N, M)
        let weights = self.softmax_of((q, q_shape), k, *size, &scores, None);
        let mixed = [&scores[..rank], &v_shape[rank..]].concat();
        let y = self.step("MatMul", &[&weights, v], Vec::new(), &mixed); // (B, …, heads, N, E)
        let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2, rank]).collect();
        let shape: Vec<Dim> = order.iter().map(|&dim| mixed[dim].clone()).collect();
        let y = self.step("Transpose", &[&y], vec![ints("perm", order)], &shape);
        let dims = [vec![0; rank - 1], vec![(heads * width) as i64]].concat();
        let dims = self.whole("joined", &dims);
        Ok(self.done("Reshape", &[&y, &dims], Vec::new()))
    }

    /// What each query takes of each key.
    fn softmax_of(
        &mut self,
        (q, q_shape): (&str, &[Dim]),
        k: &str,
        size: usize,
        scores: &[Dim],
        bias: Option<&str>,
    ) -> Name {
        let scale = self.floats("scale", &[], &[1.0 / (size as f32).sqrt()]);
        let q = self.step("Mul", &[q, &scale], Vec::new(), q_shape);
        let mut y = self.step("MatMul", &[&q, k], Vec::new(), scores);
        if let Some(bias) = bias {
            y = self.step("Add", &[&y, bias], Vec::new(), scores);
        }
        self.step("Softmax", &[&y], vec![int("axis", -1)], scores)
    }

    /// Of pixels (B, N, heads·3·D) of a grid, with a bias for each way from one to another.
    pub(super) fn relative_attention(&mut self, heads: usize, grid: [usize; 2]) -> Result<Name> {
        let (x, out) = (self.input(0)?, self.lengths(self.shape(), 1)?);
        let (pixels, size, batch) = (out[0], out[1] / heads.max(1), self.batch());
        let fixed = |dims: &[usize]| -> Vec<Dim> {
            [batch.clone()].into_iter().chain(dims.iter().map(|&dim| Dim::Fixed(dim))).collect()
        };
        let cut = self.whole("heads", &[0, 0, heads as i64, 3, size as i64]);
        let x = self.step("Reshape", &[&x, &cut], Vec::new(), &fixed(&[pixels, heads, 3, size]));
        let tokens = fixed(&[heads, pixels, size]);
        let turned = fixed(&[heads, size, pixels]);
        let mut parts = Vec::new();
        for part in 0..3 {
            let place = self.whole_scalar("part", part);
            let y = self.step("Gather", &[&x, &place], vec![int("axis", 3)], &fixed(&[pixels, heads, size]));
            let (order, shape) = if part == 1 { ([0, 2, 3, 1], &turned) } else { ([0, 2, 1, 3], &tokens) };
            parts.push(self.step("Transpose", &[&y], vec![ints("perm", order)], shape));
        }
        let bias = self.relative_bias(heads, grid)?;
        let scores = fixed(&[heads, pixels, pixels]);
        let weights = self.softmax_of((&parts[0], &tokens), &parts[1], size, &scores, Some(&bias));
        let y = self.step("MatMul", &[&weights, &parts[2]], Vec::new(), &tokens);
        let y =
            self.step("Transpose", &[&y], vec![ints("perm", [0, 2, 1, 3])], &fixed(&[pixels, heads, size]));
        let joined = self.whole("joined", &[0, 0, (heads * size) as i64]);
        Ok(self.done("Reshape", &[&y, &joined], Vec::new()))
    }

    /// The bias of each pair of pixels, (1, heads, N, N), from the row that its way has in the table.
    fn relative_bias(&mut self, heads: usize, [height, width]: [usize; 2]) -> Result<Name> {
        let source = self.source;
        let Some(Weights::Float(table)) = self.node().tensors.first().map(|&place| &source.weights[place])
        else {
            return Err(self.refused("a table of biases", "none", "Please report this."));
        };
        let table = table.to_vec2::<f32>()?;
        let pixels = height * width;
        let way = |from: usize, to: usize| {
            let rows = from / width + height - 1 - to / width;
            let columns = from % width + width - 1 - to % width;
            rows * (2 * width - 1) + columns
        };
        let pairs = |head: usize| (0..pixels * pixels).map(move |pair| (head, pair / pixels, pair % pixels));
        let values: Vec<f32> =
            (0..heads).flat_map(pairs).map(|(head, from, to)| table[way(from, to)][head]).collect();
        Ok(self.floats("relative_position_bias", &[1, heads, pixels, pixels], &values))
    }

    /// A constant (1, …) once for each image.
    pub(super) fn for_each_image(&mut self, x: &str, constant: &str, rest: &[usize], end: End) -> Name {
        let shape: Vec<Dim> =
            [self.batch()].into_iter().chain(rest.iter().map(|&dim| Dim::Fixed(dim))).collect();
        let dims: Vec<i64> = rest.iter().map(|&dim| dim as i64).collect();
        let shape_name = match self.batch() {
            Dim::Fixed(images) => self.whole("shape", &[vec![images as i64], dims].concat()),
            _ => {
                let images = self.lengths_of(x, 0..1);
                let dims = self.whole("shape", &dims);
                let length = [Dim::Fixed(shape.len())];
                self.step_of("Concat", &[&images, &dims], vec![int("axis", 0)], Element::I64, &length)
            }
        };
        match end {
            End::Node => self.done("Expand", &[constant, &shape_name], Vec::new()),
            End::OnTheWay => self.step("Expand", &[constant, &shape_name], Vec::new(), &shape),
        }
    }

    pub(super) fn class_token(&mut self, features: usize) -> Result<Name> {
        let (x, token) = (self.input(0)?, self.weight(0, Layout::AsIs)?);
        let tokens = self.for_each_image(&x, &token, &[1, features], End::OnTheWay);
        Ok(self.done("Concat", &[&tokens, &x], vec![int("axis", 1)]))
    }

    pub(super) fn queries(&mut self, [count, features]: [usize; 2]) -> Result<Name> {
        let (x, queries) = (self.input(0)?, self.weight(0, Layout::Shaped(vec![1, count, features]))?);
        Ok(self.for_each_image(&x, &queries, &[count, features], End::Node))
    }

    pub(super) fn sine_position_embedding(&mut self, config: SinePositionConfig) -> Result<Name> {
        let x = self.input(0)?;
        let dims = self.lengths(self.shape(), 1)?;
        let values = sine_position_embedding([dims[1], dims[2]], config, &candle_core::Device::Cpu)?;
        let values = values.flatten_all()?.to_vec1()?;
        let embedding = self.floats("embedding", &[&[1], dims.as_slice()].concat(), &values);
        Ok(self.for_each_image(&x, &embedding, &dims, End::Node))
    }
}

/// Whether an operation gives what its node gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Node,
    OnTheWay,
}
