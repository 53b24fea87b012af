// What all kernels of sliding windows share. T is float or double; what includes this has said which.

// Sizes of images, of what comes out, and of the window between them: pixels, height first.
struct Sizes {
    int batch, channels, height, width;
    int out_channels, out_height, out_width;
    int kernel_height, kernel_width;
    int stride_y, stride_x, top, left, dilation_y, dilation_x;
};

// The pixel under a tap of a window, or -1 on padding.
__device__ inline int under(int position, int tap, int stride, int padding, int dilation, int size) {
    int pixel = position * stride + tap * dilation - padding;
    return pixel >= 0 && pixel < size ? pixel : -1;
}

// The window whose tap lies on a pixel, or -1 if there is none.
__device__ inline int over(int pixel, int tap, int stride, int padding, int dilation, int outputs) {
    int start = pixel + padding - tap * dilation;
    if (start < 0 || start % stride != 0) return -1;
    int position = start / stride;
    return position < outputs ? position : -1;
}

// A block's rows lie beside each other in threadIdx.y, the values of a row in threadIdx.x. A row's values may be dealt
// out to several blocks, in blockIdx.y.
#define FOR_ROWS(row, rows) \
    for (unsigned row = blockIdx.x * blockDim.y + threadIdx.y; row < (rows); row += gridDim.x * blockDim.y)
#define FOR_VALUES(value, values) \
    for (int value = blockIdx.y * blockDim.x + threadIdx.x; value < (values); value += gridDim.y * blockDim.x)
