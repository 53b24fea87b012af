//! Each step as operators of TensorFlow.

use super::graph::{Nodes, Taken, flag, int, ints, kind, kind_of, text};
use super::protos::{AttributeValue, data_type};
use crate::Result;
use crate::export::nhwc::{Bound, Fit, Function, Kind, Op, Pair, Program, Side, Step, Window};
use crate::nn::Corners;

const FLOAT: i32 = data_type::FLOAT;
const INT32: i32 = data_type::INT32;

/// Adds the nodes of a step.
pub(super) fn add(nodes: &mut Nodes, program: &Program, step: &Step) -> Result<()> {
    nodes.begin(program, step.output);
    let (first, output) = (&program.values[step.inputs[0]], &program.values[step.output]);
    let of = kind_of(output);
    let typed = || ("T", kind(of));
    match &step.op {
        Op::Conv2d(window) => convolution(nodes, program, step, window)?,
        Op::DepthwiseConv2d(window) => depthwise(nodes, program, step, window)?,
        Op::TransposeConv { stride } => {
            let shape = nodes.value(program, step.inputs[0])?;
            let weight = nodes.taken(program, step.inputs[1], Taken::Turned(&[1, 2, 0, 3]))?;
            let x = nodes.value(program, step.inputs[2])?;
            let window = Window { kernel: [1, 1], stride: *stride, dilation: [1, 1], fit: Fit::Valid };
            nodes.node("Conv2DBackpropInput", vec![shape, weight, x], window_attributes(&window));
        }
        Op::FullyConnected => {
            let x = nodes.value(program, step.inputs[0])?;
            let weight = nodes.value(program, step.inputs[1])?;
            if first.dims.len() == 2 {
                let sides = vec![typed(), ("transpose_a", flag(false)), ("transpose_b", flag(true))];
                nodes.node("MatMul", vec![x, weight], sides);
                bias(nodes, program, step)?;
            } else {
                let sides = vec![typed(), ("adj_x", flag(false)), ("adj_y", flag(true))];
                let y = nodes.node("BatchMatMulV2", vec![x, weight], sides);
                let bias = nodes.value(program, step.inputs[2])?;
                nodes.float_node("AddV2", vec![y, bias]);
            }
        }
        Op::MatMul(side) => {
            let inputs = operands(nodes, program, step)?;
            let turned = flag(*side == Side::Transposed);
            nodes.node("BatchMatMulV2", inputs, vec![typed(), ("adj_x", flag(false)), ("adj_y", turned)]);
        }
        Op::MaxPool(window) => pool(nodes, program, step, "MaxPool", window)?,
        Op::AveragePool(window) => pool(nodes, program, step, "AvgPool", window)?,
        Op::Function(function) => {
            let x = nodes.value(program, step.inputs[0])?;
            function_of(nodes, *function, x);
        }
        Op::Pair(pair) => {
            let op = match pair {
                Pair::Add => "AddV2",
                Pair::Subtract => "Sub",
                Pair::Multiply => "Mul",
                Pair::SquaredDifference => "SquaredDifference",
                Pair::Divide => "RealDiv",
                Pair::FloorDivide => "FloorDiv",
            };
            let inputs = operands(nodes, program, step)?;
            nodes.node(op, inputs, vec![typed()]);
        }
        Op::Softmax => simple(nodes, program, step, "Softmax", vec![typed()])?,
        Op::LogSoftmax => simple(nodes, program, step, "LogSoftmax", vec![typed()])?,
        Op::Mean(dims) | Op::MeanKept(dims) => {
            let x = nodes.value(program, step.inputs[0])?;
            let dims = nodes.numbers("dims", &numbers(dims));
            let kept = flag(matches!(step.op, Op::MeanKept(_)));
            nodes.node("Mean", vec![x, dims], vec![typed(), ("Tidx", kind(INT32)), ("keep_dims", kept)]);
        }
        Op::Reshape => {
            let x = nodes.value(program, step.inputs[0])?;
            let shape = match step.inputs[..] {
                [_, shape] => nodes.value(program, shape)?,
                _ => nodes.numbers("shape", &output.dims),
            };
            nodes.node("Reshape", vec![x, shape], vec![typed(), ("Tshape", kind(INT32))]);
        }
        Op::Transpose(order) => {
            let x = nodes.value(program, step.inputs[0])?;
            let order = nodes.numbers("order", &numbers(order));
            nodes.node("Transpose", vec![x, order], vec![typed(), ("Tperm", kind(INT32))]);
        }
        Op::Slice(begin) => {
            let x = nodes.value(program, step.inputs[0])?;
            let begin = nodes.numbers("begin", &numbers(begin));
            let size = nodes.numbers("size", &output.dims);
            nodes.node("Slice", vec![x, begin, size], vec![typed(), ("Index", kind(INT32))]);
        }
        Op::Crop(sides) => crop(nodes, program, step, sides)?,
        Op::Concat(dim) => {
            let mut inputs = operands(nodes, program, step)?;
            let count = int(inputs.len() as i64);
            inputs.push(nodes.whole("dim", *dim as i32));
            nodes.node("ConcatV2", inputs, vec![typed(), ("N", count), ("Tidx", kind(INT32))]);
        }
        Op::Pad { sides, value } => {
            let x = nodes.value(program, step.inputs[0])?;
            let padding = nodes.pairs(sides);
            let attributes = vec![typed(), ("Tpaddings", kind(INT32))];
            if *value == 0.0 {
                nodes.node("Pad", vec![x, padding], attributes);
            } else {
                let value = nodes.scalar("filling", f64::from(*value));
                nodes.node("PadV2", vec![x, padding, value], attributes);
            }
        }
        Op::MirrorPad(sides) => {
            let x = nodes.value(program, step.inputs[0])?;
            let padding = nodes.pairs(sides);
            let attributes = vec![typed(), ("Tpaddings", kind(INT32)), ("mode", text("REFLECT"))];
            nodes.node("MirrorPad", vec![x, padding], attributes);
        }
        Op::ResizeBilinear(corners) => {
            let centres = *corners == Corners::Centres;
            resize(nodes, program, step, "ResizeBilinear", [centres, !centres])?;
        }
        Op::ResizeNearest => resize(nodes, program, step, "ResizeNearestNeighbor", [false, false])?,
        Op::Gather { dim } => {
            let mut inputs = operands(nodes, program, step)?;
            inputs.push(nodes.whole("dim", *dim as i32));
            let attributes = vec![
                ("Tparams", kind(of)),
                ("Tindices", kind(INT32)),
                ("Taxis", kind(INT32)),
                ("batch_dims", int(0)),
            ];
            nodes.node("GatherV2", inputs, attributes);
        }
        Op::Shape => {
            simple(nodes, program, step, "Shape", vec![("T", kind(FLOAT)), ("out_type", kind(INT32))])?
        }
        Op::Cast => {
            simple(nodes, program, step, "Cast", vec![("SrcT", kind(INT32)), ("DstT", kind(FLOAT))])?;
        }
        Op::Range => simple(nodes, program, step, "Range", vec![("Tidx", kind(INT32))])?,
        Op::Tile => simple(nodes, program, step, "Tile", vec![typed(), ("Tmultiples", kind(INT32))])?,
        Op::Quantize => {
            let x = nodes.value(program, step.inputs[0])?;
            if let Kind::Bytes(bytes) = output.kind {
                nodes.rounded(x, bytes);
            }
            nodes.end(program, step.output);
            return Ok(());
        }
        Op::Dequantize => {
            nodes.stands_for(step.output, step.inputs[0]);
            return Ok(());
        }
    }
    let bound = match step.bound {
        Bound::None => None,
        Bound::Relu => Some("Relu"),
        Bound::Relu6 => Some("Relu6"),
    };
    let last = |nodes: &Nodes| nodes.nodes.last().map(|node| node.name.clone());
    if let (Some(op), Some(last)) = (bound, last(nodes)) {
        nodes.float_node(op, vec![last]);
    }
    if let (Kind::Bytes(bytes), false, Some(last)) = (output.kind, keeps_numbers(&step.op), last(nodes)) {
        nodes.rounded(last, bytes);
    }
    nodes.end(program, step.output);
    Ok(())
}

/// Whether all numbers that come out went in, so that those of bytes are still theirs.
fn keeps_numbers(op: &Op) -> bool {
    matches!(
        op,
        Op::MaxPool(_)
            | Op::Function(Function::Relu)
            | Op::Reshape
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Crop(_)
            | Op::Concat(_)
            | Op::Pad { .. }
            | Op::MirrorPad(_)
            | Op::ResizeNearest
            | Op::Gather { .. }
            | Op::Tile
    )
}

fn numbers(values: &[usize]) -> Vec<i32> {
    values.iter().map(|&value| value as i32).collect()
}

fn operands(nodes: &mut Nodes, program: &Program, step: &Step) -> Result<Vec<String>> {
    step.inputs.iter().map(|&input| nodes.value(program, input)).collect()
}

/// A node that takes the step's operands and nothing else.
fn simple(
    nodes: &mut Nodes,
    program: &Program,
    step: &Step,
    op: &str,
    attributes: Vec<(&str, AttributeValue)>,
) -> Result<()> {
    let inputs = operands(nodes, program, step)?;
    nodes.node(op, inputs, attributes);
    Ok(())
}

/// Adds the third operand to what the last node gives.
fn bias(nodes: &mut Nodes, program: &Program, step: &Step) -> Result<()> {
    let Some(last) = nodes.nodes.last().map(|node| node.name.clone()) else { return Ok(()) };
    let bias = nodes.value(program, step.inputs[2])?;
    nodes.node("BiasAdd", vec![last, bias], vec![("T", kind(FLOAT)), ("data_format", text("NHWC"))]);
    Ok(())
}

fn window_attributes(window: &Window) -> Vec<(&'static str, AttributeValue)> {
    vec![
        ("T", kind(FLOAT)),
        ("strides", ints(&[1, window.stride[0], window.stride[1], 1])),
        ("dilations", ints(&[1, window.dilation[0], window.dilation[1], 1])),
        ("padding", fit(window)),
        ("data_format", text("NHWC")),
    ]
}

fn fit(window: &Window) -> AttributeValue {
    text(match window.fit {
        Fit::Same => "SAME",
        Fit::Valid => "VALID",
    })
}

/// Groups are convolutions side by side: TensorFlow joins a bias to a convolution when it runs the graph, and what
/// comes of one in groups does not run on a CPU.
fn convolution(nodes: &mut Nodes, program: &Program, step: &Step, window: &Window) -> Result<()> {
    let (input, weight) = (&program.values[step.inputs[0]].dims, &program.values[step.inputs[1]].dims);
    let groups = (input[3] / weight[3].max(1)) as usize;
    let x = nodes.value(program, step.inputs[0])?;
    if groups < 2 {
        let weight = nodes.taken(program, step.inputs[1], Taken::Turned(&[1, 2, 3, 0]))?;
        nodes.node("Conv2D", vec![x, weight], window_attributes(window));
        return bias(nodes, program, step);
    }
    let dim = nodes.whole("dim", 3);
    let parts = vec![("T", kind(FLOAT)), ("num_split", int(groups as i64))];
    let split = nodes.node("Split", vec![dim.clone(), x], parts);
    let mut joined = Vec::with_capacity(groups + 1);
    for group in 0..groups {
        let weight = nodes.weight_of_group(program, step.inputs[1], (group, groups))?;
        let part = if group == 0 { split.clone() } else { format!("{split}:{group}") };
        joined.push(nodes.node("Conv2D", vec![part, weight], window_attributes(window)));
    }
    joined.push(dim);
    let attributes = vec![("T", kind(FLOAT)), ("N", int(groups as i64)), ("Tidx", kind(INT32))];
    nodes.node("ConcatV2", joined, attributes);
    bias(nodes, program, step)
}

/// TensorFlow's own operator has one stride for both axes and no gaps; what it cannot do, a convolution over all
/// channels can, most of whose weights are 0.
fn depthwise(nodes: &mut Nodes, program: &Program, step: &Step, window: &Window) -> Result<()> {
    let (input, weight) = (&program.values[step.inputs[0]].dims, &program.values[step.inputs[1]].dims);
    let x = nodes.value(program, step.inputs[0])?;
    if window.stride[0] == window.stride[1] && window.dilation == [1, 1] {
        let dims = [weight[1], weight[2], input[3], weight[3] / input[3].max(1)];
        let weight = nodes.taken(program, step.inputs[1], Taken::Shaped(&dims))?;
        nodes.node("DepthwiseConv2dNative", vec![x, weight], window_attributes(window));
    } else {
        let weight = nodes.weight_of_all(program, step.inputs[1], input[3] as usize)?;
        nodes.node("Conv2D", vec![x, weight], window_attributes(window));
    }
    bias(nodes, program, step)
}

fn pool(nodes: &mut Nodes, program: &Program, step: &Step, op: &str, window: &Window) -> Result<()> {
    let attributes = vec![
        ("T", kind(FLOAT)),
        ("ksize", ints(&[1, window.kernel[0], window.kernel[1], 1])),
        ("strides", ints(&[1, window.stride[0], window.stride[1], 1])),
        ("padding", fit(window)),
        ("data_format", text("NHWC")),
    ];
    simple(nodes, program, step, op, attributes)
}

/// All but some entries at the ends; 0 at the far end would be where nothing is left, so the end is left out there.
fn crop(nodes: &mut Nodes, program: &Program, step: &Step, sides: &[[usize; 2]]) -> Result<()> {
    let x = nodes.value(program, step.inputs[0])?;
    let begin: Vec<i32> = sides.iter().map(|side| side[0] as i32).collect();
    let end: Vec<i32> = sides.iter().map(|side| -(side[1] as i32)).collect();
    let whole = (0..sides.len()).filter(|&dim| sides[dim][1] == 0).fold(0, |mask, dim| mask | 1 << dim);
    let begin = nodes.numbers("begin", &begin);
    let end = nodes.numbers("end", &end);
    let steps = nodes.numbers("steps", &vec![1; sides.len()]);
    let attributes = vec![
        ("T", kind(FLOAT)),
        ("Index", kind(INT32)),
        ("begin_mask", int(0)),
        ("end_mask", int(whole)),
        ("ellipsis_mask", int(0)),
        ("new_axis_mask", int(0)),
        ("shrink_axis_mask", int(0)),
    ];
    nodes.node("StridedSlice", vec![x, begin, end, steps], attributes);
    Ok(())
}

fn resize(
    nodes: &mut Nodes,
    program: &Program,
    step: &Step,
    op: &str,
    [align_corners, half_pixel_centers]: [bool; 2],
) -> Result<()> {
    let attributes = vec![
        ("T", kind(FLOAT)),
        ("align_corners", flag(align_corners)),
        ("half_pixel_centers", flag(half_pixel_centers)),
    ];
    simple(nodes, program, step, op, attributes)
}

fn function_of(nodes: &mut Nodes, function: Function, x: String) {
    let op = match function {
        Function::Relu => "Relu",
        Function::Relu6 => "Relu6",
        Function::Sigmoid => "Sigmoid",
        Function::Tanh => "Tanh",
        Function::Rsqrt => "Rsqrt",
        Function::Sin => "Sin",
        Function::LeakyRelu(slope) => {
            let slope = AttributeValue::Float(slope as f32);
            nodes.node("LeakyRelu", vec![x], vec![("T", kind(FLOAT)), ("alpha", slope)]);
            return;
        }
        Function::Hardswish => {
            let three = nodes.scalar("three", 3.0);
            let sum = nodes.float_node("AddV2", vec![x.clone(), three]);
            let gate = nodes.float_node("Relu6", vec![sum]);
            let product = nodes.float_node("Mul", vec![x, gate]);
            let sixth = nodes.scalar("sixth", 1.0 / 6.0);
            nodes.float_node("Mul", vec![product, sixth]);
            return;
        }
        Function::Gelu => {
            let root = nodes.scalar("root", std::f64::consts::FRAC_1_SQRT_2);
            let inner = nodes.float_node("Mul", vec![x.clone(), root]);
            let curve = nodes.float_node("Erf", vec![inner]);
            return gated(nodes, x, curve);
        }
        Function::GeluTanh => {
            let square = nodes.float_node("Mul", vec![x.clone(), x.clone()]);
            let cube = nodes.float_node("Mul", vec![square, x.clone()]);
            let cubic = nodes.scalar("cubic", 0.044_715);
            let cube = nodes.float_node("Mul", vec![cube, cubic]);
            let sum = nodes.float_node("AddV2", vec![x.clone(), cube]);
            let root = nodes.scalar("root", (2.0 / std::f64::consts::PI).sqrt());
            let inner = nodes.float_node("Mul", vec![sum, root]);
            let curve = nodes.float_node("Tanh", vec![inner]);
            return gated(nodes, x, curve);
        }
    };
    nodes.float_node(op, vec![x]);
}

/// x · (1 + curve) / 2.
fn gated(nodes: &mut Nodes, x: String, curve: String) {
    let one = nodes.scalar("one", 1.0);
    let gate = nodes.float_node("AddV2", vec![curve, one]);
    let half = nodes.scalar("half", 0.5);
    let halved = nodes.float_node("Mul", vec![x, half]);
    nodes.float_node("Mul", vec![halved, gate]);
}
