//! Lengths without times, as benchmarks prepare them from conversations such as ShareGPT: one JSON object per line with
//! `prompt_len` and `output_len` (vLLM), or `input_toks` and `output_toks`, or `input_len`, or `input_length` and
//! `output_length`. When the requests arrive is for the scenario to say.

use serde::Deserialize;

use super::collector::{Class, Collector, Row};
use super::objects::Object;
use crate::scenario::error::ScenarioError;
use crate::scenario::time::Time;

#[derive(Deserialize)]
pub(super) struct Line {
    #[serde(alias = "input_toks", alias = "input_len", alias = "input_length")]
    prompt_len: u64,
    #[serde(alias = "output_toks", alias = "output_length")]
    output_len: u64,
}

impl Object for Line {
    const SHAPE: &'static str = "give an object with whole numbers `prompt_len` and `output_len`";

    fn add(self, collector: &mut Collector) -> Result<(), ScenarioError> {
        let names = ["", "prompt_len", "output_len"];
        let (prompt, output) = (self.prompt_len, self.output_len);
        collector.add(&Row { names, arrival: Time::ZERO, prompt, output, class: Class::ONLY }, (&[], 0))
    }
}
