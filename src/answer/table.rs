//! What a table holds, apart from how it is written.

use super::number;

/// Significant digits of a number unless a cell asks for others.
pub const DIGITS: usize = 4;

/// On which side the cells of a column line up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// Left, for words.
    #[default]
    Left,
    /// Right, for numbers.
    Right,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What the column holds.
    pub name: String,
    /// The unit of its numbers; empty for none.
    pub unit: String,
    /// On which side its cells line up.
    pub align: Align,
}

impl Column {
    /// A column of words.
    pub fn text(name: &str) -> Self {
        Self { name: name.to_owned(), unit: String::new(), align: Align::Left }
    }

    /// A column of numbers in `unit`, which may be empty.
    pub fn number(name: &str, unit: &str) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), align: Align::Right }
    }

    /// Name and unit, such as `wait (s)`.
    pub fn heading(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.unit) }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number, written in full.
    Count(u64),
    /// A number with its significant digits.
    Number {
        /// The number; written as absent when not finite.
        value: f64,
        /// Significant digits in text and LaTeX.
        digits: usize,
    },
    /// A number with its confidence interval.
    Interval {
        /// The estimate; written as absent when not finite.
        value: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Something that does not exist.
    Absent,
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// A number with the usual digits; absent when not finite.
    pub fn number(value: f64) -> Self {
        Self::digits(value, DIGITS)
    }

    /// A number with the given significant digits; absent when not finite.
    pub fn digits(value: f64, digits: usize) -> Self {
        if value.is_finite() { Self::Number { value, digits } } else { Self::Absent }
    }

    /// A number with its interval; without one where an end is not finite.
    pub fn interval(value: f64, low: f64, high: f64) -> Self {
        match (value.is_finite(), low.is_finite() && high.is_finite()) {
            (false, _) => Self::Absent,
            (true, false) => Self::number(value),
            (true, true) => Self::Interval { value, low, high },
        }
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>) -> Self {
        value.map_or(Self::Absent, Self::number)
    }

    /// The cell as people read it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(words) => words.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number { value, digits } => number::significant(*value, *digits),
            Self::Interval { value, low, high } => number::with_interval(*value, *low, *high),
            Self::Absent => number::ABSENT.to_owned(),
        }
    }
}

/// A table: title, columns, rows of as many cells, notes below.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The title; the caption in LaTeX.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; a missing cell is absent, a cell too many is not shown.
    pub rows: Vec<Vec<Cell>>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// By what name LaTeX refers to it; empty for none.
    pub label: String,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: Vec<Column>) -> Self {
        Self { title: title.to_owned(), columns, ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) -> &mut Self {
        self.rows.push(cells);
        self
    }

    /// Adds a note.
    pub fn note(&mut self, words: impl Into<String>) -> &mut Self {
        self.notes.push(words.into());
        self
    }

    /// The cell of a row in a column.
    pub fn cell<'a>(&self, row: &'a [Cell], column: usize) -> &'a Cell {
        row.get(column).unwrap_or(&Cell::Absent)
    }
}
