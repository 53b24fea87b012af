//! Numbers for people: short, and never more digits than anyone reads.

/// A number with about four significant digits: `0.9833`, `1234`, `1.5e-7`, `NaN`, `-inf`.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        // Also turns -0 into 0.
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    let size = value.abs();
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", without_trailing_zeros(digits));
    }
    let whole_digits = size.log10().floor() as i32 + 1;
    let decimals = (4 - whole_digits).clamp(0, 6) as usize;
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// A fraction of one as a percentage with one decimal: `0.9833` is `98.3 %`.
#[must_use]
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.1} %", fraction * 100.0) } else { fraction.to_string() }
}

/// A count with its thousands set apart: `1234567` is `1,234,567`.
#[must_use]
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.98333, "0.9833"),
            (-12.3456, "-12.35"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.235e6"),
            (0.001, "0.001"),
            (0.000_15, "1.5e-4"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::MAX, "1.798e308"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn counts_and_percentages() {
        let counts = [0, 12, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!(percent(0.98333), "98.3 %");
        assert_eq!(percent(f64::NAN), "NaN");
    }
}
