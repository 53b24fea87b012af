use std::sync::{Arc, OnceLock};

use super::activations::Activations;
use super::backend::{Backend, Packed, PerOutput};
use super::finish::{Finish, Shared};
use super::gather::Rows;
use super::round::{Requantize, check_multiplier};
use super::start::start_of_sums;
use super::winograd;
use crate::ops::columns::Convolution as Sizes;
use crate::ops::conv2d::check_groups;
use crate::ops::operands::{check_environment, shape_error, shape_text};
use crate::ops::window::{Rounding, Sliding, Window};
use crate::{Error, Result};

/// A convolution of integers, its weight packed for this CPU.
///
/// Sums are exact, in 32 bits; all CPUs give the same result, bit for bit.
#[derive(Debug, Clone)]
pub struct Convolution {
    dims: [usize; 4],
    groups: usize,
    window: Window,
    zero_point: u8,
    way: Way,
    start: PerOutput<i32>,
}

/// How it is computed.
#[derive(Debug, Clone)]
enum Way {
    Product(Arc<dyn Packed>),
    /// The same, or by tiles where that is faster for the sizes of the input.
    Tiles {
        product: Arc<dyn Packed>,
        tiles: Tiles,
    },
    /// Each channel by itself.
    Depthwise(Arc<dyn Packed>),
}

/// A weight that is transformed when it is first used by tiles.
#[derive(Debug, Clone)]
struct Tiles {
    backend: Backend,
    /// (O, C, 3, 3).
    weight: Arc<[i8]>,
    middles: Vec<i32>,
    packed: Arc<OnceLock<Arc<dyn Packed>>>,
}

impl Tiles {
    fn packed(&self) -> &dyn Packed {
        if let Some(packed) = self.packed.get() {
            return &**packed;
        }
        // Packed before the lock is taken: a thread that waits for its part of it may begin another image of this very
        // layer, which would wait for the lock for ever.
        let channels = self.weight.len() / (9 * self.middles.len());
        let packed = self.backend.pack_tiles(&self.weight, &self.middles, channels);
        &**self.packed.get_or_init(|| packed)
    }
}

const OP: &str = "int8::Convolution";

impl Convolution {
    /// Packs `weight` (O, C / groups, KH, KW), steps of -127..=127, for inputs whose step `zero_point` stands for 0, which
    /// is what padding holds. `bias` has a value for each output, in units of the scale of the input times that of the
    /// weight, or none at all.
    ///
    /// # Errors
    /// If the shapes do not fit each other, O is not a multiple of `groups`, a weight is -128, or an output's sum
    /// could leave 32 bits: with the largest weights from a depth of 66,312 on.
    pub fn new(
        weight: &[i8],
        dims: [usize; 4],
        bias: &[i32],
        zero_point: u8,
        sliding: Sliding,
        groups: usize,
    ) -> Result<Convolution> {
        Convolution::packed_for(Backend::chosen(), weight, dims, bias, zero_point, sliding, groups)
    }

    pub(super) fn packed_for(
        backend: Backend,
        weight: &[i8],
        dims: [usize; 4],
        bias: &[i32],
        zero_point: u8,
        sliding: Sliding,
        groups: usize,
    ) -> Result<Convolution> {
        check_environment()?;
        let [outputs, channels, height, width] = dims;
        check_groups(OP, groups, ["input", "output"], [channels.saturating_mul(groups), outputs])?;
        let window = Window { kernel: [height, width], sliding, rounding: Rounding::Floor };
        window.check(OP)?;
        let depth = channels.checked_mul(height).and_then(|depth| depth.checked_mul(width));
        let depth = depth.ok_or_else(|| shape_error(OP, "a weight that fits into a memory", &dims, ""))?;
        let start = start_of_sums(OP, weight, [outputs, depth], bias, zero_point)?;
        let way = if channels == 1 && outputs == groups && groups > 1 {
            Way::Depthwise(backend.pack_depthwise(weight, outputs))
        } else {
            let group_outputs = outputs / groups;
            let taps = height * width;
            let product = backend.pack(groups, group_outputs, depth, |group, output, depth| {
                // Rows hold the channels of one tap after the other.
                let (tap, channel) = (depth / channels, depth % channels);
                let output = group * group_outputs + output;
                i16::from(weight[(output * channels + channel) * taps + tap])
            });
            match winograd::middles(weight, depth).filter(|_| groups == 1 && [height, width] == [3, 3]) {
                Some(middles) => {
                    let (weight, packed) = (weight.into(), Arc::default());
                    Way::Tiles { product, tiles: Tiles { backend, weight, middles, packed } }
                }
                None => Way::Product(product),
            }
        };
        let mut convolution =
            Convolution { dims, groups, window, zero_point, way, start: PerOutput::default() };
        convolution.start = PerOutput::new(&start, convolution.together());
        Ok(convolution)
    }

    /// The shape (B, OH, OW, O) of the output for images (B, H, W, C).
    ///
    /// # Errors
    /// If it is no batch of images of C channels, or the window is larger than the padded image.
    pub fn output_dims(&self, dims: &[usize]) -> Result<Vec<usize>> {
        let sizes = self.sizes(dims)?;
        Ok(vec![sizes.batch, sizes.output[0], sizes.output[1], sizes.out_channels])
    }

    fn sizes(&self, dims: &[usize]) -> Result<Sizes> {
        let [outputs, depth, _, _] = self.dims;
        let in_channels = depth * self.groups;
        let &[batch, height, width, channels] = dims else {
            return Err(shape_error(OP, "images (B, H, W, C)", dims, ""));
        };
        if channels != in_channels {
            let expected =
                format!("images of {in_channels} channels for a weight {}", shape_text(&self.dims));
            return Err(shape_error(OP, expected, dims, ""));
        }
        let input = [height, width];
        let output = self.window.output_size(OP, input)?;
        let (groups, window) = (self.groups, self.window);
        Ok(Sizes { batch, in_channels, out_channels: outputs, groups, input, output, window })
    }

    /// The convolution of `x` (B, H, W, C), requantised: (B, OH, OW, O).
    ///
    /// # Errors
    /// If the shapes do not fit, the zero point of `x` is another than the weight was packed for, or a multiplier is not
    /// finite.
    pub fn forward(&self, x: &Activations, requantize: &Requantize) -> Result<Activations> {
        let sizes = self.check(x)?;
        requantize.check(OP, sizes.out_channels)?;
        let mut values = vec![0; sizes.all_positions() * sizes.out_channels];
        let finish = Finish::Steps { clamp: requantize.clamp(), y: Shared::new(&mut values) };
        self.run(x, &sizes, &requantize.multiplier, finish);
        let dims = vec![sizes.batch, sizes.output[0], sizes.output[1], sizes.out_channels];
        Ok(Activations { values, dims, quantization: requantize.output })
    }

    /// The same as numbers: each sum times its output's multiplier, the scale of the input times that of the weight.
    ///
    /// # Errors
    /// As [`Convolution::forward`].
    pub fn forward_f32(&self, x: &Activations, multiplier: &[f32]) -> Result<Vec<f32>> {
        let sizes = self.check(x)?;
        check_multiplier(OP, multiplier, sizes.out_channels)?;
        let mut values = vec![0.0; sizes.all_positions() * sizes.out_channels];
        self.run(x, &sizes, multiplier, Finish::Floats { y: Shared::new(&mut values) });
        Ok(values)
    }

    /// Bytes of the weight in all orders that it is kept in for images (B, H, W, C).
    pub(crate) fn bytes(&self, dims: &[usize]) -> Result<usize> {
        let sizes = self.sizes(dims)?;
        Ok(match &self.way {
            Way::Product(packed) | Way::Depthwise(packed) => packed.bytes(),
            Way::Tiles { product, tiles } => {
                let transformed = if winograd::fits(&sizes) { tiles.packed().bytes() } else { 0 };
                product.bytes() + tiles.weight.len() + transformed
            }
        })
    }

    /// Whether images of this shape go by tiles.
    #[cfg(test)]
    pub(super) fn goes_by_tiles(&self, dims: &[usize]) -> Result<bool> {
        Ok(matches!(self.way, Way::Tiles { .. }) && winograd::fits(&self.sizes(dims)?))
    }

    fn check(&self, x: &Activations) -> Result<Sizes> {
        check_zero_point(OP, x, self.zero_point)?;
        self.sizes(&x.dims)
    }

    /// Outputs that are computed together.
    fn together(&self) -> usize {
        match self.way {
            Way::Product(_) | Way::Tiles { .. } => self.dims[0] / self.groups,
            Way::Depthwise(_) => self.dims[0],
        }
    }

    fn run(&self, x: &Activations, sizes: &Sizes, multiplier: &[f32], finish: Finish) {
        let rows = Rows { sizes, x: &x.values, zero_point: self.zero_point };
        let multiplier = PerOutput::new(multiplier, self.together());
        match &self.way {
            Way::Tiles { tiles, .. } if winograd::fits(sizes) => {
                tiles.packed().product(rows, &self.start, &multiplier, finish);
            }
            Way::Product(packed) | Way::Depthwise(packed) | Way::Tiles { product: packed, .. } => {
                packed.product(rows, &self.start, &multiplier, finish);
            }
        }
    }
}

/// Refuses an input that is another than the sums were prepared for.
pub(super) fn check_zero_point(op: &str, x: &Activations, zero_point: u8) -> Result<()> {
    x.check(op)?;
    if x.quantization.zero_point == zero_point {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("an input of zero point {zero_point}, for which the weight was packed"),
        got: x.quantization.zero_point.to_string(),
        hint: "Pack the weight with the zero point of its input.".into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rayon::prelude::*;

    use super::*;
    use crate::ops::int8::Quantization;
    use crate::ops::window::Padding;

    /// Tasks of one pool that are the first to use a layer do not wait for each other for ever.
    #[test]
    fn many_tasks_may_be_the_first() {
        let (done, finished) = mpsc::channel();
        let tasks = move || {
            let quantization = Quantization { scale: 1.0, zero_point: 3 };
            let x = Activations { values: vec![7; 16 * 16 * 32], dims: vec![1, 16, 16, 32], quantization };
            let weight = [1; 32 * 32 * 9];
            let sliding = Sliding { padding: Padding::from(1), ..Sliding::default() };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
            pool.install(|| {
                for _ in 0..30 {
                    let layer = Convolution::new(&weight, [32, 32, 3, 3], &[], 3, sliding, 1).unwrap();
                    assert!(layer.goes_by_tiles(&x.dims).unwrap());
                    let first = |_| layer.forward_f32(&x, &[1.0; 32]).unwrap()[17 * 32];
                    let sums: Vec<f32> = (0..8).into_par_iter().map(first).collect();
                    assert_eq!(sums, [9.0 * 32.0 * 4.0; 8]);
                }
            });
            done.send(()).unwrap();
        };
        std::thread::spawn(tasks);
        assert_eq!(finished.recv_timeout(Duration::from_secs(100)), Ok(()));
    }

    #[test]
    fn a_depth_that_is_no_number_is_refused() {
        let dims = [1, usize::MAX / 2, 3, 1];
        assert!(Convolution::new(&[], dims, &[], 0, Sliding::default(), 1).is_err());
    }
}
