//! The traffic of a trace on paper: what it is, and which laws fit.

use super::plot::render_svg;
use super::{Cell, Column, Plot, Series, Table};
use crate::report::number::significant;
use crate::scenario::{ArrivalLaw, LengthLaw};
use crate::study::traffic::arrival_fit::{ArrivalFit, predicted_index};
use crate::study::traffic::choice::LEVEL;
use crate::study::traffic::length_fit::{LengthFit, PValue};
use crate::study::traffic::lengths::Lengths;
use crate::study::traffic::{Summary, TrafficFit};

/// Time scales at which the laws of arrivals are held against the trace, seconds.
const SCALES_S: [f64; 3] = [10.0, 60.0, 300.0];
/// Dots of a cloud.
const DOTS: usize = 3000;
/// Laws that are drawn.
const DRAWN: usize = 3;

/// What a trace is: its arrivals, their dispersion, its lengths, how they depend, its classes.
pub fn traffic_tables(name: &str, summary: &Summary, notes: &[String]) -> Vec<Table> {
    let mut tables = vec![arrivals(name, summary, notes)];
    if !summary.dispersion.is_empty() {
        tables.push(dispersion(summary));
    }
    tables.push(lengths(summary));
    tables.extend(dependence(summary));
    if summary.classes.len() > 1 {
        let columns = vec![
            Column::text("class"),
            Column::number("requests", ""),
            Column::number("mean prompt", "tokens"),
            Column::number("mean output", "tokens"),
        ];
        let mut table = Table::new("Classes", columns);
        for (name, count, prompt, output) in &summary.classes {
            table.row(vec![Cell::text(name), Cell::Count(*count), Cell::number(*prompt), Cell::number(*output)]);
        }
        tables.push(table);
    }
    tables
}

fn arrivals(name: &str, summary: &Summary, notes: &[String]) -> Table {
    let mut table = Table::new(
        &format!("Traffic of {name}"),
        vec![Column::text("quantity"), Column::number("value", ""), Column::text("unit")],
    );
    let mut row = |what: &str, value: Cell, unit: &str| {
        table.row(vec![Cell::text(what), value, Cell::text(unit)]);
    };
    row("requests", Cell::Count(summary.requests), "");
    if summary.rate_per_s > 0.0 {
        row("first to last arrival", Cell::number(summary.duration_s), "s");
        row("rate", Cell::number(summary.rate_per_s), "requests/s");
        row("cv of the times between arrivals", Cell::maybe(summary.gap_cv), "");
        row("arrivals together with the one before", Cell::Count(summary.together), "");
    }
    if let Some((blocks, again)) = summary.blocks {
        row("prompt blocks", Cell::Count(blocks), "");
        row("blocks that had come before", Cell::number(again as f64 / blocks as f64), "share");
    }
    if !summary.rates_per_s.is_empty() {
        let most = summary.rates_per_s.iter().copied().fold(0.0, f64::max);
        let path = sparkline(&summary.rates_per_s, 60);
        table.note(format!("rate over time, 0 to {}/s: {path}", significant(most, 3)));
    }
    table.notes.extend(notes.iter().cloned());
    table
}

/// The values as bars of eight heights from 0 to the greatest, at most `most` of them, each the mean of its part.
fn sparkline(values: &[f64], most: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let count = values.len().min(most);
    let part = |k: usize| {
        let part = &values[k * values.len() / count..(k + 1) * values.len() / count];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..count).map(part).collect();
    let top = means.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    means.iter().map(|mean| BARS[((mean / top * 7.0).round() as usize).min(7)]).collect()
}

fn dispersion(summary: &Summary) -> Table {
    let columns = vec![
        Column::number("window", "s"),
        Column::number("windows", ""),
        Column::number("index of dispersion", ""),
        Column::number("with divisor n", ""),
    ];
    let mut table = Table::new("Variance over mean of the arrivals in a window; 1 under Poisson arrivals", columns);
    for found in &summary.dispersion {
        table.row(vec![
            Cell::digits(found.window_s, 1),
            Cell::Count(found.windows as u64),
            Cell::interval(found.index, found.interval.0, found.interval.1),
            Cell::number(found.index_n),
        ]);
    }
    table.note(
        "The variance has the divisor n − 1 (unbiased). 95 % intervals: jackknife over 20 blocks of windows; χ² of fewer than 40 windows, \
         which takes their counts to be independent and normal",
    );
    table
}

fn lengths(summary: &Summary) -> Table {
    let heads = ["mean", "cv", "least", "p50", "p90", "p99", "most"];
    let mut columns = vec![Column::text("tokens")];
    columns.extend(heads.map(|head| Column::number(head, "")));
    let mut table = Table::new("Lengths", columns);
    for (name, lengths) in [("prompt", &summary.prompt), ("output", &summary.output)] {
        let whole = [
            lengths.shortest(),
            lengths.quantile(0.5),
            lengths.quantile(0.9),
            lengths.quantile(0.99),
            lengths.longest(),
        ];
        let mut row = vec![Cell::text(name), Cell::number(lengths.mean()), Cell::number(lengths.cv())];
        row.extend(whole.map(Cell::Count));
        table.row(row);
        if let Some(count) = lengths.censored() {
            table.note(format!(
                "{count} {name}s have the greatest length, {}: cut off there, so laws count them as that or longer",
                lengths.longest()
            ));
        }
    }
    table
}

fn dependence(summary: &Summary) -> Option<Table> {
    let found = summary.dependence?;
    let columns =
        vec![Column::text("prompt and output"), Column::number("value", ""), Column::number("p of independence", "")];
    let mut table = Table::new("Dependence of the lengths", columns);
    let (r, low, high) = found.pearson;
    table.row(vec![Cell::text("Pearson r"), Cell::interval(r, low, high)]);
    table.row(vec![Cell::text("Spearman ρ"), Cell::number(found.spearman), Cell::digits(found.spearman_p, 2)]);
    table.row(vec![Cell::text("Kendall τ_b"), Cell::number(found.kendall), Cell::digits(found.kendall_p, 2)]);
    table.row(vec![Cell::text("ρ of a Gaussian copula"), Cell::number(found.copula)]);
    table.note("The interval of r takes the pairs to be normal; ρ of the copula is sin(πτ/2)");
    if (found.pairs as u64) < summary.requests {
        table.note(format!("By a sample of {} pairs", found.pairs));
    }
    Some(table)
}

/// The laws that were fitted, best first, and what to use.
pub fn fit_tables(name: &str, fit: &TrafficFit, notes: &[String]) -> Vec<Table> {
    let mut tables = Vec::new();
    tables.extend(arrival_laws(name, fit));
    for (what, fits) in [("prompt", &fit.prompt), ("output", &fit.output)] {
        tables.push(length_laws(what, fits));
    }
    tables.extend(dependence(&fit.summary));
    tables.push(advice(fit, notes));
    tables
}

fn arrival_laws(name: &str, fit: &TrafficFit) -> Option<Table> {
    let found = fit.arrivals.as_ref()?;
    let mut columns = vec![Column::text("law"), Column::text("parameters ± standard error")];
    columns.extend(["ln L", "AIC", "BIC", "distance"].map(|head| Column::number(head, "")));
    columns.extend(SCALES_S.map(|scale| Column::number(&format!("I({scale} s)"), "")));
    let mut table = Table::new(&format!("Arrivals of {name}: laws by maximum likelihood, best BIC first"), columns);
    for law in &found.fits {
        let mut row = vec![Cell::text(arrival_name(law)), Cell::text(arrival_parameters(law))];
        row.extend([law.log_likelihood, law.aic, law.bic].map(|value| Cell::digits(value, 6)));
        row.push(law.distance.map_or(Cell::Absent, |distance| Cell::digits(distance, 3)));
        row.extend(SCALES_S.map(|scale| Cell::digits(predicted_index(law, scale), 3)));
        table.row(row);
    }
    let mut row = vec![Cell::text("trace"), Cell::text("")];
    row.extend([Cell::Absent, Cell::Absent, Cell::Absent, Cell::Absent]);
    row.extend(SCALES_S.map(|scale| {
        let at = fit.summary.dispersion.iter().find(|found| found.window_s == scale);
        at.map_or(Cell::Absent, |found| Cell::digits(found.index, 3))
    }));
    table.row(row);
    table.note(
        "distance: Kolmogorov's, of independent gaps. I: index of dispersion, of renewal laws its limit. mmpp: rates per second, stays in \
         seconds; by dispersion: through the curve of the index, not of the greatest likelihood",
    );
    table.note(format!(
        "{} gaps, {} of them zero (counted as less than half the smallest positive one); successive gaps correlate by {}",
        found.gaps,
        found.zeros,
        significant(found.autocorrelation, 2)
    ));
    if (found.gaps as u64) + 1 < fit.summary.requests {
        table.note("Only the first gaps were used; the index of the trace is that of all");
    }
    Some(table)
}

fn arrival_name(fit: &ArrivalFit) -> &'static str {
    match fit.law {
        ArrivalLaw::Poisson {} => "poisson",
        ArrivalLaw::Deterministic {} => "deterministic",
        ArrivalLaw::Gamma { .. } => "gamma",
        ArrivalLaw::Weibull { .. } => "weibull",
        ArrivalLaw::Mmpp { .. } if fit.by_dispersion => "mmpp by dispersion",
        ArrivalLaw::Mmpp { .. } => "mmpp",
        ArrivalLaw::Batch { .. } => "batch",
    }
}

fn arrival_parameters(law: &ArrivalFit) -> String {
    let parts = law.parameters.iter().map(|(name, value, error)| format!("{name} {}", plus_minus(*value, *error)));
    parts.collect::<Vec<_>>().join(", ")
}

fn plus_minus(value: f64, error: f64) -> String {
    if error.is_finite() {
        super::number::with_interval(value, value - error, value + error)
    } else {
        significant(value, 4)
    }
}

fn length_laws(what: &str, fits: &[LengthFit]) -> Table {
    let mut columns = vec![Column::text("law"), Column::text("parameters ± standard error")];
    columns.extend(["ln L", "AIC", "BIC", "distance"].map(|head| Column::number(head, "")));
    columns.push(Column::text("p"));
    let mut table = Table::new(&format!("Lengths of the {what}s: laws by maximum likelihood, best BIC first"), columns);
    for fit in fits {
        let pairs = fit.family.parameters().iter().zip(fit.values.iter().zip(&fit.errors));
        let words: Vec<String> =
            pairs.map(|(name, (value, error))| format!("{name} {}", plus_minus(*value, *error))).collect();
        let mut row = vec![Cell::text(fit.family.name()), Cell::text(words.join(", "))];
        row.extend([fit.log_likelihood, fit.aic, fit.bic].map(|value| Cell::digits(value, 6)));
        row.push(Cell::digits(fit.distance, 3));
        row.push(Cell::text(p_value(fit.p)));
        table.row(row);
    }
    if fits.is_empty() {
        table.note("All are the same: no law to fit");
    }
    table.note(
        "distance: Kolmogorov's; p: the share of samples of the law that are as far from their own fit (99, of at most 500 lengths)",
    );
    table
}

fn p_value(p: PValue) -> String {
    match p {
        PValue::About(p) => significant(p, 2),
        PValue::Below(p) => format!("< {p}"),
    }
}

/// What is good enough, in words.
fn advice(fit: &TrafficFit, notes: &[String]) -> Table {
    let mut table = Table::new("What to use", vec![Column::text("for"), Column::text("use"), Column::text("because")]);
    if let Some(best) = fit.best_arrivals() {
        table.row(vec![Cell::text("arrivals"), Cell::text(arrival_name(best)), Cell::text(arrival_reason(fit, best))]);
    }
    let best = |fits: &[LengthFit]| match fits.first() {
        None => ("constant", "all are the same".to_owned()),
        Some(best) if best.p.passes(LEVEL) => (best.family.name(), format!("not refused, p = {}", p_value(best.p))),
        Some(best) => {
            let words = format!("even the best law, {}, is refused: p {}", best.family.name(), with_equals(best.p));
            ("the trace itself", words)
        }
    };
    for (what, fits) in [("prompts", &fit.prompt), ("outputs", &fit.output)] {
        let (law, reason) = best(fits);
        table.row(vec![Cell::text(what), Cell::text(law), Cell::text(reason)]);
    }
    let (pairs, reason) = match (fit.laws_hold(), fit.independent()) {
        (true, _) => ("independent laws", "both hold, and ranks show no dependence"),
        (false, true) => ("pairs of the trace", "a law is refused, so draw the observed pairs"),
        (false, false) => ("pairs of the trace", "prompt and output depend on each other, so draw the observed pairs"),
    };
    table.row(vec![Cell::text("both together"), Cell::text(pairs), Cell::text(reason)]);
    table.notes.extend(notes.iter().cloned());
    table
}

fn with_equals(p: PValue) -> String {
    match p {
        PValue::About(_) => format!("= {}", p_value(p)),
        PValue::Below(_) => p_value(p),
    }
}

/// Why this law: its likelihood, and whether it holds the dispersion on the longest time scale.
fn arrival_reason(fit: &TrafficFit, best: &ArrivalFit) -> String {
    let Some(measured) = fit.longest_scale() else { return "best BIC; too short for its dispersion".to_owned() };
    let scale = measured.window_s;
    let first = fit.arrivals.as_ref().and_then(|found| found.fits.first()).filter(|first| *first != best);
    let place = match (fit.holds(best), first) {
        (true, None) => "best BIC, and holds the dispersion".to_owned(),
        (true, Some(first)) => {
            let index = significant(predicted_index(first, scale), 3);
            format!("holds the dispersion, which {}, best by BIC, misses with {index}", arrival_name(first))
        }
        (false, _) => "best BIC, but misses the dispersion, as all laws here do".to_owned(),
    };
    let [own, index, low, high] =
        [predicted_index(best, scale), measured.index, measured.interval.0, measured.interval.1]
            .map(|x| significant(x, 3));
    format!("{place}: I({scale} s) = {own}, the trace has {index} [{low}, {high}]")
}

/// The rate over time, the survival function of the gaps, the lengths and their pairs as one SVG.
pub fn traffic_svg(name: &str, summary: &Summary) -> String {
    let mut parts = Vec::new();
    if !summary.rates_per_s.is_empty() {
        let points = summary.rates_per_s.iter().enumerate().map(|(k, rate)| (k as f64 * summary.stretch_s, *rate));
        parts.push(
            Plot::new(&format!("Traffic of {name}"), "time (s)", "requests/s").with(Series::step("", points.collect())),
        );
        parts.push(gap_plot(summary));
    }
    let shares = |lengths: &Lengths| -> Vec<(f64, f64)> { histogram(lengths) };
    parts.push(
        Plot::new("Lengths", "tokens", "share of requests")
            .with(Series::step("prompt", shares(&summary.prompt)))
            .with(Series::step("output", shares(&summary.output)))
            .with_log_x(),
    );
    let every = summary.pairs.len().div_ceil(DOTS).max(1);
    let dots = summary.pairs.iter().step_by(every).map(|&(prompt, output)| (prompt as f64, output as f64));
    parts.push(
        Plot::new("Pairs", "prompt tokens", "output tokens")
            .with(Series::dots("", dots.collect()))
            .with_log_x()
            .with_log_y(),
    );
    stacked(&parts)
}

/// P(gap > t) of the trace beside that of Poisson arrivals.
fn gap_plot(summary: &Summary) -> Plot {
    let mut sorted = summary.gaps_s.clone();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let every = sorted.len().div_ceil(400).max(1);
    // The last ones stand far apart.
    let shown = sorted.iter().enumerate().filter(|(k, _)| k % every == 0 || k + 100 > sorted.len());
    let points: Vec<(f64, f64)> = shown.map(|(k, gap)| (*gap, 1.0 - k as f64 / n)).collect();
    let mean = sorted.iter().sum::<f64>() / n;
    let end = sorted.last().copied().unwrap_or(1.0).min(-mean * (1.0 / n).ln());
    let poisson = (0..=100).map(|k| f64::from(k) / 100.0 * end).map(|t| (t, (-t / mean).exp())).collect();
    Plot::new("Times between arrivals", "seconds", "share that is longer")
        .with(Series::line("trace", points))
        .with(Series::line("Poisson", poisson))
        .with_log_y()
}

/// Shares of the lengths in eight bins for each doubling.
fn histogram(lengths: &Lengths) -> Vec<(f64, f64)> {
    let bin = |length: u64| (8.0 * (length as f64).log2()).floor() as i32;
    let (first, last) = (bin(lengths.shortest().max(1)), bin(lengths.longest().max(1)));
    let mut shares = vec![0.0; (last - first + 2) as usize];
    for &(length, count) in lengths.counts() {
        shares[(bin(length) - first) as usize] += count as f64 / lengths.total() as f64;
    }
    shares.into_iter().enumerate().map(|(k, share)| (2_f64.powf(f64::from(first + k as i32) / 8.0), share)).collect()
}

/// Quantiles of the lengths against those of the best laws, and the dispersion against that of the laws, as one SVG.
pub fn fit_svg(name: &str, fit: &TrafficFit) -> String {
    let mut parts = Vec::new();
    if let Some(found) = &fit.arrivals {
        let curve = &fit.summary.dispersion;
        let points = curve.iter().map(|at| (at.window_s, at.index)).collect();
        let measured = Series::dots("trace", points).with_band(curve.iter().map(|at| at.interval).collect());
        let mut plot = Plot::new(&format!("Arrivals of {name}"), "window (s)", "index of dispersion").with(measured);
        for law in &found.fits {
            let points = curve.iter().map(|at| (at.window_s, predicted_index(law, at.window_s))).collect();
            plot = plot.with(Series::line(arrival_name(law), points));
        }
        parts.push(plot.with_log_x().with_log_y());
    }
    for (what, lengths, fits) in
        [("Prompts", &fit.summary.prompt, &fit.prompt), ("Outputs", &fit.summary.output, &fit.output)]
    {
        let longest = lengths.longest() as f64;
        let same = Series::faint("", vec![(lengths.shortest() as f64, lengths.shortest() as f64), (longest, longest)]);
        let mut plot = Plot::new(what, "tokens by the law (quantiles)", "tokens in the trace").with(same);
        for law in fits.iter().take(DRAWN) {
            plot = plot.with(Series::line(law.family.name(), quantiles(&law.law, lengths)));
        }
        parts.push(plot.with_log_x().with_log_y());
    }
    stacked(&parts)
}

/// Quantiles of a law and of the lengths at the same 200 shares.
fn quantiles(law: &LengthLaw, lengths: &Lengths) -> Vec<(f64, f64)> {
    let table = law.table();
    let (mut below, mut place) = (0.0, 0);
    let shares = (0..200).map(|k| (f64::from(k) + 0.5) / 200.0);
    let pair = |share: f64| {
        while place + 1 < table.len() && below + table[place] < share {
            below += table[place];
            place += 1;
        }
        (place.max(1) as f64, lengths.quantile(share) as f64)
    };
    shares.map(pair).collect()
}

/// Pictures with axes of their own, one below the other in one file.
fn stacked(plots: &[Plot]) -> String {
    let parts: Vec<String> = plots.iter().map(|plot| render_svg(std::slice::from_ref(plot))).collect();
    let size = |part: &str, key: &str| {
        let value = part.split_once(&format!(" {key}=\"")).and_then(|(_, rest)| rest.split_once('"'));
        value.and_then(|(value, _)| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let width = parts.iter().map(|part| size(part, "width")).fold(0.0, f64::max);
    let (mut body, mut height) = (String::new(), 0.0);
    for part in &parts {
        body.push_str(&part.replacen("<svg ", &format!("<svg y=\"{height}\" "), 1));
        height += size(part, "height");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\">\n{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_the_floor_to_the_top() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 4.0], 60), "▁▃▅█");
        assert_eq!(sparkline(&[0.0, 0.0, 3.0, 3.0], 2), "▁█");
        assert_eq!(sparkline(&[0.0, 0.0], 60), "▁▁");
    }

    #[test]
    fn a_law_has_the_quantiles_of_its_own_lengths() {
        let lengths: Lengths = (1..=1000).collect();
        for (law, trace) in quantiles(&LengthLaw::Uniform { min: 1, max: 1000 }, &lengths) {
            assert!((law - trace).abs() <= 1.0, "{law} {trace}");
        }
    }

    #[test]
    fn stacked_pictures_stand_below_each_other() {
        let plot = || Plot::new("a", "x", "y").with(Series::line("l", vec![(0.0, 1.0), (1.0, 2.0)]));
        let (one, two) = (stacked(&[plot()]), stacked(&[plot(), plot()]));
        let height =
            |svg: &str| svg.split_once("height=\"").unwrap().1.split_once('"').unwrap().0.parse::<f64>().unwrap();
        assert!(height(&one) > 0.0 && height(&two) == 2.0 * height(&one));
        assert_eq!(two.matches("<svg ").count(), two.matches("</svg>").count());
    }
}
