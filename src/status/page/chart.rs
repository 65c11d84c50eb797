//! The traffic of the last day as bars, for an SVG that needs neither style nor script.

use super::words::{Moment, bytes};
use crate::proxy::{Hour, Traffic};

/// The drawing's size, in its own units; the page stretches it.
pub(super) const WIDTH: u64 = 480;
/// See [`WIDTH`].
pub(super) const HEIGHT: u64 = 96;
/// Between two bars.
const GAP: f64 = 3.0;
/// The least that a bar is high, so that a little is told from nothing.
const LEAST: f64 = 2.0;
/// Each side gets this at least, whatever the other has.
const MARGIN: f64 = 8.0;

/// Bars up for what mail programs received, and down for what they sent, by one scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    /// Where up and down meet.
    pub(super) axis: String,
    /// In words, for whoever doesn't see it.
    pub(super) summary: String,
    pub(super) received: String,
    pub(super) sent: String,
    /// The most that went up or down in an hour.
    pub(super) busiest: String,
    pub(super) is_empty: bool,
}

/// One hour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) begins: Moment,
    pub(super) received: String,
    pub(super) sent: String,
    /// Shown where the pointer rests.
    pub(super) title: String,
    /// For the whole hour, from the drawing's left.
    pub(super) slot: Span,
    pub(super) up: Option<Rect>,
    pub(super) down: Option<Rect>,
}

/// A stretch along the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) x: String,
    pub(super) width: String,
}

/// A bar as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rect {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
}

impl Chart {
    /// Of `hours`, oldest first, whose sum is `today`.
    pub(super) fn of(hours: &[Hour], today: &Traffic) -> Self {
        let most = |of: fn(&Traffic) -> u64| hours.iter().map(|hour| of(&hour.traffic)).max();
        let (up, down) =
            (most(Traffic::down).unwrap_or_default(), most(Traffic::up).unwrap_or_default());
        let room = HEIGHT as f64 - 2.0 * MARGIN;
        let scale = room / (up as f64 + down as f64).max(1.0);
        let axis = MARGIN + up as f64 * scale;
        let slot = WIDTH as f64 / hours.len().max(1) as f64;
        let bars = hours.iter().enumerate().map(|(at, hour)| {
            let x = at as f64 * slot;
            let high = |bytes: u64| (bytes > 0).then(|| (bytes as f64 * scale).max(LEAST));
            let rect = |y: f64, height: f64| Rect {
                x: number(x + GAP / 2.0),
                y: number(y),
                width: number(slot - GAP),
                height: number(height),
            };
            let (up, down) = (hour.traffic.down(), hour.traffic.up());
            let (words_up, words_down) = (bytes(up), bytes(down));
            Bar {
                begins: Moment::of(hour.begins_at),
                title: format!(
                    "{}: {words_up} received, {words_down} sent",
                    hours_ago(hours.len() - 1 - at)
                ),
                received: words_up,
                sent: words_down,
                slot: Span { x: number(x), width: number(slot) },
                up: high(up).map(|height| rect(axis - height, height)),
                down: high(down).map(|height| rect(axis, height)),
            }
        });
        let (received, sent) = (today.down(), today.up());
        let (is_empty, busiest) = (received == 0 && sent == 0, bytes(up.max(down)));
        let (received, sent) = (bytes(received), bytes(sent));
        Self {
            bars: bars.collect(),
            axis: number(axis),
            summary: match is_empty {
                true => "No traffic in the last 24 hours".to_owned(),
                false => format!(
                    "Bar chart of the last 24 hours by the hour: {received} received, {sent} sent; in the busiest hour {busiest}. The same as a table follows."
                ),
            },
            received,
            sent,
            busiest,
            is_empty,
        }
    }
}

fn hours_ago(hours: usize) -> String {
    match hours {
        0 => "This hour".to_owned(),
        1 => "1 hour ago".to_owned(),
        hours => format!("{hours} hours ago"),
    }
}

/// Short: the page has some hundred of them, and comes every few seconds.
fn number(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(traffic: &[(u64, u64)]) -> (Vec<Hour>, Traffic) {
        let mut today = Traffic::default();
        let hour = |(at, (down, up)): (usize, &(u64, u64))| {
            today.imap_down += down;
            today.smtp_up += up;
            let traffic = Traffic { imap_down: *down, smtp_up: *up, ..Traffic::default() };
            Hour { begins_at: at as u64 * 3600, traffic }
        };
        (traffic.iter().enumerate().map(hour).collect(), today)
    }

    #[test]
    fn one_scale_serves_both_ways_and_a_little_is_seen() {
        let (hours, today) = hours(&[(30_000_000, 10_000_000), (1, 0), (0, 0)]);
        let chart = Chart::of(&hours, &today);
        // 80 units for 40 MB, 60 of them above the axis.
        assert_eq!(chart.axis, "68");
        let [most, little, none] = &chart.bars[..] else { panic!("three hours") };
        let (up, down) = (most.up.as_ref().unwrap(), most.down.as_ref().unwrap());
        assert_eq!((&*up.y, &*up.height), ("8", "60"));
        assert_eq!((&*down.y, &*down.height), ("68", "20"));
        assert_eq!(little.up.as_ref().unwrap().height, "2");
        assert_eq!((&none.up, &none.down), (&None, &None));
        assert_eq!(most.title, "2 hours ago: 30 MB received, 10 MB sent");
        assert!(chart.summary.contains("30 MB received, 10 MB sent"), "{}", chart.summary);
    }

    #[test]
    fn nothing_at_all_is_said_so() {
        for traffic in [&[(0, 0); 24][..], &[]] {
            let (hours, today) = hours(traffic);
            let chart = Chart::of(&hours, &today);
            assert!(chart.is_empty && chart.summary.starts_with("No traffic"));
            assert!(chart.bars.iter().all(|bar| bar.up.is_none() && bar.down.is_none()));
        }
    }

    #[test]
    fn no_number_is_too_large_to_draw() {
        let (hours, _) = hours(&[(u64::MAX, u64::MAX / 2)]);
        let today = Traffic { imap_down: u64::MAX, ..Traffic::default() };
        let chart = Chart::of(&hours, &today);
        let drawn = chart.bars[0].up.as_ref().unwrap();
        assert!(drawn.height.parse::<f64>().unwrap() <= HEIGHT as f64);
    }
}
