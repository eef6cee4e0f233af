//! The linear-operation tables of vidur (Agrawal et al., "Vidur: a large-scale simulation framework for LLM inference", MLSys 2024):
//! one row per batch size and tensor-parallel degree, with statistics in milliseconds of each operation of one layer.
//!
//! An iteration is layers · Σ medians. Of the operations `add` counts twice, since a layer adds to its residual stream behind attention
//! and behind the MLP, and the table has one; `emb` (one look-up per iteration, no part of a layer) is left out, as are attention, the
//! head, communication and the host, which these tables do not hold.

use super::profile::{Point, Rows, Selection};
use crate::scenario::ScenarioError;

/// Operations of a layer with how often each happens in it.
const OPERATIONS: [(&str, f64); 9] = [
    ("input_layernorm", 1.0),
    ("attn_pre_proj", 1.0),
    ("attn_rope", 1.0),
    ("attn_post_proj", 1.0),
    ("post_attention_layernorm", 1.0),
    ("mlp_up_proj", 1.0),
    ("mlp_act", 1.0),
    ("mlp_down_proj", 1.0),
    ("add", 2.0),
];
const TOKENS: &str = "num_tokens";
const WORKERS: &str = "num_tensor_parallel_workers";

/// Whether the columns look like such a table.
pub(super) fn recognises(table: &Rows) -> bool {
    table.place(TOKENS).is_some() && table.names.iter().any(|name| name.starts_with("time_stats."))
}

/// What was read and the points of the chosen tensor-parallel degree.
pub(super) fn points(table: &Rows, selection: &Selection) -> Result<(String, Vec<Point>), ScenarioError> {
    let missing = || {
        let remedy = "give the model's layers, such as --layers 32 for Llama-3-8B or --layers 80 for Llama-2-70B";
        ScenarioError::at("--layers", "is missing, and the table holds the times of one layer", remedy)
    };
    let layers = selection.layers.ok_or_else(missing)?;
    let workers = selection.tensor_parallel.unwrap_or(1);
    let (tokens, degree) = (table.need(TOKENS)?, table.need(WORKERS)?);
    let operations = OPERATIONS.map(|(name, times)| Ok((table.need(&format!("time_stats.{name}.median"))?, times)));
    let operations = operations.into_iter().collect::<Result<Vec<_>, ScenarioError>>()?;
    let (mut points, mut seen) = (Vec::new(), Vec::new());
    for row in &table.rows {
        let found = table.whole(row, degree)?;
        if found != workers {
            seen.push(found);
            continue;
        }
        let mut layer_ms = 0.0;
        for &(place, times) in &operations {
            layer_ms += times * table.number(row, place)?;
        }
        let tokens = table.whole(row, tokens)?;
        if tokens == 0 || layer_ms == 0.0 {
            let problem = "has no tokens or takes no time";
            return Err(ScenarioError::at(&format!("line {}", row.0), problem, "leave the row out"));
        }
        points.push(Point { tokens, context: 0.0, pairs: 0.0, seconds: 1e-3 * layers as f64 * layer_ms });
    }
    if points.is_empty() && !seen.is_empty() {
        seen.sort_unstable();
        seen.dedup();
        let known: Vec<String> = seen.iter().map(u64::to_string).collect();
        let remedy = format!("choose one that was measured: {}", known.join(", "));
        return Err(ScenarioError::at("--tp", format!("is `{workers}`, which the table does not have"), remedy));
    }
    Ok((format!("vidur linear operations, {layers} layers, tensor parallel {workers}"), points))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::calibrate::profile::read;

    /// A table whose operations take 1, 2, …, 9 times the tokens, in µs.
    fn table(tokens: &[u64], degree: u64) -> String {
        let names: Vec<String> = OPERATIONS.iter().map(|(name, _)| format!("time_stats.{name}.median")).collect();
        let mut text = format!("{},num_tokens,num_tensor_parallel_workers\n", names.join(","));
        for n in tokens {
            let cells: Vec<String> = (1..=9).map(|k| (1e-3 * (k * n) as f64).to_string()).collect();
            text = format!("{text}{},{n},{degree}\n", cells.join(","));
        }
        text
    }

    #[test]
    fn a_layer_is_the_sum_with_two_additions() {
        let selection = Selection { max_tokens: 100, tensor_parallel: Some(2), layers: Some(10) };
        let found = read("v.csv", table(&[1, 2, 3, 4, 50, 200], 2).as_bytes(), &selection).unwrap();
        // (1 + … + 9 + 9) µs · 10 layers per token.
        approx::assert_relative_eq!(found.points[4].seconds, 54e-6 * 10.0 * 50.0, max_relative = 1e-12);
        assert_eq!(found.source, "vidur linear operations, 10 layers, tensor parallel 2");
        assert_eq!(found.notes, ["1 rows above 100 tokens were left out."]);
    }

    #[test]
    fn what_must_be_said_is_asked_for() {
        let text = table(&[1, 2, 3, 4, 5], 2);
        let all = Selection { max_tokens: 100, tensor_parallel: None, layers: None };
        let wrong =
            |text: &str, selection: Selection| read("v.csv", text.as_bytes(), &selection).unwrap_err().to_string();
        assert!(wrong(&text, all).starts_with("v.csv: --layers: is missing"));
        let layered = Selection { layers: Some(32), ..all };
        assert_eq!(
            wrong(&text, layered),
            "v.csv: --tp: is `1`, which the table does not have; choose one that was measured: 2"
        );
        let lacking = text.replace("time_stats.mlp_act.median", "time_stats.mlp_act.mean");
        assert!(wrong(&lacking, layered).contains("line 1: lacks the column `time_stats.mlp_act.median`"));
        let broken = text.replacen("0.003,", "-1,", 1).replace(",2\n", ",1\n");
        let found = wrong(&broken, layered);
        assert!(found.starts_with("v.csv: line 2.time_stats.attn_rope.median: is `-1`"), "{found}");
    }
}
