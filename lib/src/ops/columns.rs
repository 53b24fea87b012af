use std::ops::Range;

use super::gemm::Matrix;
use super::host::Real;
use super::window::{Padding, Window};

/// The sizes of a convolution: what turns it into matrix products.
///
/// Written as a matrix, an image's *columns* hold, for every output position, the pixels under the
/// window: (C·KH·KW, OH·OW). The convolution is the weight (O, C·KH·KW) times that matrix (Chellapilla
/// et al. 2006). The columns are built for one [`Tile`] of positions at a time, so that they stay in
/// the cache and never take memory in proportion to the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// The channels are cut into so many groups, in and out, that do not see each other.
    pub(crate) groups: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) window: Window,
}

/// Some output positions: whole images, or a few rows of a single one.
#[derive(Debug, Clone)]
pub(super) struct Tile {
    pub(super) images: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// Column values of a tile that stay in a core's cache.
const TILE_VALUES: usize = 1 << 18;
/// Positions a matrix product needs to be worth its packing.
const TILE_POSITIONS: usize = 256;

impl Convolution {
    /// Pixels under a window in one group of channels: the rows of the columns matrix.
    pub(crate) fn depth(&self) -> usize {
        self.in_channels / self.groups * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Output channels of a group.
    pub(super) fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// The rows of the columns that belong to a group.
    pub(super) fn group_depths(&self, group: usize) -> Range<usize> {
        group * self.depth()..(group + 1) * self.depth()
    }

    /// Output positions of all images.
    pub(crate) fn all_positions(&self) -> usize {
        self.batch * self.positions()
    }

    /// Output positions of an image.
    pub(super) fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of one input image.
    pub(super) fn image_len(&self) -> usize {
        self.in_channels * self.input[0] * self.input[1]
    }

    /// Values of one output image.
    pub(super) fn output_len(&self) -> usize {
        self.out_channels * self.positions()
    }

    fn tile_positions(&self) -> usize {
        (TILE_VALUES / self.depth().max(1)).max(TILE_POSITIONS)
    }

    /// Images that one thread works on at a time. It depends on sizes only, never on the threads
    /// there are, so that the same sums are taken everywhere.
    pub(super) fn group(&self) -> usize {
        let positions = self.positions().max(1);
        let most = (self.tile_positions() / positions).max(1);
        let least = TILE_POSITIONS.div_ceil(positions).min(most);
        (self.batch / 8).clamp(least, most)
    }

    /// The tiles of `images`, which are at most one group.
    pub(super) fn tiles(&self, images: Range<usize>) -> impl Iterator<Item = Tile> + use<> {
        let [height, width] = self.output;
        let step = if images.len() > 1 { height } else { (self.tile_positions() / width.max(1)).max(1) };
        (0..height)
            .step_by(step.max(1))
            .map(move |row| Tile { images: images.clone(), rows: row..(row + step).min(height) })
    }

    /// Output positions of a tile.
    pub(super) fn tile_len(&self, tile: &Tile) -> usize {
        tile.images.len() * tile.rows.len() * self.output[1]
    }

    /// Whether the columns are the image itself.
    pub(super) fn is_pointwise(&self) -> bool {
        let sliding = self.window.sliding;
        self.window.kernel == [1, 1] && sliding.stride == [1, 1] && sliding.padding == Padding::default()
    }

    /// Rows `depths` of the columns of a tile; `scratch` holds them if they must be built.
    pub(super) fn columns<'a, T: Real>(
        &self,
        x: &'a [T],
        tile: &Tile,
        depths: Range<usize>,
        scratch: &'a mut Vec<T>,
    ) -> Matrix<'a, T> {
        let positions = self.tile_len(tile);
        let (rows, columns) = (depths.len(), positions);
        if self.is_pointwise() && tile.images.len() == 1 {
            let start = tile.images.start * self.image_len()
                + depths.start * self.positions()
                + tile.rows.start * self.output[1];
            return Matrix { values: &x[start..], rows, columns, strides: [self.positions(), 1] };
        }
        scratch.resize((rows * columns).max(scratch.len()), T::zero());
        for (depth, line) in depths.zip(scratch.chunks_mut(columns.max(1))) {
            self.for_each_segment(tile, depth, |segment| {
                let line = &mut line[segment.row];
                line[..segment.inside.start].fill(T::zero());
                line[segment.inside.end..].fill(T::zero());
                let line = &mut line[segment.inside];
                if segment.stride == 1 {
                    line.copy_from_slice(&x[segment.pixel..][..line.len()]);
                } else {
                    let pixels = x[segment.pixel.min(x.len())..].iter().step_by(segment.stride);
                    line.iter_mut().zip(pixels).for_each(|(value, &pixel)| *value = pixel);
                }
            });
        }
        Matrix::packed(&scratch[..rows * columns], rows, columns)
    }

    /// Adds rows `depths` of a tile's columns to the pixels they stand for. `dx` holds the tile's images only.
    pub(super) fn add_columns<T: Real>(
        &self,
        columns: &[T],
        tile: &Tile,
        depths: Range<usize>,
        dx: &mut [T],
    ) {
        let shift = tile.images.start * self.image_len();
        for (depth, line) in depths.zip(columns.chunks(self.tile_len(tile).max(1))) {
            self.for_each_segment(tile, depth, |segment| {
                let line = &line[segment.row][segment.inside];
                if line.is_empty() {
                    return;
                }
                let pixels = &mut dx[segment.pixel - shift..];
                if segment.stride == 1 {
                    pixels.iter_mut().zip(line).for_each(|(pixel, &value)| *pixel += value);
                } else {
                    let pixels = pixels.iter_mut().step_by(segment.stride);
                    pixels.zip(line).for_each(|(pixel, &value)| *pixel += value);
                }
            });
        }
    }

    /// Walks over one row of the columns: for each row of the output the pixels it takes.
    fn for_each_segment(&self, tile: &Tile, depth: usize, mut visit: impl FnMut(Segment)) {
        let [kernel_height, kernel_width] = self.window.kernel;
        let channel = depth / (kernel_height * kernel_width);
        let tap = [depth / kernel_width % kernel_height, depth % kernel_width];
        let [height, width] = self.input;
        let columns = self.window.inside(1, tap[1], width, self.output[1]);
        let rows = self.window.inside(0, tap[0], height, self.output[0]);
        let mut start = 0;
        for image in tile.images.clone() {
            let plane = (image * self.in_channels + channel) * height * width;
            for row in tile.rows.clone() {
                let outside = !rows.contains(&row) || columns.is_empty();
                let (inside, pixel) = if outside {
                    (0..0, plane)
                } else {
                    let first = self.window.pixel(0, tap[0], row) * width;
                    (columns.clone(), plane + first + self.window.pixel(1, tap[1], columns.start))
                };
                let end = start + self.output[1];
                visit(Segment { row: start..end, inside, pixel, stride: self.window.sliding.stride[1] });
                start = end;
            }
        }
    }

    /// The part of (B, O, OH·OW) values that a tile covers, as (O, positions).
    pub(super) fn outputs<'a, T: Real>(
        &self,
        y: &'a [T],
        tile: &Tile,
        scratch: &'a mut Vec<T>,
    ) -> Matrix<'a, T> {
        let (rows, columns, positions) = (self.out_channels, self.tile_len(tile), self.positions());
        if tile.images.len() == 1 {
            let start = tile.images.start * self.output_len() + tile.rows.start * self.output[1];
            return Matrix { values: &y[start..], rows, columns, strides: [positions, 1] };
        }
        scratch.resize((rows * columns).max(scratch.len()), T::zero());
        let images = &y[tile.images.start * self.output_len()..tile.images.end * self.output_len()];
        for (image, values) in images.chunks(self.output_len().max(1)).enumerate() {
            for (channel, plane) in values.chunks(positions).enumerate() {
                scratch[channel * columns + image * positions..][..positions].copy_from_slice(plane);
            }
        }
        Matrix::packed(&scratch[..rows * columns], rows, columns)
    }
}

/// One output row's stretch of a line of columns.
struct Segment {
    /// Where in the line it lies.
    row: Range<usize>,
    /// The part of it that falls on pixels, counted from its start; the rest is padding.
    inside: Range<usize>,
    /// The first of these pixels.
    pixel: usize,
    /// Pixels from one to the next.
    stride: usize,
}
