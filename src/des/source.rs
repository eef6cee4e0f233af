//! Where requests come from: streams of arrivals drawn from the workload's laws or from a trace.

use std::sync::Arc;

use rand::RngExt;

use super::predict::Predictor;
use crate::scenario::trace::{Cursor, Trace, TraceRequest};
use crate::scenario::{ArrivalLaw, Intervals, LengthLaw, Order, Pace, Scenario, Time, TraceMode};
use crate::stats::stream::{Stream, stream};

/// Length of the blocks of the circular block bootstrap of a trace, in seconds. Long enough to keep the burstiness up to minutes.
pub const BLOCK_S: f64 = 300.0;

/// One request on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives.
    pub time: Time,
    /// Index of its class.
    pub class: u16,
    /// s: prompt tokens.
    pub prompt: i64,
    /// o: output tokens.
    pub output: i64,
    /// What rules are told that o will be.
    pub predicted: i64,
    /// A number drawn for the random order.
    pub lot: u64,
    /// Tokens that it has emitted elsewhere.
    pub emitted: i64,
    /// When it emitted the first of them.
    pub first_token: Time,
    /// When it left the instance that processed its prompt, if another did.
    pub left: Time,
    /// When it came to this instance, if not on arrival.
    pub joined: Time,
    /// Whether its prompt was processed by another instance.
    pub handed_over: bool,
    /// Its place in the trace's hashes of prompt blocks, and how many it has.
    pub hashes: (u32, u32),
}

impl Arrival {
    /// A request that has just arrived.
    pub fn new(time: Time, class: u16, prompt: i64, output: i64) -> Self {
        Self {
            time,
            class,
            prompt,
            output,
            predicted: output,
            lot: 0,
            emitted: 0,
            first_token: Time::ZERO,
            left: Time::ZERO,
            joined: Time::ZERO,
            handed_over: false,
            hashes: (0, 0),
        }
    }
}

/// How a run is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Feed {
    /// The scenario's arrivals.
    #[default]
    Open,
    /// The scenario's arrivals, of which a trace is drawn in blocks (trial number), not replayed.
    Bootstrap,
    /// A request is always waiting: the saturated system.
    Saturated,
}

/// An endless or finite stream of arrivals in order of time.
pub struct Source {
    backlog: Vec<Arrival>,
    kind: Kind,
    predictor: Predictor,
    /// Draws the random order, if that is the order.
    lots: Option<Stream>,
}

enum Kind {
    Classes { classes: Vec<ClassStream>, saturated: bool },
    Common(Common),
    Pairs { intervals: Intervals, pace: Arc<Pace>, clock: Time, times: Stream, pairs: Pairs, saturated: bool },
    Replay { trace: Arc<Trace>, cursor: Cursor, origin: Time, scale: f64 },
    Blocks(Blocks),
}

/// Classes that draw from one process of arrivals, each request its class by share.
struct Common {
    intervals: Intervals,
    pace: Arc<Pace>,
    clock: Time,
    times: Stream,
    choice: Stream,
    /// Shares of the classes up to each, of 1.
    shares: Vec<f64>,
    lengths: Vec<(LengthLaw, LengthLaw, Stream)>,
}

struct ClassStream {
    intervals: Intervals,
    pace: Arc<Pace>,
    prompt: LengthLaw,
    output: LengthLaw,
    /// The next arrival on a clock that runs with the rate, and in time.
    clock: Time,
    next: Time,
    times: Stream,
    lengths: Stream,
}

struct Pairs {
    trace: Arc<Trace>,
    choice: Stream,
}

impl Pairs {
    fn draw(&mut self) -> TraceRequest {
        let place = self.choice.random_range(0..self.trace.len());
        self.trace.get_untimed(place).unwrap_or_default()
    }
}

impl Source {
    /// The arrivals of `scenario` in trial `trial`, after `backlog` requests that are there at time 0.
    pub fn new(scenario: &Scenario, feed: Feed, seed: u64, trial: u64, backlog: u64) -> Self {
        let named = |what: &str| stream(seed, &format!("{what}/trial {trial}"));
        let mut kind = Kind::new(scenario, feed, &named);
        let mut backlog_kind = if backlog > 0 {
            Some(Kind::new(scenario, Feed::Saturated, &|what| named(&format!("backlog {what}"))))
        } else {
            None
        };
        let mut waiting: Vec<Arrival> = (0..backlog).filter_map(|_| backlog_kind.as_mut()?.next()).collect();
        waiting.reverse();
        if let Kind::Classes { classes, saturated: false } = &mut kind {
            classes.iter_mut().for_each(ClassStream::advance);
        }
        let lots = draws_lots(scenario).then(|| named("order"));
        Self { backlog: waiting, kind, predictor: Predictor::new(scenario, seed, trial), lots }
    }

    /// The arrivals of `scenario`, but these in place of its traffic; they come in order of time.
    pub fn of(scenario: &Scenario, mut arrivals: Vec<Arrival>) -> Self {
        arrivals.reverse();
        let kind = Kind::Replay { trace: Arc::default(), cursor: Cursor::default(), origin: Time::ZERO, scale: 1.0 };
        Self { backlog: arrivals, kind, ..Self::new(scenario, Feed::Open, 1, 0, 0) }
    }

    /// The next arrival; none after the end of a replayed trace.
    #[inline]
    pub fn next(&mut self) -> Option<Arrival> {
        let mut arrival = if self.backlog.is_empty() { self.kind.next()? } else { self.backlog.pop()? };
        arrival.predicted = self.predictor.predict(arrival.class, arrival.output);
        if let Some(lots) = &mut self.lots {
            arrival.lot = lots.random();
        }
        Some(arrival)
    }
}

/// Whether some queue of the scenario stands in random order.
fn draws_lots(scenario: &Scenario) -> bool {
    let cluster = scenario.cluster.as_ref();
    let groups = cluster.into_iter().flat_map(|cluster| &cluster.group).filter_map(|group| group.policy.as_ref());
    let prefill = cluster.and_then(|cluster| cluster.prefill.as_ref()).and_then(|pool| pool.policy.as_ref());
    std::iter::once(&scenario.policy).chain(groups).chain(prefill).any(|policy| policy.order == Order::Random)
}

impl Kind {
    fn new(scenario: &Scenario, feed: Feed, named: &dyn Fn(&str) -> Stream) -> Self {
        let workload = &scenario.workload;
        let saturated = feed == Feed::Saturated;
        let pace = Arc::new(workload.rate_shape.pace());
        let Some(source) = &workload.trace else {
            let rates = workload.class_rates();
            let mean = workload.rate_shape.long_run();
            if workload.arrivals.is_common() && !saturated {
                return Self::Common(Common::new(scenario, pace, named));
            }
            let law = if workload.arrivals.is_common() { ArrivalLaw::default() } else { workload.arrivals.clone() };
            let classes = workload.class.iter().zip(rates).enumerate().map(|(index, (class, rate))| ClassStream {
                intervals: Intervals::new(law.clone(), 1.0 / (rate / mean)),
                pace: Arc::clone(&pace),
                prompt: class.prompt.clone(),
                output: class.output.clone(),
                clock: Time::ZERO,
                next: Time::ZERO,
                times: named(&format!("arrivals of class {index}")),
                lengths: named(&format!("lengths of class {index}")),
            });
            return Self::Classes { classes: classes.collect(), saturated };
        };
        let trace = Arc::clone(&source.requests);
        let origin = trace.first().map_or(Time::ZERO, |request| request.arrival);
        let scale = workload.rate_per_s.map_or(1.0, |rate| trace.rate_per_s() / rate);
        match (source.mode, feed) {
            (TraceMode::Resample, _) | (_, Feed::Saturated) => Self::Pairs {
                intervals: Intervals::new(workload.arrivals.clone(), 1.0 / workload.base_rate()),
                pace,
                clock: Time::ZERO,
                times: named("arrivals of the trace"),
                pairs: Pairs { trace, choice: named("pairs of the trace") },
                saturated,
            },
            (TraceMode::Replay, Feed::Bootstrap) => {
                Self::Blocks(Blocks::new(trace, origin, scale, named("blocks of the trace")))
            }
            (TraceMode::Replay, _) => Self::Replay { trace, cursor: Cursor::default(), origin, scale },
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        match self {
            Self::Classes { classes, saturated } => Some(next_of_classes(classes, *saturated)),
            Self::Common(common) => Some(common.next()),
            Self::Pairs { intervals, pace, clock, times, pairs, saturated } => {
                if !*saturated {
                    *clock += Time::from_seconds(intervals.next_s(times));
                }
                Some(arrival_at(pace.when(*clock), pairs.draw()))
            }
            Self::Replay { trace, cursor, origin, scale } => {
                let request = cursor.next(trace)?;
                Some(arrival_at(rescaled(request.arrival - *origin, *scale), request))
            }
            Self::Blocks(blocks) => Some(blocks.next()),
        }
    }
}

fn arrival_at(time: Time, request: TraceRequest) -> Arrival {
    let hashes = (request.blocks.start, request.blocks.count);
    Arrival { hashes, ..Arrival::new(time, request.class, request.prompt as i64, request.output as i64) }
}

/// Recorded times stay exact unless the rate was changed.
fn rescaled(time: Time, scale: f64) -> Time {
    if scale == 1.0 { time } else { Time::from_seconds(time.seconds() * scale) }
}

impl ClassStream {
    #[inline]
    fn advance(&mut self) {
        self.clock += Time::from_seconds(self.intervals.next_s(&mut self.times));
        self.next = self.pace.when(self.clock);
    }

    #[inline]
    fn request(&mut self, class: usize) -> Arrival {
        let prompt = self.prompt.sample(&mut self.lengths) as i64;
        let output = self.output.sample(&mut self.lengths) as i64;
        Arrival::new(self.next, class as u16, prompt, output)
    }
}

impl Common {
    fn new(scenario: &Scenario, pace: Arc<Pace>, named: &dyn Fn(&str) -> Stream) -> Self {
        let workload = &scenario.workload;
        let rates = workload.class_rates();
        let total: f64 = rates.iter().sum();
        let cumulated = rates.iter().scan(0.0, |sum, rate| {
            *sum += rate / total;
            Some(*sum)
        });
        let lengths = workload.class.iter().enumerate().map(|(index, class)| {
            (class.prompt.clone(), class.output.clone(), named(&format!("lengths of class {index}")))
        });
        Self {
            intervals: Intervals::new(workload.arrivals.clone(), 1.0 / workload.base_rate()),
            pace,
            clock: Time::ZERO,
            times: named("arrivals of all classes"),
            choice: named("classes of arrivals"),
            shares: cumulated.collect(),
            lengths: lengths.collect(),
        }
    }

    fn next(&mut self) -> Arrival {
        self.clock += Time::from_seconds(self.intervals.next_s(&mut self.times));
        let place = if self.shares.len() > 1 { self.choice.random::<f64>() } else { 0.0 };
        let class = self.shares.partition_point(|share| *share <= place).min(self.shares.len() - 1);
        let (prompt, output, stream) = &mut self.lengths[class];
        let (prompt, output) = (prompt.sample(stream) as i64, output.sample(stream) as i64);
        Arrival::new(self.pace.when(self.clock), class as u16, prompt, output)
    }
}

/// The class whose next arrival is earliest; in a saturated system classes take turns by their rates.
#[inline]
fn next_of_classes(classes: &mut [ClassStream], saturated: bool) -> Arrival {
    let mut first = 0;
    for index in 1..classes.len() {
        if classes[index].next < classes[first].next {
            first = index;
        }
    }
    let class = &mut classes[first];
    let mut arrival = class.request(first);
    class.advance();
    if saturated {
        arrival.time = Time::ZERO;
    }
    arrival
}

/// Circular block bootstrap (Politis & Romano 1992): blocks of [`BLOCK_S`] seconds of the recorded trace, each from a random
/// starting point, joined end to end. Keeps what happens within minutes, forgets slower trends.
struct Blocks {
    trace: Arc<Trace>,
    origin: Time,
    span: Time,
    scale: f64,
    choice: Stream,
    block_start: Time,
    block_end: Time,
    index: usize,
    cursor: Cursor,
    lap: Time,
    base: Time,
}

impl Blocks {
    fn new(trace: Arc<Trace>, origin: Time, scale: f64, choice: Stream) -> Self {
        let mut blocks = Self {
            span: trace.span(),
            trace,
            origin,
            scale,
            choice,
            block_start: Time::ZERO,
            block_end: Time::ZERO,
            index: 0,
            cursor: Cursor::default(),
            lap: Time::ZERO,
            base: Time::ZERO,
        };
        blocks.open_block();
        blocks
    }

    fn length(&self) -> Time {
        Time::from_decimal(BLOCK_S).min(self.span)
    }

    fn open_block(&mut self) {
        self.block_start = Time::from_seconds(self.choice.random::<f64>() * self.span.seconds());
        self.block_end = self.block_start + self.length();
        self.lap = Time::ZERO;
        let start = self.origin + self.block_start;
        self.index = self.trace.count_before(start);
    }

    fn next(&mut self) -> Arrival {
        loop {
            if self.index == self.trace.len() {
                self.index = 0;
                self.lap += self.span;
            }
            self.cursor.seek(self.index);
            let request = self.cursor.next(&self.trace).unwrap_or_default();
            let place = request.arrival - self.origin + self.lap;
            if place < self.block_end {
                self.index += 1;
                return arrival_at(rescaled(self.base + (place - self.block_start), self.scale), request);
            }
            self.base += self.length();
            self.open_block();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::des::tests::scenario as question;
    use crate::scenario::RateShape;

    fn at_rate(rate: f64) -> Scenario {
        question(LengthLaw::Constant { tokens: 10 }, LengthLaw::Constant { tokens: 10 }, rate)
    }

    fn times(scenario: &Scenario, count: usize) -> Vec<f64> {
        let mut source = Source::new(scenario, Feed::Open, 3, 0, 0);
        (0..count).map(|_| source.next().unwrap().time.seconds()).collect()
    }

    /// Equal distances on the clock of the rate: arrival n comes at Λ⁻¹(n).
    #[test]
    fn arrivals_follow_the_rate() {
        let mut scenario = at_rate(2.0);
        scenario.workload.arrivals = ArrivalLaw::Deterministic {};
        scenario.workload.rate_shape = RateShape::Spike { factor: 4.0, start_s: 1.0, duration_s: 1.0 };
        let expected = [0.5, 1.0, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.0, 2.5, 3.0];
        assert_eq!(times(&scenario, expected.len()), expected);
        scenario.workload.rate_shape = RateShape::Ramp { factor: 2.0, start_s: 0.0, duration_s: 4.0 };
        for (n, t) in times(&scenario, 12).into_iter().enumerate() {
            assert!((2.0 * t + 0.25 * t * t - (n + 1) as f64).abs() < 1e-12, "{n} {t}");
        }
    }

    /// Counts of a diurnal Poisson stream are those of its rate, within four standard deviations.
    #[test]
    fn poisson_counts_are_those_of_the_rate() {
        let mut scenario = at_rate(50.0);
        scenario.workload.rate_shape = RateShape::Diurnal { amplitude: 0.9, period_s: 100.0, peak_s: None };
        let pace = scenario.workload.rate_shape.pace();
        let times = times(&scenario, 20_000);
        for k in 0..8 {
            let (from, to) = (f64::from(k) * 50.0, f64::from(k + 1) * 50.0);
            let count = times.iter().filter(|t| (from..to).contains(*t)).count() as f64;
            let mean = 50.0 * (pace.integral(to) - pace.integral(from));
            assert!((count - mean).abs() < 4.0 * mean.sqrt(), "{k}: {count} {mean}");
        }
    }
}
