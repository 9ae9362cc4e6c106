//! The times of a TimePeriod written out: the attributes `segments`, `valid_begin` and `valid_end`.
//! Whether a moment lies in a period is not read from them (see [`crate::is_inside_period`]), so
//! they need not be kept: they are worked out when somebody asks.

use bheka_model::{ConfigObject, Generation};
use bheka_value::{Timestamp, Value};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use crate::period::{DAYS_BACK, DEPTH_MAX, day_matches, instant, parse_times, zoned};

/// For how many seconds from now segments are given.
const AHEAD_S: f64 = 86_400.0;

/// Begin and end, in seconds since 1970.
type Segment = (f64, f64);

/// The written-out times of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Segments {
    /// Begin and end of each, in order, none touching another.
    pub segments: Vec<(Timestamp, Timestamp)>,
    /// From when on they are complete.
    pub valid_begin: Timestamp,
    /// Until when they are complete.
    pub valid_end: Timestamp,
}

/// The times of today and tomorrow in a period, with what it includes and excludes.
#[must_use]
pub fn segments(
    period: &ConfigObject,
    generation: &Generation,
    now: Timestamp,
    time_zone: &TimeZone,
) -> Segments {
    let segments = within(period, generation, now, time_zone, 0);
    let first = segments.first().map(|(begin, _)| *begin);
    let last = segments.last().map(|(_, end)| *end);
    Segments {
        valid_begin: Timestamp(first.unwrap_or(f64::MAX).min(now.seconds())),
        valid_end: Timestamp(last.unwrap_or(f64::MIN).max(now.seconds() + AHEAD_S)),
        segments: segments
            .into_iter()
            .map(|(begin, end)| (Timestamp(begin), Timestamp(end)))
            .collect(),
    }
}

fn within(
    period: &ConfigObject,
    generation: &Generation,
    now: Timestamp,
    time_zone: &TimeZone,
    depth: u32,
) -> Vec<Segment> {
    let own = own(period, now, time_zone);
    if depth >= DEPTH_MAX {
        return own;
    }
    let others = |attribute: &str| {
        let names = period.names(attribute);
        let periods = names
            .iter()
            .filter_map(|name| generation.get("TimePeriod", name));
        let all = periods.flat_map(|it| within(it, generation, now, time_zone, depth + 1));
        all.collect::<Vec<_>>()
    };
    let (includes, excludes) = (others("includes"), others("excludes"));
    if period.boolean("prefer_includes") {
        joined([cut(own, &excludes), includes].concat())
    } else {
        cut(joined([own, includes].concat()), &excludes)
    }
}

/// By the function in `update`.
fn own(period: &ConfigObject, now: Timestamp, time_zone: &TimeZone) -> Vec<Segment> {
    let update = period.get("update");
    if let Some(function) = update.as_function() {
        match function.info().name.as_str() {
            "Internal#EmptyTimePeriod" => return Vec::new(),
            "Internal#EvenMinutesTimePeriod" => return even_minutes(now),
            "Internal#LegacyTimePeriod" => {}
            _ => {
                let arguments = [
                    Value::string(period.name.clone()),
                    Value::Number(now.seconds()),
                    Value::Number(now.seconds() + AHEAD_S),
                ];
                let given = function.call(None, &arguments).unwrap_or_default();
                return joined(given_segments(&given));
            }
        }
    }
    let ranges = period.get("ranges");
    let Some(ranges) = ranges.as_dictionary() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (days, times) in ranges.entries().iter() {
        if let Some(spans) = times.as_str().and_then(parse_times) {
            add_days(days, &spans, now, time_zone, &mut found);
        }
    }
    joined(found)
}

/// Adds what a day definition means for today and tomorrow, and what reaches into today.
fn add_days(
    days: &str,
    spans: &[(i64, i64)],
    now: Timestamp,
    time_zone: &TimeZone,
    found: &mut Vec<Segment>,
) {
    let today = zoned(now, time_zone).date();
    let midnight = instant(today, 0, time_zone);
    for offset in -DAYS_BACK..=1 {
        let Ok(day) = today.checked_add(offset.days()) else {
            continue;
        };
        if !day_matches(days, day) {
            continue;
        }
        for (begin_s, end_s) in spans {
            let ends = instant(day, *begin_s, time_zone).zip(instant(day, *end_s, time_zone));
            #[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
            if let Some((begin, end)) = ends.filter(|(_, end)| Some(*end) > midnight) {
                found.push((begin.as_second() as f64, end.as_second() as f64));
            }
        }
    }
}

fn even_minutes(now: Timestamp) -> Vec<Segment> {
    let first = (now.seconds() / 120.0).floor() * 120.0;
    let all = (0..=720).map(|number| first + 120.0 * f64::from(number));
    all.map(|begin| (begin, begin + 60.0)).collect()
}

fn given_segments(value: &Value) -> Vec<Segment> {
    let Some(segments) = value.as_array() else {
        return Vec::new();
    };
    let bound = |segment: &Value, name| segment.as_dictionary()?.get(name)?.as_number();
    let all = segments.items();
    let all = all
        .iter()
        .filter_map(|segment| bound(segment, "begin").zip(bound(segment, "end")));
    all.collect()
}

/// Sorted, with those that touch made one.
fn joined(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.retain(|(begin, end)| begin < end);
    segments.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    for (begin, end) in segments {
        match joined.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}

/// What is left of segments outside of others.
fn cut(segments: Vec<Segment>, others: &[Segment]) -> Vec<Segment> {
    let mut left = segments;
    for (from, to) in others {
        left = left
            .into_iter()
            .flat_map(|(begin, end)| [(begin, end.min(*from)), (begin.max(*to), end)])
            .filter(|(begin, end)| begin < end)
            .collect();
    }
    joined(left)
}
