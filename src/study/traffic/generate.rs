//! Requests one after the other, for a file: the engine's own source of arrivals, so that a generated trace is the traffic that the
//! engine would have drawn.

use std::fmt::Write as _;

use super::bursts::Bursts;
use crate::des::{Arrival, Feed, Source};
use crate::scenario::trace::TraceClass;
use crate::scenario::{Class, Scenario, Time};

/// Attoseconds of the last decimal that is written.
const NANOSECOND: i128 = 1_000_000_000;

/// Where a trace ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// After so many requests.
    Count(u64),
    /// Before the first request that comes later.
    After(Time),
}

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TraceFormat {
    /// `arrival_time,prefill_length,decode_length`, and `class`, `weight`, `model` where classes differ.
    #[default]
    Own,
    /// `TIMESTAMP,ContextTokens,GeneratedTokens`; dates from 2024-01-01 00:00 on, to 100 ns.
    Azure,
    /// JSON lines with `timestamp` (ms), `input_length`, `output_length`.
    Mooncake,
    /// `arrived_at,num_prefill_tokens,num_decode_tokens`.
    Vidur,
}

/// The requests of a scenario as the lines of a file.
pub struct Generator {
    source: Source,
    /// In place of the times of the source.
    bursts: Option<Bursts>,
    classes: Vec<Kind>,
    format: TraceFormat,
    columns: Columns,
    end: End,
    written: u64,
}

/// What the file says of a class.
struct Kind {
    name: String,
    weight: f64,
    model: Option<String>,
}

fn of_class(class: &Class) -> Kind {
    Kind { name: class.name.clone(), weight: class.weight, model: class.model.clone() }
}

fn of_trace(class: &TraceClass) -> Kind {
    Kind { name: class.name.clone(), weight: class.weight, model: class.model.clone() }
}

/// Which columns beside the three the own format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    class: bool,
    weight: bool,
    model: bool,
}

impl Generator {
    /// The requests of a validated scenario, with these bursts in place of its arrivals.
    pub fn new(scenario: &Scenario, bursts: Option<Bursts>, format: TraceFormat, end: End, seed: u64) -> Self {
        let classes = match &scenario.workload.trace {
            Some(source) => source.requests.classes().iter().map(of_trace).collect(),
            None => scenario.workload.class.iter().map(of_class).collect::<Vec<_>>(),
        };
        let columns = Columns {
            class: classes.len() > 1,
            weight: classes.iter().any(|class| class.weight != 1.0),
            model: classes.iter().any(|class| class.model.is_some()),
        };
        Self {
            source: Source::new(scenario, Feed::Open, seed, 0, 0),
            bursts,
            classes,
            format,
            columns,
            end,
            written: 0,
        }
    }

    /// The line before the first request, with its end; empty for formats without one.
    pub fn header(&self) -> String {
        let mut header = match self.format {
            TraceFormat::Own => "arrival_time,prefill_length,decode_length".to_owned(),
            TraceFormat::Azure => "TIMESTAMP,ContextTokens,GeneratedTokens".to_owned(),
            TraceFormat::Vidur => "arrived_at,num_prefill_tokens,num_decode_tokens".to_owned(),
            TraceFormat::Mooncake => return String::new(),
        };
        let Columns { class, weight, model } = self.columns;
        for (_, name) in [(class, ",class"), (weight, ",weight"), (model, ",model")].iter().filter(|(has, _)| *has) {
            if self.format == TraceFormat::Own {
                header.push_str(name);
            }
        }
        header.push('\n');
        header
    }

    /// Appends the lines of up to `most` more requests; whether there may be more after them.
    pub fn write_some(&mut self, most: u64, text: &mut String) -> bool {
        for _ in 0..most {
            if matches!(self.end, End::Count(count) if self.written >= count) {
                return false;
            }
            let Some(mut arrival) = self.source.next() else { return false };
            if let Some(bursts) = &mut self.bursts {
                arrival.time = bursts.next_time();
            }
            if matches!(self.end, End::After(last) if arrival.time > last) {
                self.end = End::Count(self.written);
                return false;
            }
            self.written += 1;
            self.line(&arrival, text);
        }
        true
    }

    /// Requests written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn line(&self, arrival: &Arrival, text: &mut String) {
        let time = rounded(arrival.time, NANOSECOND);
        let (prompt, output) = (arrival.prompt, arrival.output);
        // Writing to a string does not fail.
        let _ = match self.format {
            TraceFormat::Own | TraceFormat::Vidur => write!(text, "{},{prompt},{output}", time.to_decimal()),
            TraceFormat::Azure => write!(text, "{},{prompt},{output}", date(rounded(arrival.time, 100 * NANOSECOND))),
            TraceFormat::Mooncake => writeln!(
                text,
                "{{\"timestamp\": {}, \"input_length\": {prompt}, \"output_length\": {output}}}",
                Time(time.0 * 1000).to_decimal()
            ),
        };
        match self.format {
            TraceFormat::Own => self.class_columns(usize::from(arrival.class), text),
            TraceFormat::Azure | TraceFormat::Vidur => text.push('\n'),
            TraceFormat::Mooncake => {}
        }
    }

    fn class_columns(&self, class: usize, text: &mut String) {
        if let Some(class) = self.classes.get(class) {
            if self.columns.class {
                let _ = write!(text, ",{}", quoted(&class.name));
            }
            if self.columns.weight {
                let _ = write!(text, ",{}", class.weight);
            }
            if self.columns.model {
                let _ = write!(text, ",{}", quoted(class.model.as_deref().unwrap_or("")));
            }
        }
        text.push('\n');
    }
}

fn rounded(time: Time, unit: i128) -> Time {
    Time((time.0 + unit / 2) / unit * unit)
}

fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

/// The date that many seconds after 2024-01-01 00:00, to 100 ns.
fn date(time: Time) -> String {
    let ticks = time.0 / (100 * NANOSECOND);
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let (mut days, clock) = (seconds / 86_400, seconds % 86_400);
    let mut year = 2024;
    let leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i128::from(leap(year)) {
        days -= 365 + i128::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    loop {
        let length = match month {
            2 => 28 + i128::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}.{fraction:07}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;
    use crate::scenario::trace;

    fn scenario(text: &str) -> Scenario {
        let mut scenario = load::open(None, &[], None).unwrap();
        scenario.workload.class = vec![super::super::words::class("--class", text).unwrap()];
        scenario.workload.rate_per_s = Some(5.0);
        scenario
    }

    fn lines(scenario: &Scenario, format: TraceFormat, end: End) -> String {
        let mut generator = Generator::new(scenario, None, format, end, 3);
        let mut text = generator.header();
        while generator.write_some(7, &mut text) {}
        text
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let second = crate::scenario::time::ATTOS_PER_SECOND;
        assert_eq!(date(Time(0)), "2024-01-01 00:00:00.0000000");
        assert_eq!(date(Time((31 + 28) * 86_400 * second + second / 2)), "2024-02-29 00:00:00.5000000");
        assert_eq!(date(Time(366 * 86_400 * second - second)), "2024-12-31 23:59:59.0000000");
        assert_eq!(date(Time(366 * 86_400 * second)), "2025-01-01 00:00:00.0000000");
    }

    /// Every format is read again: the same lengths, and times as exact as the format is (a first arrival of zero in Azure's).
    #[test]
    fn every_format_is_read_again() {
        let scenario = scenario("a; prompt=uniform:1,99; output=geometric:20");
        let own = trace::read("own", &lines(&scenario, TraceFormat::Own, End::Count(50))).unwrap();
        assert_eq!(own.len(), 50);
        let origin = own.first().unwrap().arrival.seconds();
        for (format, origin) in [(TraceFormat::Azure, origin), (TraceFormat::Mooncake, 0.0), (TraceFormat::Vidur, 0.0)]
        {
            let read = trace::read("again", &lines(&scenario, format, End::Count(50))).unwrap();
            for (a, b) in own.iter().zip(read.iter()) {
                assert_eq!((a.prompt, a.output), (b.prompt, b.output));
                assert!((a.arrival.seconds() - origin - b.arrival.seconds()).abs() < 2.1e-7, "{format:?}");
            }
        }
    }

    #[test]
    fn a_trace_ends_where_it_is_told_to() {
        let scenario = scenario("a; prompt=5; output=5");
        let text = lines(&scenario, TraceFormat::Own, End::After(Time::from_decimal(20.0)));
        let all = trace::read("own", &text).unwrap();
        let longer = trace::read("own", &lines(&scenario, TraceFormat::Own, End::Count(200))).unwrap();
        let within = longer.iter().filter(|request| request.arrival.seconds() <= 20.0).count();
        assert_eq!(all.len(), within);
    }

    #[test]
    fn classes_have_columns_where_they_differ() {
        let mut scenario = scenario("a, b; prompt=5; output=6; weight=2");
        let first = |scenario: &Scenario| {
            let text = lines(scenario, TraceFormat::Own, End::Count(3));
            text.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let one = first(&scenario);
        assert_eq!(one[0], "arrival_time,prefill_length,decode_length,weight");
        assert!(one[1].ends_with(",5,6,2"), "{one:?}");
        scenario
            .workload
            .class
            .push(super::super::words::class("--class", "c; prompt=5; output=6; share=1e-9; model=m").unwrap());
        let two = first(&scenario);
        assert_eq!(two[0], "arrival_time,prefill_length,decode_length,class,weight,model");
        assert!(two[1].ends_with(",5,6,\"a, b\",2,"), "{two:?}");
    }
}
