//! A run as a folder of files, in the columns of the fluid ODE simulation project: batches, requests, events, queues, memory, and what
//! was asked. They grow line by line, so that a killed run leaves files that can be read, in constant memory.

use std::io;
use std::path::Path;

use super::file::write_whole;
use super::lines::LineFile;
use crate::des::{Event, EventKind, Observer, Queues, RequestRecord, StepRecord};
use crate::scenario::{Preemption, Scenario, Time};
use crate::stats::stream::fnv1a;

const BATCH_COLUMNS: &str = "time,batch_id,batch_count,batch_tokens,running_count,waiting_count,swapped_count,completed_count,\
    gpu_memory_used,memory_utilization,batch_duration";
const REQUEST_COLUMNS: &str = "req_id,arrival_time,prefill_length,decode_length,completion_time,total_delay,waiting_time,\
    execution_time,swap_count,total_swapped_time,sacrifice_count";
const EVENT_COLUMNS: &str = "time,batch_id,event_type,req_id,details";
const QUEUE_COLUMNS: &str = "time,batch_id,queue_type,req_ids";
const MEMORY_COLUMNS: &str = "time,batch_id,event,req_id,decode_position,memory_change,gpu_memory_after";

/// The files of one run. With several instances the files that tell of one instance at a time have a last column `instance`.
#[derive(Debug)]
pub struct Experiment {
    batches: LineFile,
    requests: LineFile,
    events: LineFile,
    queues: LineFile,
    memory: LineFile,
    instances: Vec<Instance>,
    held: Held,
}

/// What the files must know of an instance.
#[derive(Debug)]
struct Instance {
    kv_tokens: Option<u64>,
    preemption: Preemption,
}

/// The last batch, held back until the requests that leave at its end are known.
#[derive(Debug, Default)]
struct Held {
    step: Option<StepRecord>,
    left: i64,
    freed: i64,
    completed: u64,
}

impl Experiment {
    /// Opens the files in `folder`, which exists, and writes what was asked: `config_used.toml` and `experiment_meta.toml`.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn create(folder: &Path, scenario: &Scenario, seed: u64, command: &str) -> io::Result<Self> {
        let config = scenario.to_toml();
        write_whole(&folder.join("config_used.toml"), &config)?;
        write_whole(&folder.join("experiment_meta.toml"), &meta(&scenario.name, &config, seed, command))?;
        let members = scenario.members();
        let instances: Vec<Instance> = members
            .iter()
            .flat_map(|(one, count)| (0..*count).map(|_| (one.instance.kv_tokens, one.policy.preemption)))
            .map(|(kv_tokens, preemption)| Instance { kv_tokens, preemption })
            .collect();
        let more = if instances.len() > 1 { ",instance" } else { "" };
        let open =
            |name: &str, columns: &str, more: &str| LineFile::create(&folder.join(name), &format!("{columns}{more}"));
        Ok(Self {
            batches: open("batch_snapshots.csv", BATCH_COLUMNS, more)?,
            requests: open("request_traces.csv", REQUEST_COLUMNS, "")?,
            events: open("events.csv", EVENT_COLUMNS, more)?,
            queues: open("queue_timeline.csv", QUEUE_COLUMNS, more)?,
            memory: open("memory_events.csv", MEMORY_COLUMNS, more)?,
            instances,
            held: Held::default(),
        })
    }

    /// Ends the files and adds `summary.txt`.
    ///
    /// # Errors
    /// The first failure of any line.
    pub fn finish(mut self, folder: &Path, summary: &str) -> io::Result<()> {
        self.write_held();
        for file in [self.batches, self.requests, self.events, self.queues, self.memory] {
            file.finish()?;
        }
        write_whole(&folder.join("summary.txt"), summary)
    }

    /// `,instance` where there are several.
    fn of_instance(&self, instance: u32) -> String {
        if self.instances.len() > 1 { format!(",{instance}") } else { String::new() }
    }

    /// The state after the held batch: those that finished in it have left.
    fn write_held(&mut self) {
        let Some(step) = self.held.step.take() else { return };
        let used = (step.kv_tokens - self.held.freed).max(0);
        let capacity = self.instances.get(step.instance as usize).and_then(|instance| instance.kv_tokens);
        let share = capacity.map_or(String::new(), |capacity| (used as f64 / capacity as f64).to_string());
        let line = format!(
            "{},{},{},{},{},{},{},{},{used},{share},{}{}",
            (step.start + step.duration).seconds(),
            step.step,
            step.decodes + step.prefills,
            step.decodes + step.prefill_tokens,
            step.running - self.held.left,
            step.waiting,
            step.swapped,
            self.held.completed,
            step.duration.seconds(),
            self.of_instance(step.instance),
        );
        self.batches.line(&line);
        (self.held.left, self.held.freed) = (0, 0);
    }
}

impl Observer for Experiment {
    fn request(&mut self, request: &RequestRecord) {
        if request.completed.is_some() {
            self.held.completed += 1;
            if self.held.step.is_some_and(|step| step.instance == request.instance) {
                self.held.left += 1;
                self.held.freed += request.prompt + request.output;
            }
        }
        let preemption = self.instances.get(request.instance as usize).map(|instance| instance.preemption);
        self.requests.line(&request_line(request, preemption));
    }

    fn step(&mut self, step: &StepRecord) {
        self.write_held();
        self.held.step = Some(*step);
    }

    fn wants_steps(&self) -> bool {
        true
    }

    fn event(&mut self, event: &Event) {
        let (time, step, name) = (event.time.seconds(), event.step, event.kind.name());
        let place = self.of_instance(event.instance);
        let details = format!("{} tokens emitted; KV {:+} to {}", event.position, event.kv_change, event.kv_after);
        self.events.line(&format!("{time},{step},{name},{},{details}{place}", event.request));
        if event.kind != EventKind::Rejected {
            self.memory.line(&format!(
                "{time},{step},{name},{},{},{},{}{place}",
                event.request, event.position, event.kv_change, event.kv_after
            ));
        }
    }

    fn wants_events(&self) -> bool {
        true
    }

    fn queues(&mut self, step: &StepRecord, queues: &Queues<'_>) {
        let place = self.of_instance(step.instance);
        for (name, members) in [("waiting", queues.waiting), ("running", queues.running), ("swapped", queues.swapped)] {
            self.queues.line(&format!("{},{},{name},\"{members:?}\"{place}", step.start.seconds(), step.step));
        }
    }

    fn wants_queues(&self) -> bool {
        true
    }
}

/// What happened to a request that has left, was turned away or is unfinished; what it never reached is empty.
fn request_line(request: &RequestRecord, preemption: Option<Preemption>) -> String {
    let shown = |time: Option<Time>| time.map_or(String::new(), |time| time.seconds().to_string());
    let delay = request.completed.map(|end| end - request.arrival);
    let waited = request.admitted.map(|start| start - request.arrival);
    let executed = delay.zip(waited).map(|(delay, waited)| delay - waited - request.preempted);
    let swaps = preemption == Some(Preemption::Swap);
    let (swapped, sacrificed) = if swaps { (request.preemptions, 0) } else { (0, request.preemptions) };
    format!(
        "{},{},{},{},{},{},{},{},{swapped},{},{sacrificed}",
        request.id,
        request.arrival.seconds(),
        request.prompt,
        request.output,
        shown(request.completed),
        shown(delay),
        shown(waited),
        shown(executed),
        request.preempted.seconds(),
    )
}

/// What made the files, without the time of day: the same question gives the same bytes.
fn meta(name: &str, config: &str, seed: u64, command: &str) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "program = \"fluidsim\"\nversion = \"{}\"\nscenario = {}\nconfig_fnv1a = \"{:016x}\"\nseed = {seed}\ncommand = {}\n",
        env!("CARGO_PKG_VERSION"),
        text(name),
        fnv1a(config),
        text(command),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Override};

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    fn seconds(seconds: f64) -> Time {
        Time::from_seconds(seconds)
    }

    fn step(number: u64, instance: u32) -> StepRecord {
        StepRecord {
            step: number,
            start: seconds(number as f64),
            duration: seconds(1.0),
            instance,
            decodes: 2,
            prefills: 1,
            prefill_tokens: 30,
            running: 3,
            waiting: 4,
            swapped: 1,
            kv_tokens: 500,
        }
    }

    fn finished() -> RequestRecord {
        RequestRecord {
            id: 7,
            class: 0,
            arrival: seconds(0.25),
            prompt: 60,
            output: 40,
            admitted: Some(seconds(0.5)),
            first_token: Some(seconds(0.75)),
            completed: Some(seconds(2.5)),
            preemptions: 2,
            preempted: seconds(0.5),
            rejected: None,
            instance: 0,
        }
    }

    fn written(changes: &[&str]) -> tempfile::TempDir {
        let changes: Vec<Override> = changes.iter().map(|text| Override::parse(text).unwrap()).collect();
        let scenario = scenario::open(Some("memory-greedy"), &changes, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut experiment = Experiment::create(folder.path(), &scenario, 3, "fluidsim simulate \"x\"").unwrap();
        experiment.step(&step(0, 0));
        experiment.queues(&step(0, 0), &Queues { waiting: &[8, 9], running: &[7], swapped: &[] });
        experiment.request(&finished());
        let kind = EventKind::Completion;
        let place = Event {
            time: seconds(1.0),
            step: 1,
            instance: 0,
            kind,
            request: 7,
            position: 40,
            kv_change: -100,
            kv_after: 400,
        };
        experiment.event(&place);
        experiment.event(&Event { kind: EventKind::Rejected, ..place });
        experiment.step(&step(1, 0));
        experiment.finish(folder.path(), "the report\n").unwrap();
        folder
    }

    #[test]
    fn a_batch_is_written_with_the_state_after_it() {
        let folder = written(&["instance.kv_tokens=1000", "instance.block_tokens=1"]);
        let text = read(folder.path(), "batch_snapshots.csv");
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows, ["1,0,3,32,2,4,1,1,400,0.4,1", "2,1,3,32,3,4,1,1,500,0.5,1"]);
        assert_eq!(read(folder.path(), "summary.txt"), "the report\n");
    }

    #[test]
    fn requests_events_queues_and_memory_are_told() {
        let folder = written(&[]);
        let last = |name: &str| read(folder.path(), name).lines().last().unwrap().to_owned();
        assert_eq!(last("request_traces.csv"), "7,0.25,60,40,2.5,2.25,0.25,1.5,0,0.5,2");
        assert_eq!(last("events.csv"), "1,1,rejected,7,40 tokens emitted; KV -100 to 400");
        assert_eq!(last("memory_events.csv"), "1,1,completion,7,40,-100,400");
        assert_eq!(last("queue_timeline.csv"), "0,0,swapped,\"[]\"");
        assert!(read(folder.path(), "queue_timeline.csv").contains("\n0,0,waiting,\"[8, 9]\"\n"));
    }

    #[test]
    fn swaps_and_sacrifices_are_told_apart() {
        assert!(request_line(&finished(), Some(Preemption::Swap)).ends_with(",2,0.5,0"));
        assert!(request_line(&finished(), Some(Preemption::Restart)).ends_with(",0,0.5,2"));
        let unfinished = RequestRecord { completed: None, admitted: None, ..finished() };
        assert_eq!(request_line(&unfinished, None), "7,0.25,60,40,,,,,0,0.5,2");
    }

    #[test]
    fn several_instances_are_named() {
        let folder = written(&["cluster.replicas=2"]);
        assert!(
            read(folder.path(), "batch_snapshots.csv")
                .lines()
                .all(|line| line.ends_with(",instance") || line.ends_with(",0"))
        );
        assert!(read(folder.path(), "events.csv").starts_with("time,batch_id,event_type,req_id,details,instance\n"));
    }

    #[test]
    fn what_was_asked_is_kept() {
        let folder = written(&[]);
        let meta: toml::Table = read(folder.path(), "experiment_meta.toml").parse().unwrap();
        let config = read(folder.path(), "config_used.toml");
        assert_eq!(meta["command"].as_str(), Some("fluidsim simulate \"x\""));
        assert_eq!(meta["config_fnv1a"].as_str(), Some(format!("{:016x}", fnv1a(&config)).as_str()));
        scenario::load("config_used.toml", &config, &[]).unwrap();
    }
}
