//! What one image is measured by.

use sha2::{Digest as _, Sha256};

use super::config::ScanConfig;
use super::finding::FindingKind;
use super::grey::Grey;
use super::hash::PerceptualHash;
use crate::Result;
use crate::data::{Image, Pixels, Sample, Target};

/// Brightness and sharpness are measured with the longer side brought down to this.
const SIDE: usize = 256;
/// By so much a fraction may be beyond 0 or 1 from rounding.
const ROUNDING: f32 = 1e-3;

/// What one image was measured by. What cannot be told of it is `None`: nothing but its size where its numbers
/// are no fractions of 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 99 % of the pixels are darker, 0 to 1.
    pub nearly_brightest: Option<f32>,
    /// 95 % of the pixels are brighter, 0 to 1.
    pub nearly_darkest: Option<f32>,
    /// The variance of the Laplacian, in units of bytes squared, with the longer side brought down to 256
    /// pixels; smaller images are taken as they are. `None` below 3 x 3.
    pub sharpness: Option<f64>,
    /// How it looks; `None` for an image that shows nothing.
    pub hash: Option<PerceptualHash>,
    /// SHA-256 of its size and pixels.
    pub(super) digest: [u8; 32],
}

/// A sample that was looked at by itself.
#[derive(Debug)]
pub(super) struct Looked {
    /// `None` where it could not be read.
    pub(super) measured: Option<Measured>,
    pub(super) found: Vec<FindingKind>,
    /// The classes that it is an example of, one for each example.
    pub(super) classes: Vec<u32>,
}

impl Looked {
    /// A sample that could not be read, which is no example of anything.
    pub(super) fn unread(found: FindingKind) -> Looked {
        Looked { measured: None, found: vec![found], classes: Vec::new() }
    }

    /// A sample of a data set with so many classes.
    pub(super) fn at(sample: &Sample, num_classes: usize, config: ScanConfig) -> Result<Looked> {
        let image = &sample.image;
        let mut found = Vec::new();
        let [rows, columns] = [image.height(), image.width()];
        if rows.min(columns) < config.min_side {
            found.push(FindingKind::Tiny { rows, columns });
        }
        let aspect = rows.max(columns) as f64 / rows.min(columns) as f64;
        if aspect > config.max_aspect {
            found.push(FindingKind::OddAspect { aspect });
        }
        let mut measured = Measured {
            height: rows,
            width: columns,
            nearly_brightest: None,
            nearly_darkest: None,
            sharpness: None,
            hash: None,
            digest: digest(image),
        };
        match no_fraction(image) {
            Some(value) => found.push(FindingKind::NotFractions { value }),
            None => look(image, config, &mut measured, &mut found)?,
        }
        boxes(sample, config, &mut found);
        let target = &sample.target;
        let labels = target.labels.iter().chain(target.objects.iter().map(|object| &object.label));
        if let Some(&label) = labels.clone().find(|label| **label as usize >= num_classes) {
            found.push(FindingKind::UnknownClass { label });
        }
        Ok(Looked { measured: Some(measured), found, classes: classes(&sample.target) })
    }
}

/// Brightness, sharpness and fingerprint.
fn look(
    image: &Image,
    config: ScanConfig,
    measured: &mut Measured,
    found: &mut Vec<FindingKind>,
) -> Result<()> {
    let grey = Grey::of(image, SIDE)?;
    let (high, low) = (grey.quantile(0.99), grey.quantile(0.05));
    measured.nearly_brightest = Some(high);
    measured.nearly_darkest = Some(low);
    measured.sharpness = grey.sharpness();
    measured.hash = PerceptualHash::of(&grey);
    if high < config.dark {
        found.push(FindingKind::TooDark { brightness: high });
    } else if low > config.bright {
        found.push(FindingKind::TooBright { brightness: low });
    } else if let Some(sharpness) = measured.sharpness
        && sharpness < config.min_sharpness
    {
        // Of what is nearly black or white it is known already that there are no edges.
        found.push(FindingKind::Blurred { sharpness });
    }
    Ok(())
}

/// The first number that is no fraction of 0 to 1.
fn no_fraction(image: &Image) -> Option<f32> {
    match image.pixels() {
        Pixels::U8(_) => None,
        Pixels::F32(values) => {
            let fraction = |value: &f32| (-ROUNDING..=1.0 + ROUNDING).contains(value);
            values.iter().copied().find(|value| !fraction(value))
        }
    }
}

fn digest(image: &Image) -> [u8; 32] {
    let mut digest = Sha256::new();
    let kind = match image.pixels() {
        Pixels::U8(_) => 0,
        Pixels::F32(_) => 1,
    };
    digest.update([kind]);
    for side in image.shape() {
        digest.update((side as u64).to_le_bytes());
    }
    match image.pixels() {
        Pixels::U8(values) => digest.update(values),
        Pixels::F32(values) => {
            let mut bytes = Vec::with_capacity(4 * 1024);
            for values in values.chunks(1024) {
                bytes.clear();
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                digest.update(&bytes);
            }
        }
    }
    digest.finalize().into()
}

fn boxes(sample: &Sample, config: ScanConfig, found: &mut Vec<FindingKind>) {
    let [height, width] = [sample.image.height() as f32, sample.image.width() as f32];
    for (object, bbox) in sample.target.objects.iter().map(|object| object.bbox).enumerate() {
        let finite = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].iter().all(|at| at.is_finite());
        let side = bbox.width().min(bbox.height());
        if !finite || side <= 0.0 || side < config.min_box_side {
            found.push(FindingKind::BoxDegenerate { object, bbox });
        }
        let beyond = [-bbox.x0, -bbox.y0, bbox.x1 - width, bbox.y1 - height];
        let beyond = beyond.into_iter().fold(0.0_f32, f32::max);
        if finite && beyond > config.box_slack {
            found.push(FindingKind::BoxOutside { object, bbox, beyond });
        }
    }
}

/// The classes that a sample is an example of: of the image, of each object, and once of its pixels.
fn classes(target: &Target) -> Vec<u32> {
    let mut classes = target.labels.clone();
    classes.extend(target.objects.iter().map(|object| object.label));
    if let Some(map) = &target.segmentation {
        classes.extend(map.present().into_iter().map(u32::from));
    }
    classes
}
