//! More than one instance: replicas and groups behind a router, a prefill pool before a decode pool, a pool of GPUs.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, require_non_negative, require_positive};
use super::policy::is_default;
use super::{Instance, Policy, StepTimeLaw};

/// Where the next request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// In turn.
    #[default]
    RoundRobin,
    /// Uniformly at random.
    Random,
    /// Fewest tokens of work outstanding.
    LeastLoaded,
    /// Fewest requests in the instance; the first of several.
    JoinShortestQueue,
    /// The shortest queue of `choices` instances drawn at random.
    PowerOfD,
    /// Smallest expected time until the request would be finished, from work outstanding and the instance's speed.
    ShortestExpectedDelay,
    /// Requests of one `window_s` are assigned together, so that the longest expected delay is shortest (integer program).
    Milp,
}

/// How transfers share the link between the pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contention {
    /// One after the other.
    #[default]
    Fifo,
    /// All at full speed.
    None,
}

/// The link that carries KV from the prefill pool to the decode pool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// KV tokens per second.
    pub tokens_per_s: f64,
    /// Seconds that every transfer takes beside its tokens.
    #[serde(default)]
    pub latency_s: f64,
    /// How transfers share it.
    #[serde(default)]
    pub contention: Contention,
}

/// Instances that differ from the scenario's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name in reports.
    pub name: String,
    /// How many there are.
    #[serde(default = "one")]
    pub count: u64,
    /// The model they serve: only classes of this model come here. Absent means every class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Their limits, when they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// Their rules, when they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Their iteration-time law, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_time: Option<StepTimeLaw>,
}

/// The pool that processes prompts before a link carries their KV to the decode pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefillPool {
    /// How many instances there are.
    #[serde(default = "one")]
    pub replicas: u64,
    /// Which of them a request goes to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub routing: Routing,
    /// Their limits, when they differ from the decode pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// Their rules, when they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Their iteration-time law, when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_time: Option<StepTimeLaw>,
}

fn one() -> u64 {
    1
}

/// How many instances there are and how requests reach them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Instances like the scenario's own. 0 is possible beside groups.
    #[serde(default = "one")]
    pub replicas: u64,
    /// Which of them a request goes to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub routing: Routing,
    /// Of `power-of-d`: instances that are looked at; 2 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<u64>,
    /// Of `milp`: seconds over which requests are gathered before they are assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// Instances that differ from the scenario's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
    /// A pool that processes prompts; the others then only decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<PrefillPool>,
    /// The link between the pools; absent means that KV moves in no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// A pool of this many GPUs in place of instances: a request takes the `gpus` of its class, all at once, and runs alone on
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
}

impl Cluster {
    /// Most instances and GPUs.
    pub const MOST: u64 = 4096;

    /// `replicas` instances like the scenario's own.
    pub fn replicas(replicas: u64, routing: Routing) -> Self {
        Self {
            replicas,
            routing,
            choices: None,
            window_s: None,
            group: Vec::new(),
            prefill: None,
            link: None,
            gpus: None,
        }
    }

    /// # Errors
    /// No instances, too many, or parts that contradict each other.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.validate_size()?;
        self.validate_routing()?;
        for (index, group) in self.group.iter().enumerate() {
            let place = format!("group[{index}]");
            group.validate().map_err(|error| error.under(&place))?;
            if self.group[..index].iter().any(|other| other.name == group.name) {
                let problem = format!("is `{}`, as another group is named", group.name);
                return Err(ScenarioError::at("name", problem, "give every group its own name").under(&place));
            }
        }
        if let Some(link) = &self.link {
            require_positive("link.tokens_per_s", link.tokens_per_s)?;
            require_non_negative("link.latency_s", link.latency_s)?;
            if self.prefill.is_none() {
                return Err(ScenarioError::at(
                    "link",
                    "is given, but there is no prefill pool",
                    "add [cluster.prefill]",
                ));
            }
        }
        if let Some(pool) = &self.prefill {
            pool.validate().map_err(|error| error.under("prefill"))?;
        }
        Ok(())
    }

    fn validate_size(&self) -> Result<(), ScenarioError> {
        let groups = self.group.iter().fold(0_u64, |sum, group| sum.saturating_add(group.count));
        let instances = self.replicas.saturating_add(groups);
        if let Some(gpus) = self.gpus {
            if !(1..=1 << 20).contains(&gpus) {
                return Err(ScenarioError::at("gpus", format!("is `{gpus}`"), "give from 1 to 1048576 GPUs"));
            }
            if self.prefill.is_some() || !self.group.is_empty() || self.replicas != 1 {
                return Err(ScenarioError::at(
                    "gpus",
                    "stands beside replicas, groups or a prefill pool",
                    "a GPU pool has no instances: remove `replicas`, `group` and `prefill`",
                ));
            }
        }
        if !(1..=Self::MOST).contains(&instances) {
            return Err(ScenarioError::at(
                "replicas",
                format!("makes `{instances}` instances"),
                format!("give from 1 to {} instances over replicas and groups", Self::MOST),
            ));
        }
        Ok(())
    }

    fn validate_routing(&self) -> Result<(), ScenarioError> {
        match (self.routing, self.choices) {
            (Routing::PowerOfD, Some(0)) => {
                return Err(ScenarioError::at("choices", "is `0`", "look at 1 instance at least"));
            }
            (Routing::PowerOfD, _) | (_, None) => {}
            _ => {
                return Err(ScenarioError::at(
                    "choices",
                    "is given, but routing is not `power-of-d`",
                    "remove the key or set routing = \"power-of-d\"",
                ));
            }
        }
        match (self.routing, self.window_s) {
            (Routing::Milp, Some(window)) => require_positive("window_s", window),
            (Routing::Milp, None) => Err(ScenarioError::at(
                "window_s",
                "is missing, and routing is `milp`",
                "give the seconds over which requests are gathered, e.g. window_s = 0.1",
            )),
            (_, Some(_)) => Err(ScenarioError::at(
                "window_s",
                "is given, but routing is not `milp`",
                "remove the key or set routing = \"milp\"",
            )),
            (_, None) => Ok(()),
        }
    }
}

impl Group {
    fn validate(&self) -> Result<(), ScenarioError> {
        if self.count == 0 {
            return Err(ScenarioError::at("count", "is `0`", "give at least one instance, or remove the group"));
        }
        validate_parts(self.instance.as_ref(), self.policy.as_ref(), self.step_time.as_ref())
    }
}

impl PrefillPool {
    fn validate(&self) -> Result<(), ScenarioError> {
        if !(1..=Cluster::MOST).contains(&self.replicas) {
            let remedy = format!("give from 1 to {} instances", Cluster::MOST);
            return Err(ScenarioError::at("replicas", format!("is `{}`", self.replicas), remedy));
        }
        validate_parts(self.instance.as_ref(), self.policy.as_ref(), self.step_time.as_ref())
    }
}

fn validate_parts(
    instance: Option<&Instance>,
    policy: Option<&Policy>,
    step_time: Option<&StepTimeLaw>,
) -> Result<(), ScenarioError> {
    instance.map_or(Ok(()), |part| part.validate().map_err(|error| error.under("instance")))?;
    policy.map_or(Ok(()), |part| part.validate().map_err(|error| error.under("policy")))?;
    step_time.map_or(Ok(()), |part| part.validate().map_err(|error| error.under("step_time")))
}
