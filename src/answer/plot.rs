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
    /// A logarithmic x axis, of all panels when the first has it.
    pub log_x: bool,
    /// What is drawn, the first at the back.
    pub series: Vec<Series>,
    /// Dashed vertical lines with a label, such as λ*.
    pub marks: Vec<(f64, String)>,
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
