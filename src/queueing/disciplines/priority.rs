//! M/G/1 with classes of strict priority, first come first served within a class.
//!
//! Classes come highest first; σₖ = ρ₁ + … + ρₖ. Whoever is in service stays (Cobham 1954, Operations Research 2:70–76):
//! Wqₖ = R/((1 − σₖ₋₁)(1 − σₖ)) with R = Σ λᵢE\[Sᵢ²\]/2 over all classes. Interrupted work resumes where it stopped (Kleinrock 1976,
//! *Queueing Systems* vol. 2, §3.4): Tₖ = E\[Sₖ\]/(1 − σₖ₋₁) + Rₖ/((1 − σₖ₋₁)(1 − σₖ)) with Rₖ over classes 1 … k.
//!
//! A class with σₖ ≥ 1 has no stationary wait, yet those above it do. Without preemption they wait for whoever of the overloaded
//! class is in service: class k then gets only the share of the server left by those above, and classes below it nothing.

use crate::queueing::error::{QueueError, not_negative};
use crate::queueing::law::Law;

/// Whether an arrival of higher priority interrupts a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preemption {
    /// Service goes on to its end.
    None,
    /// The interrupted service is resumed later, without loss.
    Resume,
}

/// An M/G/1 queue with priorities, each class with its answer or its own error.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
/// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
/// let queue = Priority::new(&classes, Preemption::None)?;
/// assert!((queue.mean_wait_s(0)? - 1.6).abs() < 1e-12);
/// assert!((queue.mean_sojourn_s(1)? - 9.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Priority {
    classes: Vec<(f64, Law)>,
    preemption: Preemption,
}

impl Priority {
    /// The queue with these classes, highest first, each an arrival rate and a law of service. An overloaded class is no error here:
    /// what is asked of it is.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no classes, a negative rate, or an infinite E\[S²\] in a class that arrives.
    pub fn new(classes: &[(f64, Law)], preemption: Preemption) -> Result<Self, QueueError> {
        if classes.is_empty() {
            return Err(QueueError::Parameter { name: "classes", value: 0.0, must: "at least 1" });
        }
        for (rate, law) in classes {
            if not_negative("arrivals_per_s", *rate)? > 0.0 {
                super::queue::finite_second_moment(law)?;
            }
        }
        Ok(Self { classes: classes.to_vec(), preemption })
    }

    /// Σ ρᵢ over the first `count` classes.
    fn load(&self, count: usize) -> f64 {
        self.classes[..count].iter().map(|(rate, law)| rate * law.mean_s()).sum()
    }

    /// ρ over all classes; above 1 where the lowest are overloaded.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // Σλ E[S].
    /// assert!((queue.utilization() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.load(self.classes.len())
    }

    /// (σₖ₋₁, σₖ) if class k has a stationary wait.
    fn loads(&self, class: usize) -> Result<(f64, f64), QueueError> {
        let Some((rate, law)) = self.classes.get(class) else {
            return Err(QueueError::Parameter {
                name: "class",
                value: class as f64,
                must: "below the number of classes",
            });
        };
        let (above, with) = (self.load(class), self.load(class + 1));
        if with >= 1.0 {
            let served_per_s = (1.0 - above).max(0.0) / law.mean_s();
            return Err(QueueError::Unstable { growth_per_s: rate - served_per_s });
        }
        Ok((above, with))
    }

    /// Wqₖ in seconds: without preemption the wait until service begins, with it the time in system less E\[Sₖ\]. Class 0 is the
    /// highest.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with the growth λₖ − (1 − σₖ₋₁)/E\[Sₖ\] of this class when σₖ ≥ 1; [`QueueError::Parameter`] for
    /// a class that does not exist.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // Cobham: .8/(.5·.2).
    /// assert!((queue.mean_wait_s(1)? - 8.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self, class: usize) -> Result<f64, QueueError> {
        let (above, with) = self.loads(class)?;
        let delay_s = self.residual_s(class) / ((1.0 - above) * (1.0 - with));
        Ok(match self.preemption {
            Preemption::None => delay_s,
            Preemption::Resume => delay_s + self.classes[class].1.mean_s() * above / (1.0 - above),
        })
    }

    /// Mean work in service ahead of an arrival of class k, seconds.
    fn residual_s(&self, class: usize) -> f64 {
        let counted = match self.preemption {
            Preemption::None => self.classes.len(),
            Preemption::Resume => class + 1,
        };
        // Each class has the server for its share of time; the first overloaded class only for what is left.
        let mut left = 1.0;
        let mut residual_s = 0.0;
        for (rate, law) in &self.classes[..counted] {
            if *rate > 0.0 {
                let share = (rate * law.mean_s()).min(left);
                left -= share;
                residual_s += share * 0.5 * law.moment(2) / law.mean_s();
            }
        }
        residual_s
    }

    /// Tₖ, mean time in system of class k, seconds.
    ///
    /// # Errors
    /// As [`Priority::mean_wait_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // .8/.5 + 1.
    /// assert!((queue.mean_sojourn_s(0)? - 2.6).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self, class: usize) -> Result<f64, QueueError> {
        Ok(self.mean_wait_s(class)? + self.classes[class].1.mean_s())
    }

    /// Lqₖ = λₖWqₖ.
    ///
    /// # Errors
    /// As [`Priority::mean_wait_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // .3·8.
    /// assert!((queue.mean_waiting(1)? - 2.4).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self, class: usize) -> Result<f64, QueueError> {
        Ok(self.mean_wait_s(class)? * self.classes[class].0)
    }

    /// Lₖ = λₖTₖ.
    ///
    /// # Errors
    /// As [`Priority::mean_wait_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // .3·9.
    /// assert!((queue.mean_in_system(1)? - 2.7).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self, class: usize) -> Result<f64, QueueError> {
        Ok(self.mean_sojourn_s(class)? * self.classes[class].0)
    }

    /// Every class's time in system or its error, highest class first.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// let sojourns = queue.sojourns_s().into_iter().collect::<Result<Vec<f64>, _>>()?;
    /// // Cobham: .8/.5 + 1 and .8/(.5·.2) + 1.
    /// assert!((sojourns[0] - 2.6).abs() < 1e-9 && (sojourns[1] - 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourns_s(&self) -> Vec<Result<f64, QueueError>> {
        (0..self.classes.len()).map(|class| self.mean_sojourn_s(class)).collect()
    }

    /// The mean time in system over all customers, seconds.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when any class is overloaded; [`QueueError::Parameter`] where nobody arrives.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Preemption, Priority}};
    /// let classes = [(0.5, Law::exponential(1.0)?), (0.3, Law::exponential(1.0)?)];
    /// let queue = Priority::new(&classes, Preemption::None)?;
    /// // Exponential work of one law in any order: M/M/1, 1/.2.
    /// assert!((queue.overall_sojourn_s()? - 5.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn overall_sojourn_s(&self) -> Result<f64, QueueError> {
        let arrivals_per_s =
            crate::queueing::error::positive("arrivals_per_s", self.classes.iter().map(|class| class.0).sum())?;
        let mut in_system = 0.0;
        for class in 0..self.classes.len() {
            in_system += self.mean_in_system(class)?;
        }
        Ok(in_system / arrivals_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn exponential(classes: &[(f64, f64)], preemption: Preemption) -> Priority {
        let classes: Vec<_> = classes.iter().map(|&(rate, mean)| (rate, Law::exponential(mean).unwrap())).collect();
        Priority::new(&classes, preemption).unwrap()
    }

    #[test]
    fn the_table_is_met() {
        let rows = [
            (
                [(0.3, 0.5), (0.4, 1.2)],
                [0.765882352941, 2.06995230525, 1.26588235294, 3.26995230525, 0.588235294118, 3.48171701113],
            ),
            ([(0.5, 1.0), (0.3, 1.0)], [1.6, 8.0, 2.6, 9.0, 2.0, 10.0]),
        ];
        for (classes, expected) in rows {
            let (waits, interrupts) =
                (exponential(&classes, Preemption::None), exponential(&classes, Preemption::Resume));
            let got = [
                waits.mean_wait_s(0),
                waits.mean_wait_s(1),
                waits.mean_sojourn_s(0),
                waits.mean_sojourn_s(1),
                interrupts.mean_sojourn_s(0),
                interrupts.mean_sojourn_s(1),
            ];
            for (got, expected) in got.into_iter().zip(expected) {
                assert_relative_eq!(got.unwrap(), expected, max_relative = 3e-12);
            }
        }
    }

    /// Kleinrock's conservation law: Σ ρₖWqₖ = ρ Wq of first come first served, whatever the order of classes.
    #[test]
    fn waits_weighted_by_load_are_conserved() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..200 {
            let load: f64 = rng.random_range(0.05..0.98);
            let classes: Vec<_> = (0..4)
                .map(|_| {
                    let mean = rng.random_range(0.2..3.0);
                    (0.25 * load / mean, Law::gamma(mean, rng.random_range(0.1..6.0)).unwrap())
                })
                .collect();
            let queue = Priority::new(&classes, Preemption::None).unwrap();
            let rate: f64 = classes.iter().map(|c| c.0).sum();
            let moment = |k| classes.iter().map(|(r, law)| r * law.moment(k)).sum::<f64>() / rate;
            let fcfs = Mg1::new(rate, moment(1), moment(2)).unwrap();
            let weighted: f64 = (0..4).map(|k| 0.25 * load * queue.mean_wait_s(k).unwrap()).sum();
            assert_relative_eq!(weighted, load * fcfs.mean_wait_s(), max_relative = 1e-10);
        }
    }

    #[test]
    fn interruption_conserves_numbers_where_service_is_alike_and_exponential() {
        let classes = [(0.2, 1.0), (0.3, 1.0), (0.35, 1.0)];
        for preemption in [Preemption::None, Preemption::Resume] {
            let queue = exponential(&classes, preemption);
            assert_relative_eq!(queue.overall_sojourn_s().unwrap(), 1.0 / 0.15, max_relative = 1e-12);
        }
        // Whoever interrupts sees nothing of those below.
        let alone = Mg1::new(0.2, 1.0, 2.0).unwrap();
        let queue = exponential(&classes, Preemption::Resume);
        assert_relative_eq!(queue.mean_sojourn_s(0).unwrap(), alone.mean_sojourn_s(), max_relative = 1e-12);
    }

    #[test]
    fn one_class_is_first_come_first_served() {
        for preemption in [Preemption::None, Preemption::Resume] {
            let queue = Priority::new(&[(0.7, Law::uniform(0.0, 2.0).unwrap())], preemption).unwrap();
            assert_relative_eq!(queue.mean_wait_s(0).unwrap(), 1.55555555556, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_waiting(0).unwrap(), 0.7 * 1.55555555556, max_relative = 1e-11);
        }
    }

    #[test]
    fn those_above_an_overloaded_class_have_answers() {
        let classes = [(0.5, 1.0), (1.0, 1.0), (0.1, 1.0)];
        let interrupts = exponential(&classes, Preemption::Resume);
        assert_relative_eq!(interrupts.mean_sojourn_s(0).unwrap(), 2.0, max_relative = 1e-12);
        assert_eq!(interrupts.mean_sojourn_s(1), Err(QueueError::Unstable { growth_per_s: 0.5 }));
        assert_eq!(interrupts.mean_sojourn_s(2), Err(QueueError::Unstable { growth_per_s: 0.1 }));
        assert!(interrupts.overall_sojourn_s().is_err() && interrupts.sojourns_s()[0].is_ok());
        // Without interruption the server is always busy: residual 1, then Wq = 1/(1 − ½).
        let waits = exponential(&classes, Preemption::None);
        assert_relative_eq!(waits.mean_wait_s(0).unwrap(), 2.0, max_relative = 1e-12);
    }

    #[test]
    fn bad_parameters_are_errors() {
        let law = Law::exponential(1.0).unwrap();
        assert!(Priority::new(&[], Preemption::None).is_err());
        assert!(Priority::new(&[(-1.0, law.clone())], Preemption::None).is_err());
        assert!(Priority::new(&[(f64::NAN, law.clone())], Preemption::None).is_err());
        assert!(Priority::new(&[(0.1, Law::pareto(1.0, 1.5).unwrap())], Preemption::None).is_err());
        let queue = Priority::new(&[(0.0, law)], Preemption::None).unwrap();
        assert!(queue.mean_wait_s(1).is_err() && queue.overall_sojourn_s().is_err());
        assert_eq!(queue.mean_wait_s(0), Ok(0.0));
    }
}
