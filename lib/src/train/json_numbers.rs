//! Numbers in JSON that come back bit for bit, those that are not finite among them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number as JSON writes it: the shortest text that reads back as the same, and a string (`"inf"`, `"-inf"`, `"NaN"`)
/// where JSON has no number.
pub(super) fn written(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { format!("\"{value}\"") }
}

/// A number that [`written`] wrote. It goes over a `Value`, as with the feature `arbitrary_precision`, which a program
/// may turn on, numbers come to a visitor as maps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                "NaN" => Some(f64::NAN),
                _ => None,
            },
            _ => None,
        };
        let wanted = "a number, \"inf\", \"-inf\" or \"NaN\"";
        number
            .map(Number)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} in the place of {wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn every_number_comes_back_bit_for_bit() {
        let mut rng = Seed(3).rng();
        let any = (0..20_000).map(|_| f64::from_bits(rng.next_u64())).filter(|value| !value.is_nan());
        let small =
            [0.0, -0.0, 1.0, 5e-324, 2.2250738585072014e-308, f64::MAX, f64::INFINITY, -f64::INFINITY];
        for value in any.chain(small).collect::<Vec<_>>() {
            let text = written(value);
            let Number(back) = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<Number>(&written(f64::NAN)).unwrap().0.is_nan());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["\"one\"", "null", "true", "[1]", "{\"a\": 1}", "1e999"] {
            assert!(serde_json::from_str::<Number>(text).is_err(), "{text}");
        }
    }
}
