//! A run in time with its figures, whoever made it.

use super::read::VllmRun;
use crate::des::{Observer, RequestRecord, StepRecord};
use crate::fluid::Path;

/// Requests at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Seconds after the first arrival.
    pub t_s: f64,
    /// In the batch.
    pub running: f64,
    /// Waiting, preempted ones among them.
    pub waiting: f64,
}

/// Means over requests.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// From the first request to the last token, seconds.
    pub makespan_s: f64,
    /// Time to the first token.
    pub ttft_s: f64,
    /// Time per token after the first, each request counting alike.
    pub tpot_s: f64,
    /// Time to the last token.
    pub e2e_s: f64,
}

impl Figures {
    /// The figures in order.
    pub fn all(&self) -> [f64; 4] {
        [self.makespan_s, self.ttft_s, self.tpot_s, self.e2e_s]
    }

    /// Relative errors of all against others.
    pub fn errors(&self, truth: &Self) -> [f64; 4] {
        let pairs = std::iter::zip(self.all(), truth.all());
        let mut errors = [0.0; 4];
        errors.iter_mut().zip(pairs).for_each(|(error, (found, truth))| *error = found / truth - 1.0);
        errors
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    /// Its figures.
    pub figures: Figures,
    /// States in order of time, each valid until the next.
    pub states: Vec<State>,
    /// Preemptions, where they are known.
    pub preemptions: Option<u64>,
    /// Requests that did not finish.
    pub unfinished: u64,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Course {
    /// What was measured.
    pub fn measured(run: &VllmRun) -> Self {
        let lives = run
            .requests
            .iter()
            .filter_map(|request| Some((request.queued_s, request.first_s?, request.last_s?, request.output)));
        let start = run.requests.iter().map(|request| request.queued_s).fold(f64::INFINITY, f64::min);
        let states = run.series.iter().map(|&(t_s, running, waiting)| State { t_s, running, waiting }).collect();
        let finished = lives.clone().count() as u64;
        let unfinished = run.requests.len() as u64 - finished;
        Self { figures: figures(lives, start), states, preemptions: None, unfinished, notes: Vec::new() }
    }

    /// Of the fluid: means follow from the areas under the path by Little's law.
    pub fn of_path(run: &VllmRun, path: &Path) -> Self {
        let (mut before_first, mut all) = (0.0, 0.0);
        for pair in path.points.windows(2) {
            let width = pair[1].t_s - pair[0].t_s;
            let mean = |of: fn(&crate::fluid::PathPoint) -> f64| width * f64::midpoint(of(&pair[0]), of(&pair[1]));
            before_first += mean(|point| point.waiting + point.prefilling);
            all += mean(crate::fluid::PathPoint::in_system);
        }
        let count = run.requests.len() as f64;
        let gaps: f64 = run.requests.iter().map(|request| request.output as f64 - 1.0).sum();
        // The fluid never empties: it is done when less than half a request is left.
        let busy = path.points.iter().rposition(|point| point.in_system() >= 0.5);
        let end = busy.and_then(|place| path.points.get(place + 1));
        let mut notes = path.notes.clone();
        if end.is_none() {
            notes.push("The fluid is not done at twice the length of the run.".into());
        }
        let figures = Figures {
            makespan_s: end.map_or(f64::NAN, |point| point.t_s),
            ttft_s: before_first / count,
            tpot_s: (all - before_first) / gaps.max(1.0),
            e2e_s: all / count,
        };
        let state = |point: &crate::fluid::PathPoint| State {
            t_s: point.t_s,
            running: point.running,
            waiting: point.waiting + point.swapped,
        };
        let states = path.points.iter().map(state).collect();
        Self { figures, states, preemptions: None, unfinished: 0, notes }
    }

    /// The state at a time.
    pub fn at(&self, t_s: f64) -> State {
        let after = self.states.partition_point(|state| state.t_s <= t_s);
        let none = State { t_s, running: 0.0, waiting: 0.0 };
        after.checked_sub(1).and_then(|place| self.states.get(place)).copied().unwrap_or(none)
    }

    /// Root mean square of the difference in waiting requests at the ticks of what was measured.
    pub fn rmse_waiting(&self, measured: &Self) -> f64 {
        let squares = measured.states.iter().map(|state| (self.at(state.t_s).waiting - state.waiting).powi(2));
        (squares.sum::<f64>() / measured.states.len().max(1) as f64).sqrt()
    }

    /// Most running and most waiting at the ticks of what was measured.
    pub fn peaks(&self, measured: &Self) -> [f64; 2] {
        let states = || measured.states.iter().map(|state| self.at(state.t_s));
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        [most(&mut states().map(|state| state.running)), most(&mut states().map(|state| state.waiting))]
    }
}

/// Figures of (start, first token, last token, output tokens).
fn figures(lives: impl Iterator<Item = (f64, f64, f64, u64)>, start: f64) -> Figures {
    let (mut count, mut longer) = (0.0, 0.0);
    let mut sums = Figures::default();
    for (queued, first, last, output) in lives {
        count += 1.0;
        sums.makespan_s = f64::max(sums.makespan_s, last - start);
        sums.ttft_s += first - queued;
        sums.e2e_s += last - queued;
        if output > 1 {
            longer += 1.0;
            sums.tpot_s += (last - first) / (output - 1) as f64;
        }
    }
    Figures {
        makespan_s: sums.makespan_s,
        ttft_s: sums.ttft_s / count,
        tpot_s: if longer > 0.0 { sums.tpot_s / longer } else { 0.0 },
        e2e_s: sums.e2e_s / count,
    }
}

/// Watches a replay.
#[derive(Debug, Default)]
pub struct Watcher {
    lives: Vec<(f64, f64, f64, u64)>,
    unfinished: u64,
    /// Iterations of one instance each: instance, start, running, waiting.
    steps: Vec<(u32, State)>,
}

impl Observer for Watcher {
    fn request(&mut self, request: &RequestRecord) {
        match (request.first_token, request.completed) {
            (Some(first), Some(last)) => {
                let life = (request.arrival.seconds(), first.seconds(), last.seconds(), request.output as u64);
                self.lives.push(life);
            }
            _ => self.unfinished += 1,
        }
    }

    fn step(&mut self, step: &StepRecord) {
        let waiting = (step.waiting + step.swapped) as f64;
        let state = State { t_s: step.start.seconds(), running: step.running as f64, waiting };
        self.steps.push((step.instance, state));
        // Whoever is still there is seen by the next iteration.
        let end = State { t_s: (step.start + step.duration).seconds(), running: 0.0, waiting: 0.0 };
        self.steps.push((step.instance, end));
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

impl Watcher {
    /// The course of a run with that many preemptions.
    pub fn course(mut self, preemptions: u64) -> Course {
        self.steps.sort_by(|left, right| left.1.t_s.total_cmp(&right.1.t_s));
        let instances = self.steps.iter().map(|step| step.0 as usize + 1).max().unwrap_or(0);
        let mut now = vec![[0.0; 2]; instances];
        let states = self.steps.iter().map(|(instance, state)| {
            now[*instance as usize] = [state.running, state.waiting];
            let sum = |part: usize| now.iter().map(|state| state[part]).sum::<f64>();
            State { t_s: state.t_s, running: sum(0), waiting: sum(1) }
        });
        let states = states.collect();
        Course {
            figures: figures(self.lives.iter().copied(), 0.0),
            states,
            preemptions: Some(preemptions),
            unfinished: self.unfinished,
            notes: Vec::new(),
        }
    }
}
