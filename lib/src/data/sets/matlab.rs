//! The table of ImageNet's synsets in its devkit: a struct array in a MAT-file of version 5.
//!
//! The format is in MathWorks' *MAT-File Format*. A file is a header of 128 bytes and elements, each with a
//! tag of type and length; a compressed element holds another one. A matrix is an element of elements: flags,
//! sides, name, then what its class asks for. Read is what the devkit holds: numbers and texts in a struct.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// Types of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Classes of matrices.
const STRUCT: u8 = 2;
const CHAR: u8 = 4;
/// More than the devkit's table takes unpacked.
const LARGEST: u64 = 64 << 20;
/// Matrices in matrices in matrices: the devkit has three levels.
const DEEPEST: usize = 8;

/// A row of the table: what its fields hold.
pub(super) type Row = Vec<(String, Field)>;

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Number(f64),
    Text(String),
    /// Something else, which nobody asks for.
    Other,
}

/// The rows of the first struct array in a file, or what is wrong with it.
pub(super) fn rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    // At 124 the version, at 126 the order of bytes, as two letters that read MI in the writer's own.
    if bytes.get(126..128) != Some(b"IM") {
        return Err("no MAT-file of version 5 in little-endian order".into());
    }
    let mut rest = bytes.get(128..).unwrap_or_default();
    while !rest.is_empty() {
        let (kind, data) = element(&mut rest)?;
        let unpacked;
        let (kind, data) = if kind == COMPRESSED {
            let mut whole = Vec::new();
            ZlibDecoder::new(data)
                .take(LARGEST)
                .read_to_end(&mut whole)
                .map_err(|error| format!("a damaged part: {error}"))?;
            unpacked = whole;
            element(&mut unpacked.as_slice())?
        } else {
            (kind, data)
        };
        if kind == MATRIX
            && let Matrix::Struct(rows) = matrix(data, 0)?
        {
            return Ok(rows);
        }
    }
    Err("no struct array".into())
}

enum Matrix {
    Struct(Vec<Row>),
    Field(Field),
}

/// The next element; what follows it stays in `rest`.
fn element<'a>(rest: &mut &'a [u8]) -> Result<(u32, &'a [u8]), String> {
    const CUT: &str = "it ends too soon";
    let first = u32_at(rest, 0).ok_or(CUT)?;
    // Four bytes or fewer stand in the tag itself.
    let (kind, length, start, whole): (u32, usize, usize, usize) = if first >> 16 != 0 {
        (first & 0xffff, (first >> 16) as usize, 4, 8)
    } else {
        let length = u32_at(rest, 4).ok_or(CUT)? as usize;
        let padded =
            if first == COMPRESSED { length } else { length.checked_next_multiple_of(8).ok_or(CUT)? };
        (first, length, 8, padded.checked_add(8).ok_or(CUT)?)
    };
    let data = start.checked_add(length).and_then(|end| rest.get(start..end)).ok_or(CUT)?;
    *rest = rest.get(whole..).unwrap_or_default();
    Ok((kind, data))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn matrix(data: &[u8], depth: usize) -> Result<Matrix, String> {
    if depth > DEEPEST {
        return Err("matrices within matrices without end".into());
    }
    let mut rest = data;
    // An empty matrix has no parts at all.
    if rest.is_empty() {
        return Ok(Matrix::Field(Field::Other));
    }
    let (_, flags) = element(&mut rest)?;
    let class = flags.first().copied().ok_or("a matrix without flags")?;
    let (_, sides) = element(&mut rest)?;
    let count = sides
        .chunks_exact(4)
        .filter_map(|side| u32_at(side, 0))
        .try_fold(1_usize, |count, side| count.checked_mul(side as usize));
    let count = count.ok_or("a matrix of more entries than there can be")?;
    element(&mut rest)?;
    match class {
        STRUCT => fields(&mut rest, count, depth),
        CHAR => Ok(Matrix::Field(Field::Text(text(element(&mut rest)?)))),
        6..=15 if count == 1 => Ok(Matrix::Field(number(element(&mut rest)?))),
        _ => Ok(Matrix::Field(Field::Other)),
    }
}

fn fields(rest: &mut &[u8], count: usize, depth: usize) -> Result<Matrix, String> {
    let (_, width) = element(rest)?;
    let width = u32_at(width, 0).filter(|&width| width > 0).ok_or("a struct without names")? as usize;
    let (_, names) = element(rest)?;
    let names: Vec<String> = names
        .chunks(width)
        .map(|name| {
            String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
        })
        .collect();
    if names.is_empty() {
        // Rows without fields take no bytes, and any number of them could be claimed.
        return Err("a struct without names".into());
    }
    let mut rows = Vec::new();
    // As many as it says, as long as there are bytes for them.
    for _ in 0..count {
        let mut row = Vec::with_capacity(names.len());
        for name in &names {
            let (kind, data) = element(rest)?;
            if kind != MATRIX {
                return Err("a field that is no matrix".into());
            }
            let field = match matrix(data, depth + 1)? {
                Matrix::Field(field) => field,
                Matrix::Struct(_) => Field::Other,
            };
            row.push((name.clone(), field));
        }
        rows.push(row);
    }
    Ok(Matrix::Struct(rows))
}

/// A text of bytes or of 16-bit characters.
fn text((kind, data): (u32, &[u8])) -> String {
    match kind {
        4 | 17 => {
            let units: Vec<u16> = data.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(data).into_owned(),
    }
}

/// One number, of whichever type it was the shortest in.
fn number((kind, data): (u32, &[u8])) -> Field {
    let number = match kind {
        1 => data.first().map(|&byte| f64::from(byte as i8)),
        2 => data.first().map(|&byte| f64::from(byte)),
        3 => data.first_chunk().map(|&bytes| f64::from(i16::from_le_bytes(bytes))),
        4 => data.first_chunk().map(|&bytes| f64::from(u16::from_le_bytes(bytes))),
        5 => data.first_chunk().map(|&bytes| f64::from(i32::from_le_bytes(bytes))),
        6 => data.first_chunk().map(|&bytes| f64::from(u32::from_le_bytes(bytes))),
        7 => data.first_chunk().map(|&bytes| f64::from(f32::from_le_bytes(bytes))),
        9 => data.first_chunk().map(|&bytes| f64::from_le_bytes(bytes)),
        _ => None,
    };
    number.map_or(Field::Other, Field::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with its tag, padded to eight bytes.
    fn element_of(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn a_struct_of_a_billion_rows_without_fields_is_refused_at_once() {
        let parts = [
            element_of(6, &[STRUCT, 0, 0, 0, 0, 0, 0, 0]),
            element_of(5, &[0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0]),
            element_of(1, b"synsets"),
            element_of(5, &32_u32.to_le_bytes()),
            element_of(1, &[]),
        ];
        let mut file = vec![0; 128];
        file[126..].copy_from_slice(b"IM");
        file.extend(element_of(MATRIX, &parts.concat()));
        assert_eq!(rows(&file), Err("a struct without names".into()));
    }
}
