//! Sizes and ages as docker writes them for people (github.com/docker/go-units), and times.

use std::time::{SystemTime, UNIX_EPOCH};

/// The moment that Go's programs write when they know none: the first of January of the year 1.
const NEVER: i64 = -62_135_596_800;

/// Bytes in decimal units with three digits: `7.8MB`, `1.24GB`, `0B`.
pub(crate) fn size(bytes: u64) -> String {
    with_digits(bytes, 3)
}

/// Bytes in decimal units with four digits, as docker tells what was freed.
pub(crate) fn freed(bytes: u64) -> String {
    with_digits(bytes, 4)
}

fn with_digits(bytes: u64, digits: u8) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    // What would be shown as 1000 of a unit is one of the next.
    let edge = 1000.0 - 0.5 * 10_f64.powi(3 - i32::from(digits));
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= edge && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let before = match value {
        100.0.. => 3,
        10.0.. => 2,
        _ => 1,
    };
    let text = format!("{value:.*}", usize::from(digits.saturating_sub(before)));
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
        // These alone are not rounded.
        _ => format!("{} years", seconds / HOUR / 24 / 365),
    }
}

/// How long ago a time (RFC 3339) was; `N/A` where none is told, or one that means so.
pub(crate) fn since(time: &str) -> String {
    match seconds(time) {
        Some(then) if then > NEVER => {
            format!("{} ago", age(now().saturating_sub(then).max(0).unsigned_abs()))
        }
        _ => "N/A".to_owned(),
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// A time as Go prints it: `2026-11-20 10:00:00 +0000 UTC`.
pub(crate) fn printed(time: &str) -> String {
    let (day, clock) = calendar(seconds(time).unwrap_or(NEVER));
    format!("{day} {clock} +0000 UTC")
}

/// A time to the second, in UTC: `2026-11-20T10:00:00Z`.
pub(crate) fn to_the_second(time: &str) -> String {
    let (day, clock) = calendar(seconds(time).unwrap_or(NEVER));
    format!("{day}T{clock}Z")
}

/// Seconds since 1970, or before it, of a time in RFC 3339, of whatever zone.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    let number = |from: usize, to: usize| {
        let digits = time.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
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
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Seconds since 1970 of what docker takes for a moment: an age (`1h30m`), a day, a time, or seconds since 1970.
pub(crate) fn moment(text: &str, now: i64) -> Option<i64> {
    if let Some(age) = duration(text) {
        return Some(now.saturating_sub(age));
    }
    if let Ok(seconds) = text.split('.').next().unwrap_or_default().parse() {
        return Some(seconds);
    }
    ["", "Z", ":00Z", "T00:00:00Z"].iter().find_map(|rest| seconds(&format!("{text}{rest}")))
}

/// `1h30m`, `90s`.
fn duration(text: &str) -> Option<i64> {
    let (mut total, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let count = rest[..end].parse::<i64>().ok()?;
        let unit = match rest[end..].chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[end + 1..];
    }
    (!text.is_empty()).then_some(total)
}

/// Day and clock of a moment in UTC.
fn calendar(seconds: i64) -> (String, String) {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Again in years that begin in March: the day that some of them have more is the last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        if month < 10 { (year + era * 400, month + 3) } else { (year + era * 400 + 1, month - 9) };
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    (format!("{year:04}-{month:02}-{day:02}"), clock)
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
            (1_005_001, "1.01MB"),
            (7_049_688, "7.05MB"),
            (9_996_000, "10MB"),
            (12_000_000, "12MB"),
            (72_800_000, "72.8MB"),
            (99_960_000, "100MB"),
            (133_000_000, "133MB"),
            (999_499, "999kB"),
            (999_900, "1MB"),
            (1_240_000_000, "1.24GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn what_was_freed_has_four() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (2500, "2.5kB"),
            (30_121_000, "30.12MB"),
            (133_456_789, "133.5MB"),
            (999_940, "999.9kB"),
            (999_960, "1MB"),
            (1_234_567_890, "1.235GB"),
        ] {
            assert_eq!(freed(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ages_are_rough() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (150, "2 minutes"),
            (3599, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + HOUR / 2, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR - 60, "2 days"),
            (6 * DAY, "6 days"),
            (14 * DAY - HOUR, "13 days"),
            (14 * DAY, "2 weeks"),
            (60 * DAY - HOUR, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
            (3 * 365 * DAY - 60, "2 years"),
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
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("0001-01-01T00:00:00Z", Some(NEVER)),
            ("", None),
            ("yesterday", None),
            ("2023-13-14T23:13:20Z", None),
            ("2023-11-14T23:13:20", None),
            ("2023-+1-14T23:13:20Z", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        for time in
            ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2000-02-29T12:00:00Z", "2100-03-01T00:00:00Z"]
        {
            assert_eq!(to_the_second(time), time);
        }
        assert_eq!(to_the_second("2026-01-01T00:30:00.9+01:00"), "2025-12-31T23:30:00Z");
        assert_eq!(printed("2026-11-20T10:00:00.123Z"), "2026-11-20 10:00:00 +0000 UTC");
        assert_eq!(printed(""), "0001-01-01 00:00:00 +0000 UTC");
    }

    #[test]
    fn moments_are_ages_days_and_times() {
        for (text, expected) in [
            ("1h30m", Some(1_000_000 - 5400)),
            ("90s", Some(1_000_000 - 90)),
            ("0s", Some(1_000_000)),
            ("1970-01-02", Some(86_400)),
            ("1970-01-02T10:00", Some(86_400 + 36_000)),
            ("1970-01-02T10:00:01", Some(86_400 + 36_001)),
            ("1970-01-02T10:00:00+01:00", Some(86_400 + 32_400)),
            ("1136073845.5", Some(1_136_073_845)),
            ("", None),
            ("h", None),
            ("1d", None),
            ("1h30", None),
            ("99999999999999999h", None),
            ("é", None),
        ] {
            assert_eq!(moment(text, 1_000_000), expected, "{text}");
        }
    }

    #[test]
    fn who_tells_no_time_has_no_age() {
        assert_eq!((since(""), since("0001-01-01T00:00:00Z")), ("N/A".to_owned(), "N/A".to_owned()));
        assert!(since("1970-01-01T00:00:00Z").ends_with(" years ago"));
        assert_eq!(since("9999-01-01T00:00:00Z"), "Less than a second ago");
    }
}
