//! The little of DER that issuing certificates needs: writing, and splitting into elements.
//!
//! Certificates are put together here rather than by a library because Icinga 2's form is
//! narrower than what libraries write (no key identifiers, subject and issuer byte for byte as in
//! the request and the authority, version 1 requests).

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_ID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element: tag, length, content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    let len = content.len();
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let significant = &bytes[(len.leading_zeros() / 8) as usize..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// One element whose content is the parts in order.
pub(crate) fn constructed(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A `SEQUENCE` of the parts.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    constructed(SEQUENCE, parts)
}

/// A non-negative `INTEGER` from big-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let mut content = Vec::with_capacity(bytes.len() + 1);
    if bytes.get(start).is_none_or(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(&bytes[start..]);
    element(INTEGER, &content)
}

/// A `BIT STRING` of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    constructed(BIT_STRING, &[&[0], bytes])
}

/// A time as certificates write it: `UTCTime` up to 2049, `GeneralizedTime` from 2050.
pub(crate) fn time(epoch_s: i64) -> Vec<u8> {
    let moment = Civil::from_epoch(epoch_s);
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = moment;
    if (1950..2050).contains(&year) {
        let year = year % 100;
        let text = format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
        element(UTC_TIME, text.as_bytes())
    } else {
        let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
        element(GENERALIZED_TIME, text.as_bytes())
    }
}

/// The first element: its tag, its content, and what follows it.
pub(crate) fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        let (bytes, rest) = rest.split_at(count);
        (
            bytes
                .iter()
                .fold(0, |len, byte| (len << 8) | usize::from(*byte)),
            rest,
        )
    };
    (rest.len() >= len).then(|| (tag, &rest[..len], &rest[len..]))
}

/// The content of the first element when it has this tag, and what follows.
pub(crate) fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    split(input)
        .filter(|(found, _, _)| *found == tag)
        .map(|(_, content, rest)| (content, rest))
}

/// A moment in the Gregorian calendar, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    /// Days are counted from 1 March of year 0 so that the leap day comes last.
    pub(crate) fn from_epoch(epoch_s: i64) -> Self {
        let (days, in_day) = (epoch_s.div_euclid(86_400), epoch_s.rem_euclid(86_400));
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: in_day / 3600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
        }
    }

    /// As OpenSSL prints it: `Nov 23 06:18:45 2026 GMT`.
    pub(crate) fn openssl_text(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let month = MONTHS[(self.month - 1).clamp(0, 11) as usize];
        format!(
            "{month} {:2} {:02}:{:02}:{:02} {} GMT",
            self.day, self.hour, self.minute, self.second, self.year
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times() {
        assert_eq!(
            Civil::from_epoch(1_795_414_725).openssl_text(),
            "Nov 23 06:18:45 2026 GMT"
        );
        assert_eq!(
            Civil::from_epoch(951_782_400).openssl_text(),
            "Feb 29 00:00:00 2000 GMT"
        );
        assert_eq!(
            Civil::from_epoch(1_796_280_211).openssl_text(),
            "Dec  3 06:43:31 2026 GMT"
        );
        assert_eq!(time(1_795_414_725)[2..], *b"261123061845Z");
        assert_eq!(time(2_524_608_000)[2..], *b"20500101000000Z");
    }

    #[test]
    fn integers() {
        assert_eq!(unsigned(&[0x80]), [INTEGER, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 0x7f]), [INTEGER, 1, 0x7f]);
        assert_eq!(unsigned(&[]), [INTEGER, 1, 0]);
    }

    proptest! {
        #[test]
        fn split_undoes_element(content in proptest::collection::vec(any::<u8>(), 0..70_000), tag: u8) {
            let encoded = element(tag, &content);
            prop_assert_eq!(split(&encoded), Some((tag, content.as_slice(), &[][..])));
        }

        #[test]
        fn split_never_panics(input in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = split(&input);
        }
    }
}
