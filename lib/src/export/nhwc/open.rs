//! Models for images of any size.

use super::build::Build;
use super::lower::unmapped;
use super::program::{Kind, OPEN, Op, Pair, ValueId};
use crate::export::{ImageSize, source::Source};
use crate::nn::{Node, of_layer};
use crate::{Error, Result};

/// The graph's nodes, with [`OPEN`] for each length that follows the size of the images.
pub(super) fn nodes(source: &Source, size: ImageSize, op: &str) -> Result<Vec<Node>> {
    let mut nodes = source.graph.nodes().to_vec();
    if size == ImageSize::AsBuilt {
        return Ok(nodes);
    }
    let far = source.shapes_far().map_err(|error| {
        let label = match &error {
            Error::Shape { op, .. } | Error::Argument { op, .. } => op.clone(),
            _ => String::new(),
        };
        of_layer(error, format!("{op}, for images of any size: {label}"))
    })?;
    for (node, far) in nodes.iter_mut().zip(far) {
        for (length, far) in node.shape.iter_mut().zip(far) {
            if *length != far {
                *length = OPEN;
            }
        }
    }
    Ok(nodes)
}

/// The error of a node that has no form for images of any size.
pub(super) fn of_one_size(node: &Node, got: &str) -> Error {
    let hint = "Export it with ImageSize::AsBuilt, or for another size after Model::with_image_size.";
    unmapped(node, "a layer for images of any size", got, hint)
}

/// The product of lengths, [`OPEN`] if one of them is.
pub(super) fn product(lengths: &[usize]) -> usize {
    if lengths.contains(&OPEN) { OPEN } else { lengths.iter().product() }
}

/// A length and so many more.
pub(super) fn longer(length: usize, more: usize) -> usize {
    if length == OPEN { OPEN } else { length + more }
}

impl Build {
    /// The dimensions of a value, a list of whole numbers.
    pub(super) fn shape(&mut self, value: ValueId) -> ValueId {
        let rank = self.dims(value).len() as i32;
        self.made(Op::Shape, vec![value], vec![rank], Kind::Int)
    }

    /// One entry of a list, a list again.
    pub(super) fn entry(&mut self, list: ValueId, place: usize) -> ValueId {
        self.entries(list, place, 1)
    }

    /// Some entries of a list, from place `first` on.
    fn entries(&mut self, list: ValueId, first: usize, count: i32) -> ValueId {
        self.moved(Op::Slice(vec![first]), vec![list], vec![count])
    }

    /// The rows and the columns of an image (B, H, W, C).
    pub(super) fn sides(&mut self, image: ValueId) -> ValueId {
        let shape = self.shape(image);
        self.entries(shape, 1, 2)
    }

    /// A function of a list and of known whole numbers.
    pub(super) fn whole(&mut self, pair: Pair, list: ValueId, numbers: Vec<i32>) -> ValueId {
        let dims = self.dims(list).to_vec();
        let numbers = self.list(numbers);
        self.made(Op::Pair(pair), vec![list, numbers], dims, Kind::Int)
    }

    /// The batch of a value as a list of one number.
    pub(super) fn batch_of(&mut self, value: ValueId) -> ValueId {
        if self.batch >= 0 {
            return self.list(vec![self.batch]);
        }
        let shape = self.shape(value);
        self.entries(shape, 0, 1)
    }

    /// Lists one behind the other.
    pub(super) fn joined(&mut self, lists: Vec<ValueId>) -> ValueId {
        let count = lists.iter().map(|&list| self.dims(list)[0]).sum();
        self.moved(Op::Concat(0), lists, vec![count])
    }

    /// The same numbers in the dimensions of another value.
    pub(super) fn reshape_like(&mut self, value: ValueId, like: ValueId) -> ValueId {
        let dims = self.dims(like).to_vec();
        if dims.iter().filter(|&&dim| dim < 0).count() < 2 {
            let dims = self.behind_batch(like);
            return self.reshape(value, &dims);
        }
        let shape = self.shape(like);
        self.moved(Op::Reshape, vec![value, shape], dims)
    }

    /// For each pixel along an axis the nearest one where the image has another size there: `place · from / to` in whole
    /// numbers, where both are lists of one.
    pub(super) fn nearest(&mut self, from: ValueId, to: ValueId) -> ValueId {
        let places = self.places(to);
        let times = self.made(Op::Pair(Pair::Multiply), vec![places, from], vec![-1], Kind::Int);
        self.made(Op::Pair(Pair::FloorDivide), vec![times, to], vec![-1], Kind::Int)
    }

    /// The whole numbers from 0 up to that of a list of one.
    pub(super) fn places(&mut self, count: ValueId) -> ValueId {
        let limit = self.first(count);
        let [zero, one] = [0, 1].map(|number| self.number(number));
        self.made(Op::Range, vec![zero, limit, one], vec![-1], Kind::Int)
    }

    /// One side of an image (B, H, W, C), a list of one number.
    pub(super) fn side(&mut self, image: ValueId, axis: usize) -> ValueId {
        let shape = self.shape(image);
        self.entries(shape, 1 + axis, 1)
    }

    /// A list's one number without a dimension.
    fn first(&mut self, list: ValueId) -> ValueId {
        let zero = self.number(0);
        self.moved(Op::Gather { dim: 0 }, vec![list, zero], Vec::new())
    }
}
