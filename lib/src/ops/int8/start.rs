use crate::ops::operands::{shape_error, shape_text};
use crate::{Error, Result};

/// What the sum of each output begins with: its bias, and what the zero point adds to all products, taken away:
/// `Σ (x - zero_point) · w = Σ x · w - zero_point · Σ w`. `weight` is (outputs, depth).
///
/// No sum may leave 32 bits, whatever the input.
pub(super) fn start_of_sums(
    op: &str,
    weight: &[i8],
    [outputs, depth]: [usize; 2],
    bias: &[i32],
    zero_point: u8,
) -> Result<Vec<i32>> {
    if outputs.checked_mul(depth) != Some(weight.len()) || depth == 0 {
        let expected = format!("a weight {}, at least one value each", shape_text(&[outputs, depth]));
        return Err(shape_error(op, expected, &[weight.len()], ""));
    }
    if !bias.is_empty() && bias.len() != outputs {
        return Err(shape_error(op, format!("a bias ({outputs}), or none"), &[bias.len()], ""));
    }
    if weight.contains(&i8::MIN) {
        return Err(Error::Argument {
            op: op.into(),
            expected: "weights of -127..=127".into(),
            got: i8::MIN.to_string(),
            hint: "Divide them by the scale for which the largest becomes 127.".into(),
        });
    }
    let outputs = weight.chunks(depth).enumerate().map(|(output, weights)| {
        let [mut positive, mut negative] = [0_i64; 2];
        for &weight in weights {
            *(if weight > 0 { &mut positive } else { &mut negative }) += i64::from(weight);
        }
        let bias = bias.get(output).map_or(0, |&bias| i64::from(bias));
        let start = bias - i64::from(zero_point) * (positive + negative);
        let (lowest, highest) = (start + 255 * negative, start + 255 * positive);
        if lowest < i64::from(i32::MIN) || highest > i64::from(i32::MAX) {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("sums that stay in 32 bits, over a depth of {depth}"),
                got: format!("{lowest}..={highest} for output {output}"),
                hint: "Leave this layer in float, or cut its input channels into parts.".into(),
            });
        }
        // Between the lowest and the highest sum, as the steps 0 and zero_point are possible.
        Ok(start as i32)
    });
    outputs.collect()
}
