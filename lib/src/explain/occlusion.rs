//! What happens to a score where a part of the image is hidden.

use candle_core::Tensor;

use super::attribution::Attribution;
use super::baseline::Baseline;
use super::subject::Subject;
use crate::nn::Model;
use crate::plot::OverlayScale;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// How [`occlusion`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OcclusionConfig {
    /// The class; `None` for the one of the highest score.
    pub class: Option<usize>,
    /// Height and width of the window that is hidden; `None` for an eighth of the image's sides.
    pub window: Option<[usize; 2]>,
    /// How far it moves down and to the right; `None` for half of its sides.
    pub stride: Option<[usize; 2]>,
    /// What is put there.
    pub baseline: Baseline,
    /// How many images are computed at once.
    pub batch: usize,
}

impl Default for OcclusionConfig {
    fn default() -> OcclusionConfig {
        OcclusionConfig { class: None, window: None, stride: None, baseline: Baseline::default(), batch: 16 }
    }
}

/// How much the score of a class drops when a window of the image is hidden, the window being at every place of a grid
/// (Zeiler and Fergus 2014, arXiv:1311.2901). A pixel has the mean drop of the windows over it. The last window of a row
/// or column ends at the image's edge. Needs no gradient: the model runs once for each window.
///
/// # Errors
/// As [`saliency`](super::saliency), but for gradients; a window that is empty or larger than the image, a stride of 0 or
/// beyond the window's side, no batch; an interrupt.
pub fn occlusion(model: &Model, image: &Tensor, config: OcclusionConfig) -> Result<Attribution> {
    let op = "explain::occlusion";
    let subject = Subject::new(op, model, image, config.class)?;
    let [channels, height, width] = subject.shape();
    let size = [height, width];
    let window = config.window.unwrap_or(size.map(|side| side.div_ceil(8)));
    let stride = config.stride.unwrap_or(window.map(|side| side.div_ceil(2)));
    let fits = (0..2)
        .all(|axis| (1..=size[axis]).contains(&window[axis]) && (1..=window[axis]).contains(&stride[axis]));
    if !fits || config.batch == 0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!(
                "a window within {height} x {width} pixels, a stride from 1 to its sides, a batch of at least 1"
            ),
            got: format!("window {window:?}, stride {stride:?}, batch {}", config.batch),
            hint: "Both are [height, width]; a longer stride would leave pixels out.".into(),
        });
    }
    let seen = subject.values()?;
    let hidden = config.baseline.of(op, &seen, subject.shape())?;
    let [rows, columns] = [0, 1].map(|axis| starts(size[axis], window[axis], stride[axis]));
    let places: Vec<[usize; 2]> =
        rows.iter().flat_map(|&row| columns.iter().map(move |&column| [row, column])).collect();
    let (mut drops, mut covered) = (vec![0.0_f64; height * width], vec![0_u32; height * width]);
    let mut progress = Progress::start("occlusion", Unit::Images, Some(places.len() as u64));
    let mut done = 0;
    for places in places.chunks(config.batch) {
        let mut images = Vec::with_capacity(places.len() * seen.len());
        for &[row, column] in places {
            let first = images.len();
            images.extend(&seen);
            for channel in 0..channels {
                for y in row..row + window[0] {
                    let at = (channel * height + y) * width + column;
                    images[first + at..][..window[1]].copy_from_slice(&hidden[at..][..window[1]]);
                }
            }
        }
        let scores = subject.scores(&subject.batch(images)?)?;
        for (&[row, column], score) in places.iter().zip(scores) {
            for y in row..row + window[0] {
                for x in column..column + window[1] {
                    drops[y * width + x] += subject.score - score;
                    covered[y * width + x] += 1;
                }
            }
        }
        done += places.len();
        progress.at(done as u64)?;
    }
    let values = drops.iter().zip(&covered).map(|(drop, &count)| (drop / f64::from(count)) as f32).collect();
    let method = format!("occlusion by {} x {} pixels", window[0], window[1]);
    Ok(Attribution::of_pixels(method, &subject, values, OverlayScale::Signed)?.uncut())
}

/// Where windows of `window` start on a side, the last at its end.
fn starts(side: usize, window: usize, stride: usize) -> Vec<usize> {
    let last = side - window;
    let mut starts: Vec<usize> = (0..=last).step_by(stride).collect();
    if starts.last() != Some(&last) {
        starts.push(last);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn windows_cover_a_side_to_its_end() {
        assert_eq!(starts(8, 4, 2), [0, 2, 4]);
        assert_eq!(starts(9, 4, 3), [0, 3, 5]);
        assert_eq!(starts(4, 4, 1), [0]);
    }
}
