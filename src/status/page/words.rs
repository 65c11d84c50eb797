//! Numbers and times as a person reads them.

use std::time::{Duration, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A megabyte, as Gmail counts its limits.
const MEGABYTE: f64 = 1e6;
/// What is less than this many megabytes is told with one decimal.
const FEW: f64 = 10.0;
/// What is less is told in kilobytes.
const LITTLE: f64 = 0.1;

/// `0 MB`, `12 kB`, `4.1 MB`, `312 MB`, `2,500 MB`: the unit stays the same where sums are compared.
pub(super) fn bytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / MEGABYTE;
    if bytes == 0 {
        "0 MB".to_owned()
    } else if megabytes < LITTLE {
        format!("{} kB", bytes.div_ceil(1000))
    } else if megabytes < FEW {
        format!("{megabytes:.1} MB")
    } else {
        format!("{} MB", grouped(megabytes.round() as u64))
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 session`, `5 sessions`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    let name = if number == 1 { one } else { many };
    format!("{} {name}", grouped(number))
}

/// How long something still lasts, in its largest unit: `less than a minute`, `53 minutes`, `3 days`.
pub(super) fn lasts(seconds: u64) -> String {
    match seconds {
        ..MINUTE => "less than a minute".to_owned(),
        MINUTE..HOUR => count(seconds / MINUTE, "minute", "minutes"),
        HOUR..DAY => count(seconds / HOUR, "hour", "hours"),
        DAY.. => count(seconds / DAY, "day", "days"),
    }
}

/// How long ago something was.
pub(super) fn ago(now: u64, then: u64) -> String {
    match now.saturating_sub(then) {
        ..MINUTE => "just now".to_owned(),
        since => format!("{} ago", lasts(since)),
    }
}

/// How much of a whole, for a person: `0%`, `less than 1%`, `12%`, `100%` and beyond.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match share(part, whole) {
        _ if part == 0 => "0%".to_owned(),
        share if share < 1.0 => "less than 1%".to_owned(),
        share => format!("{}%", share as u64),
    }
}

/// In hundredths of the whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// A point in time: for the browser, which knows the person's time zone, and in words for whoever
/// has no script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// As `<time>` has it (RFC 3339).
    pub(super) machine: String,
    /// `29 Nov, 18:56 UTC`.
    pub(super) moment: String,
    /// `29 Nov 2026`.
    pub(super) day: String,
}

impl Moment {
    /// `at` is in Unix seconds.
    pub(super) fn of(at: u64) -> Self {
        // `Sun, 06 Nov 1994 08:49:37 GMT`, until the year 9999.
        let last = 253_402_300_799;
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.min(last)));
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let (day, month, year) = (part(5, 7), part(8, 11), part(12, 16));
        let (clock, minutes) = (part(17, 25), part(17, 22));
        let number = MONTHS.iter().position(|name| *name == month).unwrap_or_default() + 1;
        let short = day.trim_start_matches('0');
        Self {
            machine: format!("{year}-{number:02}-{day}T{clock}Z"),
            moment: format!("{short} {month}, {minutes} UTC"),
            day: format!("{short} {month} {year}"),
        }
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        let sizes = [0, 1, 99_000, 120_000, 4_140_000, 312_400_000, 2_500_000_000];
        let words = sizes.map(bytes);
        assert_eq!(words, ["0 MB", "1 kB", "99 kB", "0.1 MB", "4.1 MB", "312 MB", "2,500 MB"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(100), "100");
    }

    #[test]
    fn durations_are_in_their_largest_unit() {
        let words = [0, 59, 60, 3599, 3600, 7200, 86_400 * 3].map(lasts);
        let expected = [
            "less than a minute",
            "less than a minute",
            "1 minute",
            "59 minutes",
            "1 hour",
            "2 hours",
            "3 days",
        ];
        assert_eq!(words, expected);
        assert_eq!(ago(100, 90), "just now");
        assert_eq!(ago(1000, 400), "10 minutes ago");
        assert_eq!(ago(1000, 4000), "just now", "a clock that was set back");
    }

    #[test]
    fn shares_never_read_as_nothing_where_there_is_something() {
        let words = [(0, 500), (1, 500), (60, 500), (500, 500), (600, 500), (1, 0)]
            .map(|(part, whole)| percent(part, whole));
        assert_eq!(words, ["0%", "less than 1%", "12%", "100%", "120%", "100%"]);
    }

    #[test]
    fn a_moment_is_told_to_the_browser_and_to_the_person() {
        let moment = Moment::of(784_111_777);
        assert_eq!(moment.machine, "1994-11-06T08:49:37Z");
        assert_eq!(moment.moment, "6 Nov, 08:49 UTC");
        assert_eq!(moment.day, "6 Nov 1994");
        assert!(Moment::of(u64::MAX).machine.starts_with("9999-12-31"));
    }
}
