// The largest pixel of each window, the first of equal ones; what is not a number is larger than any number.

extern "C" __global__ void max_pool2d(const T* x, T* y, unsigned* places, Sizes s) {
    int positions = s.out_height * s.out_width;
    FOR_ROWS(row, (unsigned)s.batch * s.channels) {
        const T* plane = x + (size_t)row * s.height * s.width;
        FOR_VALUES(position, positions) {
            int out_y = position / s.out_width, out_x = position - out_y * s.out_width;
            // A window that lies on padding alone is 0 and of no pixel.
            T best = 0;
            unsigned place = 0xffffffff;
            for (int tap_y = 0; tap_y < s.kernel_height; tap_y++) {
                int py = under(out_y, tap_y, s.stride_y, s.top, s.dilation_y, s.height);
                if (py < 0) continue;
                for (int tap_x = 0; tap_x < s.kernel_width; tap_x++) {
                    int px = under(out_x, tap_x, s.stride_x, s.left, s.dilation_x, s.width);
                    if (px < 0) continue;
                    T value = plane[py * s.width + px];
                    bool larger = value > best || (value != value && best == best);
                    if (place == 0xffffffff || larger) {
                        best = value;
                        place = py * s.width + px;
                    }
                }
            }
            y[(size_t)row * positions + position] = best;
            places[(size_t)row * positions + position] = place;
        }
    }
}

extern "C" __global__ void max_pool2d_input(const T* dy, const unsigned* places, T* dx, Sizes s) {
    int positions = s.out_height * s.out_width, pixels = s.height * s.width;
    FOR_ROWS(row, (unsigned)s.batch * s.channels) {
        const T* from = dy + (size_t)row * positions;
        const unsigned* place = places + (size_t)row * positions;
        FOR_VALUES(pixel, pixels) {
            int py = pixel / s.width, px = pixel - py * s.width;
            T sum = 0;
            for (int tap_y = 0; tap_y < s.kernel_height; tap_y++) {
                int out_y = over(py, tap_y, s.stride_y, s.top, s.dilation_y, s.out_height);
                if (out_y < 0) continue;
                for (int tap_x = 0; tap_x < s.kernel_width; tap_x++) {
                    int out_x = over(px, tap_x, s.stride_x, s.left, s.dilation_x, s.out_width);
                    if (out_x < 0) continue;
                    int position = out_y * s.out_width + out_x;
                    if (place[position] == (unsigned)pixel) sum += from[position];
                }
            }
            dx[(size_t)row * pixels + pixel] = sum;
        }
    }
}
