//! Data sets that are at hand.

use std::io::Read as _;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use flate2::read::GzDecoder;

use super::dataset::Dataset;
pub use super::sets::{
    cifar10, cifar100, coco, download, fashion_mnist, image_folder, image_folders, imagenet, manifest,
    manifest_with, mnist, shapes, voc,
};
use crate::{Error, Result};

/// The file, as `digits.md` describes it.
const DIGITS: &[u8] = include_bytes!("digits.csv.gz");
const ROWS: usize = 1797;
const SIDE: usize = 8;
/// Pixels count ink from 0 to this.
const INK: u32 = 16;
const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const SOURCE: &str = "Handwritten digits, 8 x 8 pixels: the test part of \"Optical Recognition of Handwritten \
                      Digits\" (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository 1998, doi \
                      10.24432/C50P49), CC BY 4.0.";

/// 1,797 handwritten digits of 43 people: images `(1, 8, 8)`, f32 from 0 (paper) to 1 (ink), labels 0 to 9.
/// They are part of the library; nothing is downloaded.
///
/// Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
/// Repository 1998, [doi 10.24432/C50P49](https://doi.org/10.24432/C50P49), the test part; licence CC BY 4.0.
///
/// # Errors
/// When the file inside the library is damaged; it is checked whole.
pub fn digits() -> Result<Dataset> {
    let mut text = String::new();
    GzDecoder::new(DIGITS)
        .read_to_string(&mut text)
        .map_err(|error| damaged("gzipped text".into(), error.to_string()))?;
    let (pixels, labels) = read_digits(&text, ROWS)?;
    let images = Tensor::from_vec(pixels, (labels.len(), 1, SIDE, SIDE), &Device::Cpu)?; // (N, 1, 8, 8)
    Ok(Dataset::new(images, &labels, &CLASSES)?.named("digits").described(SOURCE))
}

/// Pixels from 0 to 1 and labels of `rows` lines of 65 comma-separated numbers each.
fn read_digits(text: &str, rows: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let mut pixels = Vec::with_capacity(rows * SIDE * SIDE);
    let mut labels = Vec::with_capacity(rows);
    for (at, line) in text.lines().enumerate() {
        let wrong = |got: String| {
            damaged(
                format!("64 pixels from 0 to {INK} and a label from 0 to 9"),
                format!("line {}: {got}", at + 1),
            )
        };
        let numbers = line
            .split(',')
            .map(|field| field.parse::<u32>().map_err(|error| wrong(format!("`{field}`, {error}"))))
            .collect::<Result<Vec<u32>>>()?;
        let Some((&label, ink)) = numbers.split_last().filter(|(_, ink)| ink.len() == SIDE * SIDE) else {
            return Err(wrong(format!("{} numbers", numbers.len())));
        };
        if let Some(value) = ink.iter().find(|value| **value > INK) {
            return Err(wrong(format!("a pixel of {value}")));
        }
        if label as usize >= CLASSES.len() {
            return Err(wrong(format!("a label of {label}")));
        }
        pixels.extend(ink.iter().map(|&value| value as f32 / INK as f32));
        labels.push(label);
    }
    if labels.len() != rows {
        return Err(damaged(format!("{rows} lines"), format!("{} lines", labels.len())));
    }
    Ok((pixels, labels))
}

fn damaged(expected: String, got: String) -> Error {
    Error::Format {
        path: PathBuf::from("digits.csv.gz"),
        expected,
        got,
        hint: "The file is part of the library: fetch the library's source again.".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(pixel: &str, label: &str) -> String {
        format!("{}{label}", format!("{pixel},").repeat(64))
    }

    #[test]
    fn good_lines_become_fractions_of_ink() {
        let (pixels, labels) = read_digits(&format!("{}\n{}\n", line("16", "9"), line("4", "0")), 2).unwrap();
        assert_eq!((pixels[0], pixels[64], labels), (1.0, 0.25, vec![9, 0]));
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_line() {
        let cases = [
            (line("17", "0"), "line 1: a pixel of 17"),
            (line("1", "10"), "line 1: a label of 10"),
            (line("-1", "0"), "line 1: `-1`"),
            (line("1", "x"), "line 1: `x`"),
            ("1,2,3".to_owned(), "line 1: 3 numbers"),
            (String::new(), "0 lines"),
            (format!("{}\n\n", line("1", "0")), "line 2: ``"),
        ];
        for (text, complaint) in cases {
            let error = read_digits(&text, 1).unwrap_err().to_string();
            assert!(error.contains(complaint) && error.contains("digits.csv.gz"), "{error}");
        }
    }
}
