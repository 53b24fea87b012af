// Convolutions whose groups have one channel: output channel o looks at channel o / (O / C) alone.

extern "C" __global__ void depthwise(const T* x, const T* weight, T* y, Sizes s) {
    int taps = s.kernel_height * s.kernel_width, positions = s.out_height * s.out_width;
    int each = s.out_channels / s.channels;
    FOR_ROWS(row, (unsigned)s.batch * s.out_channels) {
        int image = row / s.out_channels, out = row % s.out_channels;
        const T* plane = x + ((size_t)image * s.channels + out / each) * s.height * s.width;
        const T* taps_of = weight + out * taps;
        FOR_VALUES(position, positions) {
            int out_y = position / s.out_width, out_x = position - out_y * s.out_width;
            T sum = 0;
            for (int tap_y = 0; tap_y < s.kernel_height; tap_y++) {
                int py = under(out_y, tap_y, s.stride_y, s.top, s.dilation_y, s.height);
                if (py < 0) continue;
                for (int tap_x = 0; tap_x < s.kernel_width; tap_x++) {
                    int px = under(out_x, tap_x, s.stride_x, s.left, s.dilation_x, s.width);
                    if (px >= 0) sum += plane[py * s.width + px] * taps_of[tap_y * s.kernel_width + tap_x];
                }
            }
            y[(size_t)row * positions + position] = sum;
        }
    }
}

extern "C" __global__ void depthwise_input(const T* weight, const T* dy, T* dx, Sizes s) {
    int taps = s.kernel_height * s.kernel_width, positions = s.out_height * s.out_width;
    int pixels = s.height * s.width, each = s.out_channels / s.channels;
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
                    for (int out = channel * each; out < (channel + 1) * each; out++)
                        sum += weight[out * taps + tap_y * s.kernel_width + tap_x]
                            * dy[((size_t)image * s.out_channels + out) * positions + out_y * s.out_width + out_x];
                }
            }
            dx[(size_t)row * pixels + pixel] = sum;
        }
    }
}

// One block for each tap of each output channel.
extern "C" __global__ void depthwise_weight(const T* x, const T* dy, T* dw, Sizes s) {
    int taps = s.kernel_height * s.kernel_width, positions = s.out_height * s.out_width;
    int each = s.out_channels / s.channels;
    int out = blockIdx.x / taps, tap = blockIdx.x % taps;
    int tap_y = tap / s.kernel_width, tap_x = tap % s.kernel_width;
    T sum = 0;
    FOR_VALUES(i, s.batch * positions) {
        int image = i / positions, position = i - image * positions;
        int out_y = position / s.out_width, out_x = position - out_y * s.out_width;
        int py = under(out_y, tap_y, s.stride_y, s.top, s.dilation_y, s.height);
        int px = under(out_x, tap_x, s.stride_x, s.left, s.dilation_x, s.width);
        if (py < 0 || px < 0) continue;
        const T* plane = x + ((size_t)image * s.channels + out / each) * s.height * s.width;
        sum += plane[py * s.width + px] * dy[((size_t)image * s.out_channels + out) * positions + position];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) dw[blockIdx.x] = sum;
}
