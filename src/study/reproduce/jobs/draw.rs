//! Drawing jobs.

use rand::RngExt;

use super::{Drawn, Job, Kind};
use crate::stats::stream::{Stream, stream};

/// The drawn jobs of one trial. Arrivals are cut to hundredths of a second, as the published lists are.
pub(super) fn jobs(drawn: &Drawn, seed: u64, trial: u64) -> Vec<Job> {
    let mut rng = stream(seed, &format!("jobs/trial {trial}"));
    let mut kinds: Vec<&Kind> = Vec::new();
    for kind in &drawn.kind {
        kinds.extend(std::iter::repeat_n(kind, (drawn.count as f64 * kind.share + 1e-9).floor() as usize));
    }
    while (kinds.len() as u64) < drawn.count {
        kinds.push(&drawn.kind[rng.random_range(0..drawn.kind.len())]);
    }
    kinds.into_iter().map(|kind| job(drawn, kind, &mut rng)).collect()
}

fn job(drawn: &Drawn, kind: &Kind, rng: &mut Stream) -> Job {
    let prefill = rng.random::<f64>() < drawn.prefill_share;
    let ((from, to), tokens_per_s) = if prefill {
        (kind.prefill_tokens, kind.prefill_tokens_per_s)
    } else {
        (kind.decode_tokens, kind.decode_tokens_per_s)
    };
    Job {
        tokens: rng.random_range(from..=to),
        tokens_per_s,
        weight: rng.random_range(kind.weight.0..=kind.weight.1) as f64,
        at_s: (rng.random::<f64>() * drawn.window_s * 100.0).round() / 100.0,
        gpus: kind.gpus,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Jobs;
    use super::*;

    fn drawn() -> Drawn {
        let kind = |name: &str, share, gpus, from, to| Kind {
            name: name.to_owned(),
            share,
            gpus,
            weight: (from, to),
            prefill_tokens: (500 * gpus, 2000 * gpus),
            decode_tokens: (100, 500),
            prefill_tokens_per_s: 1000.0,
            decode_tokens_per_s: 5000.0,
        };
        Drawn {
            count: 81,
            window_s: 100.0,
            prefill_share: 0.6,
            kind: vec![kind("small", 0.25, 1, 1, 3), kind("large", 0.75, 4, 5, 10)],
        }
    }

    #[test]
    fn every_trial_has_jobs_of_its_own_within_the_ranges() {
        let jobs = Jobs { job: Vec::new(), drawn: Some(drawn()) };
        let (first, again, other) = (jobs.of_trial(7, 0), jobs.of_trial(7, 0), jobs.of_trial(7, 1));
        assert_eq!(first, again);
        assert_ne!(first, other);
        for job in first.iter().chain(&other) {
            let (light, few) = ((1.0..=3.0).contains(&job.weight), job.gpus == 1);
            assert!(light == few && (0.0..=100.0).contains(&job.at_s), "{job:?}");
            let (from, to) = if job.tokens_per_s == 1000.0 { (500 * job.gpus, 2000 * job.gpus) } else { (100, 500) };
            assert!((from..=to).contains(&job.tokens), "{job:?}");
        }
        assert!(first.windows(2).all(|pair| pair[0].at_s <= pair[1].at_s));
        // ⌊81 · .25⌋ and ⌊81 · .75⌋, and one of any kind.
        let small = first.iter().filter(|job| job.gpus == 1).count();
        assert!(first.len() == 81 && (small == 20 || small == 21));
    }

    /// 60 % of 20 000 jobs are prompts; the interval fails with probability 1e-4.
    #[test]
    fn prompts_have_their_share() {
        let jobs = Jobs { job: Vec::new(), drawn: Some(Drawn { count: 20_000, ..drawn() }) }.of_trial(3, 0);
        let share = jobs.iter().filter(|job| job.tokens_per_s == 1000.0).count() as f64 / 20_000.0;
        assert!((share - 0.6).abs() < 3.89 * (0.6_f64 * 0.4 / 20_000.0).sqrt(), "{share}");
    }
}
