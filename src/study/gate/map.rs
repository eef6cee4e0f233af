//! Where theory can be trusted: the errors over load, memory and the spread of outputs, for vLLM v1 with recompute.

use super::errors::Measured;
use super::{Family, family};
use crate::answer::Limit;
use crate::fluid;
use crate::scenario::{Class, LengthLaw, Preemption, ScenarioError};

/// Coefficients of variation of the outputs.
pub const CVS: [f64; 3] = [0.5, 1.0, 2.0];
/// KV memory in tokens: 40 to 320 requests of the mean size. The first two bind, the last does not.
pub const MEMORIES: [u64; 4] = [6_000, 12_000, 24_000, 48_000];

/// The name of a cell's family.
pub fn name(cv: f64, memory: u64) -> String {
    format!("cv {cv} memory {memory}")
}

/// The families of the map: those of the gate's base with lognormal outputs and a memory.
///
/// # Errors
/// A base that cannot be read, which a test excludes.
pub fn families() -> Result<Vec<Family>, ScenarioError> {
    let base = family("v1-geometric")?.scenario;
    let mut families = Vec::new();
    for cv in CVS {
        for memory in MEMORIES {
            let mut scenario = base.clone();
            scenario.name = name(cv, memory);
            let output = LengthLaw::Lognormal { mean: 100.0, cv, max: 2000 };
            scenario.workload.class = vec![Class::new("chat", LengthLaw::Uniform { min: 50, max: 150 }, output)];
            scenario.instance.kv_tokens = Some(memory);
            scenario.policy.preemption = Preemption::Recompute;
            scenario.validate()?;
            let binds: Limit = fluid::solve(&scenario).boundary.binding;
            families.push(Family { name: scenario.name.clone(), binds, scenario });
        }
    }
    Ok(families)
}

/// The row of a cell.
pub fn cell<'a>(rows: &'a [Measured], (cv, memory, load): (f64, u64, f64), quantity: &str) -> Option<&'a Measured> {
    let name = name(cv, memory);
    rows.iter().find(|row| row.family == name && row.load == Some(load) && row.quantity == quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_binds_where_it_is_small() {
        let families = families().unwrap();
        assert_eq!(families.len(), CVS.len() * MEMORIES.len());
        let binds = |cv, memory| families.iter().find(|family| family.name == name(cv, memory)).unwrap().binds;
        assert_eq!((binds(1.0, 6_000), binds(1.0, 48_000)), (Limit::KvMemory, Limit::SequenceCap));
    }
}
