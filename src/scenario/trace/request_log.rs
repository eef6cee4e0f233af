//! The request logs and workloads of LLMServingSim, as it writes them of vLLM runs too: one JSON object per line with
//! `input_toks`, `output_toks` and either `arrival_time`, in seconds of any clock, or `arrival_time_ns`. The first arrival
//! becomes time zero. Other keys, such as the tokens themselves and the times of a measured run, are not used.
//! Reference: Cho et al., "LLMServingSim: a HW/SW co-simulation infrastructure for LLM inference serving at scale", IISWC 2024.

use serde::Deserialize;

use super::collector::{Class, Collector, Row};
use super::objects::{self, Object};
use crate::scenario::error::ScenarioError;

#[derive(Deserialize)]
pub(super) struct Line {
    arrival_time: Option<serde_json::Number>,
    arrival_time_ns: Option<serde_json::Number>,
    input_toks: u64,
    output_toks: u64,
}

impl Object for Line {
    const SHAPE: &'static str = "give an object with whole numbers `input_toks`, `output_toks` and a number `arrival_time` (s) or \
        `arrival_time_ns`";

    fn add(self, collector: &mut Collector) -> Result<(), ScenarioError> {
        let (name, exponent, given) = match (&self.arrival_time, &self.arrival_time_ns) {
            (Some(seconds), _) => ("arrival_time", 0, seconds),
            (None, Some(nanoseconds)) => ("arrival_time_ns", -9, nanoseconds),
            (None, None) => return Err(ScenarioError::at("arrival_time", "is missing", Self::SHAPE)),
        };
        let arrival = objects::time(given, exponent)
            .ok_or_else(|| ScenarioError::at(name, format!("is `{given}`"), "give a time that a clock can show"))?;
        let names = [name, "input_toks", "output_toks"];
        let row = Row { names, arrival, prompt: self.input_toks, output: self.output_toks, class: Class::ONLY };
        collector.add(&row, (&[], 0))
    }
}
