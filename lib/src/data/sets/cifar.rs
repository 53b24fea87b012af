//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009): the binary version and the Python version.
//!
//! Both hold images of 3 x 32 x 32 bytes, plane by plane. In the binary version an image follows its label,
//! for CIFAR-100 its coarse and its fine one, and the names of the classes are lines of text. In the Python
//! version a batch is a pickled dict with `data`, an array (N, 3072), and lists of labels.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stack::Stack;
use crate::pickle::{self, Vocabulary};
use crate::{Error, Result};

const SHAPE: [usize; 3] = [3, 32, 32];
const SIZE: usize = 3 * 32 * 32;
/// More bytes than any batch has.
const LARGEST: u64 = 1 << 30;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cifar {
    Ten,
    Hundred,
}

impl Cifar {
    fn classes(self) -> usize {
        match self {
            Cifar::Ten => 10,
            Cifar::Hundred => 100,
        }
    }

    /// The folders that the archives make: binary and Python.
    pub(super) fn folders(self) -> [&'static str; 2] {
        match self {
            Cifar::Ten => ["cifar-10-batches-bin", "cifar-10-batches-py"],
            Cifar::Hundred => ["cifar-100-binary", "cifar-100-python"],
        }
    }

    /// The files of the two parts, without `.bin`.
    fn files(self) -> [&'static [&'static str]; 2] {
        match self {
            Cifar::Ten => [
                &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
                &["test_batch"],
            ],
            Cifar::Hundred => [&["train"], &["test"]],
        }
    }

    fn fine(self) -> &'static str {
        match self {
            Cifar::Ten => "labels",
            Cifar::Hundred => "fine_labels",
        }
    }
}

/// The folder of the set below `root`, or `root` itself, in one of the two versions.
pub(super) fn find(root: &Path, cifar: Cifar) -> Option<PathBuf> {
    let candidates = cifar.folders().into_iter().map(|folder| root.join(folder)).chain([root.to_owned()]);
    let first = cifar.files()[0][0];
    candidates.into_iter().find(|folder| {
        folder.join(format!("{first}.bin")).is_file()
            || (folder.join(first).is_file() && is_python(folder, cifar))
    })
}

fn is_python(folder: &Path, cifar: Cifar) -> bool {
    folder.join(meta(cifar)).is_file()
}

fn meta(cifar: Cifar) -> &'static str {
    match cifar {
        Cifar::Ten => "batches.meta",
        Cifar::Hundred => "meta",
    }
}

/// Train and test part of the set in a folder that [`find`] found.
pub(super) fn read(folder: &Path, cifar: Cifar) -> Result<[Stack; 2]> {
    let binary = folder.join(format!("{}.bin", cifar.files()[0][0])).is_file();
    let class_names: Arc<[String]> =
        if binary { names_of_text(folder, cifar) } else { names_of_pickle(folder, cifar) }?.into();
    let [train, test] = cifar.files().map(|files| -> Result<Stack> {
        let mut stack = Stack {
            pixels: Vec::new(),
            shape: SHAPE,
            labels: Vec::new(),
            class_names: Arc::clone(&class_names),
            ids: Vec::new(),
        };
        for file in files {
            if binary {
                binary_batch(&folder.join(format!("{file}.bin")), cifar, &mut stack)?;
            } else {
                python_batch(&folder.join(file), cifar, &mut stack)?;
            }
        }
        Ok(stack)
    });
    Ok([train?, test?])
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(io)?.len();
    if length > LARGEST {
        return Err(wrong(path, "a batch of CIFAR", format!("{length} bytes")));
    }
    fs::read(path).map_err(io)
}

fn binary_batch(path: &Path, cifar: Cifar, stack: &mut Stack) -> Result<()> {
    let bytes = read_file(path)?;
    let labels = if cifar == Cifar::Ten { 1 } else { 2 };
    let record = labels + SIZE;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let expected = format!("images of {record} bytes each");
        return Err(wrong(path, &expected, format!("{} bytes, which is no multiple", bytes.len())));
    }
    for (at, image) in bytes.chunks_exact(record).enumerate() {
        // The fine label is the last one.
        let label = image[labels - 1];
        if usize::from(label) >= cifar.classes() {
            return Err(wrong_label(path, cifar, at, i64::from(label)));
        }
        stack.labels.push(u32::from(label));
        stack.pixels.extend_from_slice(&image[labels..]);
    }
    Ok(())
}

fn python_batch(path: &Path, cifar: Cifar, stack: &mut Stack) -> Result<()> {
    let bytes = read_file(path)?;
    let expected = format!("a pickled dict with `data` of (N, {SIZE}) bytes and `{}`", cifar.fine());
    let pickle =
        pickle::read(&bytes, Vocabulary::NumPy).map_err(|problem| wrong(path, &expected, problem))?;
    let part = |key: &str| {
        pickle.get(&pickle.root, key).ok_or_else(|| wrong(path, &expected, format!("nothing under `{key}`")))
    };
    let array = pickle
        .array(part("data")?)
        .ok_or_else(|| wrong(path, &expected, "`data` that is no array of bytes".into()))?;
    let (&[count, SIZE], Some(pixels)) = (array.shape.as_slice(), &array.bytes) else {
        return Err(wrong(path, &expected, format!("`data` of shape {:?}", array.shape)));
    };
    let labels = pickle
        .integers(part(cifar.fine())?)
        .ok_or_else(|| wrong(path, &expected, format!("`{}` that are no numbers", cifar.fine())))?;
    if labels.len() != count {
        return Err(wrong(path, &expected, format!("{count} images and {} labels", labels.len())));
    }
    for (at, &label) in labels.iter().enumerate() {
        let fits = usize::try_from(label).is_ok_and(|label| label < cifar.classes());
        stack.labels.push(if fits { label as u32 } else { return Err(wrong_label(path, cifar, at, label)) });
    }
    stack.pixels.extend_from_slice(pixels);
    // Older batches of one's own may lack them.
    let names =
        pickle.get(&pickle.root, "filenames").and_then(|names| pickle.texts(names)).unwrap_or_default();
    if names.len() == count {
        stack.ids.extend(names);
    }
    Ok(())
}

fn names_of_text(folder: &Path, cifar: Cifar) -> Result<Vec<String>> {
    let path = folder.join(match cifar {
        Cifar::Ten => "batches.meta.txt",
        Cifar::Hundred => "fine_label_names.txt",
    });
    let bytes = read_file(&path)?;
    let text = String::from_utf8_lossy(&bytes);
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    checked_names(&path, cifar, names)
}

fn names_of_pickle(folder: &Path, cifar: Cifar) -> Result<Vec<String>> {
    let path = folder.join(meta(cifar));
    let key = match cifar {
        Cifar::Ten => "label_names",
        Cifar::Hundred => "fine_label_names",
    };
    let expected = format!("a pickled dict with a list of names under `{key}`");
    let pickle = pickle::read(&read_file(&path)?, Vocabulary::NumPy)
        .map_err(|problem| wrong(&path, &expected, problem))?;
    let names = pickle.get(&pickle.root, key).and_then(|names| pickle.texts(names));
    checked_names(&path, cifar, names.ok_or_else(|| wrong(&path, &expected, "none".into()))?)
}

fn checked_names(path: &Path, cifar: Cifar, names: Vec<String>) -> Result<Vec<String>> {
    if names.len() == cifar.classes() {
        return Ok(names);
    }
    Err(wrong(path, &format!("the names of {} classes", cifar.classes()), format!("{} names", names.len())))
}

fn wrong_label(path: &Path, cifar: Cifar, at: usize, label: i64) -> Error {
    let expected = format!("labels from 0 to {}", cifar.classes() - 1);
    wrong(path, &expected, format!("label {label} of image {at}"))
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "Fetch the archive again, or check that it is the right one.".into(),
    }
}
