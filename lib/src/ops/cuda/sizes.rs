use candle_core::cuda_backend::cudarc::driver::DeviceRepr;

use super::super::columns::Convolution;
use super::super::window::Window;

/// `struct Sizes` of `kernels/window.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Sizes {
    batch: i32,
    channels: i32,
    input: [i32; 2],
    out_channels: i32,
    output: [i32; 2],
    kernel: [i32; 2],
    stride: [i32; 2],
    top: i32,
    left: i32,
    dilation: [i32; 2],
}

// SAFETY: it is made of 32-bit integers alone, in the order in which the kernels name them.
unsafe impl DeviceRepr for Sizes {}

impl Sizes {
    /// Of a window that moves over `batch` images of `channels`.
    pub(super) fn of_window(
        window: &Window,
        [batch, channels]: [usize; 2],
        input: [usize; 2],
        output: [usize; 2],
    ) -> Sizes {
        let both = |sizes: [usize; 2]| sizes.map(|size| size as i32);
        let sliding = window.sliding;
        Sizes {
            batch: batch as i32,
            channels: channels as i32,
            input: both(input),
            out_channels: channels as i32,
            output: both(output),
            kernel: both(window.kernel),
            stride: both(sliding.stride),
            top: sliding.padding.top as i32,
            left: sliding.padding.left as i32,
            dilation: both(sliding.dilation),
        }
    }

    /// Of `batch` images of a convolution.
    pub(super) fn of_convolution(sizes: &Convolution, batch: usize) -> Sizes {
        let window = Sizes::of_window(&sizes.window, [batch, sizes.in_channels], sizes.input, sizes.output);
        Sizes { out_channels: sizes.out_channels as i32, ..window }
    }
}
