//! Widths of text without a font, wrapping, and what XML allows.

/// Letter widths of Helvetica and its metric twins from space to tilde, in thousandths of the letter size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
];

/// Other fonts of the fallback list run a little wider than Helvetica.
const SAFETY: f64 = 1.05;

/// Estimated width of a text at this letter size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    metric_width(text, size) * SAFETY
}

/// The width in Helvetica itself.
pub(crate) fn metric_width(text: &str, size: f64) -> f64 {
    let thousandths: u64 = text.chars().map(|c| u64::from(letter(c))).sum();
    thousandths as f64 / 1000.0 * size
}

fn letter(c: char) -> u16 {
    match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '\u{a0}' => 278,
        '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻' => 350,
        '\u{300}'..='\u{36f}' => 0,
        c if (c as u32) < 0x1100 => 620,
        _ => 1000,
    }
}

/// Cuts a text to a width, with an ellipsis where something is lost.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room + 1e-6 {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) + width("…", size) > room {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

/// Breaks a text at spaces into lines no wider than `room`; the last of `most` lines is cut.
pub(crate) fn wrap(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                last.push('…');
            }
            break;
        }
    }
    lines.iter().map(|line| fit(line, size, room)).collect()
}

/// Text as XML character data: markup escaped, line breaks as spaces, what XML 1.0 forbids left out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\r' | '\t' => out.push(' '),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_to_its_room() {
        let cut = fit("retransmission timeout", 10.0, 50.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 50.0, "{cut}");
        assert_eq!(fit("short", 10.0, 50.0), "short");
    }

    #[test]
    fn lines_are_broken_at_spaces_and_the_last_one_is_cut() {
        let lines = wrap("one two three four five six seven eight nine", 10.0, 50.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 50.0), "{lines:?}");
        assert!(lines[2].ends_with('…'));
        assert!(wrap("", 10.0, 50.0, 3).is_empty());
    }

    #[test]
    fn markup_is_escaped_and_control_characters_vanish() {
        assert_eq!(escape("a<b>&\"c'\u{1}\nd\u{ffff}"), "a&lt;b&gt;&amp;&quot;c&#39; d");
    }
}
