//! What a command answers, held once for every form it can be written in.

use serde_json::Value;

use super::{Format, Picture, json, latex, pretty, render_all};
use crate::answer::table::Table;

/// Tables and pictures of one answer.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What stands above all of it on a page of its own.
    pub title: String,
    /// For people: on a terminal, on paper, on a page.
    pub tables: Vec<Table>,
    /// For programs, where that is not the tables themselves.
    pub json: Option<Value>,
    /// For programs, where that is not the tables themselves.
    pub csv: Option<String>,
    /// For the page.
    pub pictures: Vec<Picture>,
    /// The scenario as TOML, to ask again.
    pub scenario: Option<String>,
}

/// What a paper wants of the tables.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The caption of the first table, in place of its title.
    pub caption: Option<String>,
    /// By what name LaTeX refers to the first table; `-2`, `-3` and so on behind it to the others.
    pub label: Option<String>,
}

impl Report {
    /// The report with a title for its page.
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// The report with one more picture.
    pub fn with_picture(mut self, picture: impl Into<Picture>) -> Self {
        self.pictures.push(picture.into());
        self
    }

    /// The report with the scenario that it answers.
    pub fn with_scenario(mut self, toml: String) -> Self {
        self.scenario = Some(toml);
        self
    }

    /// The report in a format, ending in a newline.
    pub fn text(&self, format: Format, setting: &Setting) -> String {
        match (format, &self.json, &self.csv) {
            (Format::Json, Some(value), _) => pretty(value),
            (Format::Csv, _, Some(text)) => text.clone(),
            (Format::Latex, ..) => latex::document(&self.set(setting)),
            (Format::LatexFragment, ..) => latex::fragments(&self.set(setting)),
            _ => render_all(&self.tables, format),
        }
    }

    /// The report in a format, with the titles that it has.
    pub fn plain(&self, format: Format) -> String {
        self.text(format, &Setting::default())
    }

    /// The tables with the caption and labels of a paper.
    fn set(&self, setting: &Setting) -> Vec<Table> {
        let mut tables = self.tables.clone();
        if let (Some(caption), Some(first)) = (&setting.caption, tables.first_mut()) {
            first.title.clone_from(caption);
        }
        if let Some(label) = &setting.label {
            for (k, table) in tables.iter_mut().enumerate() {
                table.label = if k == 0 { label.clone() } else { format!("{label}-{}", k + 1) };
            }
        }
        tables
    }
}

impl From<Vec<Table>> for Report {
    fn from(tables: Vec<Table>) -> Self {
        Self { tables, ..Self::default() }
    }
}

/// JSON of one table is an object, not a list of one.
impl From<Table> for Report {
    fn from(table: Table) -> Self {
        Self { json: Some(json::table_json(&table)), tables: vec![table], ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Column};

    #[test]
    fn a_paper_sets_caption_and_labels() {
        let table = |title: &str| {
            let mut table = Table::new(title, vec![Column::number("x", "")]);
            table.row(vec![Cell::Count(1)]);
            table
        };
        let report = Report::from(vec![table("one"), table("two")]);
        let setting = Setting { caption: Some("All of it".into()), label: Some("tab:x".into()) };
        let text = report.text(Format::LatexFragment, &setting);
        assert!(text.contains("\\caption{All of it}\\label{tab:x}"), "{text}");
        assert!(text.contains("\\caption{two}\\label{tab:x-2}"), "{text}");
        assert!(!report.text(Format::Table, &setting).contains("All of it"));
    }

    #[test]
    fn programs_get_their_own_form() {
        let mut report = Report::from(Table::new("one", vec![]));
        assert!(report.plain(Format::Json).starts_with('{'));
        report.csv = Some("a,b\n".into());
        assert_eq!(report.plain(Format::Csv), "a,b\n");
        assert!(Report::from(vec![]).plain(Format::Json).starts_with('['));
    }
}
