//! A calibration on paper: the laws side by side, the coefficients, λ*; as the `[step_time]` of a scenario; as a picture.

use serde::Serialize;

use super::table::{Cell, Column, Table};
use super::{Plot, Series, number};
use crate::scenario::StepTimeLaw;
use crate::scenario::hardware::Placement;
use crate::study::calibrate::roofline::{Roofline, Shares};
use crate::study::calibrate::{Calibration, Capacity, Coefficient, Fit, Point, Profile};

/// Points of a drawn law.
const DRAWN: usize = 400;

/// The laws, the coefficients of the one to use, and λ* where it was asked for.
pub fn calibrate_tables(profile: &Profile, found: &Calibration, used: &Fit, capacity: Option<&Capacity>) -> Vec<Table> {
    let mut tables = vec![laws(profile, found, used), coefficients(used)];
    tables.extend(capacity.map(capacity_table));
    tables
}

fn laws(profile: &Profile, found: &Calibration, used: &Fit) -> Table {
    let mut table = Table::new(
        "Step-time laws",
        vec![
            Column::text("law"),
            Column::text("used"),
            Column::number("parameters", ""),
            Column::number("R²", ""),
            Column::number("MAPE", "%"),
            Column::number("worst error", "%"),
            Column::number("at", "tokens"),
            Column::number("error left out", "%"),
            Column::number("its standard error", "%"),
        ],
    );
    for (place, fit) in found.fits.iter().enumerate() {
        let mark = match (fit.kind == used.kind, place == found.chosen) {
            (true, true) => "chosen",
            (true, false) => "asked for",
            (false, true) => "would be chosen",
            (false, false) => "",
        };
        let validated = fit.validated.filter(|found| found.error() > 0.0);
        table.row(vec![
            Cell::text(fit.kind.title()),
            Cell::text(mark),
            Cell::Count(fit.shape.parameters() as u64),
            Cell::digits(fit.quality.r_squared, 5),
            Cell::digits(100.0 * fit.quality.mean_error, 3),
            Cell::digits(100.0 * fit.quality.worst_error, 3),
            Cell::Count(fit.quality.worst.tokens),
            fit.validated.map_or(Cell::Absent, |found| Cell::digits(100.0 * found.error(), 3)),
            validated.map_or(Cell::Absent, |found| Cell::digits(50.0 * found.standard_error / found.error(), 2)),
        ]);
    }
    table.note(measured(profile));
    table.note(format!(
        "Least squares of relative errors. Error left out: root mean square over points that were not fitted, {} parts; chosen: the fewest \
         parameters within one standard error of the least.",
        found.folds
    ));
    for (kind, reason) in &found.refused {
        table.note(format!("{}: not fitted, {reason}.", kind.title()));
    }
    for note in &profile.notes {
        table.note(note.clone());
    }
    table
}

/// What the points are.
fn measured(profile: &Profile) -> String {
    let ends = [profile.points.first(), profile.points.last()].map(|point| point.map_or(0, |point| point.tokens));
    format!("{} points from {} to {} tokens ({}).", profile.points.len(), ends[0], ends[1], profile.source)
}

fn coefficients(used: &Fit) -> Table {
    let columns = vec![Column::text("coefficient"), Column::number("value", "")];
    let mut table = Table::new(&format!("Coefficients of the law {}", used.kind.title()), columns);
    for coefficient in &used.coefficients {
        let cell = match coefficient.interval {
            Some(interval) => Cell::interval(coefficient.value, interval.low, interval.high),
            None => Cell::digits(coefficient.value, 5),
        };
        table.row(vec![Cell::text(coefficient.name.clone()), cell]);
    }
    table.note("95 % intervals. What has none was taken as known or stands at its bound 0.");
    if let Some(spread) = used.spread.as_ref().filter(|spread| spread.correlation > 0.0) {
        table.note(format!(
            "Neighbouring errors have a correlation of {:.2}, since the points follow another shape than the law: the intervals are {:.1} times \
             as wide as of independent errors.",
            spread.correlation,
            spread.widening()
        ));
    }
    table
}

fn capacity_table(capacity: &Capacity) -> Table {
    let mut table =
        Table::new("λ* under the law", vec![Column::text("quantity"), Column::number("value", "requests/s")]);
    let interval = capacity.lambda_star_per_s;
    table.row(vec![Cell::text("λ* from a backlog (low)"), Cell::interval(interval.mean, interval.low, interval.high)]);
    table.note(format!(
        "Middle 95 % over {} draws of the coefficients. What binds: {}.",
        capacity.draws,
        capacity.binding.name()
    ));
    if capacity.bounded > 0 {
        table.note(format!(
            "In {} draws a coefficient was negative: taken as 0, or the draw left out.",
            capacity.bounded
        ));
    }
    table
}

/// The roofline of a GPU and a model on the profile, as documented and as fitted.
pub fn roofline_table(placement: &Placement, profile: &Profile, found: &Roofline) -> Table {
    let title = format!("Roofline of {} on {} × {}", placement.llm.title, placement.tp, placement.gpu.title);
    let columns =
        vec![Column::text("share of the peak"), Column::number("documented", ""), Column::number("fitted", "")];
    let mut table = Table::new(&title, columns);
    let names = [
        "FLOP/s, linear layers",
        "bandwidth, linear layers",
        "bandwidth, attention over context",
        "FLOP/s, attention in prompts",
    ];
    for (place, name) in names.into_iter().enumerate() {
        let fitted = if found.told[place] { Cell::digits(found.fitted.values[place], 3) } else { Cell::Absent };
        table.row(vec![Cell::text(name), Cell::digits(found.documented.values[place], 3), fitted]);
    }
    let both = |name: &str, of: fn(&Shares) -> f64| {
        vec![Cell::text(name), Cell::digits(of(&found.documented), 3), Cell::digits(of(&found.fitted), 3)]
    };
    table.row(both("host (ms)", |shares| 1e3 * shares.host_s));
    table.row(both("MAPE (%)", |shares| 100.0 * shares.mean_error));
    table.row(both("mean error (%)", |shares| 100.0 * shares.bias));
    table.note("Fitted: least squares of relative errors over the points. A share above 1 means that the data sheet's peak is exceeded or the tile loss is less.");
    if !profile.whole {
        table.note("The profile holds linear layers alone: no host, no output matrix, no attention.");
    }
    table
}

#[derive(Serialize)]
struct Part<'a> {
    step_time: &'a StepTimeLaw,
}

/// The law as a part of a scenario, with where it comes from. `file` is the name of the profile.
///
/// # Errors
/// A number that TOML cannot hold.
pub fn calibrate_toml(file: &str, profile: &Profile, used: &Fit) -> Result<String, toml::ser::Error> {
    let mut lines = vec![
        format!("# Fitted by fluidsim calibrate {} to {file}:", env!("CARGO_PKG_VERSION")),
        format!("# {}", measured(profile)),
        format!(
            "# Least squares of relative errors: MAPE {} %, R² {}, worst {} % at {} tokens.",
            number::significant(100.0 * used.quality.mean_error, 3),
            number::significant(used.quality.r_squared, 5),
            number::significant(100.0 * used.quality.worst_error, 3),
            used.quality.worst.tokens
        ),
    ];
    if let Some(validated) = used.validated {
        let error = number::significant(100.0 * validated.error(), 3);
        lines.push(format!("# Root mean square error at points left out of the fit: {error} %."));
    }
    lines.extend(profile.notes.iter().map(|note| format!("# {note}")));
    lines.push("# 95 % intervals:".into());
    lines.extend(used.coefficients.iter().filter_map(interval_line));
    let law = toml::to_string(&Part { step_time: &used.law() })?;
    Ok(format!("{}\n{law}", lines.join("\n")))
}

fn interval_line(coefficient: &Coefficient) -> Option<String> {
    let interval = coefficient.interval?;
    let [low, high] = [interval.low, interval.high].map(|end| number::significant(end, 4));
    Some(format!("#   {}: {low} to {high}", coefficient.name))
}

/// Points and laws, and below them the errors of the law to use.
pub fn calibrate_plot(profile: &Profile, found: &Calibration, used: &Fit) -> Vec<Plot> {
    let points = &profile.points;
    let measured = points.iter().map(|point| (point.tokens as f64, point.seconds)).collect();
    let mut times = Plot::new("Time of an iteration", "tokens", "seconds").with(Series::dots("measured", measured));
    for fit in &found.fits {
        times = times.with(Series::line(&fit.kind.title(), drawn(fit, points)));
    }
    let error =
        |point: &Point| (point.tokens as f64, 100.0 * (used.shape.seconds(&used.linear, point) / point.seconds - 1.0));
    let errors = Series::dots(&used.kind.title(), points.iter().map(error).collect());
    let title = "Relative error of the law";
    vec![times.with_log_x().with_log_y(), Plot::new(title, "tokens", "%").with(errors).with_log_x()]
}

/// A law over the sizes, evenly on a logarithmic axis, at the middle context of the points.
fn drawn(fit: &Fit, points: &[Point]) -> Vec<(f64, f64)> {
    let mut contexts: Vec<f64> = points.iter().map(|point| point.context).collect();
    contexts.sort_by(f64::total_cmp);
    let context = contexts.get(contexts.len() / 2).copied().unwrap_or(0.0);
    let ends = [points.first(), points.last()].map(|point| point.map_or(1.0, |point| point.tokens as f64));
    let size = |k: usize| (ends[0] * (ends[1] / ends[0]).powf(k as f64 / DRAWN as f64)).round() as u64;
    let mut sizes: Vec<u64> = (0..=DRAWN).map(size).collect();
    sizes.dedup();
    let at = |tokens: u64| {
        let point = Point { tokens, context, pairs: 0.0, seconds: 1.0 };
        (tokens as f64, fit.shape.seconds(&fit.linear, &point))
    };
    sizes.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, render_all, render_svg};
    use crate::study::calibrate::{Selection, calibrate, profile};

    fn sample() -> (Profile, Calibration) {
        let mut text = "prefill_tokens,decode_sequences,context_tokens,seconds\n".to_owned();
        for (k, context) in (1..40).flat_map(|k| [0, 20_000, 90_000].map(|context| (k, context))) {
            let wave = 1.0 + 0.01 * f64::from(k * 3 + context / 7000).sin();
            let seconds = wave * (0.01 + 5e-5 * f64::from(17 * k) + 1e-7 * f64::from(context));
            text = format!("{text}0,{},{context},{seconds}\n", 17 * k);
        }
        let selection = Selection { max_tokens: 4096, tensor_parallel: None, layers: None };
        let profile = profile::read("p.csv", text.as_bytes(), &selection).unwrap();
        let found = calibrate(&profile.points, 1).unwrap();
        (profile, found)
    }

    #[test]
    fn every_law_has_a_row_and_the_used_one_its_mark() {
        let (profile, found) = sample();
        let tables = calibrate_tables(&profile, &found, found.best(), None);
        assert_eq!(tables[0].rows.len(), 5);
        let text = render_all(&tables, Format::Table);
        assert!(text.lines().any(|line| line.starts_with("affine-context") && line.contains(" chosen ")), "{text}");
        let asked = calibrate_tables(&profile, &found, found.named("affine").unwrap(), None);
        let text = render_all(&asked, Format::Table);
        assert!(text.contains("asked for") && text.contains("would be chosen"), "{text}");
    }

    #[test]
    fn the_law_comes_back_from_its_file() {
        let (profile, found) = sample();
        for fit in &found.fits {
            let text = calibrate_toml("p.csv", &profile, fit).unwrap();
            let table: toml::Table = text.parse().unwrap();
            let law: StepTimeLaw = table["step_time"].clone().try_into().unwrap();
            assert_eq!(law, fit.law());
            assert!(
                text.starts_with("# Fitted by fluidsim calibrate ") && text.contains(" to p.csv:\n# 117 points"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_picture_holds_points_and_laws() {
        let (profile, found) = sample();
        let svg = render_svg(&calibrate_plot(&profile, &found, found.best()));
        for word in ["measured", "affine", "hinge", "staircase", "affine-context", "Relative error of the law"] {
            assert!(svg.contains(&format!(">{word}<")), "{word}");
        }
    }
}
