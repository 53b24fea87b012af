// The columns of a convolution: under each window its pixels, (C K, P) for each image, or with all images
// beside each other (C K, B P).

__device__ inline size_t column(const Sizes& s, int depth, int image, int depths, int positions, int together) {
    return together ? ((size_t)depth * s.batch + image) * positions : ((size_t)image * depths + depth) * positions;
}

extern "C" __global__ void unfold(const T* x, T* columns, Sizes s, int together) {
    int taps = s.kernel_height * s.kernel_width, depths = s.channels * taps;
    int positions = s.out_height * s.out_width;
    FOR_ROWS(row, (unsigned)depths * s.batch) {
        int image = together ? row % s.batch : row / depths;
        int depth = together ? row / s.batch : row % depths;
        int channel = depth / taps, tap = depth % taps;
        int tap_y = tap / s.kernel_width, tap_x = tap % s.kernel_width;
        const T* plane = x + ((size_t)image * s.channels + channel) * s.height * s.width;
        T* to = columns + column(s, depth, image, depths, positions, together);
        FOR_VALUES(position, positions) {
            int out_y = position / s.out_width, out_x = position - out_y * s.out_width;
            int y = under(out_y, tap_y, s.stride_y, s.top, s.dilation_y, s.height);
            int x = under(out_x, tap_x, s.stride_x, s.left, s.dilation_x, s.width);
            to[position] = y >= 0 && x >= 0 ? plane[y * s.width + x] : T(0);
        }
    }
}

// Each pixel gets the sum of what stands for it in the columns.
extern "C" __global__ void fold(const T* columns, T* x, Sizes s, int together) {
    int taps = s.kernel_height * s.kernel_width, depths = s.channels * taps;
    int positions = s.out_height * s.out_width, pixels = s.height * s.width;
    FOR_ROWS(row, (unsigned)s.batch * s.channels) {
        int image = row / s.channels, channel = row % s.channels;
        FOR_VALUES(pixel, pixels) {
            int py = pixel / s.width, px = pixel - py * s.width;
            T sum = 0;
            for (int tap_y = 0; tap_y < s.kernel_height; tap_y++) {
                int out_y = over(py, tap_y, s.stride_y, s.top, s.dilation_y, s.out_height);
                if (out_y < 0) continue;
                for (int tap_x = 0; tap_x < s.kernel_width; tap_x++) {
                    int out_x = over(px, tap_x, s.stride_x, s.left, s.dilation_x, s.out_width);
                    if (out_x < 0) continue;
                    int depth = channel * taps + tap_y * s.kernel_width + tap_x;
                    sum += columns[column(s, depth, image, depths, positions, together) + out_y * s.out_width + out_x];
                }
            }
            x[(size_t)row * pixels + pixel] = sum;
        }
    }
}
