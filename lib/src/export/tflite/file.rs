//! A model as TensorFlow Lite has it, and its bytes.

use flatbuffers::{FlatBufferBuilder, WIPOffset};

use super::schema::{Byte, Field, Finished, IDENTIFIER, VERSION, table};

/// What a file holds.
#[derive(Default)]
pub(super) struct File {
    pub(super) tensors: Vec<Tensor>,
    pub(super) operators: Vec<Operator>,
    pub(super) inputs: Vec<(String, usize)>,
    pub(super) outputs: Vec<(String, usize)>,
    /// Further entries by name.
    pub(super) metadata: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// -1 for a dimension of any length.
    pub(super) dims: Vec<i32>,
    /// Those that a runtime begins with, where they are not 1 for any length.
    pub(super) built: Option<Vec<i32>>,
    pub(super) kind: i8,
    /// The values, if they are known.
    pub(super) data: Option<Vec<u8>>,
    pub(super) quantization: Option<Quantized>,
}

/// What whole numbers stand for: `scale · (number - zero_point)`, for the tensor or for each entry of a dimension.
#[derive(Debug, Clone)]
pub(super) struct Quantized {
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i64>,
    pub(super) dim: i32,
}

#[derive(Clone)]
pub(super) struct Operator {
    pub(super) code: i32,
    pub(super) version: i32,
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
    /// The kind of the options, and they.
    pub(super) options: Option<(u8, Vec<(u16, Field)>)>,
}

/// What the signature is called.
const SIGNATURE: &str = "serving_default";

impl File {
    /// Bytes of the tensors' values.
    pub(super) fn values_len(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.data.as_ref().map_or(0, Vec::len)).sum()
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        let mut file = FlatBufferBuilder::with_capacity(self.values_len() + 64 * 1024);
        // The first buffer is empty, for tensors that are computed.
        let mut buffers = vec![table(&mut file, &[])];
        let mut codes: Vec<(i32, i32)> = Vec::new();
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for tensor in self.tensors {
            let place = tensor.data.as_ref().map_or(0, |data| buffer(&mut file, &mut buffers, data));
            tensors.push(written(&mut file, &tensor, place));
        }
        let mut operators = Vec::with_capacity(self.operators.len());
        for operator in self.operators {
            let code = (operator.code, operator.version);
            let index = codes.iter().position(|&known| known == code).unwrap_or(codes.len());
            if index == codes.len() {
                codes.push(code);
            }
            operators.push(operation(&mut file, index, &operator));
        }
        let (inputs, outputs) = (places(&self.inputs), places(&self.outputs));
        let subgraph = {
            let tensors = list(&mut file, &tensors);
            let inputs = Field::At(file.create_vector(&inputs).as_union_value());
            let outputs = Field::At(file.create_vector(&outputs).as_union_value());
            let operators = list(&mut file, &operators);
            let name = text(&mut file, "main");
            table(&mut file, &[(0, tensors), (1, inputs), (2, outputs), (3, operators), (4, name)])
        };
        let mut metadata = Vec::new();
        for (name, bytes) in &self.metadata {
            let place = buffer(&mut file, &mut buffers, bytes);
            let name = text(&mut file, name);
            metadata.push(table(&mut file, &[(0, name), (1, Field::U32(place))]));
        }
        let signature = {
            let inputs = named(&mut file, &self.inputs);
            let outputs = named(&mut file, &self.outputs);
            let key = text(&mut file, SIGNATURE);
            table(&mut file, &[(0, inputs), (1, outputs), (2, key), (4, Field::U32(0))])
        };
        let codes: Vec<Finished> = codes
            .into_iter()
            .map(|(code, version)| {
                // Runtimes from before there were more than 127 operators read the first field.
                let old = Field::I8(code.min(127) as i8);
                table(&mut file, &[(0, old), (2, Field::I32(version)), (3, Field::I32(code))])
            })
            .collect();
        let codes = list(&mut file, &codes);
        let subgraphs = list(&mut file, &[subgraph]);
        let description = text(&mut file, "Written by Sconce.");
        let buffers = list(&mut file, &buffers);
        let metadata = list(&mut file, &metadata);
        let signatures = list(&mut file, &[signature]);
        let fields = [
            (0, Field::U32(VERSION)),
            (1, codes),
            (2, subgraphs),
            (3, description),
            (4, buffers),
            (6, metadata),
            (7, signatures),
        ];
        let model = table(&mut file, &fields);
        file.finish(model, Some(IDENTIFIER));
        file.finished_data().to_vec()
    }
}

fn places(named: &[(String, usize)]) -> Vec<i32> {
    named.iter().map(|(_, place)| *place as i32).collect()
}

pub(super) fn text(file: &mut FlatBufferBuilder, text: &str) -> Field {
    Field::At(file.create_string(text).as_union_value())
}

pub(super) fn list(file: &mut FlatBufferBuilder, tables: &[Finished]) -> Field {
    Field::At(file.create_vector(tables).as_union_value())
}

fn buffer(file: &mut FlatBufferBuilder, buffers: &mut Vec<Finished>, bytes: &[u8]) -> u32 {
    let bytes: Vec<Byte> = bytes.iter().map(|&byte| Byte(byte)).collect();
    let data = Field::At(WIPOffset::new(file.create_vector(&bytes).value()));
    buffers.push(table(file, &[(0, data)]));
    buffers.len() as u32 - 1
}

fn written(file: &mut FlatBufferBuilder, tensor: &Tensor, buffer: u32) -> Finished {
    let first = tensor.built.as_ref().unwrap_or(&tensor.dims);
    let shape: Vec<i32> = first.iter().map(|&dim| if dim < 0 { 1 } else { dim }).collect();
    let shape = Field::At(file.create_vector(&shape).as_union_value());
    let name = text(file, &tensor.name);
    let mut fields = vec![(0, shape), (1, Field::I8(tensor.kind)), (2, Field::U32(buffer)), (3, name)];
    if let Some(Quantized { scales, zero_points, dim }) = &tensor.quantization {
        let scales = Field::At(file.create_vector(scales).as_union_value());
        let zero_points = Field::At(file.create_vector(zero_points).as_union_value());
        let quantization = table(file, &[(2, scales), (3, zero_points), (6, Field::I32(*dim))]);
        fields.push((4, Field::At(quantization.as_union_value())));
    }
    if tensor.dims.contains(&-1) {
        fields.push((7, Field::At(file.create_vector(&tensor.dims).as_union_value())));
    }
    fields.push((8, Field::Bool(true)));
    table(file, &fields)
}

fn operation(file: &mut FlatBufferBuilder, index: usize, operator: &Operator) -> Finished {
    let inputs = Field::At(file.create_vector(&operator.inputs).as_union_value());
    let outputs = Field::At(file.create_vector(&operator.outputs).as_union_value());
    let mut fields = vec![(0, Field::U32(index as u32)), (1, inputs), (2, outputs)];
    if let Some((kind, options)) = &operator.options {
        let options = table(file, options);
        fields.extend([(3, Field::U8(*kind)), (4, Field::At(options.as_union_value()))]);
    }
    table(file, &fields)
}

/// The names of a signature with their tensors.
fn named(file: &mut FlatBufferBuilder, tensors: &[(String, usize)]) -> Field {
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, place) in tensors {
        let name = text(file, name);
        entries.push(table(file, &[(0, name), (1, Field::U32(*place as u32))]));
    }
    list(file, &entries)
}
