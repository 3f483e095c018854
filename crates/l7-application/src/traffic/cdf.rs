//! Distributions given by points of their cumulative distribution function.

use std::fmt;

/// A distribution with straight lines between points (size, probability of at most that size). A first probability above zero is
/// that of the first size itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Cdf(Vec<(f64, f64)>);

/// What is wrong with the points of a distribution, and at which of them, counted from 1.
#[derive(Clone, PartialEq, Debug)]
pub struct BadCdf {
    /// The point.
    pub point: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for BadCdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "point {} of the distribution: {}", self.point, self.what)
    }
}

/// Distributions of flow sizes in bytes that were published, by name.
///
/// * `web_search`: Alizadeh et al., Data Center TCP, SIGCOMM 2010 (the cluster of a search engine; mean 1.7 MB),
/// * `data_mining`: Greenberg et al., VL2, SIGCOMM 2009 (mean 7.7 MB),
///
/// both as tabulated for the evaluation of pFabric (Alizadeh et al., SIGCOMM 2013). What caches hold is in [`crate::traffic::Sizes`].
pub const PUBLISHED: [(&str, &[(f64, f64)]); 2] = [
    (
        "web_search",
        &[
            (0.0, 0.0),
            (10e3, 0.15),
            (20e3, 0.2),
            (30e3, 0.3),
            (50e3, 0.4),
            (80e3, 0.53),
            (200e3, 0.6),
            (1e6, 0.7),
            (2e6, 0.8),
            (5e6, 0.9),
            (10e6, 0.97),
            (30e6, 1.0),
        ],
    ),
    (
        "data_mining",
        &[
            (0.0, 0.0),
            (180.0, 0.1),
            (216.0, 0.2),
            (560.0, 0.3),
            (900.0, 0.4),
            (1100.0, 0.5),
            (1870.0, 0.6),
            (3160.0, 0.7),
            (10e3, 0.8),
            (400e3, 0.9),
            (3.16e6, 0.95),
            (100e6, 0.99),
            (1e9, 1.0),
        ],
    ),
];

impl Cdf {
    /// A distribution through these points, each (size, probability), in rising order.
    ///
    /// # Errors
    /// The first point that is lower than the one before, is no probability, or leaves out the end.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Cdf, BadCdf> {
        let bad = |point, what: String| Err(BadCdf { point, what });
        if points.is_empty() {
            return bad(1, "there is none".to_owned());
        }
        let mut before = (0.0, 0.0);
        for (i, (size, p)) in points.iter().copied().enumerate() {
            let at = i + 1;
            if !(size.is_finite() && size >= 0.0) {
                return bad(at, format!("{size} is no size"));
            }
            if !(0.0..=1.0).contains(&p) {
                return bad(at, format!("{p} is no probability from 0 to 1"));
            }
            if size < before.0 {
                return bad(at, format!("the size {size} is below {}, that of the point before", before.0));
            }
            if p < before.1 {
                return bad(
                    at,
                    format!("the probability {p} is below {}, that of the point before", before.1),
                );
            }
            before = (size, p);
        }
        if before.1 != 1.0 {
            return bad(points.len(), format!("the last probability must be 1, not {}", before.1));
        }
        if before.0 <= 0.0 {
            return bad(points.len(), "all sizes are 0".to_owned());
        }
        Ok(Cdf(points))
    }

    /// One of [`PUBLISHED`].
    pub fn published(name: &str) -> Option<Cdf> {
        let (_, points) = PUBLISHED.iter().find(|(known, _)| *known == name)?;
        Cdf::new(points.to_vec()).ok()
    }

    /// Reads lines of a size and a probability with a comma, semicolon or blanks between. Lines that begin with # and a heading count
    /// as none.
    ///
    /// # Errors
    /// The number of the first bad line, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Cdf, (usize, String)> {
        let (mut points, mut lines) = (Vec::new(), Vec::new());
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> =
                line.split([',', ';', ' ', '\t']).filter(|field| !field.is_empty()).collect();
            let numbers: Vec<Option<f64>> = fields.iter().map(|field| field.parse().ok()).collect();
            match numbers[..] {
                [Some(size), Some(p)] => points.push((size, p)),
                [None, None] if points.is_empty() => continue,
                _ => return Err((i + 1, format!("'{line}' is not a size and a probability"))),
            }
            lines.push(i + 1);
        }
        let last = text.lines().count().max(1);
        Cdf::new(points).map_err(|bad| (lines.get(bad.point - 1).copied().unwrap_or(last), bad.what))
    }

    /// The mean size.
    pub fn mean(&self) -> f64 {
        let first = self.0[0];
        let pairs = self.0.windows(2).map(|pair| (pair[1].1 - pair[0].1) * (pair[0].0 + pair[1].0) / 2.0);
        first.0 * first.1 + pairs.sum::<f64>()
    }

    /// The size below which a share `u` (0 to 1) of all sizes lies.
    pub fn quantile(&self, u: f64) -> f64 {
        let i = self.0.partition_point(|(_, p)| *p < u);
        let Some((high, p)) = self.0.get(i).copied() else { return self.0[self.0.len() - 1].0 };
        if i == 0 {
            return high;
        }
        let (low, before) = self.0[i - 1];
        if p == before { low } else { low + (high - low) * (u - before) / (p - before) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_distributions_have_the_means_that_are_quoted_for_them() {
        let mean = |name| Cdf::published(name).unwrap().mean();
        // Quoted as 1.6 and 7.4 MB; straight lines between the points give a little more.
        assert!((1.6e6..1.75e6).contains(&mean("web_search")), "{}", mean("web_search"));
        assert!((7.3e6..7.8e6).contains(&mean("data_mining")), "{}", mean("data_mining"));
    }

    #[test]
    fn quantiles_lie_on_the_lines_between_the_points() {
        let cdf = Cdf::new(vec![(10.0, 0.5), (20.0, 0.5), (30.0, 1.0)]).unwrap();
        let at = [0.0, 0.25, 0.5, 0.75, 1.0].map(|u| cdf.quantile(u));
        assert_eq!(at, [10.0, 10.0, 10.0, 25.0, 30.0]);
        assert_eq!(cdf.mean(), 17.5);
    }

    #[test]
    fn points_that_fall_are_refused_where_they_do() {
        let at = |points: &[(f64, f64)]| Cdf::new(points.to_vec()).unwrap_err();
        assert_eq!(at(&[(1.0, 0.0), (2.0, 0.6), (3.0, 0.5), (4.0, 1.0)]).point, 3);
        assert_eq!(at(&[(2.0, 0.0), (1.0, 1.0)]).point, 2);
        assert_eq!(at(&[(2.0, 0.0), (4.0, 1.5)]).point, 2);
        assert_eq!(at(&[(2.0, 0.0), (4.0, 0.9)]).what, "the last probability must be 1, not 0.9");
        assert_eq!(at(&[]).point, 1);
    }

    #[test]
    fn a_file_says_in_which_line_it_is_wrong() {
        let good = "size,p\n# bytes\n0 0\n1000, 0.5\n2000;1\n";
        assert_eq!(Cdf::parse(good).unwrap().mean(), 1000.0);
        assert_eq!(Cdf::parse("0 0\n\n1000 0.5\n500 1\n").unwrap_err().0, 4);
        assert_eq!(
            Cdf::parse("0 0\n1000 half\n").unwrap_err(),
            (2, "'1000 half' is not a size and a probability".to_owned())
        );
        assert_eq!(Cdf::parse("").unwrap_err().0, 1);
    }
}
