//! Simulated columns of memory-law.md, §1 (example 1), §3 (example 2), §5 (example 3a), and of the decode node of S4.

use fluidsim::scenario::{Admission, Preemption, Prompts, Scenario, StepTimeLaw};

use super::laws::{affine, constant, geometric, uniform};
use super::{Feeding, Figure, Quantity, Row, scenario};

/// Example 1.
fn limited() -> Scenario {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2e-5, per_context_token_s: 1e-7 };
    let mut scenario = scenario(constant(100), geometric(100.0), 30.0, 1000, law);
    scenario.instance.kv_tokens = Some(20_000);
    scenario
}

fn preempting(mut scenario: Scenario, preemption: Preemption) -> Scenario {
    scenario.policy.preemption = preemption;
    scenario.policy.swap_s_per_token = (preemption == Preemption::Swap).then_some(0.0);
    scenario
}

/// 12 seeds of 400 000 requests.
pub fn example_1() -> Vec<Row> {
    let mut slow = preempting(limited(), Preemption::Swap);
    slow.policy.swap_s_per_token = Some(2e-8);
    let mut reserve = limited();
    reserve.policy.admission = Admission::Reserve;
    let row = |name, scenario, value, half_width| {
        Row::saturated("memory 1", name, scenario, value, half_width).of_size(2000.0, 20_000.0)
    };
    vec![
        row("swap", preempting(limited(), Preemption::Swap), 38.4136, 0.0494)
            .and(Quantity::PerStep, 0.997397, 0.001433)
            .and(Quantity::Preemptions, 0.354473, 0.000833)
            .and(Quantity::Swapped, 0.9147, 0.0039)
            .and(Quantity::Unused, 50.907, 0.038),
        row("swap 2e-8", slow, 38.4114, 0.0494),
        row("recompute", preempting(limited(), Preemption::Recompute), 37.3721, 0.0489),
        row("restart", preempting(limited(), Preemption::Restart), 37.2022, 0.0497).and(
            Quantity::Preemptions,
            0.3666,
            0.0011,
        ),
        row("reserve", reserve, 27.7245, 0.0412),
    ]
}

/// 16 seeds of 400 000 requests.
pub fn example_2() -> Vec<Row> {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 4e-5, per_context_token_s: 2.5e-7 };
    let mut scenario = scenario(geometric(100.0), uniform(1, 199), 1.0, 1000, law);
    scenario.instance.kv_tokens = Some(8000);
    let scenario = preempting(scenario, Preemption::Swap);
    let row = |name, rate: f64, figures: [(Quantity, f64, f64); 4]| {
        let mut scenario = scenario.clone();
        scenario.workload.rate_per_s = Some(rate);
        let figures = figures.map(|(quantity, value, half_width)| Figure { quantity, value, half_width });
        let row = Row::saturated("memory 2", name, scenario, rate, 0.0).of_size(10_000.0, 100_000.0);
        Row { feeding: Feeding::Open, figures: figures.to_vec(), ..row }
    };
    vec![
        row(
            "load .8",
            14.702948,
            [
                (Quantity::Ttft, 0.072087, 0.00117),
                (Quantity::Wait, 0.030627, 0.00114),
                (Quantity::Preemptions, 0.060067, 0.00143),
                (Quantity::Kv, 6015.2, 14.9),
            ],
        ),
        row(
            "load .9",
            16.540816,
            [
                (Quantity::Ttft, 0.242233, 0.00921),
                (Quantity::Wait, 0.197730, 0.00913),
                (Quantity::Preemptions, 0.213048, 0.00432),
                (Quantity::Kv, 6941.6, 17.4),
            ],
        ),
    ]
}

/// Six seeds gave one periodic orbit: no interval; half a unit of the last digit and the ends of the measured part.
pub fn example_3() -> Vec<Row> {
    let context = 0.1 / 60_200.0;
    let law = StepTimeLaw::AffineContext { base_s: 1.0, per_token_s: 2.5e-4, per_context_token_s: context };
    let mut scenario = scenario(constant(100), constant(100), 1.0, 10_000, law);
    scenario.instance.kv_tokens = Some(60_200);
    let scenario = preempting(scenario, Preemption::Restart);
    let row = Row::saturated("memory 3a", "restart", scenario, 2.226754, 0.0005).of_size(20_000.0, 400_000.0);
    vec![row.and(Quantity::PerStep, 3.01, 0.0005)]
}

/// S4: prompts come with their KV, τ = 1 + .002 b. The note gives no interval; 0.3 % is what one seed leaves open.
pub fn decode_node() -> Vec<Row> {
    let node = |output| {
        let mut scenario = scenario(constant(100), output, 1.0, 10_000, affine(1.0, 0.002));
        scenario.instance.kv_tokens = Some(20_000);
        scenario.policy.batching.prompts = Some(Prompts::Present);
        scenario
    };
    let laws = [("geometric", geometric(100.0)), ("uniform", uniform(1, 199)), ("constant", constant(100))];
    let mut rows = Vec::new();
    for ((name, output), value) in laws.iter().zip([0.58976, 0.72750, 0.83333]) {
        let mut scenario = node(output.clone());
        scenario.policy.admission = Admission::Reserve;
        rows.push(Row::saturated("S4 reserve", name, scenario, value, 0.003 * value).of_size(2000.0, 10_000.0));
    }
    for ((name, output), value) in laws.iter().zip([0.82993, 0.95780, 0.78415]) {
        let scenario = preempting(node(output.clone()), Preemption::Restart);
        rows.push(Row::saturated("S4 greedy", name, scenario, value, 0.003 * value).of_size(2000.0, 10_000.0));
    }
    rows
}

pub fn all() -> Vec<Row> {
    [example_1(), example_2(), example_3(), decode_node()].concat()
}
