//! Congestion control: one file per algorithm.

use std::fmt;

/// Which algorithm a connection uses.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum CcKind {
    /// NewReno (RFC 5681, RFC 6582).
    Reno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
}

impl CcKind {
    /// Every algorithm, in the order of the documentation.
    pub const ALL: [CcKind; 2] = [CcKind::Reno, CcKind::Cubic];

    /// The name in scripts and result files.
    pub const fn name(self) -> &'static str {
        match self {
            CcKind::Reno => "reno",
            CcKind::Cubic => "cubic",
        }
    }

    /// The algorithm of a name.
    pub fn from_name(name: &str) -> Option<CcKind> {
        CcKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Debug for CcKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
