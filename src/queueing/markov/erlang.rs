//! Erlang's formulas: loss B(c, a) and delay C(c, a) of c servers under a offered load a = λ/μ in erlangs.
//!
//! B(0, a) = 1, B(k, a) = aB(k−1, a)/(k + aB(k−1, a)); C = B/(1 − (a/c)(1 − B)). Jagers and van Doorn (1986), On the
//! continued Erlang loss function, Operations Research Letters 5:43–46: for a real number of servers
//! 1/B(c, a) = a∫₀^∞ e^{−at}(1 + t)ᶜ dt, which obeys the same recurrence. Every step adds positive numbers, so nothing
//! overflows or cancels, whatever c.

use super::root::share;
use crate::queueing::error::{QueueError, not_negative, positive};
use statrs::function::gamma::ln_gamma;

/// Erlang's loss probability B(c, a) for `servers` c and offered load a in erlangs.
///
/// ```
/// use fluidsim::queueing::markov::erlang_b;
/// assert!((erlang_b(10, 9.0)? - 0.167963226292).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative or not finite.
pub fn erlang_b(servers: u64, load: f64) -> Result<f64, QueueError> {
    not_negative("load", load)?;
    Ok((1..=servers).fold(1.0, |blocked, k| next_blocked(blocked, k as f64, load)))
}

/// Erlang's delay probability C(c, a): the share of arrivals that wait.
///
/// ```
/// use fluidsim::queueing::markov::erlang_c;
/// assert!((erlang_c(10, 9.0)? - 0.668731524108).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative, not finite, or not below the number of servers.
pub fn erlang_c(servers: u64, load: f64) -> Result<f64, QueueError> {
    delayed(servers as f64, load, erlang_b(servers, load)?)
}

/// B(c, a) for a real number of servers c ≥ 0.
///
/// ```
/// use fluidsim::queueing::markov::erlang_b_real;
/// // 1/(a∫ e^{−at}(1+t)ᶜ dt) by mpmath.
/// assert!((erlang_b_real(2.5, 2.0)? - 0.295419506411758).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a value that is negative or not finite.
pub fn erlang_b_real(servers: f64, load: f64) -> Result<f64, QueueError> {
    not_negative("servers", servers)?;
    not_negative("load", load)?;
    if load == 0.0 {
        return Ok(if servers == 0.0 { 1.0 } else { 0.0 });
    }
    let fraction = servers.fract();
    let start = 1.0 / inverse_of_fraction(fraction, load);
    Ok((1..=servers.trunc() as u64).fold(start, |blocked, k| next_blocked(blocked, fraction + k as f64, load)))
}

/// C(c, a) for a real number of servers c > a.
///
/// ```
/// use fluidsim::queueing::markov::erlang_c_real;
/// // From B by mpmath.
/// assert!((erlang_c_real(2.5, 2.0)? - 0.67704652780775).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative, not finite, or not below the number of servers.
pub fn erlang_c_real(servers: f64, load: f64) -> Result<f64, QueueError> {
    delayed(servers, load, erlang_b_real(servers, load)?)
}

/// The smallest number of servers with B(c, a) ≤ `target`, 0 < target < 1.
///
/// ```
/// use fluidsim::queueing::markov::servers_for_blocking;
/// // B(16, 9) = .0117 and B(17, 9) = .0062.
/// assert_eq!(servers_for_blocking(9.0, 0.01)?, 17);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative or not finite, or a target outside its range.
pub fn servers_for_blocking(load: f64, target: f64) -> Result<u64, QueueError> {
    not_negative("load", load)?;
    share("target", target)?;
    let (mut servers, mut blocked) = (0, 1.0);
    while blocked > target {
        servers += 1;
        blocked = next_blocked(blocked, servers as f64, load);
    }
    Ok(servers)
}

/// The smallest number of servers c > a with C(c, a) ≤ `target`, 0 < target < 1.
///
/// ```
/// use fluidsim::queueing::markov::servers_for_waiting;
/// // C(10, 9) = .669; twelve servers are the first with C ≤ .3.
/// assert_eq!(servers_for_waiting(9.0, 0.3)?, 12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative or not finite, or a target outside its range.
pub fn servers_for_waiting(load: f64, target: f64) -> Result<u64, QueueError> {
    not_negative("load", load)?;
    share("target", target)?;
    let (mut servers, mut blocked) = (0, 1.0);
    loop {
        servers += 1;
        blocked = next_blocked(blocked, servers as f64, load);
        if (servers as f64) > load && delayed(servers as f64, load, blocked)? <= target {
            return Ok(servers);
        }
    }
}

/// B(k, a) from B(k − 1, a).
fn next_blocked(blocked: f64, servers: f64, load: f64) -> f64 {
    let offered = load * blocked;
    offered / (servers + offered)
}

/// C from B.
fn delayed(servers: f64, load: f64, blocked: f64) -> Result<f64, QueueError> {
    positive("servers", servers)?;
    if load >= servers {
        return Err(QueueError::Parameter { name: "load", value: load, must: "below the number of servers" });
    }
    // 1 − (a/c)(1 − B) = ((c − a) + aB)/c keeps its digits close to saturation.
    Ok(servers * blocked / ((servers - load) + load * blocked))
}

/// 1/B(f, a) = eᵃ a^{−f} Γ(f + 1, a) for 0 ≤ f < 1.
fn inverse_of_fraction(fraction: f64, load: f64) -> f64 {
    if fraction == 0.0 {
        return 1.0;
    }
    let shape = fraction + 1.0;
    if load > 2.0 {
        return load * upper_gamma_fraction(shape, load);
    }
    // Γ(s, a) = Γ(s) − γ(s, a) with γ(s, a) = a^s e^{−a} Σ aⁿ/(s(s+1)…(s+n)).
    let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, 0.0);
    while term > sum * 1e-17 {
        n += 1.0;
        term *= load / (shape + n);
        sum += term;
    }
    (load - fraction * load.ln() + ln_gamma(shape)).exp() - load * sum
}

/// Γ(s, x)eˣx^{−s} by Legendre's continued fraction with Lentz's method; x > s. Press et al. (2007), *Numerical
/// Recipes*, 3rd ed., §6.2.
fn upper_gamma_fraction(shape: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - shape;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..10_000 {
        let a = -f64::from(n) * (f64::from(n) - shape);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        let factor = c * d;
        value *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};

    /// c, a, B, C (0 where a ≥ c), by the incomplete gamma function of mpmath to 40 digits.
    const REAL: [[f64; 4]; 11] = [
        [0.5, 1.0, 0.725196777358349, 0.0],
        [2.5, 2.0, 0.295419506411758, 0.67704652780775],
        [3.7, 3.2, 0.266273243043083, 0.728666274193989],
        [10.25, 9.0, 0.155298178651772, 0.601207155738548],
        [0.01, 0.001, 0.938513542658034, 0.944319830757136],
        [100.5, 95.0, 0.0463104612747021, 0.470145387452947],
        [0.5, 0.0001, 0.0112826718351171, 0.0112849033510151],
        [7.3, 0.02, 4.18042020960114e-17, 4.19190488050664e-17],
        [1000.5, 990.0, 0.0186878628701839, 0.644709387996395],
        [0.3, 50.0, 0.99411611281117, 0.0],
        [2.5, 300.0, 0.991694489893678, 0.0],
    ];

    #[test]
    fn a_real_number_of_servers() {
        for [servers, load, blocked, waits] in REAL {
            assert_relative_eq!(erlang_b_real(servers, load).unwrap(), blocked, max_relative = 1e-12);
            if load < servers {
                assert_relative_eq!(erlang_c_real(servers, load).unwrap(), waits, max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn a_million_servers() {
        // Sums of c!/(c−n)! a^{−n} with mpmath to 40 digits.
        let table = [
            (10_000, 9900.0, 0.00285812673885659, 0.222776928864148),
            (10_000, 9999.0, 0.00787367750611536, 0.987556252434486),
            (1_000_000, 999_000.0, 0.000287421375776868, 0.223303390291344),
            (1_000_000, 999_900.0, 0.000734969347646544, 0.88031261266894),
        ];
        for (servers, load, blocked, waits) in table {
            assert_relative_eq!(erlang_b(servers, load).unwrap(), blocked, max_relative = 1e-12);
            assert_relative_eq!(erlang_c(servers, load).unwrap(), waits, max_relative = 1e-12);
        }
    }

    #[test]
    fn whole_and_real_agree_and_fall_with_servers() {
        let mut stream = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let load: f64 = stream.random_range(0.01..60.0);
            let servers: u64 = stream.random_range(0..90);
            let whole = erlang_b(servers, load).unwrap();
            assert_relative_eq!(whole, erlang_b_real(servers as f64, load).unwrap(), max_relative = 1e-13);
            let nudged = erlang_b_real(servers as f64 + 1e-9, load).unwrap();
            assert_relative_eq!(whole, nudged, max_relative = 1e-7);
            let (more, most) = (servers as f64 + stream.random_range(0.01..0.99), servers + 1);
            let between = erlang_b_real(more, load).unwrap();
            assert!(erlang_b(most, load).unwrap() < between && between < whole, "{servers} {load}");
        }
    }

    #[test]
    fn the_answer_is_the_smallest() {
        for load in [0.0, 0.3, 5.0, 9.0, 80.0, 1234.5] {
            for target in [0.5, 0.1, 1e-3, 1e-9] {
                let servers = servers_for_blocking(load, target).unwrap();
                assert!(erlang_b(servers, load).unwrap() <= target);
                assert!(servers == 0 || erlang_b(servers - 1, load).unwrap() > target);
                let servers = servers_for_waiting(load, target).unwrap();
                assert!(erlang_c(servers, load).unwrap() <= target);
                assert!((servers - 1) as f64 <= load || erlang_c(servers - 1, load).unwrap() > target);
            }
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert!(matches!(erlang_c(3, 3.0), Err(QueueError::Parameter { name: "load", .. })));
        assert_eq!(erlang_b(0, 2.0), Ok(1.0));
        assert_eq!(erlang_b_real(0.0, 0.0), Ok(1.0));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(erlang_b(3, bad).is_err() && erlang_b_real(bad, 1.0).is_err() && erlang_b_real(1.0, bad).is_err());
            assert!(erlang_c(3, bad).is_err() && erlang_c_real(bad, 1.0).is_err());
            assert!(servers_for_blocking(bad, 0.1).is_err() && servers_for_waiting(1.0, bad).is_err());
        }
        assert!(servers_for_blocking(1.0, 0.0).is_err() && servers_for_waiting(1.0, 1.0).is_err());
    }
}
