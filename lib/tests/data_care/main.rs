//! Scans of data sets for what is wrong with their images.
#![allow(clippy::unwrap_used)]

mod duplicates;
mod findings;
mod leaks;

use std::f64::consts::TAU;

use sconce::data::{Dataset, Image, Pixels, Sample, Target};
use sconce::{Rng, Seed};

/// A picture of waves and edges, another for each seed, that can be drawn in any size.
struct Scene {
    /// Frequencies down and across, phase, strength.
    waves: Vec<[f64; 4]>,
    /// Top, left, bottom, right as fractions, brightness.
    blocks: Vec<[f64; 5]>,
}

impl Scene {
    fn new(seed: u64) -> Scene {
        let mut rng = Seed(seed).derive("scene").rng();
        let wave = |rng: &mut Rng| {
            let frequencies = [rng.uniform() * 8.0 - 4.0, rng.uniform() * 8.0 - 4.0];
            [frequencies[0], frequencies[1], rng.uniform(), 0.05 + 0.1 * rng.uniform()]
        };
        let block = |rng: &mut Rng| {
            let [top, left] = [rng.uniform() * 0.8, rng.uniform() * 0.8];
            let [height, width] = [0.05 + 0.3 * rng.uniform(), 0.05 + 0.3 * rng.uniform()];
            [top, left, top + height, left + width, rng.uniform() - 0.5]
        };
        let waves = (0..8).map(|_| wave(&mut rng)).collect();
        Scene { waves, blocks: (0..6).map(|_| block(&mut rng)).collect() }
    }

    fn value(&self, y: f64, x: f64) -> f64 {
        let wave = |[down, across, phase, strength]: &[f64; 4]| {
            strength * (TAU * (down * y + across * x + phase)).cos()
        };
        let inside = |[top, left, bottom, right, _]: &[f64; 5]| {
            (*top..*bottom).contains(&y) && (*left..*right).contains(&x)
        };
        let waves: f64 = self.waves.iter().map(wave).sum();
        let blocks: f64 = self.blocks.iter().filter(|block| inside(block)).map(|block| block[4]).sum();
        0.5 + 0.5 * waves + 0.6 * blocks
    }

    /// RGB bytes of a picture of `[height, width]`, as `seen` changes their brightness.
    fn drawn(&self, [height, width]: [usize; 2], seen: impl Fn(f64) -> f64) -> Image {
        let mut bytes = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            for x in 0..width {
                let at = [(y as f64 + 0.5) / height as f64, (x as f64 + 0.5) / width as f64];
                let value = seen(self.value(at[0], at[1]));
                bytes.extend(
                    [1.0, 0.9, 0.8].map(|tint| (value * tint * 255.0).round().clamp(0.0, 255.0) as u8),
                );
            }
        }
        Image::new([height, width, 3], Pixels::U8(bytes)).unwrap()
    }

    fn image(&self, size: [usize; 2]) -> Image {
        self.drawn(size, |value| value)
    }
}

/// A sample of class 0.
fn sample(id: &str, image: Image) -> Sample {
    Sample { id: id.into(), image, target: Target { labels: vec![0], ..Target::default() } }
}

fn data(samples: Vec<Sample>) -> Dataset {
    Dataset::in_memory(samples, &["thing"]).unwrap()
}
