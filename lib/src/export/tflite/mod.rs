//! TensorFlow Lite.

mod file;
mod metadata;
mod operators;
mod schema;
mod whole;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use half::f16;

use self::file::{File, Operator, Tensor};
use self::schema::{Field, builtin, options, tensor_type};
use super::nhwc::{Data, Program};
use super::{Batch, Check, ExportReport, Exportable, ImageSize, Metadata};
use crate::{Error, Result, atomic_file};

/// Options of [`tflite_with`].
#[derive(Debug, Clone, PartialEq)]
pub struct TfliteConfig {
    /// How the numbers of layers in f32 are kept.
    pub weights: TfliteWeights,
    /// What goes in and comes out.
    pub interface: TfliteInterface,
    /// How many images come at once.
    pub batch: Batch,
    /// Whether images may have other sizes than the model was built for. The file says so in `shape_signature`; it runs on
    /// the size that the model was built for until one resizes its input.
    pub size: ImageSize,
    /// What is told about the model: an entry `sconce` of the file's metadata, in JSON, and the format's own,
    /// `TFLITE_METADATA`, for images from 0 to 255. Names of classes that the last dimension of the first output has
    /// entries for are in a file `labels.txt`, a line each, in an archive at the file's end, where the format wants them.
    pub metadata: Metadata,
}

impl Default for TfliteConfig {
    /// f32, and one image at a time, as phones see them, of the size that the model was built for.
    fn default() -> TfliteConfig {
        TfliteConfig {
            weights: TfliteWeights::Float32,
            interface: TfliteInterface::Float32,
            batch: Batch::Fixed(1),
            size: ImageSize::AsBuilt,
            metadata: Metadata::default(),
        }
    }
}

/// What goes into a file's model and comes out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TfliteInterface {
    /// f32, also where the model computes on integers.
    #[default]
    Float32,
    /// Integers of 8 bits, and so in all of the file, as the format's specification of quantization has them: what chips
    /// without f32 need. Each input and output has its scale and its zero point; the real value is
    /// `scale · (x - zero_point)`. It takes a model of [`crate::compress::quantize`] or
    /// [`crate::compress::quantize_trained`] all of whose layers have a form on integers: convolutions, linear layers,
    /// sums, concatenations, pools, ReLU and ReLU6, and softmax, sigmoid and tanh.
    Int8,
}

/// How a file keeps the numbers of layers in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TfliteWeights {
    /// As they are.
    #[default]
    Float32,
    /// In 16 bits: half the size, with 11 bits of each number. They are made f32 again before anything is computed.
    Float16,
}

/// Writes a model for TensorFlow Lite (LiteRT) to `path`, for one image at a time: schema version 3, signature
/// `serving_default`.
///
/// Images go in as (1, H, W, C), other inputs as they are, and, where outputs are images, they come out so; so does every
/// output that has three dimensions beside the batch. All others keep theirs. Inside, images lie so, too: no transposes
/// are put around layers. A model on integers takes and gives f32, and computes on integers in between: all of it where
/// each layer has a form on them, else as the model itself does, and the last layer where its range is known.
/// [`TfliteInterface::Int8`] takes and gives integers.
///
/// ```no_run
/// # use sconce::prelude::*;
/// # use sconce::export;
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().flatten().linear(10))?.init(Seed(1), &Device::Cpu)?;
/// export::tflite(&net, "digits.tflite")?
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// If a layer has no form in TensorFlow Lite (the error names it), the model is larger than a file can be, or the file
/// cannot be written.
pub fn tflite(model: &dyn Exportable, path: impl AsRef<Path>) -> Result<ExportReport> {
    tflite_with(model, path, &TfliteConfig::default())
}

/// [`tflite`] with options.
///
/// # Errors
/// As [`tflite`]; and if `config` does not fit the model: for [`TfliteInterface::Int8`], the error names the layer that
/// stays in f32, for [`ImageSize::Dynamic`] the one that has no form for images of any size.
pub fn tflite_with(
    model: &dyn Exportable,
    path: impl AsRef<Path>,
    config: &TfliteConfig,
) -> Result<ExportReport> {
    let op = "export::tflite";
    let (path, source) = (path.as_ref(), model.source()?);
    let image = source.image().to_vec();
    config.metadata.check(op, image.first().copied().unwrap_or_default())?;
    let program = whole::program(&source, config, op)?;
    let mut file = file_of(&program, config.weights);
    file.metadata.push(("sconce".to_owned(), config.metadata.json(&image).into_bytes()));
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    file.metadata.push((metadata::ENTRY.to_owned(), metadata::entry(&program, &config.metadata, &name)));
    if file.values_len() > MOST_BYTES {
        return Err(Error::Argument {
            op: op.into(),
            expected: "weights of less than 2 GB, which is all that the format holds".into(),
            got: format!("{} bytes", file.values_len()),
            hint: "Keep them in 16 bits (TfliteWeights::Float16) or 8 (compress::quantize).".into(),
        });
    }
    let operators =
        ExportReport::counted(file.operators.iter().map(|operator| operators::name(operator.code)));
    let bytes = file.bytes();
    let labels = metadata::has_labels(&program, &config.metadata);
    let mut length = 0;
    atomic_file::write_with(path, |file| {
        file.write_all(&bytes)?;
        if labels {
            metadata::write_labels(file, &config.metadata.classes)?;
        }
        length = file.metadata()?.len();
        Ok(())
    })?;
    Ok(ExportReport {
        format: match (config.interface, config.weights) {
            (TfliteInterface::Int8, _) => "TensorFlow Lite, all in integers of 8 bits".into(),
            (TfliteInterface::Float32, TfliteWeights::Float32) => "TensorFlow Lite".into(),
            (TfliteInterface::Float32, TfliteWeights::Float16) => {
                "TensorFlow Lite, weights in 16 bits".into()
            }
        },
        path: path.to_owned(),
        bytes: length,
        inputs: program.texts(&program.inputs),
        outputs: program.texts(&program.outputs),
        operators,
        check: Check::NotRun("there is no TensorFlow Lite in this program".into()),
    })
}

/// Places in a file are numbers of 31 bits; the rest is for what is no weight.
const MOST_BYTES: usize = 2_000_000_000;

fn file_of(program: &Program, weights: TfliteWeights) -> File {
    let mut file = File {
        tensors: program.values.iter().map(operators::tensor).collect(),
        inputs: program.inputs.clone(),
        outputs: program.outputs.clone(),
        ..File::default()
    };
    for ((_, input), built) in program.inputs.iter().zip(&program.built) {
        file.tensors[*input].built = Some(built.clone());
    }
    let wide = if weights == TfliteWeights::Float16 { halved(&mut file, program) } else { HashMap::new() };
    for step in &program.steps {
        operators::add(&mut file, program, step);
        if let Some(operator) = file.operators.last_mut() {
            operator.inputs.iter_mut().for_each(|input| *input = wide.get(input).copied().unwrap_or(*input));
        }
    }
    file
}

/// Known values in 16 bits, and for each the tensor that is it in f32 again. Numbers that stand alone are no weights,
/// and numbers that 16 bits cannot hold stay as they are.
fn halved(file: &mut File, program: &Program) -> HashMap<i32, i32> {
    let mut wide = HashMap::new();
    for (place, value) in program.values.iter().enumerate() {
        let Some(Data::Float(numbers)) = &value.data else { continue };
        let halves: Vec<f16> = numbers.iter().map(|&number| f16::from_f32(number)).collect();
        if numbers.len() < 2 || halves.iter().any(|half| !half.is_finite()) {
            continue;
        }
        let whole = Tensor { data: None, ..file.tensors[place].clone() };
        file.tensors.push(Tensor { name: format!("{}/f32", value.name), ..whole });
        let (from, to) = (place as i32, file.tensors.len() as i32 - 1);
        file.tensors[place].kind = tensor_type::FLOAT16;
        file.tensors[place].data = Some(halves.iter().flat_map(|half| half.to_le_bytes()).collect());
        let nothing: Vec<(u16, Field)> = Vec::new();
        file.operators.push(Operator {
            code: builtin::DEQUANTIZE,
            version: 3,
            inputs: vec![from],
            outputs: vec![to],
            options: Some((options::DEQUANTIZE, nothing)),
        });
        wide.insert(from, to);
    }
    wide
}
