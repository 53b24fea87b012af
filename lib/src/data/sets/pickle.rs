//! Python's pickles, as far as data sets use them: numbers, texts, lists, dicts and arrays of NumPy.
//!
//! A pickle is a program that may name any function of Python's. Nothing is run here: the few constructors
//! that an array needs are known by name, and whatever else a file names is an error. Protocols 0 to 5 are
//! described in CPython's `pickletools`; read are the operations that protocols 2 to 5 write.

use std::collections::HashMap;
use std::rc::Rc;

/// What a pickle holds. Lists and dicts are places in [`Pickle::lists`], since they are filled after they
/// were referred to.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Int(i64),
    Float,
    /// Bytes of Python 3, texts of Python 2 and 3.
    Bytes(Rc<[u8]>),
    Tuple(Rc<[Value]>),
    List(usize),
    /// Keys and values in turn.
    Dict(usize),
    /// A constructor that is known.
    Known(Known),
    /// A type of numbers: `u1`, `i8`.
    Kind(Rc<[u8]>),
    Array(usize),
}

/// What may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
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
}

/// An array of bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Option<Rc<[u8]>>,
}

/// What a file held.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    lists: Vec<Vec<Value>>,
    arrays: Vec<Array>,
}

/// Reads a pickle and gives its root, or says in words what is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, Value), String> {
    let mut machine = Machine { rest: bytes, ..Machine::default() };
    loop {
        let (at, code) = (bytes.len() - machine.rest.len(), machine.take(1)?[0]);
        match machine.step(code) {
            Ok(None) => {}
            Ok(Some(value)) => return Ok((machine.pickle, value)),
            Err(problem) => return Err(format!("{problem}, at byte {at}")),
        }
    }
}

impl Pickle {
    /// The value under a key of a dict.
    pub(super) fn get(&self, dict: &Value, key: &str) -> Option<&Value> {
        let Value::Dict(at) = dict else { return None };
        self.lists.get(*at)?.as_chunks().0.iter().rev().find_map(|[found, value]| match found {
            Value::Bytes(bytes) if **bytes == *key.as_bytes() => Some(value),
            _ => None,
        })
    }

    /// The items of a list or tuple.
    pub(super) fn items<'a>(&'a self, value: &'a Value) -> Option<&'a [Value]> {
        match value {
            Value::List(at) => self.lists.get(*at).map(Vec::as_slice),
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// A list of numbers, or an array of bytes.
    pub(super) fn integers(&self, value: &Value) -> Option<Vec<i64>> {
        if let Some(Array { bytes: Some(bytes), .. }) = self.array(value) {
            return Some(bytes.iter().map(|&byte| i64::from(byte)).collect());
        }
        let number = |value: &Value| if let Value::Int(number) = value { Some(*number) } else { None };
        self.items(value)?.iter().map(number).collect()
    }

    /// A list of texts.
    pub(super) fn texts(&self, value: &Value) -> Option<Vec<String>> {
        let text = |value: &Value| match value {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        self.items(value)?.iter().map(text).collect()
    }

    /// An array whose bytes are there.
    pub(super) fn array(&self, value: &Value) -> Option<&Array> {
        let Value::Array(at) = value else { return None };
        self.arrays.get(*at).filter(|array| array.bytes.is_some())
    }
}

/// The stack machine that a pickle is written for.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    /// Where the stack stood at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    pickle: Pickle,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("the file ends too soon")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of up to eight bytes, the lowest first.
    fn number(&mut self, width: usize) -> Result<u64, String> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Bytes behind their own length.
    fn counted(&mut self, width: usize) -> Result<Value, String> {
        let length = usize::try_from(self.number(width)?).map_err(|_| "the file ends too soon")?;
        Ok(Value::Bytes(self.take(length)?.into()))
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or("the file ends too soon")?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("an operation without its values".into());
        }
        self.stack.pop().ok_or_else(|| "an operation without its values".into())
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or("an operation without its mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        values.reverse();
        Ok(values)
    }

    /// Adds to the list or dict on top of the stack.
    fn extend(&mut self, values: Vec<Value>) -> Result<(), String> {
        let at = match self.stack.last() {
            Some(Value::List(at)) => *at,
            Some(Value::Dict(at)) if values.len().is_multiple_of(2) => *at,
            _ => return Err("items for what is no list or dict".into()),
        };
        self.pickle.lists.get_mut(at).ok_or("a list that is not there")?.extend(values);
        Ok(())
    }

    fn new_list(&mut self) -> usize {
        self.pickle.lists.push(Vec::new());
        self.pickle.lists.len() - 1
    }

    /// One operation; the value of the whole at the end.
    fn step(&mut self, code: u8) -> Result<Option<Value>, String> {
        let value = match code {
            b'.' => return self.pop().map(Some),
            // PROTO, FRAME: nothing to do.
            0x80 => return self.take(1).map(|_| None),
            0x95 => return self.take(8).map(|_| None),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(None);
            }
            b'0' => return self.pop().map(|_| None),
            b'N' => Value::None,
            0x88 => Value::Int(1),
            0x89 => Value::Int(0),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            b'U' | b'C' | 0x8c => self.counted(1)?,
            b'T' | b'B' | b'X' => self.counted(4)?,
            0x8d | 0x8e | 0x96 => self.counted(8)?,
            b']' => Value::List(self.new_list()),
            b'}' => Value::Dict(self.new_list()),
            b')' => Value::Tuple([].into()),
            b't' => Value::Tuple(self.pop_mark()?.into()),
            0x85..=0x87 => Value::Tuple(self.pop_many(usize::from(code - 0x84))?.into()),
            b'a' | b's' => {
                let values = self.pop_many(if code == b'a' { 1 } else { 2 })?;
                return self.extend(values).map(|()| None);
            }
            b'e' | b'u' => {
                let values = self.pop_mark()?;
                return self.extend(values).map(|()| None);
            }
            b'q' | b'r' | 0x94 => return self.put(code).map(|()| None),
            b'h' | b'j' => {
                let key = self.number(if code == b'h' { 1 } else { 4 })? as u32;
                self.memo.get(&key).cloned().ok_or("a value that was never kept")?
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                known(module, name)?
            }
            0x93 => match self.pop_many(2)?.as_slice() {
                [Value::Bytes(module), Value::Bytes(name)] => known(module, name)?,
                _ => return Err("a name that is no text".into()),
            },
            b'R' => {
                let values = self.pop_many(2)?;
                self.call(&values)?
            }
            b'b' => {
                let state = self.pop()?;
                return self.build(&state).map(|()| None);
            }
            code => return Err(format!("operation {code:#04x}, which no data set needs")),
        };
        self.stack.push(value);
        Ok(None)
    }

    /// Keeps the value on top of the stack.
    fn put(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' => self.number(1)? as u32,
            b'r' => self.number(4)? as u32,
            _ => self.memo.len() as u32,
        };
        let value = self.stack.last().cloned().ok_or("nothing to keep")?;
        self.memo.insert(key, value);
        Ok(())
    }

    /// A whole number of up to eight bytes.
    fn long(&mut self) -> Result<Value, String> {
        let width = self.number(1)? as usize;
        if width > 8 {
            return Err(format!("a number of {width} bytes"));
        }
        let number = self.number(width)?;
        let unused = 64 - 8 * width as u32;
        Ok(Value::Int(if width == 0 { 0 } else { ((number << unused) as i64) >> unused }))
    }

    /// What a known constructor makes.
    fn call(&mut self, values: &[Value]) -> Result<Value, String> {
        let [Value::Known(function), Value::Tuple(arguments)] = values else {
            return Err("a call of what is no function".into());
        };
        match (function, &**arguments) {
            (Known::Reconstruct, [Value::Known(Known::NdArray), ..]) => {
                self.pickle.arrays.push(Array::default());
                Ok(Value::Array(self.pickle.arrays.len() - 1))
            }
            (Known::DType, [Value::Bytes(kind), ..]) => Ok(Value::Kind(Rc::clone(kind))),
            // A text of the characters 0 to 255, each of which is to be one byte.
            (Known::Encode, [Value::Bytes(text), Value::Bytes(code)]) if **code == *b"latin1" => {
                let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
                let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                Ok(Value::Bytes(bytes.map_err(|_| "a text that is not latin1")?.into()))
            }
            (Known::FromBuffer, [Value::Bytes(bytes), Value::Kind(kind), shape, order]) => {
                let order = if matches!(order, Value::Bytes(order) if **order == *b"C") { 0 } else { 1 };
                let array = array(shape, kind, order, bytes)?;
                self.pickle.arrays.push(array);
                Ok(Value::Array(self.pickle.arrays.len() - 1))
            }
            (function, _) => Err(format!("{function:?} with other arguments than expected")),
        }
    }

    /// Gives the array or type on top of the stack its state.
    fn build(&mut self, state: &Value) -> Result<(), String> {
        match (self.stack.last(), state) {
            // Version, byte order and the like, which do not matter for bytes.
            (Some(Value::Kind(_)), Value::Tuple(_)) => Ok(()),
            (Some(Value::Array(at)), Value::Tuple(state)) => {
                let [_, shape, Value::Kind(kind), Value::Int(order), Value::Bytes(bytes)] = &**state else {
                    return Err("an array whose state is not as NumPy writes it".into());
                };
                let array = array(shape, kind, *order, bytes)?;
                *self.pickle.arrays.get_mut(*at).ok_or("an array that is not there")? = array;
                Ok(())
            }
            _ => Err("a state for what has none".into()),
        }
    }
}

/// The constructor of that name, if it is one of the few.
fn known(module: &[u8], name: &[u8]) -> Result<Value, String> {
    Ok(Value::Known(match (module, name) {
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Known::Reconstruct,
        (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Known::FromBuffer,
        (b"numpy", b"ndarray") => Known::NdArray,
        (b"numpy", b"dtype") => Known::DType,
        (b"_codecs", b"encode") => Known::Encode,
        _ => {
            return Err(format!(
                "it asks for `{}.{}`, and nothing of a file is run",
                module.escape_ascii(),
                name.escape_ascii()
            ));
        }
    }))
}

fn array(shape: &Value, kind: &[u8], order: i64, bytes: &Rc<[u8]>) -> Result<Array, String> {
    if kind != b"u1" || order != 0 {
        return Err(format!("an array of type {}, where rows of u1 are expected", kind.escape_ascii()));
    }
    let Value::Tuple(shape) = shape else { return Err("an array without a shape".into()) };
    let side = |value: &Value| match value {
        Value::Int(side) => usize::try_from(*side).ok(),
        _ => None,
    };
    let shape: Option<Vec<usize>> = shape.iter().map(side).collect();
    let shape = shape.ok_or("an array without a shape")?;
    let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
    if count != Some(bytes.len()) {
        return Err(format!("an array of shape {shape:?} with {} bytes", bytes.len()));
    }
    Ok(Array { shape, bytes: Some(Rc::clone(bytes)) })
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
            let problem = read(bytes).unwrap_err();
            assert!(problem.contains("nothing of a file is run"), "{problem}");
        }
    }

    #[test]
    fn lists_are_filled_after_they_were_kept() {
        // {"a": x, "b": x} with x = [7, -1], as protocol 2 writes it.
        let bytes = b"\x80\x02}q\x00(U\x01aq\x01]q\x02(K\x07J\xff\xff\xff\xffeU\x01bq\x03h\x02u.";
        let (pickle, root) = read(bytes).unwrap();
        for key in ["a", "b"] {
            assert_eq!(pickle.integers(pickle.get(&root, key).unwrap()).unwrap(), [7, -1]);
        }
        assert!(pickle.get(&root, "c").is_none());
    }

    #[test]
    fn what_is_cut_off_or_senseless_is_an_error() {
        for bytes in
            [&b""[..], b"\x80", b"R.", b"a.", b"(", b"h\x05.", b"U\xffabc.", b"]K\x01s.", b"t.", b"q\0."]
        {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
