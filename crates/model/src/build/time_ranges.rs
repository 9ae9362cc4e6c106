//! The syntax of `ranges` (manual chapter 8, "Time Periods"): days by weekday, by date, by day of
//! a month; times of the day.

use super::advice::Wanted;
use super::{Draft, Fault, coerce};

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: &[&str] = &[
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(bheka_value::Value::Dictionary(ranges)) = draft.set("ranges") else {
        return;
    };
    for (days, times) in ranges.read().iter() {
        if let Err(cause) = check_days(days) {
            let text = format!("Invalid time specification '{days}': {cause}");
            let mut fault = Fault::attribute("ranges", text);
            fault.wanted = misspelt(days);
            faults.push(fault);
        }
        if matches!(
            times,
            bheka_value::Value::Array(_)
                | bheka_value::Value::Dictionary(_)
                | bheka_value::Value::Function(_)
                | bheka_value::Value::Object(_)
        ) {
            faults.push(Fault::nested(&["ranges", days], "Invalid type."));
            continue;
        }
        let times = coerce::text_of(times);
        if let Err(cause) = check_times(&times) {
            let text = format!("Invalid time range definition '{times}': {cause}");
            faults.push(Fault::attribute("ranges", text));
        }
    }
}

/// A word of a day definition that is neither a number nor known.
fn misspelt(text: &str) -> Option<Wanted> {
    let known: Vec<&'static str> = [WEEKDAYS, MONTHS, &["day"]].concat();
    let words = text.split([' ', '/']);
    let mut names = words.filter(|word| word.chars().all(char::is_alphabetic));
    let given = names.find(|word| !word.is_empty() && !known.contains(word))?;
    let given = given.into();
    Some(Wanted::Word { given, known })
}

/// `DAY`, `DAY - DAY`, either with ` / STRIDE`.
fn check_days(text: &str) -> Result<(), String> {
    let days = match text.split_once('/') {
        None => text,
        Some((days, stride)) => {
            integer(stride.trim())?;
            days
        }
    };
    let Some((first, last)) = days.split_once("- ") else {
        return check_day(days);
    };
    let (first, last) = (first.trim(), last.trim());
    check_day(first)?;
    // `day 1 - 15` means `day 1 - day 15`.
    let word = last.split(' ').next().unwrap_or_default();
    if let (Ok(_), Some((prefix, _))) = (integer(word), first.split_once(' ')) {
        return check_day(&format!("{prefix} {last}"));
    }
    check_day(last)
}

fn check_day(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    if bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-' {
        return check_date(text);
    }
    let words: Vec<&str> = text.split(' ').collect();
    let first = words[0];
    if first == "day" || MONTHS.contains(&first) {
        if let Some(day) = words.get(1) {
            return integer(day).map(drop);
        }
    } else if WEEKDAYS.contains(&first) {
        if words.get(2).is_some_and(|month| !MONTHS.contains(month)) {
            return Err(format!("Invalid month in time specification: {text}"));
        }
        if let Some(occurrence) = words.get(1) {
            integer(occurrence)?;
        }
        return Ok(());
    }
    Err(format!("Invalid time specification: {text}"))
}

fn check_date(text: &str) -> Result<(), String> {
    let part = |range: std::ops::Range<usize>| integer(text.get(range).unwrap_or("\u{fffd}"));
    part(0..4)?;
    if !(1..=12).contains(&part(5..7)?) {
        return Err(format!("Invalid month in time specification: {text}"));
    }
    if !(1..=31).contains(&part(8..10)?) {
        return Err(format!("Invalid day in time specification: {text}"));
    }
    Ok(())
}

/// `HH:MM-HH:MM`, seconds allowed, several separated by commas.
fn check_times(text: &str) -> Result<(), String> {
    for range in text.split(',') {
        let ends: Vec<&str> = range.split('-').collect();
        if ends.len() != 2 {
            return Err(format!("Invalid timerange: {range}"));
        }
        for time in ends {
            let parts: Vec<&str> = time.split(':').collect();
            if !(2..=3).contains(&parts.len()) {
                return Err(format!("Invalid time specification: {time}"));
            }
            for part in parts {
                integer(part)?;
            }
        }
    }
    Ok(())
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("Can't convert '{text}' to an integer."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_2_13_accepts() {
        for days in [
            "monday",
            "monday 1 may / 2",
            "day 1 2",
            "day 1 /3",
            "day 1 / -3",
            "january 0",
            "monday - friday",
            "january 1 - 5",
            "monday 2 - thursday 3 april",
            "2024-01-31",
            "2024-01-01 - 2024-02-01 / 2",
            "day -1",
            "day 1 - 15",
        ] {
            assert_eq!(check_days(days), Ok(()), "{days}");
        }
        for times in [
            "00:00-24:00",
            "25:00-26:00",
            "00:00:00-10:00:00",
            "12:00-10:00,13:00-14:00",
        ] {
            assert_eq!(check_times(times), Ok(()), "{times}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_2_13() {
        let days = |text| check_days(text).unwrap_err();
        assert_eq!(days("mon"), "Invalid time specification: mon");
        assert_eq!(days("monday march"), "Can't convert 'march' to an integer.");
        assert_eq!(
            days("monday 1 foo"),
            "Invalid month in time specification: monday 1 foo"
        );
        assert_eq!(
            days("2016-13-01"),
            "Invalid month in time specification: 2016-13-01"
        );
        assert_eq!(
            days("2024-01-40"),
            "Invalid day in time specification: 2024-01-40"
        );
        assert_eq!(days("2024-xx-01"), "Can't convert 'xx' to an integer.");
        assert_eq!(
            days("2016-01-01 / 0"),
            "Invalid time specification: 2016-01-01 "
        );
        assert_eq!(
            days("day 1 / 1 / 1"),
            "Can't convert '1 / 1' to an integer."
        );
        assert_eq!(days("2024-01-01 - "), "Invalid time specification: ");
        assert_eq!(days("day"), "Invalid time specification: day");
        let times = |text| check_times(text).unwrap_err();
        assert_eq!(times(""), "Invalid timerange: ");
        assert_eq!(times("9-17"), "Invalid time specification: 9");
        assert_eq!(
            times("09:00-12:00, 13:00-17:00"),
            "Can't convert ' 13' to an integer."
        );
        assert_eq!(times("00:00-10:00,"), "Invalid timerange: ");
        assert_eq!(times("-1:00-10:00"), "Invalid timerange: -1:00-10:00");
        assert_eq!(
            times("00:00:00:00-10:00"),
            "Invalid time specification: 00:00:00:00"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,14}") {
            let _ = check_days(&text);
            let _ = check_times(&text);
        }
    }
}
