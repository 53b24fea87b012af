//! Nested lists of numbers in JSON, to tensors and back. A request is mostly this, so it is read by itself: without a
//! value for each number, and without going deeper on the stack.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::tensor::{DEEPEST, Dtype, Tensor, shape_text};

/// The tensor of this type that `text`, a JSON value, holds: nested lists give the shape, a number by itself none.
///
/// # Errors
/// If lists side by side are not of one length, or something is no number of that type.
pub fn read(text: &str, dtype: Dtype) -> Result<Tensor, Failure> {
    let mut shape: Vec<Option<usize>> = Vec::new();
    // How many entries each open list has so far.
    let mut open: Vec<usize> = Vec::new();
    let mut rank = None;
    let mut data = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' => {
                if rank.is_some_and(|rank| open.len() >= rank) || open.len() >= DEEPEST {
                    return Err(ragged());
                }
                open.push(0);
                if shape.len() < open.len() {
                    shape.push(None);
                }
                at += 1;
            }
            b']' => {
                let Some(count) = open.pop() else { return Err(ragged()) };
                let known = shape.get_mut(open.len()).ok_or_else(ragged)?;
                if *known.get_or_insert(count) != count {
                    return Err(ragged());
                }
                // A list without entries ends the shape.
                if count == 0 && *rank.get_or_insert(open.len() + 1) != open.len() + 1 {
                    return Err(ragged());
                }
                if let Some(count) = open.last_mut() {
                    *count += 1;
                }
                at += 1;
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                let rest = &bytes[at..];
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                if *rank.get_or_insert(open.len()) != open.len() {
                    return Err(ragged());
                }
                push(&mut data, dtype, text.get(at..at + length).unwrap_or_default())?;
                if let Some(count) = open.last_mut() {
                    *count += 1;
                }
                at += length;
            }
        }
    }
    let shape: Vec<usize> = shape.into_iter().map(|side| side.unwrap_or(0)).collect();
    Tensor::new(dtype, shape, data.into())
}

fn ragged() -> Failure {
    Failure::invalid("a tensor: expected nested lists of one length at each level, got others.")
}

fn push(data: &mut Vec<u8>, dtype: Dtype, word: &str) -> Result<(), Failure> {
    let wrong = || {
        let got: String = word.chars().take(40).collect();
        Failure::invalid(format!("a tensor: expected a number of type {}, got {got}.", dtype.name()))
    };
    // `parse` also takes words and signs that JSON does not have.
    let number = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if !number && dtype != Dtype::Bool {
        return Err(wrong());
    }
    match dtype {
        Dtype::Bool => data.push(match word {
            "true" | "1" => 1,
            "false" | "0" => 0,
            _ => return Err(wrong()),
        }),
        Dtype::U8 => data.push(word.parse().map_err(|_| wrong())?),
        Dtype::I8 => data.extend(word.parse::<i8>().map_err(|_| wrong())?.to_le_bytes()),
        Dtype::I32 => data.extend(word.parse::<i32>().map_err(|_| wrong())?.to_le_bytes()),
        Dtype::I64 => data.extend(word.parse::<i64>().map_err(|_| wrong())?.to_le_bytes()),
        Dtype::F32 => {
            let value = word.parse::<f32>().ok().filter(|value| value.is_finite()).ok_or_else(wrong)?;
            data.extend(value.to_le_bytes());
        }
        Dtype::F64 => {
            let value = word.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(wrong)?;
            data.extend(value.to_le_bytes());
        }
    }
    Ok(())
}

/// Appends the values in nested lists of the tensor's shape, or in one list.
///
/// # Errors
/// If a value is not finite: JSON has no word for it.
pub fn write(out: &mut String, tensor: &Tensor, form: Form) -> Result<(), Failure> {
    let flat = [tensor.shape().iter().product()];
    let shape = match form {
        Form::Nested => tensor.shape(),
        Form::Flat => &flat,
    };
    let size = tensor.dtype().bytes();
    let mut values = tensor.data().chunks_exact(size);
    if shape.contains(&0) {
        // Nothing to write but the lists themselves.
        out.push_str("[]");
        return Ok(());
    }
    let count: usize = shape.iter().product();
    for index in 0..count {
        // A list begins wherever the index is a multiple of what is in it, and ends where the next one is.
        let mut inside = 1;
        let mut levels = 0;
        for &side in shape.iter().rev() {
            inside *= side;
            if index % inside != 0 {
                break;
            }
            levels += 1;
        }
        if index > 0 {
            out.push(',');
        }
        out.extend(std::iter::repeat_n('[', levels));
        write_one(out, tensor.dtype(), values.next().unwrap_or_default(), tensor.shape())?;
        let mut inside = 1;
        for &side in shape.iter().rev() {
            inside *= side;
            if (index + 1) % inside != 0 {
                break;
            }
            out.push(']');
        }
    }
    Ok(())
}

/// How values lie in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A list of lists, as deep as the tensor.
    Nested,
    /// One list, row by row.
    Flat,
}

fn write_one(out: &mut String, dtype: Dtype, bytes: &[u8], shape: &[usize]) -> Result<(), Failure> {
    let broken = || Failure::internal("a tensor has fewer values than its shape takes");
    let no_word = |value: f64| {
        Failure::internal(format!(
            "the model gives {value} in an output {}, for which JSON has no word: ask for binary data, or train the \
             model anew.",
            shape_text(shape)
        ))
    };
    let four = || bytes.first_chunk::<4>().copied().ok_or_else(broken);
    let eight = || bytes.first_chunk::<8>().copied().ok_or_else(broken);
    // Writing to a string does not fail.
    let _ = match dtype {
        Dtype::Bool => write!(out, "{}", bytes.first().is_some_and(|byte| *byte != 0)),
        Dtype::U8 => write!(out, "{}", bytes.first().ok_or_else(broken)?),
        Dtype::I8 => write!(out, "{}", bytes.first().ok_or_else(broken)?.cast_signed()),
        Dtype::I32 => write!(out, "{}", i32::from_le_bytes(four()?)),
        Dtype::I64 => write!(out, "{}", i64::from_le_bytes(eight()?)),
        Dtype::F32 => {
            let value = f32::from_le_bytes(four()?);
            if !value.is_finite() {
                return Err(no_word(f64::from(value)));
            }
            write!(out, "{value:?}")
        }
        Dtype::F64 => {
            let value = f64::from_le_bytes(eight()?);
            if !value.is_finite() {
                return Err(no_word(value));
            }
            write!(out, "{value:?}")
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        let cases = [
            ("[[1.5,-2.0],[3.0,4e2]]", vec![2, 2]),
            ("[[[1.0]],[[2.0]]]", vec![2, 1, 1]),
            ("[]", vec![0]),
            ("[[],[]]", vec![2, 0]),
            (" [ 1 , 2 ] ", vec![2]),
            ("7", vec![]),
        ];
        for (text, shape) in cases {
            assert_eq!(read(text, Dtype::F32).unwrap().shape(), shape, "{text}");
        }
        let tensor = read("[[[1,2],[3,4]],[[5,6],[7,8]]]", Dtype::I64).unwrap();
        let mut out = String::new();
        write(&mut out, &tensor, Form::Nested).unwrap();
        out.push(' ');
        write(&mut out, &tensor, Form::Flat).unwrap();
        assert_eq!(out, "[[[1,2],[3,4]],[[5,6],[7,8]]] [1,2,3,4,5,6,7,8]");
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        for text in [
            "[[1],[2,3]]",
            "[[1],2]",
            "[1,[2]]",
            "[[],[1]]",
            "[[[]],[]]",
            "[\"a\"]",
            "[null]",
            "[1e99]",
            "[NaN]",
            "{}",
            "[{}]",
            "[inf]",
            "[true]",
            "]",
            "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
        ] {
            assert!(read(text, Dtype::F32).is_err(), "{text}");
        }
        assert!(read("[256]", Dtype::U8).is_err());
        assert!(read("[1.5]", Dtype::I64).is_err());
        let nan = Tensor::of_f32(vec![1], &[f32::NAN]).unwrap();
        assert!(write(&mut String::new(), &nan, Form::Flat).is_err());
    }

    #[test]
    fn floats_come_back_to_the_last_bit() {
        let values = [0.1_f32, f32::MIN_POSITIVE, f32::MAX, -3.402_823e38, 1.0, 1e-45, 123_456.79];
        let tensor = Tensor::of_f32(vec![7], &values).unwrap();
        let mut out = String::new();
        write(&mut out, &tensor, Form::Nested).unwrap();
        assert_eq!(read(&out, Dtype::F32).unwrap(), tensor, "{out}");
    }
}
