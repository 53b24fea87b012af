//! MNIST's files: arrays of bytes behind a header that tells their sides (IDX).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::stack::Stack;
use crate::{Error, Result};

/// More bytes than any file of this kind has.
const LARGEST: u64 = 1 << 32;

/// An array of bytes.
struct Array {
    sides: Vec<usize>,
    bytes: Vec<u8>,
}

/// Grey images `(N, H, W)` and their classes `(N,)`, gzipped or not.
pub(super) fn read(images: &Path, labels: &Path, class_names: Arc<[String]>) -> Result<Stack> {
    let (pictures, classes) = (array(images, 3)?, array(labels, 1)?);
    let &[count, height, width] = pictures.sides.as_slice() else {
        return Err(wrong(images, "images (N, H, W)", format!("{:?}", pictures.sides)));
    };
    if height * width == 0 {
        return Err(wrong(images, "images with pixels", format!("{height} x {width} pixels")));
    }
    if classes.bytes.len() != count {
        let expected = format!("{count} labels, one for each image of {}", images.display());
        return Err(wrong(labels, &expected, format!("{} labels", classes.bytes.len())));
    }
    if let Some((at, label)) =
        classes.bytes.iter().enumerate().find(|(_, label)| usize::from(**label) >= class_names.len())
    {
        let expected = format!("labels below {}, the number of classes", class_names.len());
        return Err(wrong(labels, &expected, format!("label {label} of image {at}")));
    }
    Ok(Stack {
        pixels: pictures.bytes,
        shape: [1, height, width],
        labels: classes.bytes.into_iter().map(u32::from).collect(),
        class_names,
        ids: Vec::new(),
    })
}

/// The file of that name in a folder or where others keep it: as it is, gzipped, or with a dot before `idx`.
pub(super) fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    ["", "raw", "MNIST/raw", "FashionMNIST/raw"].iter().find_map(|folder| {
        let folder = root.join(folder);
        [name, &dotted]
            .into_iter()
            .flat_map(|name| [name.to_owned(), format!("{name}.gz")])
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
    })
}

fn array(path: &Path, rank: usize) -> Result<Array> {
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let zipped = io_magic(&mut file).map_err(io)?;
    let mut reader: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let unzip = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => wrong(path, "a whole file", "one that was cut off".into()),
        _ if zipped => wrong(path, "a gzipped file", error.to_string()),
        _ => io(error),
    };
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(unzip)?;
    let [0, 0, 8, found] = magic else {
        return Err(wrong(path, "an IDX file of bytes (00 00 08)", format!("{magic:02x?}")));
    };
    if usize::from(found) != rank {
        return Err(wrong(path, &format!("an array of {rank} sides"), format!("one of {found}")));
    }
    let mut sides = Vec::with_capacity(rank);
    for _ in 0..rank {
        let mut side = [0; 4];
        reader.read_exact(&mut side).map_err(unzip)?;
        sides.push(u32::from_be_bytes(side) as usize);
    }
    let count = sides.iter().try_fold(1_u64, |count, &side| count.checked_mul(side as u64));
    let Some(count) = count.filter(|&count| count <= LARGEST) else {
        return Err(wrong(path, "an array that fits into memory", format!("sides of {sides:?}")));
    };
    let mut bytes = Vec::new();
    // Memory is taken as bytes come, whatever the header claims.
    reader.take(count + 1).read_to_end(&mut bytes).map_err(unzip)?;
    if bytes.len() as u64 != count {
        let more = if bytes.len() as u64 > count { "more" } else { "fewer" };
        let got = format!("{more}: {} bytes", bytes.len());
        return Err(wrong(path, &format!("{count} bytes, as its header {sides:?} says"), got));
    }
    Ok(Array { sides, bytes })
}

/// Whether a file is gzipped, by its first bytes; they stay to be read.
fn io_magic(file: &mut BufReader<File>) -> std::io::Result<bool> {
    use std::io::BufRead as _;
    Ok(file.fill_buf()?.starts_with(&[0x1f, 0x8b]))
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "Fetch the file again, or check that it is the right one.".into(),
    }
}
