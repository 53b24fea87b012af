//! Weights for convolutions that TensorFlow has no operator of its own for.

use crate::export::nhwc::permuted;

/// How the numbers of one weight make another.
pub(super) enum Arrangement {
    /// Part number `group` of a weight whose equal parts have these lengths, (O, KH, KW, C), as (KH, KW, C, O).
    Group { group: usize, lengths: Vec<usize> },
    /// (KH, KW, C·M), each channel M times by itself, as (KH, KW, C, C·M), where the others have 0.
    All { channels: usize, outputs: usize },
}

impl Arrangement {
    pub(super) fn numbers<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        match self {
            Arrangement::Group { group, lengths } => {
                let size: usize = lengths.iter().product();
                permuted(&values[group * size..][..size], lengths, &[1, 2, 3, 0])
            }
            &Arrangement::All { channels, outputs } => {
                let mut all = vec![T::default(); values.len() * channels];
                for (place, &value) in values.iter().enumerate() {
                    let (tap, output) = (place / outputs, place % outputs);
                    all[(tap * channels + output * channels / outputs) * outputs + output] = value;
                }
                all
            }
        }
    }

    /// Those of the scales of the outputs that are still there.
    pub(super) fn scales<'a>(&self, scales: &'a [f32]) -> &'a [f32] {
        match self {
            Arrangement::Group { group, lengths } => &scales[group * lengths[0]..][..lengths[0]],
            Arrangement::All { .. } => scales,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_own_outputs_and_scales() {
        // (4, 1, 1, 2) in two parts.
        let second = Arrangement::Group { group: 1, lengths: vec![2, 1, 1, 2] };
        assert_eq!(second.numbers(&[0_i8, 1, 2, 3, 4, 5, 6, 7]), [4, 6, 5, 7]);
        assert_eq!(second.scales(&[0.1, 0.2, 0.3, 0.4]), [0.3, 0.4]);
    }

    #[test]
    fn channels_by_themselves_are_zeros_elsewhere() {
        // Two channels, each twice: outputs 0 and 1 of the first, 2 and 3 of the second.
        let all = Arrangement::All { channels: 2, outputs: 4 };
        assert_eq!(all.numbers(&[1.0_f32, 2.0, 3.0, 4.0]), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
    }
}
