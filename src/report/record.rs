//! Every request and every iteration of one run as CSV, written as it goes and given their names when it has ended.

use std::io;
use std::path::Path;

use super::file::Draft;
use crate::des::{Observer, RequestRecord, StepRecord};
use crate::scenario::Time;

const REQUEST_COLUMNS: &str =
    "request,class,arrival_s,prompt_tokens,output_tokens,admitted_s,first_token_s,completed_s,preemptions,outcome\n";
const STEP_COLUMNS: &str = "step,start_s,duration_s,decodes,prefill_tokens,running,waiting,swapped,kv_tokens\n";

/// The two files, each only when it is asked for.
#[derive(Debug)]
pub struct Record {
    requests: Option<Draft>,
    steps: Option<Draft>,
    failure: Option<io::Error>,
}

impl Record {
    /// Opens the files that are asked for.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn create(requests: Option<&Path>, steps: Option<&Path>) -> io::Result<Self> {
        let open = |path: Option<&Path>, columns: &str| -> io::Result<Option<Draft>> {
            let Some(path) = path else { return Ok(None) };
            let mut draft = Draft::create(path)?;
            draft.write(columns)?;
            Ok(Some(draft))
        };
        Ok(Self { requests: open(requests, REQUEST_COLUMNS)?, steps: open(steps, STEP_COLUMNS)?, failure: None })
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// The first failure of any line.
    pub fn finish(self) -> io::Result<()> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        [self.requests, self.steps].into_iter().flatten().try_for_each(Draft::finish)
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }
}

impl Observer for Record {
    fn request(&mut self, request: &RequestRecord) {
        let Some(file) = &mut self.requests else { return };
        let time = |time: Option<Time>| time.map_or(String::new(), |time| time.seconds().to_string());
        let outcome = match (request.rejected, request.completed) {
            (Some(rejection), _) => format!("rejected: {}", rejection.reason()),
            (None, Some(_)) => "completed".to_owned(),
            (None, None) => "in system".to_owned(),
        };
        let line = format!(
            "{},{},{},{},{},{},{},{},{},{outcome}\n",
            request.id,
            request.class,
            request.arrival.seconds(),
            request.prompt,
            request.output,
            time(request.admitted),
            time(request.first_token),
            time(request.completed),
            request.preemptions,
        );
        let result = file.write(&line);
        self.keep(result);
    }

    fn step(&mut self, step: &StepRecord) {
        let Some(file) = &mut self.steps else { return };
        let line = format!(
            "{},{},{},{},{},{},{},{},{}\n",
            step.step,
            step.start.seconds(),
            step.duration.seconds(),
            step.decodes,
            step.prefill_tokens,
            step.running,
            step.waiting,
            step.swapped,
            step.kv_tokens,
        );
        let result = file.write(&line);
        self.keep(result);
    }

    fn wants_steps(&self) -> bool {
        self.steps.is_some()
    }
}
