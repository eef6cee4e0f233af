//! `fluidsim models`

use super::Outcome;
use crate::report::{self, Cell, Column, Format, Table};
use crate::scenario::hardware::{self, Gpu, Llm};

/// List and show the GPUs and language models that --gpu and --model know
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim models
  fluidsim models gpus --format csv
  fluidsim models --show h100-sxm
  fluidsim solve --gpu h100-sxm --model llama-3-70b --tp 4 --lambda 2")]
pub struct Args {
    /// Which list; both when left out
    #[arg(value_enum)]
    list: Option<List>,

    /// One GPU or model as TOML, with where each number comes from
    #[arg(long, value_name = "NAME", conflicts_with_all = ["list", "format"])]
    show: Option<String>,

    /// Form of the list
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum List {
    Gpus,
    Llms,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(name) = &args.show {
        report::printer::print(hardware::text(name).map_err(|error| error.in_file("--show"))?)?;
        return Ok(Outcome::Fine);
    }
    let mut tables = Vec::new();
    if args.list != Some(List::Llms) {
        tables.push(gpu_table(&hardware::gpus()?));
    }
    if args.list != Some(List::Gpus) {
        tables.push(llm_table(&hardware::llms()?));
    }
    report::printer::print(&report::render_all(&tables, args.format))?;
    Ok(Outcome::Fine)
}

fn gpu_table(gpus: &[Gpu]) -> Table {
    let columns = vec![
        Column::text("name"),
        Column::number("memory", "GiB"),
        Column::number("bandwidth", "GB/s"),
        Column::number("bf16", "TFLOP/s"),
        Column::number("fp8", "TFLOP/s"),
        Column::number("link", "GB/s"),
        Column::number("MFU", ""),
        Column::number("MBU", ""),
        Column::text("efficiencies"),
    ];
    let mut table = Table::new("GPUs", columns);
    for gpu in gpus {
        let shares = &gpu.efficiency;
        let numbers = [gpu.memory_gib, gpu.memory_gb_per_s, gpu.bf16_tflops].map(|value| Cell::digits(value, 4));
        let mut row = vec![Cell::text(&*gpu.name)];
        row.extend(numbers);
        row.extend([Cell::maybe(gpu.fp8_tflops), Cell::number(gpu.link_gb_per_s)]);
        row.extend([
            Cell::number(shares.linear_mfu),
            Cell::number(shares.linear_mbu),
            Cell::text(&*shares.calibration),
        ]);
        table.row(row);
    }
    table.note("Dense peaks; the link one way. MFU and MBU: shares of FLOP/s and bandwidth that linear layers reach.");
    table
}

fn llm_table(llms: &[Llm]) -> Table {
    let columns = vec![
        Column::text("name"),
        Column::number("parameters", "1e9"),
        Column::number("active", "1e9"),
        Column::number("weights", "GB"),
        Column::number("KV per token", "bytes"),
        Column::text("shape from"),
    ];
    let mut table = Table::new("Language models", columns);
    for llm in llms {
        table.row(vec![
            Cell::text(&*llm.name),
            Cell::digits(llm.parameters() / 1e9, 4),
            Cell::digits(llm.active_parameters() / 1e9, 4),
            Cell::digits(llm.weight_bytes(None) / 1e9, 4),
            Cell::Count(llm.kv_bytes_per_token(2.0) as u64),
            Cell::text(&*llm.source),
        ]);
    }
    table.note("All but the shape is derived. Weights as released; KV in bf16; active: used by one token, with the output matrix.");
    table
}
