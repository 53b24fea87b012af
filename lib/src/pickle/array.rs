//! Arrays of NumPy, of bytes.

use std::rc::Rc;

use super::{Parts, Value};

/// An array of bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Option<Rc<[u8]>>,
}

impl Array {
    /// The array of this state; `order` is 0 where rows lie one after the other.
    pub(super) fn new(
        parts: &Parts,
        shape: &Value,
        kind: &[u8],
        order: i64,
        bytes: &Rc<[u8]>,
    ) -> Result<Array, String> {
        if kind != b"u1" || order != 0 {
            return Err(format!("an array of type {}, where rows of u1 are expected", kind.escape_ascii()));
        }
        let shape = match shape {
            Value::Tuple(_) => parts.sides(shape),
            _ => None,
        };
        let shape = shape.ok_or("an array without a shape")?;
        let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
        if count != Some(bytes.len()) {
            return Err(format!("an array of shape {shape:?} with {} bytes", bytes.len()));
        }
        Ok(Array { shape, bytes: Some(Rc::clone(bytes)) })
    }
}
