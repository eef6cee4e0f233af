//! The exact clock: whole attoseconds in an `i128`, so that decimal inputs, ties and sums have one value.

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// Attoseconds in one second.
pub const ATTOS_PER_SECOND: i128 = 1_000_000_000_000_000_000;

/// A time or a duration in attoseconds. Good for 5 · 10¹² years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub i128);

impl Time {
    /// Time zero.
    pub const ZERO: Self = Self(0);
    /// Later than everything that happens.
    pub const NEVER: Self = Self(i128::MAX / 4);

    /// The time of a decimal number of seconds, exactly: `0.092` is 92 · 10¹⁵ attoseconds, not the nearest double.
    /// Digits beyond the 18th after the point are rounded half up. `None` unless `text` is a plain decimal number, with or
    /// without exponent, of at most 10¹⁸ seconds.
    pub fn parse_seconds(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(place) => (&text[..place], text[place + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value = scale_decimal(whole, fraction, exponent.checked_add(18)?)?;
        Some(Self(if negative { -value } else { value }))
    }

    /// The time of a decimal number held in a double, taken as the shortest decimal that names it; for inputs.
    pub fn from_decimal(seconds: f64) -> Self {
        Self::parse_seconds(&format!("{seconds:e}")).unwrap_or(Self::NEVER)
    }

    /// The nearest attosecond to a double; for random draws.
    #[inline]
    pub fn from_seconds(seconds: f64) -> Self {
        let attos = seconds * 1e18;
        if attos.abs() < 9e18 {
            return Self(i128::from(attos as i64));
        }
        Self(attos as i128)
    }

    /// Attoseconds as the nearest double.
    #[inline]
    pub fn attos(self) -> f64 {
        // One instruction converts a word; the call for two is kept out of the way.
        let word = self.0 as i64;
        if i128::from(word) == self.0 { word as f64 } else { self.attos_of_two_words() }
    }

    #[cold]
    #[inline(never)]
    fn attos_of_two_words(self) -> f64 {
        self.0 as f64
    }

    /// Seconds as the shortest plain decimal number that [`Time::parse_seconds`] reads back exactly.
    pub fn to_decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let attos = self.0.unsigned_abs();
        let second = ATTOS_PER_SECOND.unsigned_abs();
        let text = format!("{sign}{}.{:018}", attos / second, attos % second);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Seconds as a double.
    pub fn seconds(self) -> f64 {
        // Two exact halves keep the division correctly rounded to a few ulp even above 2^53 attoseconds.
        let whole = self.0 / ATTOS_PER_SECOND;
        let rest = self.0 % ATTOS_PER_SECOND;
        whole as f64 + rest as f64 * 1e-18
    }
}

/// The integer nearest to `whole.fraction · 10^exponent`.
fn scale_decimal(whole: &str, fraction: &str, exponent: i32) -> Option<i128> {
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let keep = whole.len() as i64 + i64::from(exponent);
    let mut value: i128 = 0;
    for place in 0..keep.max(0) {
        let digit = digits.get(place as usize).copied().unwrap_or(0);
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        if place >= digits.len() as i64 && value == 0 {
            return Some(0);
        }
    }
    if keep >= 0 && digits.get(keep as usize).is_some_and(|&digit| digit >= 5) {
        value += 1;
    }
    (value <= ATTOS_PER_SECOND.checked_mul(ATTOS_PER_SECOND)?).then_some(value)
}

impl Add for Time {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Time {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let cases = [
            ("0.092", 92_000_000_000_000_000),
            ("1", ATTOS_PER_SECOND),
            ("-2.5", -2_500_000_000_000_000_000),
            ("5e-8", 50_000_000_000),
            ("1.5E3", 1500 * ATTOS_PER_SECOND),
            ("0.0000000000000000015", 2),
            (".5", 500_000_000_000_000_000),
        ];
        for (text, attos) in cases {
            assert_eq!(Time::parse_seconds(text), Some(Time(attos)), "{text}");
        }
        for text in ["", "-", ".", "1,5", "nan", "inf", "0x1", "1e", "1e40", "--1"] {
            assert_eq!(Time::parse_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_taken_as_the_decimal_that_was_written() {
        assert_eq!(Time::from_decimal(0.092), Time(92_000_000_000_000_000));
        assert_eq!(Time::from_decimal(1.75e-4), Time(175_000_000_000_000));
        assert_eq!(Time::from_decimal(0.0), Time(0));
    }

    #[test]
    fn decimals_come_back() {
        for text in ["0", "-2.5", "10", "0.000000000000000001", "1700158546.68059"] {
            assert_eq!(Time::parse_seconds(text).unwrap().to_decimal(), text);
        }
    }

    #[test]
    fn seconds_come_back() {
        assert_eq!(Time::from_decimal(791.3024).seconds(), 791.3024);
        assert_eq!(Time::from_seconds(0.25), Time(ATTOS_PER_SECOND / 4));
    }
}
