//! Many servers under a load close to them: c = a + β√a, the quality-and-efficiency-driven regime.
//!
//! As a → ∞ with β fixed the share of arrivals that wait tends to α(β) = (1 + βΦ(β)/φ(β))⁻¹. Halfin and Whitt (1981),
//! Heavy-traffic limits for queues with many exponential servers, Operations Research 29(3):567–588, theorem 1. For a
//! finite number of servers everything here is an approximation; [`super::erlang_c`] is exact.

use super::root::{falling_root, share};
use crate::queueing::error::{QueueError, not_negative, positive};
use crate::queueing::normal::{normal_cdf, normal_density};

/// α(β), the limit of the share of arrivals that wait, for β > 0.
///
/// ```
/// use fluidsim::queueing::markov::halfin_whitt_delay;
/// assert!((halfin_whitt_delay(0.5)? - 0.504538640998).abs() < 1e-11);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a β that is not positive and finite.
pub fn halfin_whitt_delay(beta: f64) -> Result<f64, QueueError> {
    positive("beta", beta)?;
    Ok(delay(beta))
}

/// β(α), the inverse of [`halfin_whitt_delay`], for 0 < α < 1.
///
/// ```
/// use fluidsim::queueing::markov::halfin_whitt_beta;
/// // Root by mpmath.
/// assert!((halfin_whitt_beta(0.2)? - 1.06151627541872).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for an α that is not between 0 and 1.
pub fn halfin_whitt_beta(alpha: f64) -> Result<f64, QueueError> {
    share("alpha", alpha)?;
    Ok(falling_root(0.0, 1.0, |beta| delay(beta) - alpha))
}

/// An approximation: the servers ⌈a + β(α)√a⌉ for which about a share α of arrivals waits. It is rarely more than one
/// server away from [`super::servers_for_waiting`].
///
/// ```
/// use fluidsim::queueing::markov::square_root_staffing;
/// // 100 + 1.0615·10.
/// assert_eq!(square_root_staffing(100.0, 0.2)?, 111);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is negative or not finite, or an α that is not between 0 and 1.
pub fn square_root_staffing(load: f64, alpha: f64) -> Result<u64, QueueError> {
    not_negative("load", load)?;
    let servers = (load + halfin_whitt_beta(alpha)? * load.sqrt()).ceil();
    Ok((servers as u64).max(1))
}

/// An approximation: the share of arrivals that wait at c servers under load a < c, α((c − a)/√a).
///
/// ```
/// use fluidsim::queueing::markov::halfin_whitt_wait_probability;
/// // Exactly C(100, 95) = .506.
/// assert!((halfin_whitt_wait_probability(100.0, 95.0)? - 0.506).abs() < 0.02);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a load that is not positive or not below the number of servers.
pub fn halfin_whitt_wait_probability(servers: f64, load: f64) -> Result<f64, QueueError> {
    positive("servers", servers)?;
    positive("load", load)?;
    if load >= servers {
        return Err(QueueError::Parameter { name: "load", value: load, must: "below the number of servers" });
    }
    Ok(delay((servers - load) / load.sqrt()))
}

/// φ/(φ + βΦ), which underflows to 0 and never divides by it.
fn delay(beta: f64) -> f64 {
    let density = normal_density(beta);
    density / (density + beta * normal_cdf(beta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::{erlang_c, servers_for_waiting};
    use approx::assert_relative_eq;

    /// β, α(β), mpmath.
    const TABLE: [(f64, f64); 8] = [
        (0.1, 0.880287083330812),
        (0.25, 0.720932113403),
        (0.5, 0.504538640998),
        (1.0, 0.223361274798261),
        (1.5, 0.0846903944939),
        (2.0, 0.0268813624294),
        (3.0, 0.00147709464461429),
        (6.0, 1.01264714161083e-9),
    ];

    #[test]
    fn the_table_is_met_both_ways() {
        for (beta, alpha) in TABLE {
            assert_relative_eq!(halfin_whitt_delay(beta).unwrap(), alpha, max_relative = 1e-11);
            assert_relative_eq!(halfin_whitt_beta(alpha).unwrap(), beta, max_relative = 1e-11);
        }
    }

    #[test]
    fn many_servers_tend_to_it() {
        // The miss shrinks as 1/√a: tenfold for a hundred times the servers.
        let mut before: Option<f64> = None;
        for servers in [100u64, 10_000, 1_000_000] {
            // The load with β = 1: c = a + √a.
            let root = ((4.0 * servers as f64 + 1.0).sqrt() - 1.0) / 2.0;
            let load = root * root;
            let exact = erlang_c(servers, load).unwrap();
            let miss = (halfin_whitt_wait_probability(servers as f64, load).unwrap() / exact - 1.0).abs();
            if let Some(before) = before {
                assert!((before / miss - 10.0).abs() < 0.6, "{servers}: {before} {miss}");
            }
            before = Some(miss);
        }
    }

    #[test]
    fn staffing_is_within_one_server() {
        for load in [5.0, 20.0, 100.0, 1000.0, 30_000.0] {
            for alpha in [0.8, 0.5, 0.2, 0.05] {
                let exact = servers_for_waiting(load, alpha).unwrap();
                let rule = square_root_staffing(load, alpha).unwrap();
                assert!(exact.abs_diff(rule) <= 1, "{load} {alpha}: {exact} {rule}");
            }
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
            assert!(halfin_whitt_delay(bad).is_err() && halfin_whitt_beta(bad).is_err());
            assert!(halfin_whitt_wait_probability(10.0, bad).is_err());
        }
        assert!(halfin_whitt_wait_probability(10.0, 10.0).is_err() && square_root_staffing(f64::NAN, 0.5).is_err());
        assert_eq!(halfin_whitt_delay(1e3), Ok(0.0));
    }
}
