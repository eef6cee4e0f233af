//! The parameters of the iteration-time law. `cost` evaluates it.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, require_at_least_one, require_non_negative};
use super::kernels::Kernels;

/// Mean time of one iteration over `b` tokens with `C` tokens of KV held at its end (context).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepTimeLaw {
    /// base + per_token · b
    Affine {
        /// Seconds per iteration.
        base_s: f64,
        /// Seconds per token.
        per_token_s: f64,
    },
    /// base + per_token · max(0, b − free)
    Hinge {
        /// Seconds per iteration.
        base_s: f64,
        /// Seconds per token above the free ones.
        per_token_s: f64,
        /// Tokens that cost nothing: below them the weights' transfer dominates.
        free_tokens: u64,
    },
    /// base + per_stair · ⌈b / stair⌉
    Staircase {
        /// Seconds per iteration.
        base_s: f64,
        /// Seconds per started stair.
        per_stair_s: f64,
        /// Tokens per stair.
        stair_tokens: u64,
    },
    /// base + per_token · b + per_context_token · C
    AffineContext {
        /// Seconds per iteration.
        base_s: f64,
        /// Seconds per token.
        per_token_s: f64,
        /// Seconds per KV token held at the end of the iteration.
        per_context_token_s: f64,
    },
    /// curve(b) + per_context_token · C + per_prefill_pair · A, with A the pairs of a prompt token and a token before or at it: what
    /// a profile or a roofline comes to.
    Curve {
        /// Seconds of iterations without attention over b tokens, in ascending order of b: linear between them, constant before the
        /// first, and with the last slope beyond the last.
        points: Vec<CurvePoint>,
        /// Seconds per KV token held at the end of the iteration.
        per_context_token_s: f64,
        /// Seconds per pair of prompt tokens, s(s + 1)/2 for a whole prompt.
        #[serde(default)]
        per_prefill_pair_s: f64,
    },
    /// The kernels of one model on one GPU, measured one by one: dense ones over b, the end over sequences, attention over prompt
    /// chunk, KV before it, decodes and their KV. The engine takes the tables, theory the nearest curve.
    Kernels {
        /// The folder with the tables, relative to the working directory.
        folder: String,
        /// Layers of the model; none when the folder's name tells the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers: Option<u64>,
        /// Seconds per iteration beside the kernels: the host's, where it does not run ahead.
        #[serde(default, skip_serializing_if = "is_zero")]
        host_s: f64,
        /// Sizes in tokens of CUDA graphs, which shorter iterations are filled up to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        graph_tokens: Vec<u64>,
        /// The tables, filled in by the loader.
        #[serde(skip)]
        tables: Tables,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Kernel tables once they are read. They follow from the folder, so that all are equal.
#[derive(Debug, Clone, Default)]
pub struct Tables(Option<Arc<Kernels>>);

impl Tables {
    /// Those of code.
    #[must_use]
    pub fn of(kernels: Kernels) -> Self {
        Self(Some(Arc::new(kernels)))
    }

    /// What was read.
    #[must_use]
    pub fn kernels(&self) -> Option<&Arc<Kernels>> {
        self.0.as_ref()
    }
}

impl PartialEq for Tables {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A point of [`StepTimeLaw::Curve`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// b, tokens of the iteration.
    pub tokens: u64,
    /// Seconds.
    pub seconds: f64,
}

/// Longest curve.
const MAX_POINTS: usize = 4096;

fn check_points(points: &[CurvePoint]) -> Result<(), ScenarioError> {
    if points.is_empty() || points.len() > MAX_POINTS {
        let problem = format!("has {} points", points.len());
        return Err(ScenarioError::at("points", problem, "give from 1 to 4096 points"));
    }
    for (index, point) in points.iter().enumerate() {
        let key = |part: &str| format!("points[{index}].{part}");
        if !(point.seconds >= 1e-15 && point.seconds <= 1e6) {
            return Err(ScenarioError::at(
                &key("seconds"),
                format!("is `{}`", point.seconds),
                "give from 1e-15 to 1e6 s",
            ));
        }
        if index > 0 && point.tokens <= points[index - 1].tokens {
            let problem = format!("is `{}`, not above the point before it", point.tokens);
            return Err(ScenarioError::at(
                &key("tokens"),
                problem,
                "put the points in ascending order of tokens, each once",
            ));
        }
    }
    let falls = points.len() > 1 && points[points.len() - 1].seconds < points[points.len() - 2].seconds;
    if falls {
        let problem = "fall at the last two points, so that long iterations would take no time";
        return Err(ScenarioError::at("points", problem, "leave the last point away or measure longer iterations"));
    }
    Ok(())
}

/// Randomness around the mean iteration time. Draws are independent from one iteration to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepNoise {
    /// Every iteration takes its mean time.
    #[default]
    None,
    /// The whole iteration is exponential: M/M/1 when one request is one iteration.
    Exponential,
    /// Every coefficient of the law is exponential on its own (seed 004).
    ExponentialCoefficients,
    /// The whole iteration is gamma with coefficient of variation `step_noise_cv`: Erlang for 1/√n.
    Gamma,
}

impl StepNoise {
    /// Whether every iteration takes its mean time.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl StepTimeLaw {
    /// Reads the tables of a law of kernels.
    ///
    /// # Errors
    /// A folder that holds none.
    pub fn read_tables(&mut self) -> Result<(), ScenarioError> {
        if let Self::Kernels { folder, layers, host_s, graph_tokens, tables } = self {
            *tables = Tables::of(Kernels::of_folder(Path::new(folder), *layers, *host_s, graph_tokens)?);
        }
        Ok(())
    }

    /// The law that theory takes: itself, or the curve nearest to kernel tables.
    #[must_use]
    pub fn of_theory(&self) -> &Self {
        match self {
            Self::Kernels { tables, .. } => tables.kernels().map_or(self, |kernels| &kernels.reduced),
            _ => self,
        }
    }

    fn validate_kernels(&self) -> Result<(), ScenarioError> {
        let Self::Kernels { layers, host_s, graph_tokens, tables, .. } = self else { return Ok(()) };
        require_at_least_one("layers", layers.unwrap_or(1))?;
        require_non_negative("host_s", *host_s)?;
        if *host_s > 1e6 || layers.is_some_and(|layers| layers > 100_000) || graph_tokens.len() > MAX_POINTS {
            return Err(ScenarioError::at(
                "layers",
                "or host_s or graph_tokens is out of all proportion",
                "check them",
            ));
        }
        let Some(kernels) = tables.kernels() else {
            return Err(ScenarioError::at(
                "folder",
                "has not been read",
                "open the scenario from its text, or call read_tables",
            ));
        };
        kernels.reduced.validate()
    }

    /// # Errors
    /// Negative coefficients, a zero stair, or a law that takes no time at all.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let coefficients: &[(&str, f64)] = match self {
            Self::Kernels { .. } => return self.validate_kernels(),
            Self::Curve { points, per_context_token_s, per_prefill_pair_s } => {
                check_points(points)?;
                &[("per_context_token_s", *per_context_token_s), ("per_prefill_pair_s", *per_prefill_pair_s)]
            }
            Self::Affine { base_s, per_token_s } | Self::Hinge { base_s, per_token_s, .. } => {
                &[("base_s", *base_s), ("per_token_s", *per_token_s)]
            }
            Self::Staircase { base_s, per_stair_s, stair_tokens } => {
                require_at_least_one("stair_tokens", *stair_tokens)?;
                &[("base_s", *base_s), ("per_stair_s", *per_stair_s)]
            }
            Self::AffineContext { base_s, per_token_s, per_context_token_s } => {
                &[("base_s", *base_s), ("per_token_s", *per_token_s), ("per_context_token_s", *per_context_token_s)]
            }
        };
        for &(key, value) in coefficients {
            require_non_negative(key, value)?;
            if value > 1e6 {
                return Err(ScenarioError::at(key, format!("is `{value}` seconds"), "keep it at most 1e6 s"));
            }
        }
        let one_token_takes_time = match self {
            Self::Hinge { base_s, .. } => *base_s >= 1e-15,
            Self::Curve { .. } => true,
            _ => coefficients.iter().any(|&(_, value)| value >= 1e-15),
        };
        if one_token_takes_time {
            return Ok(());
        }
        Err(ScenarioError::at("base_s", "leaves an iteration that takes no time", "give a positive time per iteration"))
    }
}
