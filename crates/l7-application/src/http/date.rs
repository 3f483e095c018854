//! Dates as HTTP writes them (RFC 9110, section 5.6.7). Runs begin on Thursday, 1 January 2026, 00:00:00 GMT.

/// Days from 1 January 1970 to the day on which runs begin.
const FIRST_DAY: i64 = 20_454;
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Thu, 01 Jan 2026 00:00:05 GMT` for 5 s of simulated time. Times before the run are negative.
pub fn date_text(seconds: i64) -> String {
    let seconds = seconds.clamp(-60_000_000_000, 250_000_000_000);
    let (day, time) = (seconds.div_euclid(86_400) + FIRST_DAY, seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    format!(
        "{}, {date:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[(day + 4).rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

/// Seconds of simulated time; none when the text is no such date.
pub fn parse_date(text: &str) -> Option<i64> {
    let rest = text.trim().split_once(", ")?.1.strip_suffix(" GMT")?;
    let mut parts = rest.split([' ', ':']);
    let number = |parts: &mut dyn Iterator<Item = &str>| parts.next()?.parse::<i64>().ok();
    let date = number(&mut parts)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let (year, hour) = (number(&mut parts)?, number(&mut parts)?);
    let (minute, second) = (number(&mut parts)?, number(&mut parts)?);
    let fits = (1..=31).contains(&date) && (0..10_000).contains(&year) && parts.next().is_none();
    let fits = fits && (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    fits.then(|| (days(year, month, date) - FIRST_DAY) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Year, month and date of a day counted from 1970; the calendar's cycle of 400 years begins with a March.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let part = (5 * of_year + 2) / 153;
    let month = if part < 10 { part + 3 } else { part - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * part + 2) / 5 + 1)
}

fn days(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + date - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_with_the_year_2026() {
        assert_eq!(date_text(0), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(date_text(59 * 86_400 + 3661), "Sun, 01 Mar 2026 01:01:01 GMT");
        assert_eq!(date_text(-1), "Wed, 31 Dec 2025 23:59:59 GMT");
        assert_eq!(date_text((365 + 365 + 59) * 86_400), "Tue, 29 Feb 2028 00:00:00 GMT");
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        for seconds in [0, 1, 86_399, 86_400, 5_000_000, 68_169_600, -86_401] {
            assert_eq!(parse_date(&date_text(seconds)), Some(seconds));
        }
        for wrong in
            ["", "today", "Thu, 01 Foo 2026 00:00:00 GMT", "Thu, 99 Jan 2026 00:00:00 GMT", "Thu, 01 Jan"]
        {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
    }
}
