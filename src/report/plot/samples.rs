//! Pictures made up for the tests of this room.

use crate::answer::plot::{Heat, HeatCell, HeatMap, Lane, Lanes, Plot, Series, Span};

fn wave(shift: f64) -> Vec<(f64, f64)> {
    (0..=20).map(|k| (f64::from(k) / 2.0, 2.0 + (f64::from(k) / 2.0 + shift).sin())).collect()
}

/// Two panels with every kind of series, names that TeX and XML would take for their own, and what cannot be drawn.
pub(super) fn panels() -> Vec<Plot> {
    let band = wave(0.0).iter().map(|point| (point.1 - 0.2, point.1 + 0.3)).collect();
    let upper = Plot::new("Waiting & <running> 50 %", "time (s)", "requests")
        .with(Series::faint("trials", wave(0.3)))
        .with(Series::faint("trials", wave(0.6)))
        .with(Series::line("fluid", wave(0.0)).with_band(band))
        .with(Series::step("a_step", vec![(0.0, 0.5), (4.0, 1.5), (10.0, 1.0)]))
        .with_mark(4.0, "λ*");
    let dots = vec![(1.0, 10.0), (5.0, 1000.0), (9.5, 0.0), (9.8, 300.0)];
    let around = vec![(8.0, 13.0), (0.0, 1500.0), (0.0, 0.0), (200.0, f64::INFINITY)];
    let lower = Plot::new("", "time (s)", "tokens")
        .with(Series::dots("simulated", dots).with_band(around))
        .with(Series::line("law", vec![(0.0, 5.0), (5.0, f64::NAN), (6.0, 80.0), (10.0, 400.0)]))
        .with_log_y();
    vec![upper, lower]
}

pub(super) fn heat() -> HeatMap {
    let cell = |value: Option<f64>, text: &str| HeatCell { value, text: text.to_owned() };
    let panel = Heat {
        title: "cv 1".into(),
        columns: vec!["0.3".into(), "0.9".into()],
        rows: vec!["6000".into(), "60000".into()],
        cells: vec![
            vec![cell(Some(0.002), "0.2"), cell(None, "none")],
            vec![cell(Some(0.02), "2"), cell(Some(0.5), "50")],
        ],
    };
    HeatMap {
        title: "Errors, %".into(),
        x_label: "λ/λ*".into(),
        y_label: "KV tokens".into(),
        edges: vec![0.01, 0.03, 0.1, 0.3],
        legend: ["1 %", "3 %", "10 %", "30 %", "more"].map(str::to_owned).into(),
        absent: "no figure".into(),
        panels: vec![vec![panel]],
    }
}

pub(super) fn lanes() -> Lanes {
    let lane = |label: &str, note: &str| Lane {
        label: label.to_owned(),
        spans: vec![Span { from: 0.0, to: 1.0, phase: 0 }, Span { from: 1.0, to: 4.0, phase: 1 }],
        note: note.to_owned(),
    };
    Lanes {
        title: "Requests".into(),
        x_label: "time (s)".into(),
        phases: vec!["waiting".into(), "executing".into()],
        lanes: vec![lane("r1", "S:2"), lane("r2", "")],
    }
}
