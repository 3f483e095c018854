//! Student's t distribution, for confidence intervals of a mean.

/// The probability that a t-distributed value with `df` degrees of freedom is at most `t`.
pub fn student_t_cdf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(0.5 * df, 0.5, df / (df + t * t));
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The value that a t-distributed variable with `df` degrees of freedom stays below with probability `p`.
///
/// # Panics
/// When `p` is not inside (0, 1) or `df` is not positive.
pub fn student_t_quantile(p: f64, df: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0 && df > 0.0, "no t quantile for p = {p} with {df} degrees of freedom");
    if p < 0.5 {
        return -student_t_quantile(1.0 - p, df);
    }
    let mut high = 1.0;
    while student_t_cdf(high, df) < p && high < 1e300 {
        high *= 2.0;
    }
    let mut low = 0.0;
    // Halving a double's interval this often leaves neighbours.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if student_t_cdf(middle, df) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let log_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    libm::exp(log_front) / (a * continued_fraction(a, b, x))
}

/// Lentz's evaluation of 1 + d1/(1 + d2/(1 + ...)).
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let term = |k: u32| {
        let m = f64::from(k / 2);
        if k.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut value, mut c, mut d) = (1.0, 1.0, 0.0);
    for k in 1..500 {
        d = 1.0 / keep(1.0 + term(k) * d);
        c = keep(1.0 + term(k) / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_published_tables() {
        // Two-sided 95 %, 90 % and 99 % columns of the usual table.
        let table = [
            (0.975, 1.0, 12.706),
            (0.975, 2.0, 4.303),
            (0.975, 3.0, 3.182),
            (0.975, 4.0, 2.776),
            (0.975, 9.0, 2.262),
            (0.975, 10.0, 2.228),
            (0.975, 29.0, 2.045),
            (0.975, 30.0, 2.042),
            (0.975, 60.0, 2.000),
            (0.975, 120.0, 1.980),
            (0.95, 5.0, 2.015),
            (0.95, 20.0, 1.725),
            (0.995, 1.0, 63.657),
            (0.995, 10.0, 3.169),
            (0.995, 1000.0, 2.581),
        ];
        for (p, df, want) in table {
            let got = student_t_quantile(p, df);
            assert!((got - want).abs() < 6e-4, "t({p}, {df}) = {got}, published {want}");
        }
    }

    #[test]
    fn one_and_two_degrees_of_freedom_match_their_closed_forms() {
        // df 1 is Cauchy: tan(pi (p - 1/2)); df 2: (2p - 1) sqrt(2 / (4 p (1 - p))).
        for p in [0.6, 0.9, 0.975, 0.999] {
            let cauchy = libm::tan(std::f64::consts::PI * (p - 0.5));
            assert!((student_t_quantile(p, 1.0) / cauchy - 1.0).abs() < 1e-9);
            let two = (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt();
            assert!((student_t_quantile(p, 2.0) / two - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_distribution_is_symmetric_and_tends_to_the_normal_one() {
        assert!((student_t_quantile(0.1, 7.0) + student_t_quantile(0.9, 7.0)).abs() < 1e-12);
        assert!((student_t_quantile(0.975, 1e7) - 1.959_963_98).abs() < 1e-5);
        assert!((student_t_cdf(0.0, 3.0) - 0.5).abs() < 1e-15);
    }
}
