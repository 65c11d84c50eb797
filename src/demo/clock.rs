//! Dates as mail writes them, from seconds since 1970 and back.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAY_SECONDS: i64 = 86_400;

/// Now, in seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// ` 7-Feb-1994 21:52:25 +0000`: IMAP's `date-time` (RFC 3501 §9), in UTC as Gmail gives it.
pub(super) fn internal_date(seconds: i64) -> String {
    let (year, month, day) = civil(day_number(seconds));
    let rest = seconds.rem_euclid(DAY_SECONDS);
    let month = MONTHS[month - 1];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{day:02}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Reads IMAP's `date-time`; the day may be padded with a blank.
pub(super) fn parse_internal_date(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let day = parse_date(words.next()?)?;
    let mut clock = words
        .next()?
        .splitn(3, ':')
        .map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = words.next()?;
    let (sign, digits) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let digits: i64 = digits.parse().ok()?;
    let in_range = (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && (0..=1400).contains(&digits)
        && words.next().is_none();
    let offset = sign * (digits / 100 * 3600 + digits % 100 * 60);
    in_range.then_some(day * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset)
}

/// Reads IMAP's `date` (`7-Feb-1994`), as the number of days since 1970.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let day: i64 = parts.next()?.trim().parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    let year: i64 = parts.next()?.parse().ok()?;
    let in_range = (1..=31).contains(&day) && (1..=9999).contains(&year);
    in_range.then(|| days(year, i64::try_from(month).unwrap_or(0) + 1, day))
}

/// Reads the day of a `Date` header field (RFC 5322 §3.3), as the number of days since 1970 and
/// without regard to the zone, as SENTSINCE wants it.
pub(super) fn parse_header_date(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<_> = text.split_ascii_whitespace().take(3).collect();
    parse_date(&words.join("-"))
}

/// The number of the day since 1970 in which a second lies.
pub(super) fn day_number(seconds: i64) -> i64 {
    seconds.div_euclid(DAY_SECONDS)
}

/// Days since 1970 of a date in the Gregorian calendar; Howard Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day: year, month from 1, day from 1; `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        assert_eq!(internal_date(0), "01-Jan-1970 00:00:00 +0000");
        assert_eq!(internal_date(951_782_400), "29-Feb-2000 00:00:00 +0000");
        for seconds in [0, 951_827_696, 1_700_000_000, 4_102_444_799] {
            assert_eq!(parse_internal_date(&internal_date(seconds)), Some(seconds));
        }
        let padded = parse_internal_date(" 7-Feb-1994 21:52:25 -0800");
        assert_eq!(padded, parse_internal_date("08-feb-1994 05:52:25 +0000"));
        assert_eq!(parse_internal_date("31-Foo-1994 21:52:25 -0800"), None);
    }

    #[test]
    fn a_header_date_gives_its_day() {
        let day = parse_date("21-Nov-1997");
        assert_eq!(parse_header_date("Fri, 21 Nov 1997 09:55:06 -0600"), day);
        assert_eq!(parse_header_date("21 Nov 1997 09:55:06 GMT"), day);
    }
}
