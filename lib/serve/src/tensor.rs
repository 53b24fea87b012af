//! Tensors on their way through the server: bytes with a shape and a type, cut and joined along the batch.

use bytes::Bytes;

use crate::failure::{Failure, short};

/// What the values of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// One byte, 0 or 1.
    Bool,
    /// 8 bits without sign.
    U8,
    /// 8 bits.
    I8,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// 32 bits, floating.
    F32,
    /// 64 bits, floating.
    F64,
}

/// All of them, with their names in the Open Inference Protocol and in TensorFlow, and their bytes.
const DTYPES: [(Dtype, &str, &str, usize); 7] = [
    (Dtype::Bool, "BOOL", "DT_BOOL", 1),
    (Dtype::U8, "UINT8", "DT_UINT8", 1),
    (Dtype::I8, "INT8", "DT_INT8", 1),
    (Dtype::I32, "INT32", "DT_INT32", 4),
    (Dtype::I64, "INT64", "DT_INT64", 8),
    (Dtype::F32, "FP32", "DT_FLOAT", 4),
    (Dtype::F64, "FP64", "DT_DOUBLE", 8),
];

impl Dtype {
    fn row(self) -> (&'static str, &'static str, usize) {
        let row = DTYPES.iter().find(|row| row.0 == self);
        row.map_or(("FP32", "DT_FLOAT", 4), |&(_, v2, tensorflow, bytes)| (v2, tensorflow, bytes))
    }

    /// Its name in the Open Inference Protocol: `FP32`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Its name in TensorFlow: `DT_FLOAT`.
    #[must_use]
    pub fn tensorflow(self) -> &'static str {
        self.row().1
    }

    /// Bytes of a value.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.row().2
    }

    /// The type of this name in the Open Inference Protocol.
    ///
    /// # Errors
    /// If there is none, or it is one that no model here takes.
    pub fn named(name: &str) -> Result<Dtype, Failure> {
        DTYPES.iter().find(|row| row.1 == name).map(|row| row.0).ok_or_else(|| {
            let known: Vec<&str> = DTYPES.iter().map(|row| row.1).collect();
            let (known, got) = (known.join(", "), short(name));
            Failure::invalid(format!("datatype: expected one of {known}, got {got:?}."))
        })
    }
}

/// More dimensions than any tensor has.
pub const DEEPEST: usize = 16;

/// Values, row by row and little-endian, with their type and shape. The first dimension is the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Bytes,
}

impl Tensor {
    /// A tensor of these bytes.
    ///
    /// # Errors
    /// If there are more or fewer than the shape takes, or it has more dimensions than any tensor.
    pub fn new(dtype: Dtype, shape: Vec<usize>, data: Bytes) -> Result<Tensor, Failure> {
        if shape.len() > DEEPEST {
            return Err(Failure::invalid(format!(
                "a tensor: expected {DEEPEST} dimensions at most, got {}.",
                shape.len()
            )));
        }
        let bytes = shape.iter().try_fold(dtype.bytes(), |bytes, &side| bytes.checked_mul(side));
        if bytes != Some(data.len()) {
            return Err(Failure::invalid(format!(
                "a tensor {} {}: expected {}, got {} bytes.",
                dtype.name(),
                shape_text(&shape),
                bytes.map_or("fewer values".to_owned(), |bytes| format!("{bytes} bytes")),
                data.len(),
            )));
        }
        Ok(Tensor { dtype, shape, data })
    }

    /// A tensor of f32.
    ///
    /// # Errors
    /// If there are more or fewer values than the shape takes.
    pub fn of_f32(shape: Vec<usize>, values: &[f32]) -> Result<Tensor, Failure> {
        let mut data = Vec::with_capacity(4 * values.len());
        values.iter().for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        Tensor::new(Dtype::F32, shape, data.into())
    }

    /// What the values are.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The bytes.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The size of the batch; 0 of a tensor without dimensions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The values of a tensor of f32; none of another.
    #[must_use]
    pub fn f32s(&self) -> Option<Vec<f32>> {
        let values = self.data.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
        (self.dtype == Dtype::F32).then(|| values.collect())
    }

    /// Some rows of the batch: the same memory.
    #[must_use]
    pub fn narrow(&self, start: usize, rows: usize) -> Tensor {
        let start = start.min(self.rows());
        let rows = rows.min(self.rows() - start);
        let bytes = self.data.len().checked_div(self.rows()).unwrap_or(0);
        let mut shape = self.shape.clone();
        shape.iter_mut().take(1).for_each(|side| *side = rows);
        Tensor { dtype: self.dtype, shape, data: self.data.slice(start * bytes..(start + rows) * bytes) }
    }

    /// One row of the batch, without the batch.
    #[must_use]
    pub fn row(&self, at: usize) -> Tensor {
        let mut row = self.narrow(at, 1);
        row.shape.drain(..row.shape.len().min(1));
        row
    }

    /// The same values as a batch of one.
    #[must_use]
    pub fn into_row(mut self) -> Tensor {
        self.shape.insert(0, 1);
        self
    }

    /// Tensors that differ in the size of their batch alone, as one.
    ///
    /// # Errors
    /// If they differ otherwise, or there are none.
    pub fn join(tensors: &[&Tensor]) -> Result<Tensor, Failure> {
        let Some(first) = tensors.first() else {
            return Err(Failure::internal("Tensor::join: expected tensors, got none."));
        };
        if let [only] = tensors {
            return Ok((*only).clone());
        }
        let mut data = Vec::with_capacity(tensors.iter().map(|tensor| tensor.data.len()).sum());
        let mut rows = 0;
        for tensor in tensors {
            if !tensor.is_like(first) {
                return Err(Failure::internal("Tensor::join: expected one shape, got several."));
            }
            rows += tensor.rows();
            data.extend_from_slice(&tensor.data);
        }
        let mut shape = first.shape.clone();
        shape.iter_mut().take(1).for_each(|side| *side = rows);
        Tensor::new(first.dtype, shape, data.into())
    }

    /// Whether they differ in the size of their batch at most.
    #[must_use]
    pub fn is_like(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype && self.shape.get(1..) == other.shape.get(1..)
    }
}

/// `(2, 3, 32, 32)`.
#[must_use]
pub fn shape_text(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", sides.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn batches_come_apart_as_they_were_joined() {
        let a = Tensor::of_f32(vec![1, 2], &[1.0, 2.0]).unwrap();
        let b = Tensor::of_f32(vec![2, 2], &[3.0, 4.0, 5.0, 6.0]).unwrap();
        let both = Tensor::join(&[&a, &b]).unwrap();
        assert_eq!(both.shape(), [3, 2]);
        assert_eq!((both.narrow(0, 1), both.narrow(1, 2)), (a.clone(), b));
        let other = Tensor::of_f32(vec![1, 1], &[1.0]).unwrap();
        assert!(Tensor::join(&[&a, &other]).is_err());
        assert_eq!(both.narrow(5, 5).rows(), 0);
    }

    #[test]
    fn shapes_that_no_memory_holds_are_refused() {
        for shape in [vec![usize::MAX, 2], vec![1 << 40, 1 << 40], vec![3]] {
            assert!(Tensor::new(Dtype::F32, shape, Bytes::from_static(&[0; 8])).is_err());
        }
    }
}
