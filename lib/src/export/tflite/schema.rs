//! The tables of TensorFlow Lite's file format, schema version 3 (`schema.fbs`), that an export writes: the places of
//! their fields, and the numbers of what they name.

use flatbuffers::{
    FlatBufferBuilder, Push, PushAlignment, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset,
};

/// What the file starts with, behind the place of its root.
pub(super) const IDENTIFIER: &str = "TFL3";
pub(super) const VERSION: u32 = 3;

/// Kinds of tensors.
pub(super) mod tensor_type {
    pub const FLOAT32: i8 = 0;
    pub const FLOAT16: i8 = 1;
    pub const INT32: i8 = 2;
    pub const INT8: i8 = 9;
}

/// Operators: `BuiltinOperator`.
pub(super) mod builtin {
    pub const ADD: i32 = 0;
    pub const AVERAGE_POOL_2D: i32 = 1;
    pub const CONCATENATION: i32 = 2;
    pub const CONV_2D: i32 = 3;
    pub const DEPTHWISE_CONV_2D: i32 = 4;
    pub const DEQUANTIZE: i32 = 6;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const LOGISTIC: i32 = 14;
    pub const MAX_POOL_2D: i32 = 17;
    pub const MUL: i32 = 18;
    pub const RELU: i32 = 19;
    pub const RELU6: i32 = 21;
    pub const RESHAPE: i32 = 22;
    pub const RESIZE_BILINEAR: i32 = 23;
    pub const SOFTMAX: i32 = 25;
    pub const TANH: i32 = 28;
    pub const PAD: i32 = 34;
    pub const GATHER: i32 = 36;
    pub const TRANSPOSE: i32 = 39;
    pub const MEAN: i32 = 40;
    pub const SUB: i32 = 41;
    pub const DIV: i32 = 42;
    pub const STRIDED_SLICE: i32 = 45;
    pub const LOG_SOFTMAX: i32 = 50;
    pub const CAST: i32 = 53;
    pub const PADV2: i32 = 60;
    pub const SLICE: i32 = 65;
    pub const SIN: i32 = 66;
    pub const TRANSPOSE_CONV: i32 = 67;
    pub const TILE: i32 = 69;
    pub const RSQRT: i32 = 76;
    pub const SHAPE: i32 = 77;
    pub const FLOOR_DIV: i32 = 90;
    pub const RANGE: i32 = 96;
    pub const RESIZE_NEAREST_NEIGHBOR: i32 = 97;
    pub const LEAKY_RELU: i32 = 98;
    pub const SQUARED_DIFFERENCE: i32 = 99;
    pub const MIRROR_PAD: i32 = 100;
    pub const QUANTIZE: i32 = 114;
    pub const HARD_SWISH: i32 = 117;
    pub const BATCH_MATMUL: i32 = 126;
    pub const GELU: i32 = 150;
}

/// Tables of options: the members of the union `BuiltinOptions`.
pub(super) mod options {
    pub const CONV_2D: u8 = 1;
    pub const DEPTHWISE_CONV_2D: u8 = 2;
    pub const POOL_2D: u8 = 5;
    pub const FULLY_CONNECTED: u8 = 8;
    pub const SOFTMAX: u8 = 9;
    pub const CONCATENATION: u8 = 10;
    pub const ADD: u8 = 11;
    pub const RESIZE_BILINEAR: u8 = 15;
    pub const RESHAPE: u8 = 17;
    pub const MUL: u8 = 21;
    pub const PAD: u8 = 22;
    pub const GATHER: u8 = 23;
    pub const TRANSPOSE: u8 = 26;
    pub const REDUCER: u8 = 27;
    pub const SUB: u8 = 28;
    pub const DIV: u8 = 29;
    pub const STRIDED_SLICE: u8 = 32;
    pub const LOG_SOFTMAX: u8 = 36;
    pub const CAST: u8 = 37;
    pub const DEQUANTIZE: u8 = 38;
    pub const PAD_V2: u8 = 43;
    pub const SLICE: u8 = 48;
    pub const TRANSPOSE_CONV: u8 = 49;
    pub const TILE: u8 = 51;
    pub const SHAPE: u8 = 55;
    pub const FLOOR_DIV: u8 = 65;
    pub const RANGE: u8 = 73;
    pub const RESIZE_NEAREST_NEIGHBOR: u8 = 74;
    pub const LEAKY_RELU: u8 = 75;
    pub const SQUARED_DIFFERENCE: u8 = 76;
    pub const MIRROR_PAD: u8 = 77;
    pub const QUANTIZE: u8 = 89;
    pub const HARD_SWISH: u8 = 91;
    pub const BATCH_MATMUL: u8 = 101;
    pub const GELU: u8 = 116;
}

pub(super) type Finished = WIPOffset<TableFinishedWIPOffset>;

/// The value of a table's field.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Bool(bool),
    I8(i8),
    U8(u8),
    I32(i32),
    U32(u32),
    F32(f32),
    /// Something that was written before.
    At(WIPOffset<UnionWIPOffset>),
}

/// A table of these fields, each with its number in the schema. All others have their default.
pub(super) fn table(file: &mut FlatBufferBuilder, fields: &[(u16, Field)]) -> Finished {
    let start = file.start_table();
    for &(number, field) in fields {
        // The first entry of a table of places is behind two lengths.
        let slot = 4 + 2 * number;
        match field {
            Field::Bool(value) => file.push_slot_always(slot, value),
            Field::I8(value) => file.push_slot_always(slot, value),
            Field::U8(value) => file.push_slot_always(slot, value),
            Field::I32(value) => file.push_slot_always(slot, value),
            Field::U32(value) => file.push_slot_always(slot, value),
            Field::F32(value) => file.push_slot_always(slot, value),
            Field::At(value) => file.push_slot_always(slot, value),
        }
    }
    file.end_table(start)
}

/// A byte of a tensor's values, which start at a multiple of 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Byte(pub(super) u8);

impl Push for Byte {
    type Output = u8;

    unsafe fn push(&self, dst: &mut [u8], _: usize) {
        dst[0] = self.0;
    }

    fn alignment() -> PushAlignment {
        PushAlignment::new(16)
    }
}
