//! Prints how the engine stands to the figures of the notes, in Markdown: `cargo run --release --example engine_table [PART]` takes
//! the rows whose name holds PART.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../tests/it/engine/notes/mod.rs"]
mod notes;

use notes::{judge, memory, policies};

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let rows = [policies::all(), memory::all()].concat();
    let comparisons: usize = rows.iter().map(|row| row.figures.len()).sum();
    println!("| note | row | quantity | note's figure | engine | gap | allowed | verdict |");
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows.iter().filter(|row| format!("{} {}", row.note, row.name).contains(&part)) {
        for (values, figure) in row.measure().iter().zip(&row.figures) {
            let found = judge(values, figure, 0.05 / comparisons as f64);
            println!(
                "| {} | {} | {:?} | {} ± {:.6} | {:.6} ± {:.6} | {:+.2} % | {:.2} % | {} |",
                row.note,
                row.name,
                figure.quantity,
                figure.value,
                figure.half_width,
                found.mean,
                found.half_width,
                100.0 * (found.mean / figure.value - 1.0),
                100.0 * found.allowed / figure.value,
                if found.agrees { "agrees" } else { "**differs**" },
            );
        }
    }
}
