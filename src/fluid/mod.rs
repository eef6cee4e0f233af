//! Answer one: analysis. The stability boundary λ*, the equilibrium below it, latency, and the fluid's path in time.
//!
//! `solve` reads a validated [`Scenario`] and returns every figure with the method that gave it. The laws and their measured
//! errors are described where they are written: the limits in `boundary`, memory in `memory`, latencies in `latency`.

mod backlog;
mod bins;
mod boundary;
mod equilibrium;
mod latency;
mod load;
mod map;
mod memory;
mod mixture;
mod notes;
mod ode;
mod path;
mod residents;
pub mod root;
mod single;
mod slots;
#[cfg(test)]
mod testing;
mod transform;

use crate::answer::{FluidSolution, Verdict};
use crate::scenario::Scenario;

use load::Load;

pub use ode::OdeError;
pub use path::{Form, Path, PathError, PathOptions, PathPoint, trajectory};

/// Answers a validated scenario analytically: λ*, the limit that binds, the state and the latencies below it, the saturated
/// state above it. Seconds, tokens and requests per second throughout.
pub fn solve(scenario: &Scenario) -> FluidSolution {
    let load = Load::of(scenario);
    let service = (load.cap <= 1.0).then(|| single::service(&load));
    let regimes = match &service {
        Some(service) => vec![equilibrium::single_regime(service)],
        None => boundary::regimes(&load),
    };
    let boundary = boundary::of(&load, &regimes);
    let verdict = if load.served_per_s < boundary.low_per_s {
        Verdict::Stable
    } else if load.served_per_s < boundary.high_per_s {
        Verdict::Metastable
    } else {
        Verdict::Overloaded
    };
    let below = (verdict == Verdict::Stable).then(|| match &service {
        Some(service) => Some(equilibrium::single(&load, service)),
        None => equilibrium::below(&load, &regimes[0], &boundary),
    });
    let notes = notes::of(&load, &regimes[0], &boundary, verdict, below == Some(None));
    let summary = below.flatten().unwrap_or_else(|| equilibrium::saturated(&load, &regimes[0]));
    FluidSolution { lambda_per_s: scenario.workload.rate(), verdict, boundary, summary, notes }
}
