//! Line codes: what voltage stands for which bit, and when.

use std::fmt;

/// A voltage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Below zero.
    Low,
    /// Zero.
    Zero,
    /// Above zero.
    High,
}

/// How bits become levels. Before the first bit the line is low, or zero where the code has a zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineCode {
    /// Non-return to zero: a 1 is high, a 0 low.
    Nrz,
    /// NRZ inverted: a 1 changes the level, a 0 keeps it (100BASE-FX, after its 4B/5B code).
    Nrzi,
    /// Manchester as IEEE 802.3 has it: a 1 rises in the middle of the bit, a 0 falls (10BASE-T).
    Manchester,
    /// Differential Manchester: it always changes in the middle, and for a 0 at the beginning too (IEEE 802.5).
    DifferentialManchester,
    /// Alternate mark inversion: a 0 is zero, 1s are high and low in turn (T1).
    Ami,
    /// Three levels: a 1 goes on along zero, high, zero, low; a 0 keeps the level (100BASE-TX).
    Mlt3,
}

/// Levels that the code cannot have made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotASignal {
    /// The first of them that is wrong, counted from 0.
    pub at: usize,
}

impl fmt::Display for NotASignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {} cannot follow those before it", self.at + 1)
    }
}

impl std::error::Error for NotASignal {}

impl Level {
    fn opposite(self) -> Level {
        match self {
            Level::Low => Level::High,
            Level::Zero => Level::Zero,
            Level::High => Level::Low,
        }
    }
}

/// Where MLT-3 goes next: its cycle is zero, high, zero, low.
const CYCLE: [Level; 4] = [Level::Zero, Level::High, Level::Zero, Level::Low];

impl LineCode {
    /// All of them.
    pub const ALL: [LineCode; 6] = [
        LineCode::Nrz,
        LineCode::Nrzi,
        LineCode::Manchester,
        LineCode::DifferentialManchester,
        LineCode::Ami,
        LineCode::Mlt3,
    ];

    /// `nrz`, `nrzi`, `manchester`, `differential_manchester`, `ami`, `mlt3`.
    pub const fn name(self) -> &'static str {
        match self {
            LineCode::Nrz => "nrz",
            LineCode::Nrzi => "nrzi",
            LineCode::Manchester => "manchester",
            LineCode::DifferentialManchester => "differential_manchester",
            LineCode::Ami => "ami",
            LineCode::Mlt3 => "mlt3",
        }
    }

    /// Levels to a bit: 2 where there is a clock in every bit.
    pub const fn levels_per_bit(self) -> usize {
        match self {
            LineCode::Manchester | LineCode::DifferentialManchester => 2,
            _ => 1,
        }
    }

    /// The level before the first bit.
    pub const fn idle(self) -> Level {
        match self {
            LineCode::Ami | LineCode::Mlt3 => Level::Zero,
            _ => Level::Low,
        }
    }

    /// The levels that stand for these bits.
    pub fn encode(self, bits: &[bool]) -> Vec<Level> {
        let (mut level, mut mark, mut phase) = (self.idle(), Level::Low, 0);
        let mut out = Vec::with_capacity(bits.len() * self.levels_per_bit());
        for bit in bits {
            match self {
                LineCode::Nrz => out.push(if *bit { Level::High } else { Level::Low }),
                LineCode::Nrzi => {
                    level = if *bit { level.opposite() } else { level };
                    out.push(level);
                }
                LineCode::Manchester => {
                    out.extend(if *bit { [Level::Low, Level::High] } else { [Level::High, Level::Low] });
                }
                LineCode::DifferentialManchester => {
                    let first = if *bit { level } else { level.opposite() };
                    level = first.opposite();
                    out.extend([first, level]);
                }
                LineCode::Ami => {
                    mark = if *bit { mark.opposite() } else { mark };
                    out.push(if *bit { mark } else { Level::Zero });
                }
                LineCode::Mlt3 => {
                    phase = if *bit { (phase + 1) % 4 } else { phase };
                    out.push(CYCLE[phase]);
                }
            }
        }
        out
    }

    /// The bits that these levels stand for.
    ///
    /// # Errors
    /// Levels that no bits lead to, such as no change in the middle of a Manchester bit, or two marks of one sign in AMI.
    pub fn decode(self, levels: &[Level]) -> Result<Vec<bool>, NotASignal> {
        let (mut before, mut mark, mut phase) = (self.idle(), Level::Low, 0);
        let mut bits = Vec::with_capacity(levels.len());
        for (i, symbol) in levels.chunks(self.levels_per_bit()).enumerate() {
            let at = i * self.levels_per_bit();
            let wrong = Err(NotASignal { at });
            let bit = match (self, symbol) {
                (LineCode::Nrz, [Level::Low]) => false,
                (LineCode::Nrz, [Level::High]) => true,
                (LineCode::Nrzi, [level]) if *level != Level::Zero => *level != before,
                (LineCode::Manchester, [Level::Low, Level::High]) => true,
                (LineCode::Manchester, [Level::High, Level::Low]) => false,
                (LineCode::DifferentialManchester, [first, second])
                    if *first != Level::Zero && *second == first.opposite() =>
                {
                    *first == before
                }
                (LineCode::Ami, [Level::Zero]) => false,
                (LineCode::Ami, [level]) if *level != mark => {
                    mark = *level;
                    true
                }
                (LineCode::Mlt3, [level]) if *level == CYCLE[phase] => false,
                (LineCode::Mlt3, [level]) if *level == CYCLE[(phase + 1) % 4] => {
                    phase = (phase + 1) % 4;
                    true
                }
                _ => return wrong,
            };
            before = symbol[symbol.len() - 1];
            bits.push(bit);
        }
        Ok(bits)
    }
}

/// How often the level changes within these levels: what a receiver can set its clock by.
pub fn edges(levels: &[Level]) -> usize {
    levels.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// The bits above the course of the voltage, four columns to a bit.
pub fn draw(code: LineCode, bits: &[bool]) -> String {
    const PER_BIT: usize = 4;
    let width = PER_BIT / code.levels_per_bit();
    let three = code.idle() == Level::Zero;
    let row = |level: Level| match level {
        Level::High => 0,
        Level::Zero => 1,
        Level::Low if three => 2,
        Level::Low => 1,
    };
    let mut rows = vec![String::new(); if three { 3 } else { 2 }];
    let mut before = row(code.idle());
    for level in code.encode(bits) {
        let now = row(level);
        for (i, text) in rows.iter_mut().enumerate() {
            let (top, bottom) = (before.min(now), before.max(now));
            text.push(match i {
                _ if i == now && before == now => '─',
                _ if i == before && i == top && i != now => '┐',
                _ if i == before && i == bottom && i != now => '┘',
                _ if i == now && i == top => '┌',
                _ if i == now && i == bottom => '└',
                _ if i > top && i < bottom => '│',
                _ => ' ',
            });
            text.extend(std::iter::repeat_n(if i == now { '─' } else { ' ' }, width - 1));
        }
        before = now;
    }
    let head: String = bits.iter().map(|bit| if *bit { "  1 " } else { "  0 " }).collect();
    let lines = std::iter::once(head).chain(rows);
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signs(levels: &[Level]) -> String {
        let sign = |level: &Level| match level {
            Level::Low => '-',
            Level::Zero => '0',
            Level::High => '+',
        };
        levels.iter().map(sign).collect()
    }

    #[test]
    fn the_codes_are_those_of_the_textbooks() {
        let bits = [false, true, false, false, true, true];
        let expected = [
            (LineCode::Nrz, "-+--++"),
            (LineCode::Nrzi, "-+++-+"),
            (LineCode::Manchester, "+--++-+--+-+"),
            (LineCode::DifferentialManchester, "+--+-+-++--+"),
            (LineCode::Ami, "0+00-+"),
            (LineCode::Mlt3, "0+++0-"),
        ];
        for (code, levels) in expected {
            assert_eq!(signs(&code.encode(&bits)), levels, "{}", code.name());
        }
    }

    #[test]
    fn manchester_has_an_edge_in_every_bit_and_nrz_may_have_none() {
        let zeros = [false; 100];
        assert_eq!(edges(&LineCode::Nrz.encode(&zeros)), 0);
        assert_eq!(edges(&LineCode::Manchester.encode(&zeros)), 199);
        assert_eq!(edges(&LineCode::DifferentialManchester.encode(&[true; 100])), 100);
    }

    #[test]
    fn levels_that_no_bits_lead_to_are_named() {
        use Level::{High, Low, Zero};
        for (code, levels, at) in [
            (LineCode::Nrz, &[Low, Zero][..], 1),
            (LineCode::Manchester, &[Low, High, High, High], 2),
            (LineCode::Manchester, &[Low, High, Low], 2),
            (LineCode::Ami, &[High, Zero, High], 2),
            (LineCode::Mlt3, &[High, Low], 1),
        ] {
            assert_eq!(code.decode(levels), Err(NotASignal { at }), "{}", code.name());
        }
    }

    #[test]
    fn a_drawing_has_the_bits_above_the_levels() {
        let bits = [true, false, false, true];
        assert_eq!(draw(LineCode::Manchester, &bits), "  1   0   0   1\n  ┌───┐ ┌─┐   ┌─\n──┘   └─┘ └───┘");
        assert_eq!(draw(LineCode::Ami, &bits), "  1   0   0   1\n┌───┐\n┘   └───────┐\n            └───");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bits: Vec<bool>) {
            for code in LineCode::ALL {
                prop_assert_eq!(code.decode(&code.encode(&bits)), Ok(bits.clone()));
            }
        }
    }
}
