//! Latency objectives as the engine compares them, and the tally of finished requests.

use super::record::Window;
use crate::scenario::{Slo, Time, Workload};

/// Objectives of a class in attoseconds; the largest number where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Objectives {
    ttft: i128,
    tpot: i128,
    e2e: i128,
}

/// A finished request. Times in attoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    pub class: u16,
    pub prompt: i64,
    pub output: i64,
    pub ttft: i128,
    pub e2e: i128,
}

impl Objectives {
    /// The objectives of each class; none when no class has any.
    pub fn of(workload: &Workload) -> Option<Vec<Self>> {
        let slos = workload.objectives();
        let attos = |limit: Option<f64>| limit.map_or(i128::MAX, |seconds| Time::from_decimal(seconds).0);
        let of = |slo: &Slo| Self { ttft: attos(slo.ttft_s), tpot: attos(slo.tpot_s), e2e: attos(slo.e2e_s) };
        slos.iter().any(|slo| !slo.is_empty()).then(|| slos.iter().map(of).collect())
    }

    fn are_attained(&self, request: &Finished) -> bool {
        let decoding = request.e2e - request.ttft;
        let paced = request.output == 1 || decoding <= self.tpot.saturating_mul(i128::from(request.output - 1));
        request.ttft <= self.ttft && request.e2e <= self.e2e && paced
    }
}

/// Counts a finished request in the window in which it arrived.
#[inline]
pub fn tally(window: &mut Window, request: &Finished, objectives: Option<&[Objectives]>) {
    let class = usize::from(request.class);
    window.ttft.add(request.ttft, 1);
    window.e2e.add(request.e2e, 1);
    let tally = &mut window.classes[class];
    tally.completed += 1;
    tally.attained += u64::from(objectives.is_some_and(|all| all[class].are_attained(request)));
    tally.ttft += request.ttft;
    tally.e2e += request.e2e;
    tally.e2e_per_token += (Time(request.e2e).attos() / (request.prompt + request.output) as f64) as i128;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_attains_every_objective_that_is_given_or_none() {
        let objectives = Objectives { ttft: 10, tpot: 5, e2e: i128::MAX };
        let request = |ttft, e2e, output| Finished { class: 0, prompt: 1, output, ttft, e2e };
        assert!(objectives.are_attained(&request(10, 25, 4)));
        assert!(!objectives.are_attained(&request(11, 25, 4)));
        assert!(!objectives.are_attained(&request(10, 26, 4)));
        assert!(objectives.are_attained(&request(10, 10, 1)));
        let none = Objectives { ttft: i128::MAX, tpot: i128::MAX, e2e: i128::MAX };
        assert!(none.are_attained(&request(1, i128::MAX / 2, 1000)));
    }
}
