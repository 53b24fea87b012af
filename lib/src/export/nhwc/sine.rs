//! The embedding of positions by sines, for one size or any.

use candle_core::Device;

use super::lower::Lowering;
use super::program::{Function, Kind, OPEN, Op, Pair, ValueId};
use super::stored::{CHANNELS_LAST, Stored};
use super::window::sides;
use crate::Result;
use crate::nn::Node;
use crate::ops::{SinePositionConfig, sine_position_embedding};

impl Lowering<'_> {
    pub(super) fn sine(&mut self, node: &Node, config: SinePositionConfig, x: &Stored) -> Result<Stored> {
        let [_, height, width] = sides(&node.shape);
        if node.shape.contains(&OPEN) {
            return Ok(self.sine_of(config, [height, width], x));
        }
        let embedding = sine_position_embedding([height, width], config, &Device::Cpu)?;
        let data = embedding.flatten_all()?.to_vec1()?;
        let data = super::permuted(&data, &node.shape, &CHANNELS_LAST);
        let dims = [height, width, config.embed_dim];
        Ok(Stored::image(self.b.repeated("embedding", &dims, &data)))
    }

    /// The same for an image whose size is known when it runs: the sines of rows in the first half of the features and 0
    /// in the second, and the other way round those of columns, added. Cosines are sines a quarter of a turn on.
    fn sine_of(&mut self, config: SinePositionConfig, size: [usize; 2], x: &Stored) -> Stored {
        let x = self.image(x);
        let half = config.embed_dim / 2;
        let waves = [0, 1].map(|axis: usize| {
            let (mut speeds, mut starts) = (vec![0.0_f32; 2 * half], vec![0.0_f32; 2 * half]);
            for index in 0..half {
                let place = axis * half + index;
                let length = config.temperature.powf((2 * (index / 2)) as f64 / half as f64);
                speeds[place] = (config.scale / length) as f32;
                starts[place] = if index.is_multiple_of(2) { 0.0 } else { std::f32::consts::FRAC_PI_2 };
            }
            let shares = self.shares(x, axis);
            let speeds = self.b.float("speeds", &[1, 1, 1, 2 * half], speeds);
            let starts = self.b.float("starts", &[1, 1, 1, 2 * half], starts);
            let angles = self.b.pair(Pair::Multiply, shares, speeds);
            let angles = self.b.pair(Pair::Add, angles, starts);
            self.b.function(Function::Sin, angles)
        });
        let one = self.b.pair(Pair::Add, waves[0], waves[1]);
        let (batch, rest) = (self.b.batch_of(x), self.b.list(vec![1; 3]));
        let times = self.b.joined(vec![batch, rest]);
        let dims = self.b.batched(&[size[0], size[1], 2 * half]);
        Stored::image(self.b.step(Op::Tile, vec![one, times], dims))
    }

    /// Where each row lies, or each column, as a share of their number, the first one 1: (1, H, 1, 1) or (1, 1, W, 1).
    fn shares(&mut self, x: ValueId, axis: usize) -> ValueId {
        let count = self.b.side(x, axis);
        let places = self.b.places(count);
        let places = self.b.step(Op::Cast, vec![places], vec![-1]);
        let one = self.b.scalar("one", 1.0);
        let places = self.b.pair(Pair::Add, places, one);
        let count = self.b.step(Op::Cast, vec![count], vec![1]);
        // The constant of the reference.
        let little = self.b.scalar("little", 1e-6);
        let count = self.b.pair(Pair::Add, count, little);
        let shares = self.b.pair(Pair::Divide, places, count);
        let mut dims = vec![1; 4];
        dims[axis + 1] = -1;
        self.b.made(Op::Reshape, vec![shares], dims, Kind::Float)
    }
}
