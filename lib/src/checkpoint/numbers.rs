//! Bytes of a file as f32.

use half::{bf16, f16};
use safetensors::Dtype;

use super::StoredTensor;

/// Whole numbers up to this are exact in f32.
const EXACT: i64 = 1 << 24;

/// The values of a tensor, row by row, from the bytes of its block.
pub(super) fn values(tensor: &StoredTensor, bytes: &[u8], swapped: bool) -> Result<Vec<f32>, String> {
    match tensor.dtype {
        Dtype::F32 => gathered(tensor, bytes, swapped, |bytes| Some(f32::from_le_bytes(bytes))),
        Dtype::F16 => gathered(tensor, bytes, swapped, |bytes| Some(f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => gathered(tensor, bytes, swapped, |bytes| Some(bf16::from_le_bytes(bytes).to_f32())),
        Dtype::F64 => gathered(tensor, bytes, swapped, |bytes| narrowed(f64::from_le_bytes(bytes))),
        Dtype::I64 => gathered(tensor, bytes, swapped, |bytes| whole(i64::from_le_bytes(bytes))),
        Dtype::I32 => gathered(tensor, bytes, swapped, |bytes| whole(i32::from_le_bytes(bytes).into())),
        Dtype::I16 => gathered(tensor, bytes, swapped, |bytes| whole(i16::from_le_bytes(bytes).into())),
        Dtype::I8 => gathered(tensor, bytes, swapped, |[byte]| whole((byte as i8).into())),
        Dtype::U8 => gathered(tensor, bytes, swapped, |[byte]| whole(byte.into())),
        Dtype::BOOL => gathered(tensor, bytes, swapped, |[byte]| Some(f32::from(u8::from(byte != 0)))),
        other => Err(format!("values of type {other}, which are not read here")),
    }
}

/// A number that f32 may round, but not lose.
fn narrowed(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_finite() || !value.is_finite()).then_some(narrow)
}

fn whole(value: i64) -> Option<f32> {
    (-EXACT..=EXACT).contains(&value).then_some(value as f32)
}

/// Values of `N` bytes at the places that the strides say.
fn gathered<const N: usize>(
    tensor: &StoredTensor,
    bytes: &[u8],
    swapped: bool,
    number: impl Fn([u8; N]) -> Option<f32>,
) -> Result<Vec<f32>, String> {
    let stored = bytes.as_chunks::<N>().0;
    tensor.check(stored.len())?;
    let value = |mut bytes: [u8; N]| {
        if swapped {
            bytes.reverse();
        }
        number(bytes).ok_or_else(|| format!("a {} that no f32 comes close to", tensor.dtype))
    };
    let count = tensor.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    if is_contiguous(&tensor.shape, &tensor.strides) {
        let run = stored.get(tensor.offset..).and_then(|rest| rest.get(..count)).unwrap_or_default();
        return run.iter().map(|&bytes| value(bytes)).collect();
    }
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; tensor.shape.len()];
    let mut at = tensor.offset;
    for _ in 0..count {
        let bytes = stored.get(at).ok_or("a value outside of its storage")?;
        values.push(value(*bytes)?);
        // The next index, the last axis first.
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            // A step that leads out is taken back before anything is read there.
            at = at.wrapping_add(tensor.strides[axis]);
            if index[axis] < tensor.shape[axis] {
                break;
            }
            at = at.wrapping_sub(index[axis].wrapping_mul(tensor.strides[axis]));
            index[axis] = 0;
        }
    }
    Ok(values)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1_usize;
    shape.iter().zip(strides).rev().all(|(&side, &stride)| {
        let right = side == 1 || stride == step;
        step = step.wrapping_mul(side);
        right
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(dtype: Dtype, shape: &[usize], strides: &[usize], offset: usize) -> StoredTensor {
        StoredTensor {
            name: "t".into(),
            dtype,
            shape: shape.to_vec(),
            block: 0,
            offset,
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn strides_are_followed() {
        let bytes: Vec<u8> = (0..12).collect();
        // A transposed matrix, every other column, a row that repeats.
        for (shape, strides, offset, wanted) in [
            (&[3, 4][..], &[1, 3][..], 0, vec![0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]),
            (&[2, 2], &[6, 2], 1, vec![1, 3, 7, 9]),
            (&[2, 3], &[0, 1], 4, vec![4, 5, 6, 4, 5, 6]),
            (&[], &[], 11, vec![11]),
            (&[0, 5], &[5, 1], 12, vec![]),
        ] {
            let values = values(&stored(Dtype::U8, shape, strides, offset), &bytes, false).unwrap();
            assert_eq!(values, wanted.iter().map(|&value: &i32| value as f32).collect::<Vec<_>>());
        }
        for (shape, strides, offset) in [
            (&[3, 4][..], &[1, 3][..], 1),
            (&[13], &[1], 0),
            (&[usize::MAX, 2], &[1, 1], 0),
            (&[2], &[usize::MAX], 1),
            (&[1 << 25], &[0], 0),
            (&[2, 2], &[1], 0),
        ] {
            assert!(values(&stored(Dtype::U8, shape, strides, offset), &bytes, false).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn types_become_f32_or_an_error() {
        let one = |dtype, bytes: &[u8], swapped| values(&stored(dtype, &[1], &[1], 0), bytes, swapped);
        assert_eq!(one(Dtype::F64, &0.1_f64.to_le_bytes(), false).unwrap(), [0.1]);
        assert_eq!(one(Dtype::F16, &[0x00, 0xc0], false).unwrap(), [-2.0]);
        assert_eq!(one(Dtype::BF16, &[0x80, 0x3f], false).unwrap(), [1.0]);
        assert_eq!(one(Dtype::F32, &1.5_f32.to_be_bytes(), true).unwrap(), [1.5]);
        assert_eq!(one(Dtype::I64, &(-7_i64).to_le_bytes(), false).unwrap(), [-7.0]);
        assert_eq!(one(Dtype::BOOL, &[1], false).unwrap(), [1.0]);
        assert!(one(Dtype::F64, &f64::INFINITY.to_le_bytes(), false).unwrap()[0].is_infinite());
        assert!(one(Dtype::F64, &1e300_f64.to_le_bytes(), false).is_err());
        assert!(one(Dtype::I64, &(EXACT + 1).to_le_bytes(), false).is_err());
        assert!(one(Dtype::C64, &[0; 8], false).unwrap_err().contains("C64"));
    }
}
