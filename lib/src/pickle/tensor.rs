//! Tensors of PyTorch: views into storages, which lie elsewhere in the file.

use std::rc::Rc;

use safetensors::Dtype;

use super::{Known, Parts, Value};

/// Numbers of one type, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) dtype: Dtype,
    /// What the file calls it.
    pub(crate) key: Rc<[u8]>,
    /// How many numbers the storage has that it is part of, if it says so, or itself.
    pub(crate) count: usize,
    /// Where it begins in the storage called `key`.
    pub(crate) offset: usize,
}

/// A tensor: where its values lie in a storage. Nothing is checked yet, since it has no name yet.
#[derive(Debug, Clone)]
pub(crate) struct Strided {
    /// Among the storages of the pickle.
    pub(super) storage: usize,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// The constructor of that name, if it is one of those that checkpoints need.
pub(super) fn known(module: &[u8], name: &[u8]) -> Option<Known> {
    Some(match (module, name) {
        (b"torch._utils", b"_rebuild_tensor" | b"_rebuild_tensor_v2") => Known::RebuildTensor,
        (b"torch._utils", b"_rebuild_parameter") => Known::RebuildParameter,
        (b"torch" | b"torch.cuda", storage) if storage.ends_with(b"Storage") => {
            Known::StorageType(storage_type(storage)?)
        }
        (b"collections", b"OrderedDict" | b"defaultdict" | b"Counter") => Known::Dict,
        (b"torch", b"Size") | (b"__builtin__" | b"builtins", b"set" | b"frozenset" | b"list" | b"tuple") => {
            Known::Collection
        }
        (b"__builtin__" | b"builtins", b"int" | b"float" | b"dict" | b"str" | b"bool") => {
            Known::Inert("type")
        }
        (b"_codecs", b"encode") => Known::Inert("bytes"),
        (b"argparse", b"Namespace") => Known::Inert("argparse.Namespace"),
        (b"pathlib" | b"pathlib._local", b"PosixPath" | b"WindowsPath" | b"Path" | b"PurePosixPath") => {
            Known::Inert("pathlib.Path")
        }
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => Known::Inert("numpy scalar"),
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") | (b"numpy", b"ndarray") => {
            Known::Inert("numpy.ndarray")
        }
        (b"numpy", b"dtype") => Known::Inert("numpy.dtype"),
        (b"torch", b"device") => Known::Inert("torch.device"),
        (
            b"torch",
            b"float64" | b"float32" | b"float16" | b"bfloat16" | b"int64" | b"int32" | b"int16" | b"int8"
            | b"uint8" | b"bool",
        ) => Known::Inert("torch.dtype"),
        _ => return None,
    })
}

fn storage_type(name: &[u8]) -> Option<Dtype> {
    Some(match name {
        b"DoubleStorage" => Dtype::F64,
        b"FloatStorage" => Dtype::F32,
        b"HalfStorage" => Dtype::F16,
        b"BFloat16Storage" => Dtype::BF16,
        b"LongStorage" => Dtype::I64,
        b"IntStorage" => Dtype::I32,
        b"ShortStorage" => Dtype::I16,
        b"CharStorage" => Dtype::I8,
        b"ByteStorage" => Dtype::U8,
        b"BoolStorage" => Dtype::BOOL,
        b"ComplexFloatStorage" => Dtype::C64,
        _ => return None,
    })
}

impl Parts {
    /// The storage that a persistent id names: `("storage", type, key, location, count)`, in old files with
    /// what it is a part of.
    pub(super) fn storage(&mut self, id: &Value) -> Result<Value, String> {
        let size = |number: i64| usize::try_from(number).map_err(|_| format!("a storage of size {number}"));
        let [
            Value::Bytes(what),
            Value::Known(Known::StorageType(dtype)),
            Value::Bytes(key),
            _,
            Value::Int(count),
            view @ ..,
        ] = self.items(id).unwrap_or_default()
        else {
            return Err("an outside object that is no storage".into());
        };
        if **what != *b"storage" {
            return Err(format!("an outside object that is a {}", what.escape_ascii()));
        }
        let offset = match view.first().and_then(|view| self.items(view)) {
            Some([_, Value::Int(offset), _]) => size(*offset)?,
            Some(_) => return Err("a storage that is an odd part of another".into()),
            None => 0,
        };
        let storage = Storage { dtype: *dtype, key: Rc::clone(key), count: size(*count)?, offset };
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() - 1))
    }

    /// What `_rebuild_tensor_v2` makes of its arguments: storage, offset, shape and strides; whether it wants
    /// a gradient and what follows is left.
    pub(super) fn rebuild(&mut self, arguments: &[Value]) -> Result<Value, String> {
        let [Value::Storage(storage), Value::Int(offset), shape, strides, ..] = arguments else {
            return Err("a tensor that is not as PyTorch writes it".into());
        };
        let offset = usize::try_from(*offset).map_err(|_| "a tensor that begins before its storage")?;
        let (Some(shape), Some(strides)) = (self.sides(shape), self.sides(strides)) else {
            return Err("a tensor without a shape and strides of numbers from 0 on".into());
        };
        self.tensors.push(Strided { storage: *storage, offset, shape, strides });
        Ok(Value::Tensor(self.tensors.len() - 1))
    }
}
