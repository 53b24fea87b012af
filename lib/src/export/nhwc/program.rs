//! Operators on values whose layout is settled: what both formats have under other names.

use crate::ops::int8::Quantization;

/// A value's place in [`Program::values`].
pub(crate) type ValueId = usize;

/// A length that is another one for images of another size; -1 in the dimensions of a [`Value`].
pub(crate) const OPEN: usize = usize::MAX;

/// A model as steps with channels last.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) values: Vec<Value>,
    /// Each after those whose values it takes.
    pub(crate) steps: Vec<Step>,
    pub(crate) inputs: Vec<(String, ValueId)>,
    pub(crate) outputs: Vec<(String, ValueId)>,
    /// The dimensions of the inputs as the model was built, -1 for any batch.
    pub(crate) built: Vec<Vec<i32>>,
    /// The first node of the graph that is computed in f32, where none was to be. Nothing behind it is there.
    pub(crate) in_float: Option<usize>,
}

/// How far the integers of a model on integers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As far as the model itself computes with them.
    Model,
    /// Through the layers whose value is an output, too, where its range is known.
    Outputs,
    /// Through all layers; what goes in and comes out is f32.
    Inside,
    /// Through all of it.
    All,
}

impl Reach {
    /// Whether nothing may be computed in f32.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Reach::Inside | Reach::All)
    }
}

impl Program {
    /// What goes in or comes out, as reports have it: `input f32 (1, 32, 32, 3)`, or
    /// `input int8 (1, 32, 32, 3), 0.02 · (x + 3)`.
    pub(crate) fn texts(&self, ports: &[(String, ValueId)]) -> Vec<String> {
        // Images of several inputs need not be of one size.
        let only = self.inputs.first().filter(|_| self.inputs.len() == 1).map(|(_, value)| *value);
        let text = |(name, value): &(String, ValueId)| {
            let Value { dims, kind, .. } = &self.values[*value];
            let open = |place: usize| match (place, only == Some(*value)) {
                (0, _) => "batch",
                (1, true) => "height",
                (2, true) => "width",
                _ => "?",
            };
            let dim = |(place, &dim): (usize, &i32)| match dim {
                ..0 => open(place).to_owned(),
                _ => dim.to_string(),
            };
            let dims = dims.iter().enumerate().map(dim);
            let dims = dims.collect::<Vec<_>>().join(", ");
            match kind {
                Kind::Bytes(bytes) => {
                    let shift = 128 - i32::from(bytes.zero_point);
                    let sign = if shift < 0 { '-' } else { '+' };
                    format!("{name} int8 ({dims}), {} · (x {sign} {})", bytes.scale, shift.abs())
                }
                Kind::Float | Kind::Int => format!("{name} f32 ({dims})"),
            }
        };
        ports.iter().map(text).collect()
    }
}

/// What goes in, is known, or is computed.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// Unique.
    pub(crate) name: String,
    /// The batch first, -1 where any number of images may come, and where a length follows their size.
    pub(crate) dims: Vec<i32>,
    pub(crate) kind: Kind,
    /// What it is, if it is known.
    pub(crate) data: Option<Data>,
}

/// What a value's numbers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// f32.
    Float,
    /// i32, for shapes.
    Int,
    /// Bytes that stand for numbers.
    Bytes(Quantization),
}

/// The numbers of a value that is known, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Float(Vec<f32>),
    Int(Vec<i32>),
    /// A weight in whole numbers, with the size of one of them for each entry of dimension `dim`.
    Whole {
        values: Vec<i8>,
        scales: Vec<f32>,
        dim: usize,
    },
    /// A bias in whole numbers, with the size of one of them for each.
    Sums {
        values: Vec<i32>,
        scales: Vec<f32>,
    },
}

/// One operator with its operands.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) output: ValueId,
    /// What is done to the result at once.
    pub(crate) bound: Bound,
}

/// A function that layers have built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    None,
    Relu,
    Relu6,
}

/// How a window lies on an image, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) fit: Fit,
}

/// Where windows may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// One for each step of the stride, the pixels that are missing shared by both sides.
    Same,
    /// Inside the image.
    Valid,
}

/// Whether the last two dimensions of an operand are exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Plain,
    Transposed,
}

/// A function of every number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    Relu,
    Relu6,
    LeakyRelu(f64),
    Gelu,
    GeluTanh,
    Sigmoid,
    Tanh,
    Hardswish,
    Rsqrt,
    Sin,
}

/// A function of two numbers, one or both of which may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Add,
    Subtract,
    Multiply,
    SquaredDifference,
    Divide,
    /// Of whole numbers, rounded down.
    FloorDivide,
}

/// What a step does. Dimensions count the batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// Of (B, H, W, C), a weight (O, KH, KW, C / groups) and a bias (O).
    Conv2d(Window),
    /// Of (B, H, W, C), a weight (1, KH, KW, C·M) and a bias (C·M): each channel M times by itself.
    DepthwiseConv2d(Window),
    /// Of a shape, a weight (O, KH, KW, C) and (B, H, W, C): each pixel spread over a window, without padding.
    TransposeConv {
        stride: [usize; 2],
    },
    /// Of (…, I), a weight (O, I) and a bias (O).
    FullyConnected,
    /// Of (…, N, D) and (…, D, M), or (…, M, D) transposed.
    MatMul(Side),
    MaxPool(Window),
    AveragePool(Window),
    Function(Function),
    Pair(Pair),
    /// Over the last dimension.
    Softmax,
    LogSoftmax,
    /// Over these dimensions, which stay with a length of 1.
    MeanKept(Vec<usize>),
    /// Over these dimensions, which go.
    Mean(Vec<usize>),
    /// To the dimensions of the output, of which at most one is open, or to those that a second operand lists.
    Reshape,
    Transpose(Vec<usize>),
    /// The output's dimensions, from these places on; where they are open, all that is left.
    Slice(Vec<usize>),
    /// All but so many entries before and behind in each dimension.
    Crop(Vec<[usize; 2]>),
    Concat(usize),
    /// Of (B, …) with so many entries of this number before and behind each dimension.
    Pad {
        sides: Vec<[usize; 2]>,
        value: f32,
    },
    /// The same, of the numbers on the other side of the outermost one.
    MirrorPad(Vec<[usize; 2]>),
    /// Of (B, H, W, C), by PyTorch's `align_corners=False`, or True with `Centres`.
    ResizeBilinear(crate::ops::Corners),
    ResizeNearest,
    /// Entries of dimension `dim`, as the second operand, a list, says; one number takes the dimension away.
    Gather {
        dim: usize,
    },
    /// The dimensions of a value.
    Shape,
    /// Whole numbers as f32.
    Cast,
    /// Whole numbers from the first operand up to the second, in steps of the third.
    Range,
    /// A value side by side with itself, as often as the second operand says for each dimension.
    Tile,
    /// f32 to bytes, or bytes to others.
    Quantize,
    /// Bytes to f32.
    Dequantize,
}
