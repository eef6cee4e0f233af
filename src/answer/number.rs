//! Numbers as people read them, the same in every format.

/// What stands for something that does not exist.
pub const ABSENT: &str = "–";

/// `value` with `digits` significant digits: a plain decimal from 10⁻⁴ up to 10⁷, `1.23e-5` beyond. The digits of an
/// integer part are never dropped. Not finite is [`ABSENT`].
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = digits.max(1);
    // Rounding first decides the exponent, so that 9.9996 with four digits is 10.00.
    let rounded = format!("{value:.*e}", digits - 1);
    let exponent = exponent_of(&rounded);
    if (-4..7).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0);
        return format!("{value:.*}", decimals as usize);
    }
    rounded
}

/// `value ± half` when the interval is symmetric to within a tenth, `value [low, high]` otherwise. The half-width gets
/// two significant digits and the value as many decimals.
pub fn with_interval(value: f64, low: f64, high: f64) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    let half = 0.5 * (high - low);
    // A width at the edge of a double is the rounding of equal values.
    if !half.is_finite() || half <= 1e-14 * value.abs() {
        return significant(value, super::table::DIGITS);
    }
    let digits = digits_to(value.abs().max(low.abs()).max(high.abs()), half);
    if ((value - low) - (high - value)).abs() > 0.2 * half {
        return format!(
            "{} [{}, {}]",
            significant_to(value, half),
            significant_to(low, half),
            significant_to(high, half)
        );
    }
    match scale(value, half) {
        Scale::Plain(decimals) => format!("{value:.decimals$} ± {half:.decimals$}"),
        Scale::Scientific => format!("{} ± {}", significant(value, digits), significant(half, 2)),
    }
}

/// A fraction as a percentage with a sign, such as `+1.3 %`.
pub fn percent(fraction: f64) -> String {
    if !fraction.is_finite() {
        return ABSENT.to_owned();
    }
    let percent = 100.0 * fraction;
    let decimals = if percent.abs() < 9.95 { 2 } else { 1 };
    let shown = format!("{percent:+.decimals$}");
    if shown.trim_start_matches(['+', '-']).chars().all(|c| c == '0' || c == '.') {
        "0 %".to_owned()
    } else {
        format!("{shown} %")
    }
}

/// Mantissa and exponent of a number written by [`significant`] in scientific form; `None` of plain decimals.
pub fn scientific_parts(shown: &str) -> Option<(&str, i32)> {
    let (mantissa, exponent) = shown.split_once('e')?;
    mantissa.parse::<f64>().ok()?;
    Some((mantissa, exponent.parse().ok()?))
}

enum Scale {
    Plain(usize),
    Scientific,
}

/// Whether value and half-width can stand as plain decimals, with how many decimals.
fn scale(value: f64, half: f64) -> Scale {
    let width = rounded_exponent(half, 2);
    let size = if value == 0.0 { width } else { rounded_exponent(value, 1).max(width) };
    // Ten decimals at most: beyond, counting zeros is harder than reading an exponent.
    if (-4..7).contains(&size) && width >= -9 {
        return Scale::Plain((1 - width).max(0) as usize);
    }
    Scale::Scientific
}

/// `value` with the last digit where the second digit of `half` stands.
fn significant_to(value: f64, half: f64) -> String {
    match scale(value, half) {
        Scale::Plain(decimals) => format!("{value:.decimals$}"),
        Scale::Scientific => significant(value, digits_to(value.abs(), half)),
    }
}

/// Significant digits of `value` down to the second digit of `half`.
fn digits_to(value: f64, half: f64) -> usize {
    if value == 0.0 {
        return 2;
    }
    (rounded_exponent(value, 2) - rounded_exponent(half, 2) + 2).clamp(2, 17) as usize
}

fn rounded_exponent(value: f64, digits: usize) -> i32 {
    exponent_of(&format!("{value:.*e}", digits - 1))
}

fn exponent_of(scientific: &str) -> i32 {
    scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        let cases = [
            (0.0, 4, "0"),
            (-0.0, 4, "0"),
            (1.0, 4, "1.000"),
            (9.9996, 4, "10.00"),
            (0.092, 4, "0.09200"),
            (123.456, 4, "123.5"),
            (123_456.7, 4, "123457"),
            (9_999_999.6, 4, "1.000e7"),
            (1.5e7, 3, "1.50e7"),
            (1e-4, 2, "0.00010"),
            (0.000_099_99, 2, "0.00010"),
            (1.234e-5, 3, "1.23e-5"),
            (-2.525, 3, "-2.52"),
            (f64::NAN, 3, "–"),
            (f64::INFINITY, 3, "–"),
        ];
        for (value, digits, shown) in cases {
            assert_eq!(significant(value, digits), shown, "{value} {digits}");
        }
    }

    #[test]
    fn intervals() {
        let cases = [
            ((12.3456, 12.2222, 12.469), "12.35 ± 0.12"),
            ((0.0123, 0.0121, 0.0125), "0.01230 ± 0.00020"),
            ((1234.0, 1200.0, 1268.0), "1234 ± 34"),
            ((0.02, 0.001, 0.08), "0.020 [0.001, 0.080]"),
            ((1.5e-6, 1.4e-6, 1.6e-6), "1.50e-6 ± 1.0e-7"),
            ((0.001, 0.000_99, 0.001_01), "0.001000 ± 0.000010"),
            ((0.0, -0.5, 0.5), "0.00 ± 0.50"),
            ((1e-9, -0.5, 0.5), "0.00 ± 0.50"),
            ((3.0, 3.0 - 1e-12, 3.0 + 1e-12), "3.0000000000000 ± 1.0e-12"),
            ((2.5e8, 2.4e8, 2.6e8), "2.50e8 ± 1.0e7"),
            ((0.0, 0.0, 0.0), "0"),
            ((2.5, 2.5, 2.5), "2.500"),
            ((f64::NAN, 1.0, 2.0), "–"),
            ((3.0, f64::NEG_INFINITY, f64::INFINITY), "3.000"),
        ];
        for ((value, low, high), shown) in cases {
            assert_eq!(with_interval(value, low, high), shown);
        }
    }

    #[test]
    fn percentages() {
        for (fraction, shown) in [
            (0.0132, "+1.32 %"),
            (-0.25, "-25.0 %"),
            (0.0, "0 %"),
            (-1e-9, "0 %"),
            (0.0999, "+10.0 %"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(percent(fraction), shown);
        }
    }
}
