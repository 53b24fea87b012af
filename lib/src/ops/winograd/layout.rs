//! Images with their channels beside each other, for vectors over channels.

/// A plane that images lie in, with zeros around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// Its height and width.
    pub(super) sides: [usize; 2],
    /// Where the image begins.
    pub(super) offset: [usize; 2],
}

impl Space {
    /// Values from a row to the next and from a pixel to the next.
    pub(super) fn strides(&self, channels: usize) -> [usize; 2] {
        [self.sides[1] * channels, channels]
    }

    /// Where a tile's first pixel lies, of tiles of `side` outputs that are numbered over all images.
    pub(super) fn tile(&self, index: usize, channels: usize, side: usize, output: [usize; 2]) -> usize {
        let [rows, columns] = output.map(|pixels| pixels.div_ceil(side));
        let (image, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
        ((image * self.sides[0] + row * side) * self.sides[1] + column * side) * channels
    }
}

/// Images in a space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) space: Space,
    /// Those that there are, and with those that fill up.
    pub(super) channels: [usize; 2],
    /// Height and width of an image.
    pub(super) image: [usize; 2],
}

/// Pixels and channels that are brought over at a time: both sides of the copy stay in the first cache.
const BLOCK: usize = 16;

impl Placed {
    /// Values of an image where its channels lie one after the other.
    pub(super) fn image_len(&self) -> usize {
        self.channels[0] * self.image[0] * self.image[1]
    }

    /// Values of an image in its space.
    pub(super) fn len(&self) -> usize {
        self.channels[1] * self.space.sides[0] * self.space.sides[1]
    }

    /// The blocks of some images: of each where it begins in the space and in the images, and how many columns and
    /// channels it has.
    fn blocks(&self, images: usize) -> impl Iterator<Item = [usize; 4]> {
        let ([height, width], [channels, filled]) = (self.image, self.channels);
        // What the space has no room for is under no tile.
        let rows = height.min(self.space.sides[0] - self.space.offset[0]);
        let columns = width.min(self.space.sides[1] - self.space.offset[1]);
        let lines = (0..images).flat_map(move |image| (0..rows).map(move |row| (image, row)));
        lines.flat_map(move |(image, row)| {
            let row_inside = image * self.space.sides[0] + row + self.space.offset[0];
            let inside = (row_inside * self.space.sides[1] + self.space.offset[1]) * filled;
            let outside = image * self.image_len() + row * width;
            let firsts = (0..channels).step_by(BLOCK);
            firsts.flat_map(move |channel| {
                (0..columns).step_by(BLOCK).map(move |column| {
                    [
                        inside + column * filled + channel,
                        outside + channel * height * width + column,
                        BLOCK.min(columns - column),
                        BLOCK.min(channels - channel),
                    ]
                })
            })
        })
    }

    /// Brings images (C, H, W) into the space, zeros around them.
    #[inline(always)]
    pub(super) fn gather(&self, images: &[f32], into: &mut Vec<f32>) {
        let (count, plane) = (images.len() / self.image_len(), self.image[0] * self.image[1]);
        into.clear();
        into.resize(count * self.len(), 0.0);
        for [inside, outside, columns, channels] in self.blocks(count) {
            for column in 0..columns {
                let pixel = &mut into[inside + column * self.channels[1]..][..channels];
                let values = images[outside + column..].iter().step_by(plane);
                pixel.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Brings them back, with a bias for each channel.
    #[inline(always)]
    pub(super) fn scatter(&self, from: &[f32], bias: Option<&[f32]>, images: &mut [f32]) {
        let (count, plane) = (images.len() / self.image_len(), self.image[0] * self.image[1]);
        for [inside, outside, columns, channels] in self.blocks(count) {
            for channel in 0..channels {
                let line = &mut images[outside + channel * plane..][..columns];
                let values = from[inside + channel..].iter().step_by(self.channels[1]);
                line.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            }
        }
        if let Some(bias) = bias {
            for (plane, &bias) in images.chunks_mut(plane).zip(bias.iter().cycle()) {
                plane.iter_mut().for_each(|value| *value += bias);
            }
        }
    }
}
