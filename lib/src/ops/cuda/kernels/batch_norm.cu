// Batch norm of x (B, C, P). One block for the sums of each channel.

// Where the values of a channel lie, those of all images.
#define FOR_CHANNEL(at) \
    for (int i = threadIdx.x, at; \
         i < batch * values && (at = (i / values * channels + blockIdx.x) * values + i % values, true); \
         i += blockDim.x)

extern "C" __global__ void moments(const T* x, T* mean, T* variance, int batch, int channels, int values) {
    int channel = blockIdx.x;
    T count = T(batch) * T(values), sum = 0;
    FOR_CHANNEL(at) sum += x[at];
    T centre = block_sum(sum) / count;
    sum = 0;
    FOR_CHANNEL(at) {
        T distance = x[at] - centre;
        sum += distance * distance;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        mean[channel] = centre;
        variance[channel] = sum / count;
    }
}

extern "C" __global__ void normalize(
    const T* x, const T* mean, const T* inverse, const T* weight, const T* bias, T* y,
    int batch, int channels, int values) {
    FOR_ROWS(row, (unsigned)batch * channels) {
        int channel = row % channels;
        T centre = mean[channel], scale = inverse[channel] * weight[channel], shift = bias[channel];
        size_t start = (size_t)row * values;
        FOR_VALUES(value, values) y[start + value] = (x[start + value] - centre) * scale + shift;
    }
}

extern "C" __global__ void parameters(
    const T* x, const T* mean, const T* inverse, const T* dy, T* dw, T* db, int batch, int channels, int values) {
    int channel = blockIdx.x;
    T centre = mean[channel], products = 0, sum = 0;
    FOR_CHANNEL(at) {
        sum += dy[at];
        products += dy[at] * (x[at] - centre);
    }
    sum = block_sum(sum);
    products = block_sum(products);
    if (threadIdx.x == 0) {
        dw[channel] = products * inverse[channel];
        db[channel] = sum;
    }
}

// The statistics follow x: dx = (dy - mean(dy) - x^ mean(dy x^)) weight / std.
extern "C" __global__ void input(
    const T* x, const T* mean, const T* inverse, const T* weight, const T* dy, const T* dw, const T* db, T* dx,
    int batch, int channels, int values) {
    FOR_ROWS(row, (unsigned)batch * channels) {
        int channel = row % channels;
        T count = T(batch) * T(values), centre = mean[channel];
        T scale = inverse[channel] * weight[channel];
        T shift = db[channel] / count, slope = dw[channel] * inverse[channel] / count;
        size_t start = (size_t)row * values;
        FOR_VALUES(value, values) {
            size_t at = start + value;
            dx[at] = (dy[at] - shift - (x[at] - centre) * slope) * scale;
        }
    }
}
