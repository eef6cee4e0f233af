//! The façade of the ODE solver (Dormand and Prince 1980, by `ode_solvers`): sparse output, time from 0, stiffness test off
//! because it stops fluid models on their way to a steady state, and a right-hand side that is checked for numbers.

use std::cell::Cell;

use ode_solvers::{DVector, Dopri5, OutputType, System};

/// Safety factor, β, and the bounds of the step's growth (Hairer, Nørsett and Wanner, DOPRI5's defaults).
const SAFETY: f64 = 0.9;
const BETA: f64 = 0.04;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;
/// Steps allowed over one span.
const STEPS: u32 = 2_000_000;

/// Why an integration stopped early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OdeError {
    /// The right-hand side was not a number.
    #[error("the rate of change is not a number; check the scenario's step times and lengths")]
    NotFinite,
    /// The solver gave up.
    #[error("the integration stopped: {0}")]
    Stopped(String),
}

/// Error bounds and the first step.
#[derive(Debug, Clone, Copy)]
pub(in crate::fluid) struct Control {
    pub relative: f64,
    pub absolute: f64,
    pub first_step: f64,
}

/// A right-hand side: the time, the state, and where its rates go.
pub(in crate::fluid) type Rates<'a> = dyn Fn(f64, &[f64], &mut [f64]) + 'a;

struct Checked<'a> {
    rhs: &'a Rates<'a>,
    finite: &'a Cell<bool>,
}

impl System<f64, DVector<f64>> for Checked<'_> {
    fn system(&self, t: f64, y: &DVector<f64>, dy: &mut DVector<f64>) {
        (self.rhs)(t, y.as_slice(), dy.as_mut_slice());
        if dy.iter().any(|rate| !rate.is_finite()) {
            self.finite.set(false);
            dy.fill(0.0);
        }
    }

    fn solout(&mut self, _: f64, _: &DVector<f64>, _: &DVector<f64>) -> bool {
        !self.finite.get()
    }
}

/// Advances dy/dt = rhs(t, y) from `start` at time 0 over `span` seconds. The state, and the mean step that was taken.
///
/// # Errors
/// A rate that is not a number, or a solver that needs too many steps.
pub(in crate::fluid) fn advance(
    rhs: &Rates<'_>,
    start: &[f64],
    span: f64,
    control: Control,
) -> Result<(Vec<f64>, f64), OdeError> {
    let finite = Cell::new(true);
    let mut solver = Dopri5::from_param(
        Checked { rhs, finite: &finite },
        0.0,
        span,
        span,
        DVector::from_column_slice(start),
        control.relative,
        control.absolute,
        SAFETY,
        BETA,
        SHRINK,
        GROW,
        span,
        control.first_step.min(span),
        STEPS,
        u32::MAX,
        OutputType::Sparse,
    );
    let outcome = solver.integrate();
    if !finite.get() {
        return Err(OdeError::NotFinite);
    }
    let stats = outcome.map_err(|error| OdeError::Stopped(error.to_string()))?;
    let last = solver.y_out().last().ok_or_else(|| OdeError::Stopped("no output".into()))?;
    Ok((last.as_slice().to_vec(), span / f64::from(stats.accepted_steps.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    const CONTROL: Control = Control { relative: 1e-9, absolute: 1e-12, first_step: 1e-3 };

    #[test]
    fn exponential_decay_and_a_circle() {
        let y = advance(&|_, y, dy| dy[0] = -y[0], &[1.0], 3.0, CONTROL).unwrap().0;
        assert_relative_eq!(y[0], (-3.0_f64).exp(), max_relative = 1e-7);
        let circle = |_: f64, y: &[f64], dy: &mut [f64]| {
            dy[0] = -y[1];
            dy[1] = y[0];
        };
        let y = advance(&circle, &[1.0, 0.0], std::f64::consts::TAU, CONTROL).unwrap().0;
        assert_relative_eq!(y[0], 1.0, epsilon = 1e-7);
    }

    #[test]
    fn a_rate_that_is_no_number_is_an_error() {
        let outcome = advance(&|_, y, dy| dy[0] = (0.5 - y[0]).sqrt(), &[1.0], 1.0, CONTROL);
        assert_eq!(outcome, Err(OdeError::NotFinite));
    }
}
