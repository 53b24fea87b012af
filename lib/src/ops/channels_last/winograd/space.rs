//! Planes that images are brought to: zeros around them, whole tiles, and channels that fill vectors.

use pulp::Simd;

use super::{MORE, Winograd};
use crate::ops::channels_last::gather::{add, copy};
use crate::ops::gemm::Update;

/// A plane that images lie in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// Outputs of a tile, in one direction.
    side: usize,
    /// Its height and width.
    sides: [usize; 2],
    /// Where the image begins.
    offset: [usize; 2],
    /// Height and width of an image.
    image: [usize; 2],
    /// Those that there are, and with those that fill up.
    channels: [usize; 2],
    /// Tiles in a column and in a row.
    tiles: [usize; 2],
}

impl Winograd {
    fn tile_sides(&self) -> [usize; 2] {
        self.output.map(|side| side.div_ceil(self.side))
    }

    /// Of the pixels under the tiles.
    pub(super) fn input_space<S: Simd>(&self) -> Space {
        Space {
            side: self.side,
            sides: self.tile_sides().map(|tiles| tiles * self.side + MORE),
            offset: self.padding,
            image: self.input,
            channels: [self.channels[0], self.channels[0].next_multiple_of(S::F32_LANES)],
            tiles: self.tile_sides(),
        }
    }

    /// Of the outputs, whose channels lie `width` apart.
    pub(super) fn output_space(&self, width: usize) -> Space {
        Space {
            side: self.side,
            sides: self.tile_sides().map(|tiles| tiles * self.side),
            offset: [0, 0],
            image: self.output,
            channels: [self.channels[1], width],
            tiles: self.tile_sides(),
        }
    }
}

impl Space {
    /// Values from a row to the next and from a pixel to the next.
    #[inline(always)]
    pub(super) fn strides(&self) -> [usize; 2] {
        [self.sides[1] * self.channels[1], self.channels[1]]
    }

    /// Outputs of a tile, in one direction.
    #[inline(always)]
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Tiles of an image.
    pub(super) fn tile_count(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Values of a pixel.
    pub(super) fn depth(&self) -> usize {
        self.channels[1]
    }

    /// Where a tile's first pixel lies, of tiles that are numbered over all images.
    #[inline(always)]
    pub(super) fn tile(&self, index: usize) -> usize {
        let [rows, columns] = self.tiles;
        let (image, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
        ((image * self.sides[0] + row * self.side) * self.sides[1] + column * self.side) * self.channels[1]
    }

    /// Values of an image.
    pub(super) fn image_len(&self) -> usize {
        self.channels[0] * self.image[0] * self.image[1]
    }

    /// Values of an image in its space.
    pub(super) fn len(&self) -> usize {
        self.channels[1] * self.sides[0] * self.sides[1]
    }

    /// Whether an image is its own space.
    pub(super) fn is_image(&self) -> bool {
        self.sides == self.image && self.channels[0] == self.channels[1]
    }

    /// Rows and columns of an image that there is room for; the others are under no tile.
    fn room(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.image[axis].min(self.sides[axis] - self.offset[axis]))
    }

    /// Brings images into the space, zeros around them.
    #[inline(always)]
    pub(super) fn enter(&self, images: &[f32], space: &mut [f32]) {
        let ([rows, columns], [channels, filled]) = (self.room(), self.channels);
        if channels < filled {
            space.fill(0.0);
        }
        let (line, start) = (self.sides[1] * filled, self.offset[1] * filled);
        for (image, space) in images.chunks_exact(self.image_len()).zip(space.chunks_exact_mut(self.len())) {
            let inside = self.offset[0]..self.offset[0] + rows;
            for (row, to) in space.chunks_exact_mut(line).enumerate() {
                if !inside.contains(&row) {
                    to.fill(0.0);
                    continue;
                }
                let from = &image[(row - inside.start) * self.image[1] * channels..];
                if channels == filled {
                    to[..start].fill(0.0);
                    copy(&mut to[start..start + columns * channels], &from[..columns * channels]);
                    to[start + columns * channels..].fill(0.0);
                    continue;
                }
                for column in 0..columns {
                    let to = &mut to[start + column * filled..][..channels];
                    copy(to, &from[column * channels..][..channels]);
                }
            }
        }
    }

    /// Brings images out of the space.
    #[inline(always)]
    pub(super) fn leave<S: Simd>(&self, simd: S, space: &[f32], images: &mut [f32], update: Update) {
        let ([rows, columns], [channels, filled]) = (self.room(), self.channels);
        for (image, space) in images.chunks_exact_mut(self.image_len()).zip(space.chunks_exact(self.len())) {
            for row in 0..rows {
                for column in 0..columns {
                    let to = &mut image[(row * self.image[1] + column) * channels..][..channels];
                    let from = &space[(row * self.sides[1] + column) * filled..][..channels];
                    match update {
                        Update::Replace => copy(to, from),
                        Update::Add => add(simd, to, from),
                    }
                }
            }
        }
    }
}
