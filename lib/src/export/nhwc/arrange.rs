//! Numbers whose dimensions come in another order.

/// `data` of shape `dims`, row by row, as its dimensions `order` lie one in the other.
pub(crate) fn permuted<T: Copy>(data: &[T], dims: &[usize], order: &[usize]) -> Vec<T> {
    if order.is_sorted() {
        return data.to_vec();
    }
    let mut strides = vec![1; dims.len()];
    for dim in (1..dims.len()).rev() {
        strides[dim - 1] = strides[dim] * dims[dim];
    }
    let lengths: Vec<usize> = order.iter().map(|&dim| dims[dim]).collect();
    let strides: Vec<usize> = order.iter().map(|&dim| strides[dim]).collect();
    let (mut index, mut at) = (vec![0; order.len()], 0);
    let mut out = Vec::with_capacity(data.len());
    for _ in 0..data.len() {
        out.push(data[at]);
        for dim in (0..order.len()).rev() {
            index[dim] += 1;
            at += strides[dim];
            if index[dim] < lengths[dim] {
                break;
            }
            at -= strides[dim] * lengths[dim];
            index[dim] = 0;
        }
    }
    out
}

/// Whether this order leaves the numbers where they are: dimensions of length 1 may lie anywhere.
pub(super) fn moves_nothing(dims: &[usize], order: &[usize]) -> bool {
    let long: Vec<usize> = order.iter().copied().filter(|&dim| dims[dim] != 1).collect();
    long.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_change_places() {
        let data: Vec<usize> = (0..24).collect();
        assert_eq!(permuted(&data, &[2, 3, 4], &[0, 1, 2]), data);
        let turned = permuted(&data, &[2, 3, 4], &[2, 0, 1]);
        for (a, b, c) in [(0, 0, 0), (1, 2, 3), (1, 0, 2)] {
            assert_eq!(turned[(c * 2 + a) * 3 + b], data[(a * 3 + b) * 4 + c]);
        }
        assert!(moves_nothing(&[1, 3, 1], &[1, 2, 0]));
        assert!(!moves_nothing(&[2, 3, 1], &[1, 2, 0]));
    }
}
