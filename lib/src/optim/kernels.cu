// One step of each element: the new weight and what is kept of it, as the rules' `update` has them.

extern "C" __global__ void sgd(const T* w, const T* g, T* to, int count, double lr, double decay) {
    FOR_VALUES(i, count) to[i] = w[i] - T(lr) * (g[i] + T(decay) * w[i]);
}

extern "C" __global__ void sgd_momentum(
    const T* w, const T* g, const T* velocity, T* to, T* to_velocity, int count,
    double lr, double decay, double kept, double added, double ahead, double direct) {
    FOR_VALUES(i, count) {
        T d = g[i] + T(decay) * w[i];
        T v = T(kept) * velocity[i] + T(added) * d;
        to_velocity[i] = v;
        to[i] = w[i] - T(lr) * (T(direct) * d + T(ahead) * v);
    }
}

extern "C" __global__ void adam(
    const T* w, const T* g, const T* mean, const T* square, T* to, T* to_mean, T* to_square, int count,
    double new1, double beta2, double new2, double shrink, double decay, double size, double correction2, double eps) {
    FOR_VALUES(i, count) {
        T d = g[i] + T(decay) * w[i];
        T m = mean[i] + T(new1) * (d - mean[i]);
        T v = T(beta2) * square[i] + T(new2) * d * d;
        to_mean[i] = m;
        to_square[i] = v;
        to[i] = T(shrink) * w[i] - T(size) * m / (sqrt(v) / T(correction2) + T(eps));
    }
}

extern "C" __global__ void amsgrad(
    const T* w, const T* g, const T* mean, const T* square, const T* largest,
    T* to, T* to_mean, T* to_square, T* to_largest, int count,
    double new1, double beta2, double new2, double shrink, double decay, double size, double correction2, double eps) {
    FOR_VALUES(i, count) {
        T d = g[i] + T(decay) * w[i];
        T m = mean[i] + T(new1) * (d - mean[i]);
        T v = T(beta2) * square[i] + T(new2) * d * d;
        T top = v > largest[i] ? v : largest[i];
        to_mean[i] = m;
        to_square[i] = v;
        to_largest[i] = top;
        to[i] = T(shrink) * w[i] - T(size) * m / (sqrt(top) / T(correction2) + T(eps));
    }
}

extern "C" __global__ void adagrad(
    const T* w, const T* g, const T* sum, T* to, T* to_sum, int count, double lr, double decay, double eps) {
    FOR_VALUES(i, count) {
        T d = g[i] + T(decay) * w[i];
        T s = sum[i] + d * d;
        to_sum[i] = s;
        to[i] = w[i] - T(lr) * d / (sqrt(s) + T(eps));
    }
}
