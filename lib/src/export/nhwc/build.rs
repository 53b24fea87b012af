//! Puts a program together, step by step.

use std::collections::{HashMap, HashSet};

use super::program::{Bound, Data, Kind, OPEN, Op, Pair, Program, Step, Value, ValueId};

/// A program under way.
pub(super) struct Build {
    pub(super) program: Program,
    /// The images that come at once; -1 for any number.
    pub(super) batch: i32,
    /// The layer that what is made belongs to.
    layer: String,
    names: HashSet<String>,
    /// Lists of whole numbers that are there already.
    lists: HashMap<Vec<i32>, ValueId>,
    /// Why the layer under way has no form for images of any size.
    pub(super) stuck: Option<&'static str>,
}

impl Build {
    pub(super) fn new(batch: i32) -> Build {
        Build {
            program: Program::default(),
            batch,
            layer: String::new(),
            names: HashSet::new(),
            lists: HashMap::new(),
            stuck: None,
        }
    }

    pub(super) fn layer(&mut self, name: &str) {
        name.clone_into(&mut self.layer);
    }

    /// The batch and these dimensions behind it.
    pub(super) fn batched(&self, dims: &[usize]) -> Vec<i32> {
        let stored = |&dim: &usize| if dim == OPEN { -1 } else { dim as i32 };
        std::iter::once(self.batch).chain(dims.iter().map(stored)).collect()
    }

    pub(super) fn dims(&self, value: ValueId) -> &[i32] {
        &self.program.values[value].dims
    }

    /// The dimensions behind the batch, [`OPEN`] for those that follow the images' size.
    pub(super) fn behind_batch(&self, value: ValueId) -> Vec<usize> {
        self.dims(value)[1..].iter().map(|&dim| usize::try_from(dim).unwrap_or(OPEN)).collect()
    }

    fn unique(&mut self, name: String) -> String {
        let (mut unique, mut count) = (name.clone(), 1);
        while !self.names.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        unique
    }

    /// Names the value after its layer, if it may.
    pub(super) fn rename(&mut self, value: ValueId, name: &str) {
        if self.names.insert(name.to_owned()) {
            name.clone_into(&mut self.program.values[value].name);
        }
    }

    pub(super) fn value(&mut self, what: &str, dims: Vec<i32>, kind: Kind, data: Option<Data>) -> ValueId {
        let name = if self.layer.is_empty() { what.to_owned() } else { format!("{}/{what}", self.layer) };
        let name = self.unique(name);
        self.program.values.push(Value { name, dims, kind, data });
        self.program.values.len() - 1
    }

    /// A value that is known, f32.
    pub(super) fn float(&mut self, what: &str, dims: &[usize], data: Vec<f32>) -> ValueId {
        let dims = dims.iter().map(|&dim| dim as i32).collect();
        self.value(what, dims, Kind::Float, Some(Data::Float(data)))
    }

    pub(super) fn scalar(&mut self, what: &str, value: f64) -> ValueId {
        self.float(what, &[], vec![value as f32])
    }

    /// A list of whole numbers.
    pub(super) fn list(&mut self, numbers: Vec<i32>) -> ValueId {
        if let Some(&known) = self.lists.get(&numbers) {
            return known;
        }
        let data = Some(Data::Int(numbers.clone()));
        let value = self.value("list", vec![numbers.len() as i32], Kind::Int, data);
        self.lists.insert(numbers, value);
        value
    }

    /// One whole number without a dimension.
    pub(super) fn number(&mut self, number: i32) -> ValueId {
        self.value("number", Vec::new(), Kind::Int, Some(Data::Int(vec![number])))
    }

    /// A step that makes numbers of one kind.
    pub(super) fn made(&mut self, op: Op, inputs: Vec<ValueId>, dims: Vec<i32>, kind: Kind) -> ValueId {
        let output = self.value(what(&op), dims, kind, None);
        self.program.steps.push(Step { op, inputs, output, bound: Bound::None });
        output
    }

    /// A step that makes f32.
    pub(super) fn step(&mut self, op: Op, inputs: Vec<ValueId>, dims: Vec<i32>) -> ValueId {
        self.made(op, inputs, dims, Kind::Float)
    }

    /// A step that gives numbers of the kind that come in.
    pub(super) fn moved(&mut self, op: Op, inputs: Vec<ValueId>, dims: Vec<i32>) -> ValueId {
        let kind = self.program.values[inputs[0]].kind;
        self.made(op, inputs, dims, kind)
    }

    pub(super) fn reshape(&mut self, value: ValueId, dims: &[usize]) -> ValueId {
        let open = dims.iter().filter(|&&dim| dim == OPEN).count();
        let dims = self.batched(dims);
        if self.dims(value) == dims {
            return value;
        }
        let mut inputs = vec![value];
        if open > 0 && self.batch < 0 {
            // Of two lengths that are not known, the batch is what it was.
            let batch = self.batch_of(value);
            let rest = self.list(dims[1..].to_vec());
            inputs.push(self.joined(vec![batch, rest]));
        }
        if open > 1 {
            self.stuck = Some("two lengths that follow the images' size");
        }
        self.moved(Op::Reshape, inputs, dims)
    }

    /// The dimensions behind the batch in another order.
    pub(super) fn transpose(&mut self, value: ValueId, order: &[usize]) -> ValueId {
        let dims = self.behind_batch(value);
        let turned: Vec<usize> = order.iter().map(|&dim| dims[dim]).collect();
        let open = dims.iter().filter(|&&dim| dim == OPEN).count();
        if open < 2 && super::arrange::moves_nothing(&dims, order) {
            return self.reshape(value, &turned);
        }
        let order = std::iter::once(0).chain(order.iter().map(|dim| dim + 1)).collect();
        let dims = self.batched(&turned);
        self.moved(Op::Transpose(order), vec![value], dims)
    }

    /// An image (B, H, W, C) without so many rows and columns before and behind.
    pub(super) fn crop(&mut self, image: ValueId, sides: [[usize; 2]; 2]) -> ValueId {
        if sides == [[0, 0]; 2] {
            return image;
        }
        let mut dims = self.behind_batch(image);
        for (length, [before, behind]) in dims.iter_mut().zip(sides) {
            if *length != OPEN {
                *length -= before + behind;
            }
        }
        let dims = self.batched(&dims);
        self.moved(Op::Crop(vec![[0, 0], sides[0], sides[1], [0, 0]]), vec![image], dims)
    }

    /// The entries from `begin` on of dimension `dim` behind the batch.
    pub(super) fn slice(&mut self, value: ValueId, dim: usize, begin: usize, length: usize) -> ValueId {
        let mut dims = self.behind_batch(value);
        if begin == 0 && length == dims[dim] {
            return value;
        }
        dims[dim] = length;
        let mut begins = vec![0; dims.len() + 1];
        begins[dim + 1] = begin;
        let dims = self.batched(&dims);
        self.moved(Op::Slice(begins), vec![value], dims)
    }

    /// A function of two values, of which one may repeat.
    pub(super) fn pair(&mut self, pair: Pair, a: ValueId, b: ValueId) -> ValueId {
        let (left, right) = (self.dims(a), self.dims(b));
        let rank = left.len().max(right.len());
        let at = |dims: &[i32], dim: usize| (dim + dims.len()).checked_sub(rank).map_or(1, |dim| dims[dim]);
        let joined = (0..rank).map(|dim| match (at(left, dim), at(right, dim)) {
            (1, other) | (other, _) => other,
        });
        let dims = joined.collect();
        self.step(Op::Pair(pair), vec![a, b], dims)
    }

    pub(super) fn function(&mut self, function: super::Function, value: ValueId) -> ValueId {
        let dims = self.dims(value).to_vec();
        self.step(Op::Function(function), vec![value], dims)
    }

    /// The mean over some dimensions behind the batch, which stay with a length of 1.
    pub(super) fn mean_kept(&mut self, value: ValueId, dims: &[usize]) -> ValueId {
        let mut left = self.behind_batch(value);
        dims.iter().for_each(|&dim| left[dim] = 1);
        let left = self.batched(&left);
        self.moved(Op::MeanKept(dims.iter().map(|dim| dim + 1).collect()), vec![value], left)
    }

    /// The batch and these dimensions as a list that a step can take.
    pub(super) fn shape_list(&mut self, dims: &[usize]) -> ValueId {
        if self.batch >= 0 {
            let dims = self.batched(dims);
            return self.list(dims);
        }
        let batch = self.batch_of(self.program.inputs[0].1);
        let rest = self.list(dims.iter().map(|&dim| dim as i32).collect());
        self.joined(vec![batch, rest])
    }

    /// The same numbers for each image of the batch.
    pub(super) fn repeated(&mut self, what: &str, dims: &[usize], data: &[f32]) -> ValueId {
        if self.batch >= 0 {
            let all = [&[self.batch as usize], dims].concat();
            return self.float(what, &all, data.repeat(self.batch as usize));
        }
        let one = self.float(what, &[&[1], dims].concat(), data.to_vec());
        let times = self.shape_list(&vec![1; dims.len()]);
        let dims = self.batched(dims);
        self.step(Op::Tile, vec![one, times], dims)
    }
}

/// What a step's value is called behind its layer's name.
fn what(op: &Op) -> &'static str {
    match op {
        Op::Conv2d(_) => "conv",
        Op::DepthwiseConv2d(_) => "depthwise_conv",
        Op::TransposeConv { .. } => "transpose_conv",
        Op::FullyConnected => "fully_connected",
        Op::MatMul(_) => "matmul",
        Op::MaxPool(_) => "max_pool",
        Op::AveragePool(_) => "average_pool",
        Op::Function(_) => "function",
        Op::Pair(Pair::Add) => "add",
        Op::Pair(Pair::Subtract) => "subtract",
        Op::Pair(Pair::Multiply) => "multiply",
        Op::Pair(Pair::SquaredDifference) => "squared_difference",
        Op::Pair(Pair::Divide) => "divide",
        Op::Pair(Pair::FloorDivide) => "floor_divide",
        Op::Softmax => "softmax",
        Op::LogSoftmax => "log_softmax",
        Op::Mean(_) | Op::MeanKept(_) => "mean",
        Op::Reshape => "reshape",
        Op::Transpose(_) => "transpose",
        Op::Slice(_) => "slice",
        Op::Crop(_) => "crop",
        Op::Concat(_) => "concat",
        Op::Pad { .. } | Op::MirrorPad(_) => "pad",
        Op::ResizeBilinear(_) | Op::ResizeNearest => "resize",
        Op::Gather { .. } => "gather",
        Op::Shape => "shape",
        Op::Range => "range",
        Op::Cast => "cast",
        Op::Tile => "tile",
        Op::Quantize => "quantize",
        Op::Dequantize => "dequantize",
    }
}
