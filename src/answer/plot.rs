//! What a picture holds, apart from how it is drawn.

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// A line.
    #[default]
    Line,
    /// Dots.
    Points,
    /// A thin grey line: one of many, such as single trials behind their mean.
    Faint,
    /// A line that stays at a point's value until the next point.
    Step,
    /// A bar from zero up to each point, as wide as the points are apart: a histogram.
    Bars,
}

/// One line or cloud of dots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name in the legend; empty for none. Series of one name share a colour and a legend entry.
    pub name: String,
    /// Where it goes. A point that is not finite interrupts a line.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end at each point, such as a confidence interval; shaded under a line, a bar through a dot.
    pub band: Option<Vec<(f64, f64)>>,
    /// How it is drawn.
    pub style: Style,
}

impl Series {
    /// A line through `points`.
    pub fn line(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points, ..Self::default() }
    }

    /// Dots at `points`.
    pub fn dots(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points, style: Style::Points, ..Self::default() }
    }

    /// A faint line through `points`.
    pub fn faint(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points, style: Style::Faint, ..Self::default() }
    }

    /// A line through `points` that stays at each value until the next.
    pub fn step(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points, style: Style::Step, ..Self::default() }
    }

    /// A bar up to each of `points`.
    pub fn bars(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points, style: Style::Bars, ..Self::default() }
    }

    /// The series with an interval around each point.
    pub fn with_band(mut self, band: Vec<(f64, f64)>) -> Self {
        self.band = Some(band);
        self
    }
}

/// One panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plot {
    /// Title above the panel; may be empty.
    pub title: String,
    /// What x is, with its unit.
    pub x_label: String,
    /// What y is, with its unit.
    pub y_label: String,
    /// A logarithmic y axis; values that are not positive have no place on it.
    pub log_y: bool,
    /// A logarithmic x axis.
    pub log_x: bool,
    /// What is drawn, the first at the back.
    pub series: Vec<Series>,
    /// Dashed vertical lines with a label, such as λ*.
    pub marks: Vec<(f64, String)>,
    /// Names of the places 0, 1, 2, … on x, in place of numbers; empty where x is a number.
    pub categories: Vec<String>,
}

impl Plot {
    /// A panel without series.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        Self { title: title.to_owned(), x_label: x_label.to_owned(), y_label: y_label.to_owned(), ..Self::default() }
    }

    /// The panel with one more series.
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The panel with a logarithmic y axis.
    pub fn with_log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// The panel with a logarithmic x axis.
    pub fn with_log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// The panel with a dashed vertical line at `x`.
    pub fn with_mark(mut self, x: f64, label: &str) -> Self {
        self.marks.push((x, label.to_owned()));
        self
    }

    /// The panel with named places 0, 1, 2, … on x.
    pub fn with_categories(mut self, names: &[&str]) -> Self {
        self.categories = names.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

/// One shaded panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heat {
    /// Title above the panel.
    pub title: String,
    /// Labels of the columns, left to right.
    pub columns: Vec<String>,
    /// Labels of the rows, bottom to top.
    pub rows: Vec<String>,
    /// Cells by row, then column.
    pub cells: Vec<Vec<HeatCell>>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatCell {
    /// The value that decides the shade; absent for none.
    pub value: Option<f64>,
    /// What stands in it.
    pub text: String,
}

/// A picture of panels in a grid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatMap {
    /// What is shown.
    pub title: String,
    /// What the columns of a panel are.
    pub x_label: String,
    /// What the rows of a panel are.
    pub y_label: String,
    /// Upper ends of the shades but the last, ascending.
    pub edges: Vec<f64>,
    /// Legend of each shade, one more than edges.
    pub legend: Vec<String>,
    /// Legend of a cell without a value.
    pub absent: String,
    /// Panels by row of the grid.
    pub panels: Vec<Vec<Heat>>,
}

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Which phase it is, as a place in the list of phases.
    pub phase: usize,
}

/// One life.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lane {
    /// What stands before it.
    pub label: String,
    /// Its bars in order.
    pub spans: Vec<Span>,
    /// What stands behind its last bar; empty for nothing.
    pub note: String,
}

/// Lives as lanes over one time axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lanes {
    /// What is shown.
    pub title: String,
    /// What x is, with its unit.
    pub x_label: String,
    /// Names of the phases.
    pub phases: Vec<String>,
    /// One row per life, the first on top.
    pub lanes: Vec<Lane>,
}

/// A whole picture of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Panels, one below the other; those with the same label of x share its axis.
    Panels(Vec<Plot>),
    /// Heat maps side by side.
    Heat(HeatMap),
    /// Lives as lanes.
    Lanes(Lanes),
}

impl From<Vec<Plot>> for Picture {
    fn from(plots: Vec<Plot>) -> Self {
        Self::Panels(plots)
    }
}

impl From<HeatMap> for Picture {
    fn from(map: HeatMap) -> Self {
        Self::Heat(map)
    }
}

impl From<Lanes> for Picture {
    fn from(lanes: Lanes) -> Self {
        Self::Lanes(lanes)
    }
}
