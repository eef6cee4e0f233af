//! Pictures for pgfplots, to be put into a paper by `\input`: the same colours, thin grid and names at the ends of lines.

use super::axis::Axis;
use super::heat::shade;
use super::labels::{EndLabel, Entry, class, colours, end_labels, entries};
use super::lanes::phase_class;
use super::panels::{stepped, x_axis, y_axis};
use super::theme::{FAINT, HEAT, INK, NONE, PALETTE, WORDS};
use super::thin::thinned;
use crate::answer::plot::{HeatMap, Lanes, Picture, Plot, Series, Style};
use crate::report::latex::escape;

/// Columns of a line of many points, of which each keeps four: TeX's memory is small.
const COLUMNS: usize = 150;
/// Height of the axes in points of TeX: among others, and alone.
const BODY: f64 = 110.0;
const SINGLE_BODY: f64 = 170.0;

/// The picture as one `tikzpicture`, below a line that names what it needs.
pub(super) fn picture_tex(picture: &Picture) -> String {
    let body = match picture {
        Picture::Panels(plots) => panels(plots),
        Picture::Heat(map) => heat(map),
        Picture::Lanes(picture) => lanes(picture),
    };
    let colour = |name: String, value: &str| format!("\\definecolor{{{name}}}{{HTML}}{{{value}}}\n");
    let mut colours = colour("fsink".into(), INK)
        + &colour("fsfaint".into(), FAINT)
        + &colour("fswfaint".into(), "5B6470")
        + &colour("fsneutral".into(), "CBD2DA");
    for (k, (value, words)) in PALETTE.iter().zip(WORDS).enumerate() {
        colours += &(colour(format!("fsc{k}"), value) + &colour(format!("fsw{k}"), words));
    }
    format!(
        "% needs \\usepackage{{pgfplots,textcomp}} \\pgfplotsset{{compat=1.16}} \\usepgfplotslibrary{{groupplots}}\n\
         \\begingroup\n{colours}\\begin{{tikzpicture}}[font=\\footnotesize]\n{body}\\end{{tikzpicture}}\n\\endgroup\n"
    )
}

/// What every panel has; `clip=false` lets names stand beside the axes.
const STYLE: &str = "width=0.82\\linewidth, axis lines=left, axis line style={fsfaint,-}, y axis line style={draw=none}, \
     tick align=outside, tick style={fsfaint}, ytick style={draw=none}, ymajorgrids, major grid style={black!10}, \
     scaled ticks=false, /pgf/number format/1000 sep={\\,}, clip=false, legend cell align=left, \
     legend style={draw=none, fill=none, at={(0,1)}, anchor=south west, yshift=14pt, legend columns=-1, \
     /tikz/every even column/.append style={column sep=6pt}}, title style={at={(0,1)}, anchor=south west, inner xsep=0pt, \
     font=\\bfseries\\small}, ylabel style={at={(0,1)}, rotate=-90, anchor=south west, inner xsep=0pt, fsink!70}, \
     xlabel style={fsink!70}, every node near coord/.style={}";

fn panels(plots: &[Plot]) -> String {
    let height = if plots.len() > 1 { BODY } else { SINGLE_BODY };
    let count = plots.len().max(1);
    let mut out = format!(
        "\\begin{{groupplot}}[group style={{group size=1 by {count}, vertical sep=56pt}}, height={}pt, {STYLE}]\n",
        height + 30.0
    );
    for (k, plot) in plots.iter().enumerate() {
        let (x, y) = (x_axis(plots, plot), y_axis(plot));
        let labels = end_labels(plot, (&x, &y), height);
        let shared = plots.get(k + 1).is_some_and(|next| next.x_label == plot.x_label);
        out.push_str(&format!("\\nextgroupplot[{}]\n", options(plot, (&x, &y), shared, labels.is_some())));
        for (series, colour) in plot.series.iter().zip(colours(plot)) {
            out.push_str(&one(series, &format!("fs{}", class('c', colour)), (&x, &y)));
        }
        for (at, label) in plot.marks.iter().filter(|mark| x.place(mark.0).is_some()) {
            let (at, low, high) = (number(*at), end(&y, y.low), end(&y, y.high));
            let words = escape(label);
            out.push_str(&format!(
                "\\draw[dashed, fsink!70] (axis cs:{at},{low}) -- (axis cs:{at},{high}) node[above, font=\\scriptsize] {{{words}}};\n"
            ));
        }
        match labels {
            Some(labels) => labels.iter().for_each(|label| out.push_str(&behind(label, height))),
            None => entries(plot).iter().for_each(|entry| out.push_str(&legend(entry))),
        }
    }
    if plots.is_empty() {
        out.push_str("\\nextgroupplot[]\n");
    }
    out + "\\end{groupplot}\n"
}

fn options(plot: &Plot, (x, y): (&Axis, &Axis), shared: bool, labelled: bool) -> String {
    let xlabel = if shared { String::new() } else { escape(&plot.x_label) };
    let rise = if labelled { 14 } else { 28 };
    let mut options = vec![
        format!("title={{{}}}, title style={{yshift={rise}pt}}", escape(&plot.title)),
        format!("xlabel={{{xlabel}}}, ylabel={{{}}}", escape(&plot.y_label)),
        format!("xmin={}, xmax={}, ymin={}, ymax={}", end(x, x.low), end(x, x.high), end(y, y.low), end(y, y.high)),
    ];
    options.extend(x.log.then(|| "xmode=log".to_owned()));
    options.extend(y.log.then(|| "ymode=log".to_owned()));
    if !plot.categories.is_empty() {
        let places: Vec<String> = (0..plot.categories.len()).map(|place| place.to_string()).collect();
        let names: Vec<String> = plot.categories.iter().map(|name| format!("{{{}}}", escape(name))).collect();
        options.push(format!("xtick={{{}}}, xticklabels={{{}}}", places.join(","), names.join(",")));
    }
    options.join(",\n  ")
}

/// The value at a place of an axis.
fn end(axis: &Axis, placed: f64) -> String {
    number(if axis.log { 10f64.powf(placed) } else { placed })
}

fn behind(label: &EndLabel, height: f64) -> String {
    let words: Vec<String> = label.lines.iter().map(|line| escape(line)).collect();
    format!(
        "\\node[anchor=west, align=left, inner xsep=4pt, font=\\scriptsize, text=fs{}] at (rel axis cs:1,{:.3}) {{{}}};\n",
        class('w', label.colour),
        label.part(height),
        words.join("\\\\")
    )
}

fn legend(entry: &Entry) -> String {
    let image = if entry.line { "thick" } else { "only marks, mark=*, mark size=1.5pt" };
    let (colour, words) = (class('c', entry.colour), escape(&entry.name));
    format!("\\addlegendimage{{{image}, fs{colour}}}\\addlegendentry{{{words}}}\n")
}

fn one(series: &Series, colour: &str, (x, y): (&Axis, &Axis)) -> String {
    let placed = |point: &(f64, f64)| x.place(point.0).is_some() && y.place(point.1).is_some();
    if matches!(series.style, Style::Points | Style::Bars) {
        return dots(series, colour, placed);
    }
    let mut out = String::new();
    let range = 10f64.powf(x.low)..10f64.powf(x.high);
    let range = if x.log { range } else { x.low..x.high };
    if let Some(band) = &series.band {
        // An end without a place, such as 0 on a logarithmic axis, is at the bottom.
        let low = |value: f64| if y.place(value).is_some() { value } else { 10f64.powf(y.low) };
        let both: Vec<((f64, f64), (f64, f64))> = series.points.iter().copied().zip(band.iter().copied()).collect();
        let whole =
            |(point, ends): &((f64, f64), (f64, f64))| placed(point) && ends.0.is_finite() && ends.1.is_finite();
        for run in both.split(|pair| !whole(pair)).filter(|run| run.len() > 1) {
            let above: Vec<(f64, f64)> = run.iter().map(|(point, ends)| (point.0, ends.1)).collect();
            let below: Vec<(f64, f64)> = run.iter().map(|(point, ends)| (point.0, low(ends.0))).collect();
            let mut outline = thinned(&above, range.clone(), COLUMNS);
            outline.extend(thinned(&below, range.clone(), COLUMNS).into_iter().rev());
            let outline = coordinates(&outline);
            out.push_str(&format!(
                "\\addplot[{colour}, draw=none, fill, fill opacity=.15, forget plot] coordinates {{{outline}}} --cycle;\n"
            ));
        }
    }
    let form = if series.style == Style::Faint { "very thin, opacity=.5" } else { "thick" };
    for run in series.points.split(|point| !placed(point)).filter(|run| !run.is_empty()) {
        let run = if series.style == Style::Step { stepped(run) } else { run.to_vec() };
        let run = coordinates(&thinned(&run, range.clone(), COLUMNS));
        out.push_str(&format!("\\addplot[{colour}, {form}, line join=round, forget plot] coordinates {{{run}}};\n"));
    }
    out
}

fn dots(series: &Series, colour: &str, placed: impl Fn(&(f64, f64)) -> bool) -> String {
    let form = match series.style {
        Style::Bars => "ybar, bar shift=0pt, fill, fill opacity=.75, draw=none",
        _ => "only marks, mark=*, mark size=1.5pt",
    };
    let mut points = String::new();
    for (k, &(at, value)) in series.points.iter().enumerate().filter(|(_, point)| placed(point)) {
        points.push_str(&format!(" ({},{})", number(at), number(value)));
        let ends = series.band.as_ref().and_then(|band| band.get(k));
        if let Some((low, high)) = ends.filter(|(low, high)| low.is_finite() && high.is_finite()) {
            points.push_str(&format!(" -= (0,{}) += (0,{})", number(value - low), number(high - value)));
        }
    }
    let bars = if series.band.is_some() { ", error bars/.cd, y dir=both, y explicit" } else { "" };
    format!("\\addplot[{colour}, {form}, forget plot{bars}] coordinates {{{points}}};\n")
}

fn coordinates(points: &[(f64, f64)]) -> String {
    points.iter().map(|point| format!(" ({},{})", number(point.0), number(point.1))).collect()
}

/// Seven significant digits are more than TeX draws.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    format!("{rounded:?}")
}

fn heat(map: &HeatMap) -> String {
    let mut out = String::new();
    for (k, (shade, words)) in HEAT.iter().enumerate() {
        out.push_str(&format!(
            "\\definecolor{{fsh{k}}}{{HTML}}{{{shade}}}\\definecolor{{fshw{k}}}{{HTML}}{{{words}}}\n"
        ));
    }
    out.push_str(&format!("\\definecolor{{fsnone}}{{HTML}}{{{NONE}}}\n"));
    let node = |x: f64, y: f64, options: &str, words: &str| {
        format!("\\node[{options}] at ({x:.2},{y:.2}) {{{}}};\n", escape(words))
    };
    let rows = map.panels.iter().flatten().map(|panel| panel.rows.len()).max().unwrap_or(0) as f64;
    let columns = map.panels.iter().flatten().map(|panel| panel.columns.len()).max().unwrap_or(0) as f64;
    out.push_str(&node(0.0, 1.9, "anchor=west, font=\\bfseries\\small, inner sep=0pt", &map.title));
    let shades = map.legend.iter().enumerate().map(|(k, words)| (format!("fsh{}", k.min(HEAT.len() - 1)), words));
    let mut at = 0.0;
    for (shade, words) in shades.chain([("fsnone".to_owned(), &map.absent)]) {
        out.push_str(&format!("\\fill[{shade}] ({at:.2},1.3) rectangle ++(0.45,0.28);\n"));
        out.push_str(&node(at + 0.5, 1.44, "anchor=west, inner sep=1pt", words));
        at += 0.9 + 0.16 * words.chars().count() as f64;
    }
    for (row, panels) in map.panels.iter().enumerate() {
        for (column, panel) in panels.iter().enumerate() {
            let (left, top) = (column as f64 * (columns * 0.95 + 0.35), -(row as f64) * (rows * 0.55 + 1.5));
            out.push_str(&node(left + panel.columns.len() as f64 * 0.475, top + 0.45, "", &panel.title));
            if column == 0 {
                out.push_str(&node(left - 0.1, top + 0.45, "anchor=east, font=\\scriptsize", &map.y_label));
            }
            for (r, cells) in panel.cells.iter().enumerate() {
                let y = top - (panel.rows.len() - 1 - r) as f64 * 0.55;
                if column == 0 {
                    out.push_str(&node(left - 0.1, y - 0.2, "anchor=east, font=\\scriptsize", &panel.rows[r]));
                }
                for (c, cell) in cells.iter().enumerate() {
                    let x = left + c as f64 * 0.95;
                    let (ground, words) = shade(map, cell.value)
                        .map_or(("fsnone".to_owned(), "fsink".to_owned()), |k| (format!("fsh{k}"), format!("fshw{k}")));
                    out.push_str(&format!("\\fill[{ground}] ({x:.2},{:.2}) rectangle ++(0.91,0.51);\n", y - 0.45));
                    let options = format!("font=\\scriptsize, text={words}");
                    out.push_str(&node(x + 0.455, y - 0.2, &options, &cell.text));
                }
            }
            let below = top - panel.rows.len() as f64 * 0.55 - 0.15;
            for (c, label) in panel.columns.iter().enumerate() {
                out.push_str(&node(left + c as f64 * 0.95 + 0.455, below, "font=\\scriptsize", label));
            }
            if row + 1 == map.panels.len() {
                let middle = left + panel.columns.len() as f64 * 0.475;
                out.push_str(&node(middle, below - 0.45, "font=\\scriptsize", &map.x_label));
            }
        }
    }
    out
}

fn lanes(picture: &Lanes) -> String {
    let count = picture.lanes.len().max(1);
    let spans = picture.lanes.iter().flat_map(|lane| &lane.spans);
    let x = Axis::snug(spans.flat_map(|span| [span.from, span.to]));
    // Each behind a comma: a single label in braces alone would be read as the name of a list.
    let labels: String = picture.lanes.iter().map(|lane| format!("{{{}}},", escape(&lane.label))).collect();
    let places: Vec<String> = (0..picture.lanes.len()).map(|row| row.to_string()).collect();
    let mut out = format!(
        "\\begin{{axis}}[width=0.9\\linewidth, height={}pt, axis lines=left, axis line style={{fsfaint,-}}, y dir=reverse, \
         y axis line style={{draw=none}}, ytick style={{draw=none}}, xmajorgrids, major grid style={{black!10}}, tick align=outside, \
         title={{{}}}, title style={{at={{(0,1)}}, anchor=south west, font=\\bfseries\\small, yshift=14pt}}, xlabel={{{}}}, \
         xmin={}, xmax={}, ymin=-0.7, ymax={}, ytick={{{}}}, yticklabels={{{}}}, clip=false, legend cell align=left, \
         legend style={{draw=none, at={{(0,1)}}, anchor=south west, legend columns=-1}}]\n",
        40 + 11 * count,
        escape(&picture.title),
        escape(&picture.x_label),
        number(x.low),
        number(x.high),
        number(count as f64 - 0.3),
        places.join(","),
        labels,
    );
    for (phase, name) in picture.phases.iter().enumerate() {
        let colour = format!("fs{}", phase_class(phase));
        out.push_str(&format!(
            "\\addlegendimage{{area legend, fill={colour}, draw=none}}\\addlegendentry{{{}}}\n",
            escape(name)
        ));
    }
    for (row, lane) in picture.lanes.iter().enumerate() {
        for span in lane.spans.iter().filter(|span| span.from.is_finite() && span.to.is_finite()) {
            let (from, to, row) = (number(span.from), number(span.to), row as f64);
            let colour = format!("fs{}", phase_class(span.phase));
            out.push_str(&format!(
                "\\fill[{colour}] (axis cs:{from},{}) rectangle (axis cs:{to},{});\n",
                number(row - 0.32),
                number(row + 0.32)
            ));
        }
        if let Some(last) = lane.spans.last().filter(|_| !lane.note.is_empty()) {
            let (to, words) = (number(last.to), escape(&lane.note));
            out.push_str(&format!("\\node[right, font=\\scriptsize] at (axis cs:{to},{row}) {{{words}}};\n"));
        }
    }
    out + "\\end{axis}\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::samples;

    #[test]
    fn pictures_for_a_paper() {
        insta::assert_snapshot!("panels_tex", picture_tex(&samples::panels().into()));
        insta::assert_snapshot!("heat_tex", picture_tex(&samples::heat().into()));
        insta::assert_snapshot!("lanes_tex", picture_tex(&samples::lanes().into()));
    }

    #[test]
    fn long_lines_fit_the_memory_of_tex() {
        let points = (0..100_000).map(|k| (f64::from(k), f64::from(k % 7))).collect();
        let text = picture_tex(&vec![Plot::new("", "x", "y").with(Series::line("a", points))].into());
        assert!(text.len() < 30_000, "{}", text.len());
    }
}
