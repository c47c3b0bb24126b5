//! Times as text (RFC 3339), always in UTC.

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Writes microseconds since 1970, to the second.
pub(crate) fn from_micros(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS);
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `2026-11-25T10:00:00Z` or `2026-11-25` as microseconds since 1970.
pub(crate) fn to_micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(date, '-')?;
    let time = time.strip_suffix('Z')?;
    let [hour, minute, second] = numbers(time.split_once('.').map_or(time, |(whole, _)| whole), ':')?;
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    let days = days(year, month, day);
    // Whatever is no day of the calendar does not come back as itself.
    if !is_time || !(0..10_000).contains(&year) || civil(days) != (year, month, day) {
        return None;
    }
    Some((days * DAY + hour * 3600 + minute * 60 + second) * MICROS)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse().ok() } else { None }
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// The date of a day since 1970, by counting years from March so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-25T10:20:30Z", 1_795_602_030),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(from_micros(seconds * MICROS), text);
            assert_eq!(to_micros(text), Some(seconds * MICROS));
        }
        assert_eq!(to_micros("2026-11-25"), to_micros("2026-11-25T00:00:00Z"));
        for bad in [
            "",
            "2026-02-30",
            "2026-13-01",
            "2026-11-25T24:00:00Z",
            "2026-11-25T10:00:00",
            "today",
            "1-2-3-4",
        ] {
            assert_eq!(to_micros(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..253_402_300_799_i64, text in any::<String>()) {
            prop_assert_eq!(to_micros(&from_micros(seconds * MICROS)), Some(seconds * MICROS));
            let _ = to_micros(&text);
        }
    }
}
