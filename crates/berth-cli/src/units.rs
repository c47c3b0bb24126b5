//! Sizes and ages as docker writes them for people (github.com/docker/go-units).

use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes in decimal units with three digits: `7.8MB`, `1.24GB`, `0B`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut unit, mut scale) = (0, 1_u64);
    // What would be shown as 1000 of a unit is one of the next.
    while unit + 1 < UNITS.len() && u128::from(bytes) * 2 >= u128::from(scale) * 1999 {
        unit += 1;
        scale *= 1000;
    }
    let (whole, rest) = (bytes / scale, u128::from(bytes % scale) * 1000 / u128::from(scale));
    let decimals = match whole {
        100.. => 0,
        10..=99 => 1,
        _ => 2,
    };
    let exact = whole as f64 + rest as f64 / 1000.0;
    let text = if unit == 0 { bytes.to_string() } else { format!("{exact:.decimals$}") };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// Seconds in one rough word: `6 days`, `About an hour`.
pub(crate) fn age(seconds: u64) -> String {
    const HOUR: u64 = 3600;
    let hours = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago a time (RFC 3339) was; what cannot be read as one is `N/A`, as in images that say nothing.
pub(crate) fn since(time: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match seconds(time) {
        Some(then) => format!("{} ago", age(now.saturating_sub(then))),
        None => "N/A".to_owned(),
    }
}

/// A time as Go prints it: `2026-11-20 10:00:00 +0000 UTC`.
pub(crate) fn printed(time: &str) -> String {
    match (seconds(time), time.get(..10), time.get(11..19)) {
        (Some(_), Some(day), Some(clock)) if time.ends_with('Z') => format!("{day} {clock} +0000 UTC"),
        _ => time.to_owned(),
    }
}

/// Seconds since 1970 of a time in RFC 3339, of whatever zone; earlier ones are 0.
pub(crate) fn seconds(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let mark = |place: usize| time.as_bytes().get(place).copied();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_whole = (mark(4), mark(7), mark(13)) == (Some(b'-'), Some(b'-'), Some(b':'));
    if !is_whole || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let zone =
        time.get(19..)?.trim_start_matches(|character: char| character == '.' || character.is_ascii_digit());
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if *sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        _ => return None,
    };
    // Days of the Gregorian calendar, counted in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok().or(Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.23kB"),
            (7_049_688, "7.05MB"),
            (12_000_000, "12MB"),
            (72_800_000, "72.8MB"),
            (133_000_000, "133MB"),
            (999_900, "1MB"),
            (1_240_000_000, "1.24GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ages_are_rough() {
        const HOUR: u64 = 3600;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (150, "2 minutes"),
            (3599, "59 minutes"),
            (HOUR, "About an hour"),
            (2 * HOUR, "2 hours"),
            (47 * HOUR, "47 hours"),
            (6 * 24 * HOUR, "6 days"),
            (14 * 24 * HOUR, "2 weeks"),
            (60 * 24 * HOUR, "2 months"),
            (730 * 24 * HOUR, "2 years"),
        ] {
            assert_eq!(age(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn times_of_every_zone() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00.000000000Z", Some(951_782_400)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000)),
            ("2023-11-14T17:43:20.5-04:30", Some(1_700_000_000)),
            ("1969-12-31T00:00:00Z", Some(0)),
            ("0001-01-01T00:00:00Z", Some(0)),
            ("", None),
            ("yesterday", None),
            ("2023-13-14T23:13:20Z", None),
            ("2023-11-14T23:13:20", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
        assert_eq!(printed("2026-11-20T10:00:00.123Z"), "2026-11-20 10:00:00 +0000 UTC");
        assert_eq!(since(""), "N/A");
    }
}
