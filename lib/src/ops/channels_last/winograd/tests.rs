use super::*;
use crate::ops::window::{Rounding, Sliding, Window};

#[test]
fn what_it_cannot_do_or_does_not_pay_is_left_to_others() {
    let window = Window {
        kernel: [3, 3],
        sliding: Sliding { padding: 1.into(), ..Sliding::default() },
        rounding: Rounding::Floor,
    };
    let good = Convolution {
        batch: 32,
        in_channels: 64,
        out_channels: 64,
        groups: 1,
        input: [32, 32],
        output: [32, 32],
        window,
    };
    let side = |convolution| Winograd::of(&convolution).map(|winograd| winograd.side);
    assert_eq!(side(good), Some(4));
    for input in [[4, 4], [9, 32]] {
        assert_eq!(side(Convolution { input, output: input, ..good }), Some(2));
    }
    let strided = Window { sliding: Sliding { stride: [2, 2], ..window.sliding }, ..window };
    let wide = Window { sliding: Sliding { padding: 3.into(), ..window.sliding }, ..window };
    for other in [
        Convolution { batch: 1, ..good },
        Convolution { in_channels: 3, ..good },
        Convolution { groups: 2, ..good },
        Convolution { input: [2, 2], output: [2, 2], ..good },
        Convolution { in_channels: 32, input: [4, 4], output: [4, 4], ..good },
        Convolution { input: [5, 32], output: [5, 32], ..good },
        Convolution { output: [16, 16], window: strided, ..good },
        Convolution { output: [36, 36], window: wide, ..good },
        Convolution { window: Window { kernel: [5, 5], ..window }, output: [30, 30], ..good },
    ] {
        assert!(Winograd::of(&other).is_none(), "{other:?}");
    }
}
