//! The row of the loader: JPEG files to batches of 32 crops, on as many threads as there are cores.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use sconce::data::{Dataset, Image, Sample, Source, Target};
use sconce::transforms::{Normalize, RandomHorizontalFlip, RandomResizedCrop};
use sconce::{Result, Seed};

use super::Failed;
use super::row::Rows;

const COUNT: usize = 512;
const WIDTH: usize = 500;
const HEIGHT: usize = 375;

/// Image files that are named by their number.
#[derive(Debug)]
struct Numbered(PathBuf);

impl Source for Numbered {
    fn len(&self) -> usize {
        COUNT
    }

    fn id(&self, index: usize) -> String {
        format!("a/{index}.jpg")
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        Some(self.0.join(self.id(index)))
    }

    fn labels(&self, _index: usize) -> Vec<u32> {
        vec![0]
    }

    fn target(&self, index: usize) -> Result<Target> {
        Ok(Target { labels: self.labels(index), ..Target::default() })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let image = Image::open(self.0.join(self.id(index)))?;
        Ok(Sample { id: self.id(index), image, target: self.target(index)? })
    }

    fn class_names(&self) -> &[String] {
        const NAMES: &[String] = &[String::new()];
        NAMES
    }
}

/// `files` are those that the peer has left, if there is one: its encoder halves the colours' resolution, as
/// cameras do, and the one at hand here does not, so that its files take longer to decode.
pub fn run(rows: &mut Rows, files: &Path) -> std::result::Result<(), Failed> {
    let name = format!("loader/{COUNT}_jpeg_{WIDTH}x{HEIGHT}");
    if !rows.wants(&name) {
        return Ok(());
    }
    if !files.join("a").is_dir() {
        draw(files)?;
    }
    let data = Dataset::from_source(Numbered(files.to_owned()))
        .transform(RandomResizedCrop::new(224))
        .transform(RandomHorizontalFlip::default())
        .transform(Normalize::imagenet());
    let mut epoch = 0;
    rows.row(&name, 3, || {
        epoch += 1;
        data.batches(32).shuffle(Seed(1)).epoch(epoch).try_for_each(|batch| batch.map(drop))
    })
}

/// The pictures of the peer's script: slopes of three colours with some noise.
fn draw(files: &Path) -> std::result::Result<(), Failed> {
    let folder = files.join("a");
    std::fs::create_dir_all(&folder)?;
    let mut rng = Seed(0).rng();
    for at in 0..COUNT {
        let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                for slope in [x * (at % 7 + 1) / 3, y * 2 + at, x + y + at * 5] {
                    pixels.push((slope % 256 + rng.below(24)).min(255) as u8);
                }
            }
        }
        let file = std::fs::File::create(folder.join(format!("{at}.jpg")))?;
        JpegEncoder::new_with_quality(BufWriter::new(file), 90).write_image(
            &pixels,
            WIDTH as u32,
            HEIGHT as u32,
            ExtendedColorType::Rgb8,
        )?;
    }
    Ok(())
}
