//! Files of weights: safetensors, and what `torch.save` wrote, in its form since PyTorch 1.6 (a zip archive)
//! and in the one before.
//!
//! [`Checkpoint::open`] says what is in a file without reading the values; nothing in it is ever run, and no
//! size is believed before it was held against the file's own.
//!
//! Sources: the [safetensors format](https://github.com/huggingface/safetensors), and PyTorch's
//! `torch/serialization.py` and `torch/_utils.py`.

mod legacy;
mod numbers;
mod safetensors_file;
mod spelling;
mod spellings;
mod state_dict;
mod zipped;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use sconce_display::Bundle;

use crate::ops::shape_text;
use crate::plot::{Table, count};
use crate::progress::bytes;
use crate::rich::Rich;
use crate::{Error, Result};

pub(crate) use spelling::{Source, Spelling};
pub(crate) use spellings::spellings;

/// Where the metadata of a file of a whole training has what is not a tensor, and what stands in front of the names of its
/// model's tensors.
pub(crate) const TRAINING: &str = "sconce.training";
pub(crate) const TRAINED_MODEL: &str = "model.";
/// More bytes of description than any file has: names, types, shapes.
const MOST_DESCRIPTION: u64 = 100_000_000;
/// A tensor that repeats its values has no more than this, or no more than its storage.
const MOST_REPEATED: usize = 1 << 24;
/// Rows of a shown table.
const ROWS: usize = 1000;

/// What a file of weights holds.
///
/// ```no_run
/// use sconce::checkpoint::Checkpoint;
/// use sconce::prelude::*;
///
/// let file = Checkpoint::open("resnet18-f37072fd.pth")?;
/// let filters = file.tensor("conv1.weight", &Device::Cpu)?; // (64, 3, 7, 7)
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    format: Format,
    part: Option<String>,
    prefix: String,
    tensors: Vec<StoredTensor>,
    others: Vec<OtherEntry>,
    /// Of a safetensors file.
    metadata: BTreeMap<String, String>,
    blocks: Vec<Block>,
    /// Whether the lowest byte of a number comes last.
    swapped: bool,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A header of JSON, then the values.
    SafeTensors,
    /// What `torch.save` writes since PyTorch 1.6.
    PyTorchZip,
    /// What `torch.save` wrote before.
    PyTorchLegacy,
}

/// A tensor in a file.
#[derive(Debug, Clone)]
pub struct StoredTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    block: usize,
    /// Of its first value in the block, counted in values.
    offset: usize,
    strides: Vec<usize>,
}

/// Something in a file that is no tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEntry {
    /// Its key.
    pub name: String,
    /// Its value or kind: `12`, `"resnet18"`, `a dict of 3`.
    pub what: String,
}

/// A run of bytes of the file that tensors lie in.
#[derive(Debug, Clone)]
struct Block {
    at: u64,
    length: u64,
    crc32: Option<u32>,
}

impl StoredTensor {
    /// What it is called in the file; without `module.` and the like where all names begin with it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values in the file, as safetensors calls it: `F32`, `BF16`, `I64`.
    #[must_use]
    pub fn dtype(&self) -> String {
        self.dtype.to_string()
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its type and shape, as errors and tables write them.
    pub(crate) fn kind(&self) -> String {
        crate::tensor_file::kind(&self.shape, &self.dtype.to_string())
    }

    /// Whether its values have a part behind the point.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }

    pub(crate) fn is_f32(&self) -> bool {
        self.dtype == Dtype::F32
    }

    /// The number of its values.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Holds the tensor against the `count` values of its block.
    fn check(&self, count: usize) -> Result<(), String> {
        let size = || format!("a shape of {}", shape_text(&self.shape));
        if self.strides.len() != self.shape.len() {
            return Err(format!("{} with {} strides", size(), self.strides.len()));
        }
        let values = self.shape.iter().try_fold(1_usize, |values, &side| values.checked_mul(side));
        let values = values.ok_or_else(|| format!("{}, which no memory holds", size()))?;
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps.clone().filter(|_| values > 0).try_fold(self.offset, |last, (&side, &stride)| {
            (side - 1).checked_mul(stride).and_then(|step| last.checked_add(step))
        });
        if values > 0 && last.is_none_or(|last| last >= count) {
            return Err(format!("{} in a storage of {count} values that does not hold it", size()));
        }
        if values > count.max(MOST_REPEATED) {
            return Err(format!("{}, which repeats the {count} values of its storage", size()));
        }
        Ok(())
    }
}

/// Reads values, and keeps the last block that it read: tensors may lie in the same one.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    file: File,
    held: Option<(usize, Vec<u8>)>,
}

impl Checkpoint {
    /// Opens a `.safetensors`, `.pth`, `.pt` or `.bin` file; its content tells which it is. State dicts that
    /// lie under `state_dict`, `model`, `model_state_dict` and the like are found, and what is beside them
    /// is listed.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or of another format, holds no tensors, or asks for a
    /// function of Python's that tensors do not need.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(wrong(path, "a file of weights", "something that is no file".into()));
        }
        let size = metadata.len();
        let mut start = Vec::new();
        file.by_ref().take(32).read_to_end(&mut start).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut checkpoint = if start.starts_with(b"PK\x03\x04") {
            zipped::open(path, file, size)?
        } else if start.starts_with(legacy::MAGIC) {
            legacy::open(path, file, size)?
        } else {
            safetensors_file::open(path, file, size, &start)?
        };
        checkpoint.strip();
        Ok(checkpoint)
    }

    /// Takes off what wrappers put before all names.
    fn strip(&mut self) {
        // `DataParallel`, `torch.compile`.
        for wrapper in ["module.", "_orig_mod.", "module."] {
            if !self.tensors.is_empty() && self.tensors.iter().all(|tensor| tensor.name.starts_with(wrapper))
            {
                self.tensors.iter_mut().for_each(|tensor| drop(tensor.name.drain(..wrapper.len())));
                self.prefix += wrapper;
            }
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is laid out.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The key under which the tensors lie, if not at the top: `state_dict`.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// The tensors, in the file's order.
    #[must_use]
    pub fn tensors(&self) -> &[StoredTensor] {
        &self.tensors
    }

    /// What else is in the file.
    #[must_use]
    pub fn others(&self) -> &[OtherEntry] {
        &self.others
    }

    /// What stands under `key` in the metadata of a safetensors file.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The tensor called `name`.
    pub(crate) fn stored(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The bytes of the U8 tensor called `name`, none if there is no such tensor.
    pub(crate) fn u8_values(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(tensor) = self.stored(name).filter(|tensor| tensor.dtype == Dtype::U8) else {
            return Ok(None);
        };
        let values = self.reader()?.values(tensor)?;
        Ok(Some(values.into_iter().map(|value| value as u8).collect()))
    }

    /// A tensor's values as f32. Integers must be such that f32 holds them exactly.
    ///
    /// # Errors
    /// When there is no tensor of this name, its values cannot be f32, or its bytes are damaged.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let tensor = self.stored(name).ok_or_else(|| {
            let names: Vec<String> = self.tensors.iter().map(|tensor| tensor.name.clone()).collect();
            Error::Argument {
                op: "Checkpoint::tensor".into(),
                expected: crate::tensor_file::list("one of", &names),
                got: format!("{name:?}"),
                hint: String::new(),
            }
        })?;
        let values = self.reader()?.values(tensor)?;
        Ok(Tensor::from_vec(values, tensor.shape.as_slice(), device)?)
    }

    pub(crate) fn reader(&self) -> Result<Reader<'_>> {
        let file = File::open(&self.path).map_err(|source| self.io(source))?;
        Ok(Reader { checkpoint: self, file, held: None })
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io { op: "read", path: self.path.clone(), source }
    }

    /// The tensors in a table, and what else is in the file, in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}\n", self.table().text(), self.lines().join("\n"))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["tensor", "type", "shape"]);
        for tensor in self.tensors.iter().take(ROWS) {
            table.push(&[tensor.name.clone(), tensor.dtype.to_string(), shape_text(&tensor.shape)]);
        }
        table
    }

    /// What stands under the table.
    fn lines(&self) -> Vec<String> {
        let values: usize = self.tensors.iter().map(StoredTensor::len).sum();
        let size: u64 = self.blocks.iter().map(|block| block.length).sum();
        let format = match self.format {
            Format::SafeTensors => "safetensors",
            Format::PyTorchZip => "torch.save",
            Format::PyTorchLegacy => "torch.save before PyTorch 1.6",
        };
        let part = self.part.as_ref().map_or(String::new(), |part| format!(", under `{part}`"));
        let prefix = match self.prefix.as_str() {
            "" => String::new(),
            prefix => format!(", all names without `{prefix}`"),
        };
        let more = match self.tensors.len().saturating_sub(ROWS) {
            0 => String::new(),
            more => format!("and {more} more; "),
        };
        let number = self.tensors.len();
        let mut lines = vec![format!(
            "{more}{} tensors of {} values, {}, {format}{part}{prefix}",
            count(number),
            count(values),
            bytes(size)
        )];
        if !self.others.is_empty() {
            let others = self.others.iter().map(|other| format!("{}: {}", other.name, other.what));
            lines.push(crate::tensor_file::list("also in it:", &others.collect::<Vec<_>>()));
        }
        lines
    }
}

impl Reader<'_> {
    /// The values of a tensor of this checkpoint, row by row.
    pub(crate) fn values(&mut self, tensor: &StoredTensor) -> Result<Vec<f32>> {
        if self.held.as_ref().is_none_or(|(held, _)| *held != tensor.block) {
            // The old block goes before the new one comes.
            self.held = None;
            let bytes = self.block(tensor)?;
            self.held = Some((tensor.block, bytes));
        }
        let bytes = self.held.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        numbers::values(tensor, bytes, self.checkpoint.swapped)
            .map_err(|problem| damaged(&self.checkpoint.path, &tensor.name, problem))
    }

    fn block(&mut self, tensor: &StoredTensor) -> Result<Vec<u8>> {
        let checkpoint = self.checkpoint;
        let Some(block) = checkpoint.blocks.get(tensor.block) else { return Ok(Vec::new()) };
        self.file.seek(SeekFrom::Start(block.at)).map_err(|source| checkpoint.io(source))?;
        // The block lies in the file, so that it is no larger than that.
        let mut bytes = Vec::with_capacity(usize::try_from(block.length).unwrap_or(0));
        let mut piece = self.file.by_ref().take(block.length);
        piece.read_to_end(&mut bytes).map_err(|source| checkpoint.io(source))?;
        if bytes.len() as u64 != block.length {
            let problem = "a file that has become shorter".to_owned();
            return Err(damaged(&checkpoint.path, &tensor.name, problem));
        }
        if block.crc32.is_some_and(|crc32| crc32 != crc32fast::hash(&bytes)) {
            let problem = "bytes that are not what their checksum says".to_owned();
            return Err(damaged(&checkpoint.path, &tensor.name, problem));
        }
        Ok(bytes)
    }
}

/// The error of one tensor.
fn damaged(path: &Path, name: &str, problem: String) -> Error {
    wrong(path, &format!("a whole tensor {name:?}"), problem)
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "The file is damaged, was cut off, or is of another format; save or fetch it again.".into(),
    }
}

impl Rich for Checkpoint {
    fn rich(&self) -> Bundle {
        let text = self.text();
        let lines: String =
            self.lines().iter().map(|line| format!("<div>{}</div>", crate::plot::escape(line))).collect();
        Bundle::text(text).html(format!("{}{lines}", self.table().html()))
    }
}
