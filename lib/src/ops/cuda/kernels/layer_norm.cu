// Layer norm of rows (R, N). One block for each row; the parameters' gradients go down the columns.

extern "C" __global__ void normalize_rows(
    const T* x, const T* weight, const T* bias, T* y, T* mean, T* inverse, int rows, int values, double eps) {
    size_t start = (size_t)blockIdx.x * values;
    T sum = 0;
    FOR_VALUES(value, values) sum += x[start + value];
    T centre = block_sum(sum) / T(values);
    sum = 0;
    FOR_VALUES(value, values) {
        T distance = x[start + value] - centre;
        sum += distance * distance;
    }
    T scale = T(1) / sqrt(block_sum(sum) / T(values) + T(eps));
    FOR_VALUES(value, values) y[start + value] = (x[start + value] - centre) * scale * weight[value] + bias[value];
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = centre;
        inverse[blockIdx.x] = scale;
    }
}

// With g = dy weight: dx = (g - mean(g) - x^ mean(g x^)) / std.
extern "C" __global__ void rows_input(
    const T* x, const T* mean, const T* inverse, const T* weight, const T* dy, T* dx, int rows, int values) {
    size_t start = (size_t)blockIdx.x * values;
    T centre = mean[blockIdx.x], scale = inverse[blockIdx.x], sum = 0, products = 0;
    FOR_VALUES(value, values) {
        T g = dy[start + value] * weight[value];
        sum += g;
        products += g * (x[start + value] - centre);
    }
    T shift = block_sum(sum) / T(values);
    T slope = block_sum(products) * scale * scale / T(values);
    FOR_VALUES(value, values) {
        T g = dy[start + value] * weight[value];
        dx[start + value] = (g - shift - (x[start + value] - centre) * slope) * scale;
    }
}

// A block of 32 columns by 32 rows, which walks down all rows.
extern "C" __global__ void rows_parameters(
    const T* x, const T* mean, const T* inverse, const T* dy, T* dw, T* db, int rows, int values) {
    __shared__ T products[32][33], sums[32][33];
    int column = blockIdx.x * 32 + threadIdx.x;
    T product = 0, sum = 0;
    if (column < values)
        for (int row = threadIdx.y; row < rows; row += 32) {
            size_t at = (size_t)row * values + column;
            T d = dy[at];
            sum += d;
            product += d * (x[at] - mean[row]) * inverse[row];
        }
    products[threadIdx.y][threadIdx.x] = product;
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    product = warp_sum(products[threadIdx.x][threadIdx.y]);
    sum = warp_sum(sums[threadIdx.x][threadIdx.y]);
    column = blockIdx.x * 32 + threadIdx.y;
    if (threadIdx.x == 0 && column < values) {
        dw[column] = product;
        db[column] = sum;
    }
}
