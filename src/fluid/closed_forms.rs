//! Capacity formulas of the literature with the conventions of their sources, which are not always those of the engine: which
//! tokens a request processes (w), how many iterations it stays, and what it holds are arguments here.

/// λ* of K residents on c + a·b + g·C: X/(c + X·e), X = K/steps requests per iteration, requests per second. `steps` is the
/// mean iterations of a request and e = `per_request_s` = a·w + g·Σheld the seconds that it adds to them; exact for affine
/// laws, because each slot is a renewal process in iteration time.
pub fn sequence_cap_rate(cap: f64, steps: f64, base_s: f64, per_request_s: f64) -> f64 {
    let flow = cap / steps;
    flow / (base_s + flow * per_request_s)
}

/// λ* of a token budget: B/(τ(B)·w), requests per second (Dai et al., arXiv 2504.07347).
pub fn token_budget_rate(budget: f64, step_s: f64, work: f64) -> f64 {
    budget / (step_s * work)
}

/// λ* of KV memory in the mean field: M/(d0·g + d1·M·w), requests per second on d0 + d1·b. `held` is g, the KV tokens of one
/// request summed over its iterations; for reserve admission E\[o(s + o)\] (Nie et al., arXiv 2605.04595; Dong and Cao, arXiv
/// 2604.11001 with d0 = 1, d1 = 0).
pub fn memory_rate(memory: f64, held: f64, base_s: f64, per_token_s: f64, work: f64) -> f64 {
    memory / (base_s * held + per_token_s * memory * work)
}

/// g of a prompt prefilled in chunks and an independent output: E\[(1 + s/chunk)s + 2so + o(o + 1)\]/2 KV tokens (Nie et al.,
/// arXiv 2605.04595). Arguments: E\[s\], E\[s²\], E\[o\], E\[o²\].
pub fn chunked_held(prompt: f64, prompt_squared: f64, output: f64, output_squared: f64, chunk: f64) -> f64 {
    (prompt + prompt_squared / chunk + 2.0 * prompt * output + output_squared + output) / 2.0
}

/// KV tokens held at rate λ by requests that pass through o + 1 stages of one token on d0 + d1·C: M* = Aλ/(1 − Dλ) with
/// A = d0·h, D = d1·h and h = (o + 1)(s + o/2) tokens per request (Ao et al., arXiv 2504.11320). Infinite from λ = 1/D.
pub fn stage_memory(rate: f64, per_rate: f64, slowdown: f64) -> f64 {
    if slowdown * rate < 1.0 { per_rate * rate / (1.0 - slowdown * rate) } else { f64::INFINITY }
}

/// The rate at which `stage_memory` reaches M: M/(A + D·M).
pub fn stage_rate(memory: f64, per_rate: f64, slowdown: f64) -> f64 {
    memory / (per_rate + slowdown * memory)
}

/// Requests per stage at rate λ on d0 + d1·C: n* = d0·λ/(1 − d1·λ·h), h = (o + 1)(s + o/2) (Ao et al., arXiv 2504.11320).
pub fn stage_occupancy(rate: f64, base_s: f64, per_context_s: f64, prompt: f64, output: f64) -> f64 {
    let held = stage_held(prompt, output);
    stage_memory(rate, base_s * held, per_context_s * held) / held
}

/// h = (o + 1)(s + o/2): KV tokens of one request summed over its o + 1 stages.
pub fn stage_held(prompt: f64, output: f64) -> f64 {
    (output + 1.0) * (prompt + output / 2.0)
}

/// Throughput of the eviction cycle over that of the eviction-free equilibrium, (2s + o + 1)/(2(s + o)), for one-valued
/// outputs under greedy admission with restart (Ao et al., arXiv 2606.15555).
pub fn cycle_ratio(prompt: f64, output: f64) -> f64 {
    (2.0 * prompt + output + 1.0) / (2.0 * (prompt + output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// Policy laws: rows of orca and sarathi that the sequence cap binds.
    #[test]
    fn sequence_cap_rows() {
        // af K16 c16: s U50–150 in chunks of 16, o U20–180.
        let chunks: f64 = (50..=150).map(|s: u32| f64::from(s.div_ceil(16))).sum::<f64>() / 101.0;
        let rate = sequence_cap_rate(16.0, 99.0 + chunks, 0.02, 0.00025 * 199.0);
        assert_relative_eq!(rate, 5.497_047, max_relative = 1e-6);
        // ctx K64: s U100–1900, o U20–380; context counted over the o − 1 decode iterations, (o − 1)(s + o/2).
        let output_squared = (20..=380).map(|o: u32| f64::from(o * o)).sum::<f64>() / 361.0;
        let context = 199.0 * 1000.0 + (output_squared - 200.0) / 2.0;
        let rate = sequence_cap_rate(64.0, 200.0, 0.008, 5e-5 * 1199.0 + 2e-7 * context);
        assert_relative_eq!(rate, 7.703_211, max_relative = 1e-6);
        // Oracle S10: s = 100, geometric(50) outputs on 1 + .01·b.
        assert_relative_eq!(sequence_cap_rate(64.0, 50.0, 1.0, 1.49), 0.44029, epsilon = 5e-6);
    }

    /// Oracles S2 and S10.
    #[test]
    fn token_budget_rows() {
        assert_relative_eq!(token_budget_rate(512.0, 0.15316, 200.0), 16.714_546_879_1, max_relative = 1e-11);
        assert_relative_eq!(token_budget_rate(512.0, 0.15316, 241.0), 13.870_993_260_6, max_relative = 1e-11);
        assert_relative_eq!(token_budget_rate(96.0, 1.96, 149.0), 0.32872, epsilon = 5e-6);
        assert_relative_eq!(token_budget_rate(512.0, 6.12, 149.0), 0.56148, epsilon = 5e-6);
    }

    /// Oracle S3: the published M* are 34377, 55758, 100327 and 250509; the law gives 100330.1 and 250536.6.
    #[test]
    fn stage_memory_of_the_published_table() {
        let (a, d) = (298.831_168_795, 0.011_307_235_395_9);
        for (rate, memory) in [(50.0, 34377.0), (60.0, 55758.0), (70.0, 100_330.1), (80.0, 250_536.6)] {
            assert_relative_eq!(stage_memory(rate, a, d), memory, max_relative = 2e-5);
        }
        assert_relative_eq!(stage_rate(137_000.0, a, d), 74.1373, epsilon = 5e-5);
        let held = stage_held(20.0, 100.0);
        let n = stage_occupancy(3.0, a / held, d / held, 20.0, 100.0);
        assert_relative_eq!(n * held, stage_memory(3.0, a, d), max_relative = 1e-12);
        assert_eq!(stage_memory(100.0, a, d), f64::INFINITY);
    }

    /// Oracle S4: the chunked prefill rows, and the decode node that gets its prompts ready-made (w = o).
    #[test]
    fn memory_rows() {
        let uniform =
            |max: f64| ((10.0 + max) / 2.0, ((max - 9.0).powi(2) - 1.0) / 12.0 + ((10.0 + max) / 2.0).powi(2));
        for (prompts, outputs, step, rate) in
            [(1600.0, 1600.0, 0.0372, 3.263_217_4), (2133.0, 1066.0, 0.0430, 3.956_333_4)]
        {
            let ((s, s2), (o, o2)) = (uniform(prompts), uniform(outputs));
            let held = chunked_held(s, s2, o, o2, 512.0);
            assert_relative_eq!(memory_rate(131_000.0, held, step, 0.0, 0.0), rate, max_relative = 2e-8);
        }
        for (output_squared, reserve, greedy) in
            [(19_900.0, 0.58997, 0.83333), (13_300.0, 0.73260, 0.96618), (10_000.0, 0.83333, 1.04987)]
        {
            let reserved = 10_000.0 + output_squared;
            let held = 10_000.0 + (output_squared + 100.0) / 2.0;
            assert_relative_eq!(memory_rate(20_000.0, reserved, 1.0, 0.002, 100.0), reserve, epsilon = 5e-6);
            assert_relative_eq!(memory_rate(20_000.0, held, 1.0, 0.002, 100.0), greedy, epsilon = 5e-6);
        }
    }

    /// Oracles S5 and S6.
    #[test]
    fn reserved_slots_and_the_cycle() {
        assert_relative_eq!(memory_rate(16_492.0, 4060.0, 1.0, 0.0, 0.0), 4.062_068_965_52, max_relative = 1e-11);
        assert_relative_eq!(cycle_ratio(100.0, 100.0), 0.7525, max_relative = 1e-12);
        assert_relative_eq!(cycle_ratio(2.0, 2.0), 17.5 / 20.0, max_relative = 1e-12);
    }
}
