//! Numbers, sizes and times as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::texts::Texts;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Bytes with three digits: `12.3 MB`. Powers of a thousand, as Docker Hub shows them.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Fractions below a digit are nobody's concern.
    #[allow(clippy::cast_precision_loss)]
    let (mut amount, mut unit) = (bytes as f64 / 1000.0, 0);
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let digits = if amount < 9.995 { 2 } else { usize::from(amount < 99.95) };
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// A number with its thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `2026-11-25 10:00`, in UTC.
pub(crate) fn time(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    format!("{} {:02}:{:02}", day(days), rest / HOUR, rest / MINUTE % 60)
}

/// The date of a day since 1970, by counting years from March so that a leap day is the last of its year.
pub(crate) fn day(days: i64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + i64::from(month <= 2))
}

/// How long ago something was: `3 days ago`.
pub(crate) fn age(texts: &Texts, micros: i64, now: i64) -> String {
    let since = now.saturating_sub(micros);
    let (pattern, one, amount) = match since {
        since if since < MINUTE => return texts.just_now.to_owned(),
        since if since < HOUR => (texts.minutes_ago, texts.minute_ago, since / MINUTE),
        since if since < DAY => (texts.hours_ago, texts.hour_ago, since / HOUR),
        since if since < 60 * DAY => (texts.days_ago, texts.day_ago, since / DAY),
        since if since < 730 * DAY => (texts.months_ago, texts.month_ago, since / (30 * DAY)),
        _ => (texts.years_ago, texts.year_ago, since / (365 * DAY)),
    };
    if amount == 1 { one.to_owned() } else { pattern.replace("{}", &amount.to_string()) }
}

/// The first twelve characters of a digest's hexadecimal part, by which people recognise it.
pub(crate) fn short(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

/// A browser by what it says of itself: `Firefox, Linux`. One that is not known is told in its own words.
pub(crate) fn browser(agent: &str) -> String {
    // Each claims to be those that come after it.
    const BROWSERS: [(&str, &str); 5] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let known = |all: &[(&str, &'static str)]| {
        all.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => agent.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, MINUTE, age, browser, bytes, number, short, time};
    use crate::texts::{EN, ZH};

    #[test]
    fn sizes_have_three_digits() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (1_073_741_824, "1.07 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(999), "999");
    }

    #[test]
    fn browsers_are_told_apart() {
        for (agent, told) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8.0", "curl/8.0"),
            ("", ""),
        ] {
            assert_eq!(browser(agent), told);
        }
    }

    #[test]
    fn times_are_told_in_both_languages() {
        let now = 1_800_000_000 * super::SECOND;
        for (since, english, chinese) in [
            (-5, "just now", "刚刚"),
            (MINUTE, "a minute ago", "1 分钟前"),
            (5 * HOUR, "5 hours ago", "5 小时前"),
            (DAY, "a day ago", "1 天前"),
            (59 * DAY, "59 days ago", "59 天前"),
            (400 * DAY, "13 months ago", "13 个月前"),
            (800 * DAY, "2 years ago", "2 年前"),
        ] {
            assert_eq!(
                (age(&EN, now - since, now).as_str(), age(&ZH, now - since, now).as_str()),
                (english, chinese)
            );
        }
        assert_eq!(time(951_782_400_000_000), "2000-02-29 00:00");
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
    }
}
