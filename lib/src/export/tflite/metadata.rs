//! What a file tells of its model in TensorFlow Lite's own form: `ModelMetadata` of `metadata_schema.fbs`, version 1.1.0,
//! and the names of the classes in a file of their own.

use std::io::{self, Write};

use flatbuffers::FlatBufferBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::file::{list, text};
use super::schema::{Field, Finished, table};
use crate::export::Metadata;
use crate::export::nhwc::{Program, ValueId};

/// The entry of a model's metadata that it is.
pub(super) const ENTRY: &str = "TFLITE_METADATA";
/// What it starts with, behind the place of its root.
const IDENTIFIER: &str = "M001";
/// The version of the schema that knows all of the fields.
const LEAST_READER: &str = "1.0.0";
/// The file with the names of the classes.
const LABELS: &str = "labels.txt";
/// The names of an axis: `AssociatedFileType`.
const AXIS_LABELS: i8 = 2;
/// `ContentProperties`.
const FEATURES: u8 = 1;
const IMAGE: u8 = 2;
/// `ColorSpaceType`.
const RGB: i8 = 1;
const GRAYSCALE: i8 = 2;
/// `ProcessUnitOptions`.
const NORMALIZATION: u8 = 1;

/// The entry for a model of this name.
pub(super) fn entry(program: &Program, metadata: &Metadata, name: &str) -> Vec<u8> {
    let mut file = FlatBufferBuilder::new();
    let inputs: Vec<Finished> =
        program.inputs.iter().map(|port| input(&mut file, program, metadata, port)).collect();
    let labels = has_labels(program, metadata).then_some(LABELS);
    let outputs: Vec<Finished> = program
        .outputs
        .iter()
        .enumerate()
        .map(|(index, (name, _))| output(&mut file, name, labels.filter(|_| index == 0)))
        .collect();
    let (inputs, outputs) = (list(&mut file, &inputs), list(&mut file, &outputs));
    let subgraph = table(&mut file, &[(2, inputs), (3, outputs)]);
    let fields = [
        (0, text(&mut file, name)),
        (1, text(&mut file, "Written by Sconce.")),
        (3, list(&mut file, &[subgraph])),
        (7, text(&mut file, LEAST_READER)),
    ];
    let model = table(&mut file, &fields);
    file.finish(model, Some(IDENTIFIER));
    file.finished_data().to_vec()
}

/// Whether the main output has an entry for each name.
pub(super) fn has_labels(program: &Program, metadata: &Metadata) -> bool {
    let last = program.outputs.first().and_then(|(_, value)| program.values[*value].dims.last());
    !metadata.classes.is_empty() && last.is_some_and(|&last| last as usize == metadata.classes.len())
}

/// Writes the names of the classes, a line each, behind the model, as an archive at the end of its file.
pub(super) fn write_labels(file: &mut (impl Write + io::Seek), classes: &[String]) -> io::Result<()> {
    let lines: Vec<String> = classes.iter().map(|class| class.replace(['\r', '\n'], " ")).collect();
    let mut archive = ZipWriter::new(file);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(LABELS, stored).map_err(io::Error::from)?;
    archive.write_all(lines.join("\n").as_bytes())?;
    archive.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Images with their size, their colours, and what makes numbers from 0 to 255 what the model takes.
fn input(
    file: &mut FlatBufferBuilder,
    program: &Program,
    metadata: &Metadata,
    (name, value): &(String, ValueId),
) -> Finished {
    let &[_, height, width, channels] = program.values[*value].dims.as_slice() else {
        return output(file, name, None);
    };
    let color = match channels {
        1 => GRAYSCALE,
        3 => RGB,
        _ => 0,
    };
    let mut properties = vec![(0, Field::I8(color))];
    // Images of any size have none.
    if height > 0 && width > 0 {
        let size = table(file, &[(0, Field::U32(width as u32)), (1, Field::U32(height as u32))]);
        properties.push((1, Field::At(size.as_union_value())));
    }
    let image = table(file, &properties);
    let content = table(file, &[(0, Field::U8(IMAGE)), (1, Field::At(image.as_union_value()))]);
    let mut fields = vec![(0, text(file, name)), (3, Field::At(content.as_union_value()))];
    // What is told is of the first image that goes in; one with other channels is not normalized like it.
    let fits = |values: &[f32]| values.len() <= 1 || values.len() == channels as usize;
    if fits(&metadata.mean) && fits(&metadata.std) {
        let scaled = |values: &[f32], nothing: f32| -> Vec<f32> {
            let values = if values.is_empty() { &[nothing][..] } else { values };
            values.iter().map(|value| 255.0 * value).collect()
        };
        let mean = Field::At(file.create_vector(&scaled(&metadata.mean, 0.0)).as_union_value());
        let std = Field::At(file.create_vector(&scaled(&metadata.std, 1.0)).as_union_value());
        let normalization = table(file, &[(0, mean), (1, std)]);
        let normalization = Field::At(normalization.as_union_value());
        let unit = table(file, &[(0, Field::U8(NORMALIZATION)), (1, normalization)]);
        fields.push((4, list(file, &[unit])));
    }
    table(file, &fields)
}

/// An output, and the file that names its last dimension.
fn output(file: &mut FlatBufferBuilder, name: &str, labels: Option<&str>) -> Finished {
    let features = table(file, &[]);
    let content = table(file, &[(0, Field::U8(FEATURES)), (1, Field::At(features.as_union_value()))]);
    let mut fields = vec![(0, text(file, name)), (3, Field::At(content.as_union_value()))];
    if let Some(labels) = labels {
        let labels = [
            (0, text(file, labels)),
            (1, text(file, "The names of the classes.")),
            (2, Field::I8(AXIS_LABELS)),
        ];
        let labels = table(file, &labels);
        fields.push((6, list(file, &[labels])));
    }
    table(file, &fields)
}
