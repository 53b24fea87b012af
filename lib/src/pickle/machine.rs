//! The stack machine that a pickle is written for.

use std::collections::HashMap;
use std::rc::Rc;

use super::array::Array;
use super::{Known, Parts, Pickle, Value, Vocabulary, tensor};

/// More values than any data set's or checkpoint's pickle has.
const MOST: usize = 1 << 22;
/// More than any constructor takes.
const MOST_ARGUMENTS: usize = 16;

/// Reads the pickle that `bytes` begin with, or says in words what is wrong with it.
pub(crate) fn read(bytes: &[u8], vocabulary: Vocabulary) -> Result<Pickle, String> {
    let mut machine = Machine {
        rest: bytes,
        vocabulary,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        parts: Parts::default(),
        steps: 0,
    };
    loop {
        let (at, code) = (bytes.len() - machine.rest.len(), machine.take(1)?[0]);
        match machine.step(code) {
            Ok(None) => {}
            Ok(Some(root)) => {
                return Ok(Pickle { root, length: bytes.len() - machine.rest.len(), parts: machine.parts });
            }
            Err(problem) => return Err(format!("{problem}, at byte {at}")),
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    vocabulary: Vocabulary,
    stack: Vec<Value>,
    /// Where the stack stood at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    parts: Parts,
    /// No operation makes more than one value, so that this bounds the memory.
    steps: usize,
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
        self.parts.lists.get_mut(at).ok_or("a list that is not there")?.extend(values);
        Ok(())
    }

    /// One operation; the value of the whole at the end.
    fn step(&mut self, code: u8) -> Result<Option<Value>, String> {
        self.steps += 1;
        if self.steps > MOST {
            return Err(format!("more than {MOST} operations"));
        }
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
            // The one number whose highest byte comes first.
            b'G' => Value::Float(f64::from_bits(self.number(8)?.swap_bytes())),
            b'U' | b'C' | 0x8c => self.counted(1)?,
            b'T' | b'B' | b'X' => self.counted(4)?,
            0x8d | 0x8e | 0x96 => self.counted(8)?,
            b']' | 0x8f => Value::List(self.parts.list(Vec::new())),
            b'}' => Value::Dict(self.parts.list(Vec::new())),
            b')' => Value::Tuple(self.parts.list(Vec::new())),
            b't' | 0x91 => {
                let items = self.pop_mark()?;
                Value::Tuple(self.parts.list(items))
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                Value::Tuple(self.parts.list(items))
            }
            b'a' | b's' => {
                let values = self.pop_many(if code == b'a' { 1 } else { 2 })?;
                return self.extend(values).map(|()| None);
            }
            b'e' | b'u' | 0x90 => {
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
                self.known(module, name)?
            }
            0x93 => match self.pop_many(2)?.as_slice() {
                [Value::Bytes(module), Value::Bytes(name)] => self.known(module, name)?,
                _ => return Err("a name that is no text".into()),
            },
            // REDUCE and NEWOBJ: a call either way.
            b'R' | 0x81 => {
                let values = self.pop_many(2)?;
                self.call(&values)?
            }
            b'Q' => {
                let id = self.pop()?;
                self.parts.storage(&id)?
            }
            b'b' => {
                let state = self.pop()?;
                return self.build(&state).map(|()| None);
            }
            code => return Err(format!("operation {code:#04x}, which is not read here")),
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

    /// A whole number. One of more than eight bytes is of no use to anybody here.
    fn long(&mut self) -> Result<Value, String> {
        let width = self.number(1)? as usize;
        if width > 8 {
            self.take(width)?;
            return Ok(Value::Inert("int"));
        }
        let number = self.number(width)?;
        let unused = 64 - 8 * width as u32;
        Ok(Value::Int(if width == 0 { 0 } else { ((number << unused) as i64) >> unused }))
    }

    /// What a known constructor makes.
    fn call(&mut self, values: &[Value]) -> Result<Value, String> {
        let [Value::Known(function), arguments @ Value::Tuple(_)] = values else {
            return Err("a call of what is no function".into());
        };
        let arguments = self.parts.items(arguments).unwrap_or_default();
        if arguments.len() > MOST_ARGUMENTS {
            return Err(format!("a call with {} arguments", arguments.len()));
        }
        let arguments = arguments.to_vec();
        match (function, arguments.as_slice()) {
            (Known::Reconstruct, [Value::Known(Known::NdArray), ..]) => {
                self.parts.arrays.push(Array::default());
                Ok(Value::Array(self.parts.arrays.len() - 1))
            }
            (Known::DType, [Value::Bytes(kind), ..]) => Ok(Value::Kind(Rc::clone(kind))),
            // A text of the characters 0 to 255, each of which is to be one byte.
            (Known::Encode, [Value::Bytes(text), Value::Bytes(code)]) if **code == *b"latin1" => {
                // The same text may be encoded again and again.
                self.steps += text.len() / 64;
                let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
                let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                Ok(Value::Bytes(bytes.map_err(|_| "a text that is not latin1")?.into()))
            }
            (Known::FromBuffer, [Value::Bytes(bytes), Value::Kind(kind), shape, order]) => {
                let order = if matches!(order, Value::Bytes(order) if **order == *b"C") { 0 } else { 1 };
                let array = Array::new(&self.parts, shape, kind, order, bytes)?;
                self.parts.arrays.push(array);
                Ok(Value::Array(self.parts.arrays.len() - 1))
            }
            (Known::RebuildTensor, arguments) => self.parts.rebuild(arguments),
            (Known::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            (Known::Dict, arguments) => self.dict(arguments),
            (Known::Collection, [items @ (Value::List(_) | Value::Tuple(_))]) => Ok(items.clone()),
            (Known::Collection, []) => Ok(Value::List(self.parts.list(Vec::new()))),
            (Known::Inert(kind), _) => Ok(Value::Inert(kind)),
            (function, _) => Err(format!("{function:?} with other arguments than expected")),
        }
    }

    /// A dict of nothing, of another one, or of pairs; what a `defaultdict` is to be filled with is left.
    fn dict(&mut self, arguments: &[Value]) -> Result<Value, String> {
        let entries = match arguments {
            [] | [Value::Known(_) | Value::None] => Vec::new(),
            [Value::Dict(at)] => self.parts.lists.get(*at).cloned().unwrap_or_default(),
            [pairs @ (Value::List(_) | Value::Tuple(_))] => {
                let pairs = self.parts.items(pairs).unwrap_or_default();
                let pairs = pairs.iter().map(|pair| self.parts.items(pair).filter(|pair| pair.len() == 2));
                let pairs = pairs.collect::<Option<Vec<_>>>().ok_or("a dict of what is no pair")?;
                pairs.concat()
            }
            _ => return Err("a dict with other arguments than expected".into()),
        };
        // Copies are values that no operation of their own made.
        self.steps += entries.len();
        Ok(Value::Dict(self.parts.list(entries)))
    }

    /// Gives the object on top of the stack its state.
    fn build(&mut self, state: &Value) -> Result<(), String> {
        match (self.stack.last(), state) {
            // Version, byte order and the like, which do not matter for bytes.
            (Some(Value::Kind(_)), Value::Tuple(_)) => Ok(()),
            (Some(Value::Array(at)), state @ Value::Tuple(_)) => {
                let [_, shape, Value::Kind(kind), Value::Int(order), Value::Bytes(bytes)] =
                    self.parts.items(state).unwrap_or_default()
                else {
                    return Err("an array whose state is not as NumPy writes it".into());
                };
                let array = Array::new(&self.parts, shape, kind, *order, bytes)?;
                *self.parts.arrays.get_mut(*at).ok_or("an array that is not there")? = array;
                Ok(())
            }
            // Attributes of a state dict (the versions of its modules), of a tensor, of what is of no use.
            (Some(Value::Dict(_) | Value::Tensor(_) | Value::Inert(_)), _) => Ok(()),
            _ => Err("a state for what has none".into()),
        }
    }

    /// The constructor of that name, if the vocabulary has it.
    fn known(&self, module: &[u8], name: &[u8]) -> Result<Value, String> {
        let known = match self.vocabulary {
            Vocabulary::NumPy => array_names(module, name),
            Vocabulary::PyTorch => tensor::known(module, name),
        };
        known.map(Value::Known).ok_or_else(|| {
            let name = format!("{}.{}", module.escape_ascii(), name.escape_ascii());
            format!(
                "it asks for `{}`, and nothing of a file is run",
                name.chars().take(80).collect::<String>()
            )
        })
    }
}

/// The constructor of that name, if it is one of those that arrays need.
fn array_names(module: &[u8], name: &[u8]) -> Option<Known> {
    Some(match (module, name) {
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Known::Reconstruct,
        (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Known::FromBuffer,
        (b"numpy", b"ndarray") => Known::NdArray,
        (b"numpy", b"dtype") => Known::DType,
        (b"_codecs", b"encode") => Known::Encode,
        _ => return None,
    })
}
