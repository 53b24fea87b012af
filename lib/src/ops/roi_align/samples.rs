use super::{RoiAlignConfig, RoiAlignment};

/// Pixels of a row or column, by their place in it, and their shares.
pub(super) type Shares = Vec<(usize, f64)>;

/// What a region takes from its image: for each row of the output the rows of the image, and for each column the
/// columns, with their shares.
pub(super) struct Region {
    pub(super) image: usize,
    pub(super) rows: Vec<Shares>,
    pub(super) columns: Vec<Shares>,
}

impl Region {
    /// `bounds` are `x1, y1, x2, y2` in pixels of the map, whose size is `input`, height first.
    pub(super) fn new(image: usize, bounds: [f64; 4], config: RoiAlignConfig, input: [usize; 2]) -> Region {
        let [x1, y1, x2, y2] = bounds;
        let [height, width] = input;
        let [out_height, out_width] = config.output;
        Region {
            image,
            rows: side(y1, y2, out_height, height, config),
            columns: side(x1, x2, out_width, width, config),
        }
    }
}

/// The shares in each of `parts` parts of the way from `start` to `end`, on an axis of `input` pixels.
fn side(start: f64, end: f64, parts: usize, input: usize, config: RoiAlignConfig) -> Vec<Shares> {
    let (start, length) = match config.alignment {
        RoiAlignment::PixelCentres => (start - 0.5, end - start),
        RoiAlignment::PixelCorners => (start, (end - start).max(1.0)),
    };
    let part = length / parts as f64;
    let samples = config.sampling_ratio.map_or(part.ceil(), |samples| samples as f64);
    (0..parts).map(|index| shares(start + index as f64 * part, part, samples, input)).collect()
}

/// The shares of `samples` samples in the part of length `part` from `first` on; each pixel once.
fn shares(first: f64, part: f64, samples: f64, input: usize) -> Shares {
    let mut shares: Shares = Vec::new();
    if samples < 1.0 {
        return shares;
    }
    let step = part / samples;
    let place = |sample: f64| first + (sample + 0.5) * step;
    // A region may be far larger than the map. Samples that are certainly outside are not walked through.
    let (mut sample, mut last) = (0.0, samples - 1.0);
    if step > 0.0 {
        sample = ((-2.0 - first) / step - 0.5).floor().max(0.0);
        last = ((input as f64 + 1.0 - first) / step).ceil().min(last);
    }
    while sample <= last {
        let at = place(sample);
        sample += 1.0;
        if !(-1.0..=input as f64).contains(&at) {
            continue;
        }
        let at = at.clamp(0.0, (input - 1) as f64);
        let low = at as usize;
        let share = at - low as f64;
        for (pixel, share) in [(low, 1.0 - share), (low + 1, share)] {
            if share == 0.0 {
                continue;
            }
            let share = share / samples;
            match shares.iter_mut().rev().find(|(known, _)| *known == pixel) {
                Some((_, sum)) => *sum += share,
                None => shares.push((pixel, share)),
            }
        }
    }
    shares
}
