//! Data sets, samples, and what is said of them.

use sconce::data::care::{LabelErrorConfig, LabelErrors, Leaks, Scan, ScanConfig, label_errors};
use sconce::data::{
    BBox, BoxSizes, ChannelStatistics, ClassBalance, Image, Keypoint, Mask, Object, Pixels, Sample,
    SkipReport, Skipped, Target, Visibility,
};
use sconce::prelude::*;

/// Stripes whose width is that of the class, 12 images of 3 classes, the first one twice.
fn stripes() -> Result<Dataset> {
    let side = 16;
    let samples = (0..12_usize).map(|at| {
        let (class, shift) = (at % 3, at / 3 % 3);
        let pixel = |pixel: usize| {
            let (row, column) = (pixel / side, pixel % side);
            let bright = (column + shift * row) / (class + 2) % 2 == 0;
            if bright { [210, 200, 170] } else { [60, 70 + 40 * class as u8, 90] }
        };
        let image = Image::new([side, side, 3], Pixels::U8((0..side * side).flat_map(pixel).collect()))?;
        let target = Target { labels: vec![class as u32], ..Target::default() };
        Ok(Sample { id: format!("stripes-{at}"), image, target })
    });
    Dataset::in_memory(samples.collect::<Result<Vec<_>>>()?, &["narrow", "medium", "wide"])
}

/// A set of images.
pub fn dataset() -> Result<Dataset> {
    stripes()
}

/// Its parts.
pub fn data_split() -> Result<DataSplit> {
    stripes()?.split([0.5, 0.25, 0.25], Seed(0))
}

/// Some of its images.
pub fn batch() -> Result<Batch> {
    let config = BatchConfig { batch_size: 6, ..BatchConfig::default() };
    let first = stripes()?.batches(config).next();
    first.unwrap_or_else(|| Err(nothing("a batch")))
}

/// How many images each class has.
pub fn class_balance() -> Result<ClassBalance> {
    stripes()?.class_balance()
}

/// What to normalize with.
pub fn channel_statistics() -> Result<ChannelStatistics> {
    stripes()?.statistics()
}

/// An image with a thing in a box, its mask and its points.
pub fn sample() -> Result<Sample> {
    let (height, width) = (60, 90);
    let bbox = BBox { x0: 10.0, y0: 14.0, x1: 52.0, y1: 44.0 };
    let inside = |at: usize| (12..50).contains(&(at % width)) && (16..42).contains(&(at / width));
    let pixels = (0..height * width).map(|at| u8::from(inside(at))).collect();
    let point = |x, visibility| Keypoint { x, y: 30.0, visibility };
    let car = Object {
        label: 1,
        bbox,
        mask: Some(Mask { height, width, pixels }),
        keypoints: vec![point(20.0, Visibility::Visible), point(40.0, Visibility::Hidden)],
        area: None,
        ignore: false,
    };
    let grey = (0..height * width).map(|at| (60 + at / width * 2) as u8).collect();
    let image = Image::new([height, width, 1], Pixels::U8(grey))?;
    let target = Target { labels: vec![2], objects: vec![car], ..Target::default() };
    Ok(Sample { id: "street".into(), image, target })
}

/// How large the things in a set are.
pub fn box_sizes() -> Result<BoxSizes> {
    let samples = (1..=6_u16).map(|at| {
        let mut sample = sample()?;
        let side = f32::from(at) * 9.0;
        for object in &mut sample.target.objects {
            object.bbox = BBox { x0: 2.0, y0: 2.0, x1: 2.0 + side, y1: 2.0 + side / f32::from(1 + at % 3) };
        }
        sample.id = format!("street-{at}");
        Ok(sample)
    });
    Dataset::in_memory(samples.collect::<Result<Vec<_>>>()?, &["tree", "car", "street"])?.box_sizes()
}

/// Samples that could not be read.
pub fn skip_report() -> Result<SkipReport> {
    let skipped =
        |index, id: &str, error: &str| Skipped { index, id: id.into(), path: None, error: error.into() };
    let samples =
        vec![skipped(3, "cat-3.jpg", "an image that was cut off"), skipped(17, "dog-2.jpg", "not an image")];
    Ok(SkipReport { samples })
}

/// What is wrong with a data set.
pub fn scan() -> Result<Scan> {
    stripes()?.scan(ScanConfig { min_side: 20, ..ScanConfig::default() })
}

/// Images that are in two parts.
pub fn leaks() -> Result<Leaks> {
    data_split()?.leaks(ScanConfig::default())
}

/// Labels that a model doubts.
pub fn doubted_labels() -> Result<LabelErrors> {
    let cat = [0.9_f32, 0.8, 0.9, 0.1, 0.2, 0.95];
    let rows: Vec<f32> = cat.iter().flat_map(|&cat| [cat, 1.0 - cat]).collect();
    let probabilities = Tensor::from_vec(rows, (6, 2), &Device::Cpu)?;
    label_errors(&probabilities, &[0, 0, 0, 1, 1, 1], LabelErrorConfig::default())
}

fn nothing(what: &str) -> Error {
    Error::Argument {
        op: "forms".into(),
        expected: what.into(),
        got: "nothing".into(),
        hint: "The data set is empty.".into(),
    }
}
