//! The format of the Azure LLM inference traces: CSV with `TIMESTAMP,ContextTokens,GeneratedTokens`, the first a date such as
//! `2023-11-16 18:15:46.6805900`. A `T` between date and time and a zone (`Z`, `+00:00`) are understood; without a zone all
//! rows are taken to be in the same one. The first arrival becomes time zero.
//! Reference: Patel et al., "Splitwise: efficient generative LLM inference using phase splitting", ISCA 2024.

use super::collector::Clock;
use super::columns::Columns;
use crate::scenario::time::{ATTOS_PER_SECOND, Time};

pub(super) const COLUMNS: Columns = Columns {
    names: ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
    parse_time: parse_date,
    time_shape: "a date such as `2023-11-16 18:15:46.6805900`",
    clock: Clock::Absolute,
    classes: None,
};

/// Days from 0000-03-01 to 2000-01-01, the origin of dates inside this file.
const DAYS_TO_2000: i128 = 730_425;

/// Seconds since 2000 of a date, exact to the last digit.
fn parse_date(text: &str) -> Option<Time> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset_s) = split_zone(clock.trim())?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, parts.next()?);
    if hour > 23 || minute > 59 || !second.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let second = Time::parse_seconds(second).filter(|second| second.0 < 60 * ATTOS_PER_SECOND)?;
    let days = days_before(year, month, day) - DAYS_TO_2000;
    let whole = days * 86_400 + hour * 3_600 + minute * 60 - offset_s;
    Some(Time(whole * ATTOS_PER_SECOND + second.0))
}

/// The time of day and the seconds it is ahead of UTC.
fn split_zone(clock: &str) -> Option<(&str, i128)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(place) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let (hours, minutes) = clock[place + 1..].split_once(':')?;
    let ahead = digits(hours, 2)? * 3_600 + digits(minutes, 2)? * 60;
    Some((&clock[..place], if clock[place..].starts_with('-') { -ahead } else { ahead }))
}

fn digits(text: &str, count: usize) -> Option<i128> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i128, month: i128) -> i128 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 0000-03-01 in the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_exact() {
        let second = ATTOS_PER_SECOND;
        let cases = [
            ("2000-01-01 00:00:00", 0),
            ("2000-03-01 00:00:00", 60 * 86_400 * second),
            ("2001-01-01T00:00:01Z", (366 * 86_400 + 1) * second),
            ("2000-01-01 00:00:00.0000001", second / 10_000_000),
            ("2000-01-01 01:30:00+01:30", 0),
            ("1999-12-31 23:00:00.000000-01:00", 0),
        ];
        for (text, attos) in cases {
            assert_eq!(parse_date(text), Some(Time(attos)), "{text}");
        }
        // 2023-11-16 18:15:46 is 1 700 158 546 s after 1970, which is 946 684 800 s before 2000.
        assert_eq!(parse_date("2023-11-16 18:15:46"), Some(Time((1_700_158_546 - 946_684_800) * second)));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let texts = [
            "",
            "2023-11-16",
            "2023-13-01 00:00:00",
            "2023-02-29 00:00:00",
            "2023-1-1 00:00:00",
            "2023-01-01 24:00:00",
            "2023-01-01 00:60:00",
            "2023-01-01 00:00:60",
            "2023-01-01 00:00",
            "2023-01-01 00:00:1e1",
            "2023-01-01 00:00:00+1",
            "12.5",
        ];
        for text in texts {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
