//! strftime(3) of the GNU C library in the locale "C", as far as times can be shown.

/// A civil time with its weekday and zone. Years may lie outside what the zone's rules know.
#[derive(Debug, Clone)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From Sunday, 0.
    pub(super) weekday: i64,
    /// From 0.
    pub(super) day_of_year: i64,
    /// Seconds east of Greenwich.
    pub(super) offset: i64,
    /// Name of the zone, such as `CEST`.
    pub(super) zone: String,
    /// Seconds since the epoch.
    pub(super) timestamp: i64,
}

/// Bytes that a text may be padded to.
pub(super) const WIDTH_MAX: usize = 1024;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What stands between `%` and the letter.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    /// `_`, `-` or `0`.
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: Option<usize>,
}

/// What a conversion yields before it is padded.
enum Part {
    /// A number that has so many digits at least, and what fills it up.
    Number(i64, usize, char),
    Text(String),
}

impl Civil {
    /// By a format. What is no conversion stays as it is.
    pub(super) fn format(&self, format: &str) -> String {
        let mut out = String::with_capacity(format.len() * 2);
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let conversion = &rest[at..];
            rest = &conversion[self.convert(conversion, &mut out)..];
        }
        out.push_str(rest);
        out
    }

    /// Appends the conversion that `text` begins with; yields its length.
    fn convert(&self, text: &str, out: &mut String) -> usize {
        let bytes = text.as_bytes();
        let mut flags = Flags::default();
        let mut at = 1;
        loop {
            match bytes.get(at) {
                Some(flag @ (b'_' | b'-' | b'0')) => flags.pad = Some(char::from(*flag)),
                Some(b'^') => flags.upper = true,
                Some(b'#') => flags.swap = true,
                _ => break,
            }
            at += 1;
        }
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            let width = flags.width.unwrap_or(0);
            flags.width = Some((width * 10 + usize::from(digit - b'0')).min(WIDTH_MAX));
            at += 1;
        }
        let modifier = bytes
            .get(at)
            .copied()
            .filter(|byte| matches!(byte, b'E' | b'O'));
        let letter_at = at + usize::from(modifier.is_some());
        let letter = text.get(letter_at..).and_then(|rest| rest.chars().next());
        let part = letter.and_then(|letter| self.part(letter, modifier, &flags));
        match (part, letter) {
            (Some(part), Some(letter)) => {
                pad(part, letter, &flags, out);
                letter_at + letter.len_utf8()
            }
            _ => {
                // Unknown: as it was written.
                let end = letter.map_or(text.len(), |letter| letter_at + letter.len_utf8());
                let unknown = &text[..end];
                pad(Part::Text(unknown.to_owned()), ' ', &flags, out);
                end
            }
        }
    }

    fn part(&self, letter: char, modifier: Option<u8>, flags: &Flags) -> Option<Part> {
        let allowed = match modifier {
            None => true,
            Some(b'E') => "cCxXyYz".contains(letter),
            Some(_) => "bBhdeHIklmMSuUVwWyz".contains(letter),
        };
        if !allowed {
            return None;
        }
        let number = |number: i64, digits: usize| Some(Part::Number(number, digits, '0'));
        let blank = |number: i64, digits: usize| Some(Part::Number(number, digits, ' '));
        let text = |text: String| Some(Part::Text(text));
        let hour_12 = (self.hour + 11) % 12 + 1;
        match letter {
            'a' => text(self.weekday_name()[..3].to_owned()),
            'A' => text(self.weekday_name().to_owned()),
            'b' | 'h' => text(self.month_name()[..3].to_owned()),
            'B' => text(self.month_name().to_owned()),
            'c' => text(self.format("%a %b %e %H:%M:%S %Y")),
            'C' => number(self.year.div_euclid(100), 2),
            'd' => number(self.day, 2),
            'D' | 'x' => text(self.format("%m/%d/%y")),
            'e' => blank(self.day, 2),
            'F' => text(self.format("%Y-%m-%d")),
            'g' => number(self.iso_week().0.rem_euclid(100), 2),
            'G' => number(self.iso_week().0, 1),
            'H' => number(self.hour, 2),
            'I' => number(hour_12, 2),
            'j' => number(self.day_of_year + 1, 3),
            'k' => blank(self.hour, 2),
            'l' => blank(hour_12, 2),
            'm' => number(self.month, 2),
            'M' => number(self.minute, 2),
            'n' => text("\n".to_owned()),
            'p' | 'P' => {
                let name = if self.hour < 12 { "am" } else { "pm" };
                let upper = letter == 'p' && !flags.swap;
                text(if upper {
                    name.to_uppercase()
                } else {
                    name.to_owned()
                })
            }
            'r' => text(self.format("%I:%M:%S %p")),
            'R' => text(self.format("%H:%M")),
            's' => number(self.timestamp, 1),
            'S' => number(self.second, 2),
            't' => text("\t".to_owned()),
            'T' | 'X' => text(self.format("%H:%M:%S")),
            'u' => number((self.weekday + 6) % 7 + 1, 1),
            'U' => number((self.day_of_year - self.weekday + 7) / 7, 2),
            'V' => number(self.iso_week().1, 2),
            'w' => number(self.weekday, 1),
            'W' => number((self.day_of_year - (self.weekday + 6) % 7 + 7) / 7, 2),
            'y' => number(self.year.rem_euclid(100), 2),
            'Y' => number(self.year, 1),
            'z' => {
                let minutes = self.offset.abs() / 60;
                let sign = if self.offset < 0 { '-' } else { '+' };
                text(format!("{sign}{:02}{:02}", minutes / 60, minutes % 60))
            }
            'Z' => text(if flags.swap {
                self.zone.to_lowercase()
            } else {
                self.zone.clone()
            }),
            '%' => text("%".to_owned()),
            _ => None,
        }
    }

    fn weekday_name(&self) -> &'static str {
        let at = usize::try_from(self.weekday).unwrap_or(0);
        WEEKDAYS.get(at).copied().unwrap_or("???")
    }

    fn month_name(&self) -> &'static str {
        let at = usize::try_from(self.month - 1).unwrap_or(0);
        MONTHS.get(at).copied().unwrap_or("???")
    }

    /// Year and week by ISO 8601: weeks begin on Monday, the first has the first Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let monday_based = (self.weekday + 6) % 7;
        let week = (self.day_of_year - monday_based + 10) / 7;
        if week < 1 {
            return (self.year - 1, weeks_of(self.year - 1));
        }
        if week > weeks_of(self.year) {
            return (self.year + 1, 1);
        }
        (self.year, week)
    }
}

/// Weeks of a year by ISO 8601.
fn weeks_of(year: i64) -> i64 {
    let last_weekday = |year: i64| {
        (year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)).rem_euclid(7)
    };
    if last_weekday(year) == 4 || last_weekday(year - 1) == 3 {
        53
    } else {
        52
    }
}

fn pad(part: Part, letter: char, flags: &Flags, out: &mut String) {
    match part {
        Part::Text(mut text) => {
            let is_name = "aAbBh".contains(letter);
            if flags.upper || (flags.swap && is_name) {
                text = text.to_uppercase();
            }
            let fill = if flags.pad == Some('0') { '0' } else { ' ' };
            let missing = flags.width.unwrap_or(0).saturating_sub(text.len());
            out.extend(std::iter::repeat_n(fill, missing));
            out.push_str(&text);
        }
        Part::Number(number, digits, fill) => {
            let (fill, digits) = match flags.pad {
                Some('_') => (' ', digits),
                Some('-') => (' ', 1),
                Some(_) => ('0', digits),
                None => (fill, digits),
            };
            let text = number.unsigned_abs().to_string();
            let sign = if number < 0 { "-" } else { "" };
            let wanted = flags.width.unwrap_or(0).max(digits);
            let missing = wanted.saturating_sub(text.len() + sign.len());
            let fills = std::iter::repeat_n(fill, missing);
            if fill == '0' {
                out.push_str(sign);
                out.extend(fills);
            } else {
                out.extend(fills);
                out.push_str(sign);
            }
            out.push_str(&text);
        }
    }
}
