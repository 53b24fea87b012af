//! Python's pickles, as data sets and checkpoints use them: numbers, texts, lists, dicts, arrays of NumPy and
//! tensors of PyTorch.
//!
//! A pickle is a program that may name any function of Python's. Nothing is run here: the few constructors
//! that a [`Vocabulary`] needs are known by name, and whatever else a file names is an error. Protocols 0 to 5
//! are described in CPython's `pickletools`; read are the operations that protocols 2 to 5 write.

mod array;
mod machine;
mod tensor;

use std::rc::Rc;

use safetensors::Dtype;

pub(crate) use array::Array;
pub(crate) use machine::read;
pub(crate) use tensor::{Storage, Strided};

/// More than any tensor has.
const MOST_DIMENSIONS: usize = 32;

/// Which constructors may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Those of arrays of bytes.
    NumPy,
    /// Those of tensors and what stands beside them in a checkpoint.
    PyTorch,
}

/// What a pickle holds. Tuples, lists and dicts are places in [`Pickle`]: lists are filled after they were
/// referred to and may hold themselves, and nothing that a file nests is nested here.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    None,
    Int(i64),
    Float(f64),
    /// Bytes of Python 3, texts of Python 2 and 3.
    Bytes(Rc<[u8]>),
    Tuple(usize),
    List(usize),
    /// Keys and values in turn.
    Dict(usize),
    /// A constructor that is known.
    Known(Known),
    /// A type of numbers: `u1`, `i8`.
    Kind(Rc<[u8]>),
    Array(usize),
    Storage(usize),
    Tensor(usize),
    /// An object that is known to be harmless and of no use: its type.
    Inert(&'static str),
}

/// What may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// `numpy.core.multiarray._reconstruct`: an empty array, to be filled.
    Reconstruct,
    /// `numpy.ndarray`, a type.
    NdArray,
    /// `numpy.dtype`.
    DType,
    /// `_codecs.encode`: how Python 3 writes bytes into protocol 2.
    Encode,
    /// `numpy.core.numeric._frombuffer`: how protocol 5 writes arrays.
    FromBuffer,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: the tensor in it.
    RebuildParameter,
    /// The type of a storage: `torch.FloatStorage`.
    StorageType(Dtype),
    /// `collections.OrderedDict` and its like.
    Dict,
    /// A collection that is made of another: `torch.Size`, `set`.
    Collection,
    /// A type whose objects are [`Value::Inert`].
    Inert(&'static str),
}

/// What a file held.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(crate) root: Value,
    /// How many bytes it took; others may follow.
    pub(crate) length: usize,
    parts: Parts,
}

/// What values point to.
#[derive(Debug, Default)]
struct Parts {
    /// Items of tuples and lists, keys and values of dicts.
    lists: Vec<Vec<Value>>,
    arrays: Vec<Array>,
    storages: Vec<Storage>,
    tensors: Vec<Strided>,
}

impl Pickle {
    /// The value under a key of a dict.
    pub(crate) fn get(&self, dict: &Value, key: &str) -> Option<&Value> {
        self.entries(dict)?.iter().rev().find_map(|[found, value]| match found {
            Value::Bytes(bytes) if **bytes == *key.as_bytes() => Some(value),
            _ => None,
        })
    }

    /// Keys and values of a dict, in the order they were written.
    pub(crate) fn entries(&self, dict: &Value) -> Option<&[[Value; 2]]> {
        let Value::Dict(at) = dict else { return None };
        Some(self.parts.lists.get(*at)?.as_chunks().0)
    }

    /// The items of a list or tuple.
    pub(crate) fn items(&self, value: &Value) -> Option<&[Value]> {
        self.parts.items(value)
    }

    /// A list of numbers, or an array of bytes.
    pub(crate) fn integers(&self, value: &Value) -> Option<Vec<i64>> {
        if let Some(Array { bytes: Some(bytes), .. }) = self.array(value) {
            return Some(bytes.iter().map(|&byte| i64::from(byte)).collect());
        }
        let number = |value: &Value| if let Value::Int(number) = value { Some(*number) } else { None };
        self.items(value)?.iter().map(number).collect()
    }

    /// A list of texts.
    pub(crate) fn texts(&self, value: &Value) -> Option<Vec<String>> {
        self.items(value)?.iter().map(Value::text).collect()
    }

    /// An array whose bytes are there.
    pub(crate) fn array(&self, value: &Value) -> Option<&Array> {
        let Value::Array(at) = value else { return None };
        self.parts.arrays.get(*at).filter(|array| array.bytes.is_some())
    }

    /// A tensor and the storage it lies in.
    pub(crate) fn tensor(&self, value: &Value) -> Option<(&Strided, &Storage)> {
        let Value::Tensor(at) = value else { return None };
        let tensor = self.parts.tensors.get(*at)?;
        Some((tensor, self.parts.storages.get(tensor.storage)?))
    }

    /// All storages that were named, each as often as it was.
    pub(crate) fn storages(&self) -> &[Storage] {
        &self.parts.storages
    }
}

impl Value {
    /// The text that it is.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }
}

impl Parts {
    fn items(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::List(at) | Value::Tuple(at) => self.lists.get(*at).map(Vec::as_slice),
            _ => None,
        }
    }

    /// A place for items.
    fn list(&mut self, items: Vec<Value>) -> usize {
        self.lists.push(items);
        self.lists.len() - 1
    }

    /// Sizes or strides.
    fn sides(&self, value: &Value) -> Option<Vec<usize>> {
        let side = |value: &Value| match value {
            Value::Int(side) => usize::try_from(*side).ok(),
            _ => None,
        };
        let items = self.items(value).filter(|items| items.len() <= MOST_DIMENSIONS)?;
        items.iter().map(side).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_that_would_run_something_is_refused() {
        // What `pickle.dumps` writes for an object whose `__reduce__` calls `os.system`.
        for bytes in [
            &b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00echoq\x01\x85q\x02Rq\x03."[..],
            b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
            b"cbuiltins\neval\n.",
        ] {
            for vocabulary in [Vocabulary::NumPy, Vocabulary::PyTorch] {
                let problem = read(bytes, vocabulary).unwrap_err();
                assert!(problem.contains("nothing of a file is run"), "{problem}");
            }
        }
    }

    #[test]
    fn a_vocabulary_has_only_its_own_names() {
        let array = b"cnumpy.core.numeric\n_frombuffer\n.";
        assert!(read(array, Vocabulary::NumPy).is_ok() && read(array, Vocabulary::PyTorch).is_err());
        let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n.";
        assert!(read(tensor, Vocabulary::PyTorch).is_ok() && read(tensor, Vocabulary::NumPy).is_err());
    }

    #[test]
    fn lists_are_filled_after_they_were_kept() {
        // {"a": x, "b": x} with x = [7, -1], as protocol 2 writes it.
        let bytes = b"\x80\x02}q\x00(U\x01aq\x01]q\x02(K\x07J\xff\xff\xff\xffeU\x01bq\x03h\x02u.";
        let pickle = read(bytes, Vocabulary::NumPy).unwrap();
        for key in ["a", "b"] {
            assert_eq!(pickle.integers(pickle.get(&pickle.root, key).unwrap()).unwrap(), [7, -1]);
        }
        assert!(pickle.get(&pickle.root, "c").is_none());
        assert_eq!(pickle.length, bytes.len());
    }

    #[test]
    fn what_is_cut_off_or_senseless_is_an_error() {
        for bytes in
            [&b""[..], b"\x80", b"R.", b"a.", b"(", b"h\x05.", b"U\xffabc.", b"]K\x01s.", b"t.", b"q\0."]
        {
            assert!(read(bytes, Vocabulary::NumPy).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_nests_or_holds_itself_ends() {
        // A million tuples in each other, which would take as many calls to free.
        let mut nested = vec![b')'];
        nested.resize(1_000_000, 0x85);
        nested.push(b'.');
        assert!(matches!(read(&nested, Vocabulary::NumPy).unwrap().root, Value::Tuple(_)));
        // x = []; x.append(x)
        let pickle = read(b"]q\0h\0a.", Vocabulary::NumPy).unwrap();
        assert!(matches!(pickle.items(&pickle.root), Some([Value::List(_)])));
    }

    #[test]
    fn a_pickle_of_nothing_but_values_is_refused_before_it_fills_the_memory() {
        let mut many = vec![b'N'; 10_000_000];
        many.push(b'.');
        assert!(read(&many, Vocabulary::PyTorch).unwrap_err().contains("more than"));
    }
}
