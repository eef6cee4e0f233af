//! The mean wait in M/D/c: Poisson arrivals, constant service, c servers, first come, first served.
//!
//! What is in system a service time later is what could not enter then and what came since, L' = (L − c)⁺ + Poisson(a), a = λD.
//! Either Lq = Σ_k E(A_k − kc)⁺/k, A_k ~ Poisson(ka) (Pollaczek 1930; Spitzer 1956), or, from the roots zⱼ of
//! z^c = e^{a(z−1)} inside the unit circle, Lq = Σ_{j=1..c−1} 1/(1 − zⱼ) + (a² − c(c − 1))/(2(c − a)) (Crommelin 1932, Post Office
//! Electrical Engineers' Journal 25:41–50). The series is used where it is short, the roots where it is not. Cosmetatos' formula,
//! which others are built on (see [`Ggc`](super::Ggc)), errs by at most 4.3 % from it for 2 to 50 servers and ρ = .7 to .95; with its γ held
//! at .24, as Whitt has it, by up to 13.1 %.

use nalgebra::Complex;

use crate::queueing::batch::mean_above;
use crate::queueing::error::{QueueError, not_negative, positive};

/// The series is left for the roots when its terms fall by less than this in the logarithm.
const SLOW: f64 = 0.05;

/// Wq of M/D/c with arrival rate λ per second, services of `service_s` and `servers` servers, seconds; exact to rounding.
///
/// ```
/// use fluidsim::queueing::general::mdc_mean_wait_s;
/// // One server: ρD/(2(1 − ρ)).
/// assert!((mdc_mean_wait_s(0.9, 1.0, 1)? - 4.5).abs() < 1e-12);
/// // Two servers at ρ = .9, by the series with mpmath.
/// assert!((mdc_mean_wait_s(1.8, 1.0, 2)? - 2.14692321471582).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Unstable`] with growth λ − c/D when λD ≥ c; [`QueueError::Parameter`] for a value out of range.
pub fn mdc_mean_wait_s(arrivals_per_s: f64, service_s: f64, servers: u64) -> Result<f64, QueueError> {
    not_negative("arrivals_per_s", arrivals_per_s)?;
    positive("service_s", service_s)?;
    let c = positive("servers", servers as f64)?;
    let load = arrivals_per_s * service_s;
    if load >= c {
        return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - c / service_s });
    }
    if load == 0.0 {
        return Ok(0.0);
    }
    let decay = load - c - c * (load / c).ln();
    let waiting = if decay < SLOW { by_roots(load, servers) } else { by_series(load, c) };
    Ok(waiting / arrivals_per_s)
}

fn by_roots(load: f64, servers: u64) -> f64 {
    let c = servers as f64;
    // Pairs j and c − j are conjugate.
    let sum: f64 = (1..servers).map(|j| (1.0 / (1.0 - root(load, c, j as f64 / c))).re).sum();
    sum + (load * load - c * (c - 1.0)) / (2.0 * (c - load))
}

/// z = e^{2πi·turn + a(z−1)/c}: by successive substitution, then Newton's method.
fn root(load: f64, servers: f64, turn: f64) -> Complex<f64> {
    let direction = Complex::from_polar(1.0, std::f64::consts::TAU * turn);
    let slope = load / servers;
    let next = |z: Complex<f64>| direction * ((z - 1.0) * slope).exp();
    let mut z = Complex::from(0.0);
    for _ in 0..20 {
        z = next(z);
    }
    for _ in 0..8 {
        let image = next(z);
        z -= (z - image) / (1.0 - image * slope);
    }
    z
}

fn by_series(load: f64, servers: f64) -> f64 {
    let (mut sum, mut k) = (0.0, 0.0);
    loop {
        k += 1.0;
        let term = mean_above(k * load, k * servers) / k;
        sum += term;
        if term <= 1e-17 * sum {
            return sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn both_ways_agree() {
        for (servers, utilization) in [(1, 0.8), (2, 0.7), (3, 0.9), (10, 0.8), (10, 0.95), (50, 0.95), (200, 0.98)] {
            let load = utilization * servers as f64;
            assert_relative_eq!(by_roots(load, servers), by_series(load, servers as f64), max_relative = 1e-9);
        }
    }

    #[test]
    fn the_chain_agrees() {
        for (servers, load) in [(2usize, 1.8f64), (5, 4.0), (10, 8.0)] {
            let cut = 400;
            let mut poisson = vec![(-load).exp()];
            for n in 1..cut {
                poisson.push(poisson[n - 1] * load / n as f64);
            }
            let mut law = vec![0.0; cut];
            law[0] = 1.0;
            for _ in 0..2500 {
                let mut next = vec![0.0; cut];
                for (n, mass) in law.iter().enumerate() {
                    let left = n.saturating_sub(servers);
                    for (come, share) in poisson.iter().enumerate().take(60).take_while(|(come, _)| left + come < cut) {
                        next[left + come] += mass * share;
                    }
                }
                law = next;
            }
            let waiting: f64 = law.iter().enumerate().map(|(n, mass)| n.saturating_sub(servers) as f64 * mass).sum();
            let found = mdc_mean_wait_s(load, 1.0, servers as u64).unwrap();
            assert_relative_eq!(found, waiting / load, max_relative = 1e-9);
        }
    }

    /// As the module says.
    #[test]
    fn how_far_cosmetatos_errs() {
        let (mut free, mut held): (f64, f64) = (0.0, 0.0);
        for servers in [2, 5, 10, 20, 50] {
            for rho in [0.7, 0.8, 0.9, 0.95] {
                let c = servers as f64;
                let exact = mdc_mean_wait_s(rho * c, 1.0, servers).unwrap();
                let markov = crate::queueing::markov::Mmc::new(rho * c, 1.0, servers).unwrap().mean_wait_s();
                let gamma = (1.0 - rho) * (c - 1.0) * ((4.0 + 5.0 * c).sqrt() - 2.0) / (16.0 * c * rho);
                let off = |gamma: f64| (0.5 * (1.0 + gamma) * markov / exact - 1.0).abs();
                free = free.max(off(gamma));
                held = held.max(off(gamma.min(0.24)));
            }
        }
        assert!((0.042..0.043).contains(&free) && (0.130..0.131).contains(&held), "{free} {held}");
    }

    #[test]
    fn many_servers_and_heavy_traffic() {
        assert!(mdc_mean_wait_s(9900.0, 1.0, 10_000).unwrap() > 0.0);
        // Half of M/M/c as ρ → 1.
        let exponential = crate::queueing::markov::Mmc::new(9.999, 1.0, 10).unwrap().mean_wait_s();
        assert_relative_eq!(mdc_mean_wait_s(9.999, 1.0, 10).unwrap(), 0.5 * exponential, max_relative = 1e-3);
        assert_eq!(mdc_mean_wait_s(0.0, 1.0, 3), Ok(0.0));
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(mdc_mean_wait_s(3.0, 1.0, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(mdc_mean_wait_s(1.0, 1.0, 0).is_err() && mdc_mean_wait_s(f64::NAN, 1.0, 2).is_err());
        assert!(mdc_mean_wait_s(-1.0, 1.0, 2).is_err() && mdc_mean_wait_s(1.0, 0.0, 2).is_err());
    }
}
