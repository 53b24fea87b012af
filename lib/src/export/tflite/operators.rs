//! Each step as an operator of TensorFlow Lite, with its options and the version of it that a runtime must know.

use super::file::{File, Operator, Quantized, Tensor};
use super::schema::{Field, builtin, options, tensor_type};
use crate::export::nhwc::{Bound, Data, Fit, Function, Kind, Op, Pair, Program, Side, Step, Value, Window};
use crate::nn::Corners;

/// The operator's name.
pub(super) fn name(code: i32) -> &'static str {
    match code {
        builtin::ADD => "ADD",
        builtin::AVERAGE_POOL_2D => "AVERAGE_POOL_2D",
        builtin::CONCATENATION => "CONCATENATION",
        builtin::CONV_2D => "CONV_2D",
        builtin::DEPTHWISE_CONV_2D => "DEPTHWISE_CONV_2D",
        builtin::DEQUANTIZE => "DEQUANTIZE",
        builtin::FULLY_CONNECTED => "FULLY_CONNECTED",
        builtin::LOGISTIC => "LOGISTIC",
        builtin::MAX_POOL_2D => "MAX_POOL_2D",
        builtin::MUL => "MUL",
        builtin::RELU => "RELU",
        builtin::RELU6 => "RELU6",
        builtin::RESHAPE => "RESHAPE",
        builtin::RESIZE_BILINEAR => "RESIZE_BILINEAR",
        builtin::SOFTMAX => "SOFTMAX",
        builtin::TANH => "TANH",
        builtin::PAD => "PAD",
        builtin::GATHER => "GATHER",
        builtin::TRANSPOSE => "TRANSPOSE",
        builtin::MEAN => "MEAN",
        builtin::SUB => "SUB",
        builtin::DIV => "DIV",
        builtin::CAST => "CAST",
        builtin::SIN => "SIN",
        builtin::STRIDED_SLICE => "STRIDED_SLICE",
        builtin::FLOOR_DIV => "FLOOR_DIV",
        builtin::RANGE => "RANGE",
        builtin::LOG_SOFTMAX => "LOG_SOFTMAX",
        builtin::PADV2 => "PADV2",
        builtin::SLICE => "SLICE",
        builtin::TRANSPOSE_CONV => "TRANSPOSE_CONV",
        builtin::TILE => "TILE",
        builtin::RSQRT => "RSQRT",
        builtin::SHAPE => "SHAPE",
        builtin::RESIZE_NEAREST_NEIGHBOR => "RESIZE_NEAREST_NEIGHBOR",
        builtin::LEAKY_RELU => "LEAKY_RELU",
        builtin::SQUARED_DIFFERENCE => "SQUARED_DIFFERENCE",
        builtin::MIRROR_PAD => "MIRROR_PAD",
        builtin::QUANTIZE => "QUANTIZE",
        builtin::HARD_SWISH => "HARD_SWISH",
        builtin::BATCH_MATMUL => "BATCH_MATMUL",
        builtin::GELU => "GELU",
        _ => "other",
    }
}

/// Adds the step's operator, and the lists that it takes.
pub(super) fn add(file: &mut File, program: &Program, step: &Step) {
    let mut inputs: Vec<i32> = step.inputs.iter().map(|&input| input as i32).collect();
    let values = &program.values;
    let (first, output) = (&values[step.inputs[0]], &values[step.output]);
    let bytes = matches!(output.kind, Kind::Bytes(_));
    let rank = output.dims.len();
    // The version of most operators that take bytes.
    let second = if bytes { 2 } else { 1 };
    let bound = Field::I8(match step.bound {
        Bound::None => 0,
        Bound::Relu => 1,
        Bound::Relu6 => 3,
    });
    let none = Vec::new();
    let (code, version, options) = match &step.op {
        Op::Conv2d(window) => {
            let mut fields = window_fields(window, [0, 1, 2]);
            fields.extend([(3, bound), (4, dilation(window, 1)), (5, dilation(window, 0))]);
            let grouped = values[step.inputs[1]].dims[3] != first.dims[3];
            let version = if grouped {
                6
            } else if bytes {
                3
            } else {
                1
            };
            (builtin::CONV_2D, version, (options::CONV_2D, fields))
        }
        Op::DepthwiseConv2d(window) => {
            let mut fields = window_fields(window, [0, 1, 2]);
            let multiplier = output.dims[3] / first.dims[3].max(1);
            fields.extend([(3, Field::I32(multiplier)), (4, bound)]);
            fields.extend([(5, dilation(window, 1)), (6, dilation(window, 0))]);
            let version = if bytes {
                3
            } else if window.dilation == [1, 1] {
                1
            } else {
                2
            };
            (builtin::DEPTHWISE_CONV_2D, version, (options::DEPTHWISE_CONV_2D, fields))
        }
        Op::TransposeConv { stride } => {
            let fields = vec![(0, Field::I8(VALID)), (1, number(stride[1])), (2, number(stride[0]))];
            (builtin::TRANSPOSE_CONV, second, (options::TRANSPOSE_CONV, fields))
        }
        Op::FullyConnected => {
            let keeps = rank > 2;
            let version = if keeps {
                5
            } else if bytes {
                4
            } else {
                1
            };
            let fields = vec![(0, bound), (2, Field::Bool(keeps))];
            (builtin::FULLY_CONNECTED, version, (options::FULLY_CONNECTED, fields))
        }
        Op::MatMul(side) => {
            let fields = vec![(1, Field::Bool(*side == Side::Transposed))];
            (builtin::BATCH_MATMUL, second, (options::BATCH_MATMUL, fields))
        }
        Op::MaxPool(window) => (builtin::MAX_POOL_2D, second, (options::POOL_2D, pool_fields(window))),
        Op::AveragePool(window) => {
            (builtin::AVERAGE_POOL_2D, second, (options::POOL_2D, pool_fields(window)))
        }
        Op::Function(function) => function_of(*function, second),
        Op::Pair(pair) => {
            let fields = vec![(0, bound)];
            match pair {
                Pair::Add => (builtin::ADD, second, (options::ADD, fields)),
                Pair::Multiply => (builtin::MUL, second, (options::MUL, fields)),
                Pair::Subtract => (builtin::SUB, if rank > 4 { 3 } else { second }, (options::SUB, fields)),
                Pair::SquaredDifference => {
                    (builtin::SQUARED_DIFFERENCE, second, (options::SQUARED_DIFFERENCE, none))
                }
                Pair::Divide => (builtin::DIV, second, (options::DIV, fields)),
                Pair::FloorDivide => (builtin::FLOOR_DIV, 1, (options::FLOOR_DIV, none)),
            }
        }
        Op::Softmax => (builtin::SOFTMAX, second, (options::SOFTMAX, vec![(0, Field::F32(1.0))])),
        Op::LogSoftmax => (builtin::LOG_SOFTMAX, second, (options::LOG_SOFTMAX, none)),
        Op::Mean(dims) | Op::MeanKept(dims) => {
            inputs.push(list(file, output, numbers(dims)));
            let kept = matches!(step.op, Op::MeanKept(_));
            (builtin::MEAN, second, (options::REDUCER, vec![(0, Field::Bool(kept))]))
        }
        Op::Reshape => {
            if inputs.len() < 2 {
                inputs.push(list(file, output, output.dims.clone()));
            }
            (builtin::RESHAPE, 1, (options::RESHAPE, none))
        }
        Op::Transpose(order) => {
            inputs.push(list(file, output, numbers(order)));
            let version = if rank > 5 {
                6
            } else if rank > 4 {
                4
            } else {
                second
            };
            (builtin::TRANSPOSE, version, (options::TRANSPOSE, none))
        }
        Op::Slice(begin) => {
            inputs.push(list(file, output, numbers(begin)));
            inputs.push(list(file, output, output.dims.clone()));
            (builtin::SLICE, if rank > 4 { 5 } else { second }, (options::SLICE, none))
        }
        Op::Crop(sides) => {
            let ends = |end: fn(&[usize; 2]) -> i32| sides.iter().map(end).collect::<Vec<i32>>();
            // An end of 0 would be the first entry: it is left out there.
            let whole =
                (0..sides.len()).filter(|&dim| sides[dim][1] == 0).fold(0, |mask, dim| mask | 1 << dim);
            inputs.push(list(file, output, ends(|side| side[0] as i32)));
            inputs.push(list(file, output, ends(|side| -(side[1] as i32))));
            inputs.push(list(file, output, vec![1; sides.len()]));
            (builtin::STRIDED_SLICE, second, (options::STRIDED_SLICE, vec![(1, Field::I32(whole))]))
        }
        Op::Concat(dim) => {
            let fields = vec![(0, number(*dim)), (1, bound)];
            let version = if first.kind == Kind::Int { 1 } else { second };
            (builtin::CONCATENATION, version, (options::CONCATENATION, fields))
        }
        Op::Pad { sides, value } => {
            inputs.push(pairs(file, output, sides));
            if *value == 0.0 && !bytes {
                (builtin::PAD, 1, (options::PAD, none))
            } else {
                inputs.push(filling(file, output, *value));
                (builtin::PADV2, second, (options::PAD_V2, none))
            }
        }
        Op::MirrorPad(sides) => {
            inputs.push(pairs(file, output, sides));
            (builtin::MIRROR_PAD, second, (options::MIRROR_PAD, vec![(0, Field::I8(REFLECT))]))
        }
        Op::ResizeBilinear(corners) => {
            let centres = *corners == Corners::Centres;
            let fields = vec![(2, Field::Bool(centres)), (3, Field::Bool(!centres))];
            (builtin::RESIZE_BILINEAR, 3, (options::RESIZE_BILINEAR, fields))
        }
        Op::ResizeNearest => {
            (builtin::RESIZE_NEAREST_NEIGHBOR, second, (options::RESIZE_NEAREST_NEIGHBOR, none))
        }
        Op::Gather { dim } => {
            (builtin::GATHER, second, (options::GATHER, vec![(0, number(*dim)), (1, Field::I32(0))]))
        }
        Op::Shape => (builtin::SHAPE, 1, (options::SHAPE, vec![(0, Field::I8(tensor_type::INT32))])),
        Op::Cast => {
            let kinds = vec![(0, Field::I8(tensor_type::INT32)), (1, Field::I8(tensor_type::FLOAT32))];
            (builtin::CAST, 1, (options::CAST, kinds))
        }
        Op::Range => (builtin::RANGE, 1, (options::RANGE, none)),
        Op::Tile => (builtin::TILE, 1, (options::TILE, none)),
        Op::Quantize => {
            let again = matches!(first.kind, Kind::Bytes(_));
            (builtin::QUANTIZE, if again { 2 } else { 1 }, (options::QUANTIZE, none))
        }
        Op::Dequantize => {
            let by_channel = matches!(first.data, Some(Data::Whole { .. }));
            (builtin::DEQUANTIZE, if by_channel { 5 } else { 2 }, (options::DEQUANTIZE, none))
        }
    };
    let outputs = vec![step.output as i32];
    file.operators.push(Operator {
        code,
        version,
        inputs,
        outputs,
        options: (options.0 != 0).then_some(options),
    });
}

const VALID: i8 = 1;
const REFLECT: i8 = 0;

fn number(value: usize) -> Field {
    Field::I32(value as i32)
}

fn numbers(values: &[usize]) -> Vec<i32> {
    values.iter().map(|&value| value as i32).collect()
}

fn dilation(window: &Window, axis: usize) -> Field {
    number(window.dilation[axis])
}

/// How a window lies: fields for the padding and for the stride of columns and rows.
fn window_fields(window: &Window, [padding, columns, rows]: [u16; 3]) -> Vec<(u16, Field)> {
    let fit = Field::I8(match window.fit {
        Fit::Same => 0,
        Fit::Valid => VALID,
    });
    vec![(padding, fit), (columns, number(window.stride[1])), (rows, number(window.stride[0]))]
}

fn pool_fields(window: &Window) -> Vec<(u16, Field)> {
    let mut fields = window_fields(window, [0, 1, 2]);
    fields.extend([(3, number(window.kernel[1])), (4, number(window.kernel[0]))]);
    fields
}

type Chosen = (i32, i32, (u8, Vec<(u16, Field)>));

fn function_of(function: Function, second: i32) -> Chosen {
    let none = (0, Vec::new());
    match function {
        Function::Relu => (builtin::RELU, second, none),
        Function::Relu6 => (builtin::RELU6, second, none),
        Function::LeakyRelu(slope) => {
            let fields = vec![(0, Field::F32(slope as f32))];
            (builtin::LEAKY_RELU, second, (options::LEAKY_RELU, fields))
        }
        Function::Gelu => (builtin::GELU, second, (options::GELU, vec![(0, Field::Bool(false))])),
        Function::GeluTanh => (builtin::GELU, second, (options::GELU, vec![(0, Field::Bool(true))])),
        Function::Sigmoid => (builtin::LOGISTIC, second, none),
        Function::Tanh => (builtin::TANH, second, none),
        Function::Hardswish => (builtin::HARD_SWISH, 1, (options::HARD_SWISH, Vec::new())),
        Function::Rsqrt => (builtin::RSQRT, second, none),
        Function::Sin => (builtin::SIN, 1, none),
    }
}

/// A tensor of known values beside the output of a step.
fn known(file: &mut File, output: &Value, what: &str, kind: i8, dims: Vec<i32>, data: Vec<u8>) -> i32 {
    let name = format!("{}/{what}", output.name);
    file.tensors.push(Tensor { name, dims, built: None, kind, data: Some(data), quantization: None });
    file.tensors.len() as i32 - 1
}

fn list(file: &mut File, output: &Value, numbers: Vec<i32>) -> i32 {
    let dims = vec![numbers.len() as i32];
    known(file, output, "list", tensor_type::INT32, dims, bytes_of(&numbers))
}

fn pairs(file: &mut File, output: &Value, sides: &[[usize; 2]]) -> i32 {
    let numbers: Vec<i32> = sides.iter().flatten().map(|&side| side as i32).collect();
    known(file, output, "padding", tensor_type::INT32, vec![sides.len() as i32, 2], bytes_of(&numbers))
}

/// What is put around an image.
fn filling(file: &mut File, output: &Value, value: f32) -> i32 {
    let Kind::Bytes(bytes) = output.kind else {
        let data = value.to_le_bytes().to_vec();
        return known(file, output, "filling", tensor_type::FLOAT32, Vec::new(), data);
    };
    let step = if value == f32::NEG_INFINITY { 0 } else { bytes.step(value) };
    let data = vec![step ^ 0x80];
    let place = known(file, output, "filling", tensor_type::INT8, Vec::new(), data);
    file.tensors[place as usize].quantization = Some(of_bytes(bytes));
    place
}

pub(super) fn bytes_of(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Bytes from 0 as signed ones, as the format's specification of 8 bits wants them.
fn of_bytes(bytes: crate::ops::int8::Quantization) -> Quantized {
    let zero_points = vec![i64::from(bytes.zero_point) - 128];
    Quantized { scales: vec![bytes.scale], zero_points, dim: 0 }
}

/// A value as a tensor.
pub(super) fn tensor(value: &Value) -> Tensor {
    let (kind, quantization) = match (value.kind, &value.data) {
        (_, Some(Data::Whole { scales, dim, .. })) => {
            let zero_points = vec![0; scales.len()];
            let quantization = Quantized { scales: scales.clone(), zero_points, dim: *dim as i32 };
            (tensor_type::INT8, Some(quantization))
        }
        (_, Some(Data::Sums { scales, .. })) => {
            let zero_points = vec![0; scales.len()];
            (tensor_type::INT32, Some(Quantized { scales: scales.clone(), zero_points, dim: 0 }))
        }
        (Kind::Float, _) => (tensor_type::FLOAT32, None),
        (Kind::Int, _) => (tensor_type::INT32, None),
        (Kind::Bytes(bytes), _) => (tensor_type::INT8, Some(of_bytes(bytes))),
    };
    let data = value.data.as_ref().map(|data| match data {
        Data::Float(values) => crate::tensor_file::of_f32(values),
        Data::Int(values) | Data::Sums { values, .. } => bytes_of(values),
        Data::Whole { values, .. } => values.iter().map(|value| value.cast_unsigned()).collect(),
    });
    Tensor { name: value.name.clone(), dims: value.dims.clone(), built: None, kind, data, quantization }
}
