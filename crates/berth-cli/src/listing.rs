//! Lists as docker prints them: a table, a template for each row, or documents.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::output;
use crate::template::Template;

/// A column: its name in templates, and its heading.
pub(crate) type Column = (&'static str, &'static str);

/// A list that will be printed.
pub(crate) struct Listing {
    /// Everything that a template may name.
    columns: &'static [Column],
    /// The columns of the table.
    shown: Vec<&'static str>,
    rows: Vec<Map<String, Value>>,
}

impl Listing {
    /// A list with these columns, of which some are in the table.
    pub(crate) fn new(columns: &'static [Column], shown: Vec<&'static str>) -> Listing {
        Listing { columns, shown, rows: Vec::new() }
    }

    /// Adds a row, whose values are in the order of the columns.
    pub(crate) fn row(&mut self, values: impl IntoIterator<Item = String>) {
        let names = self.columns.iter().map(|(name, _)| (*name).to_owned());
        self.rows.push(names.zip(values.into_iter().map(Value::String)).collect());
    }

    /// Prints the list as `--format` says: a table, `json`, a template, or `table` and a template.
    ///
    /// # Errors
    /// That the template is of no use, or that nobody reads.
    pub(crate) fn print(&self, format: Option<&str>) -> Result<(), Failure> {
        match format.map(str::trim) {
            None | Some("" | "table") => self.table(),
            Some("json") => self.rows.iter().try_for_each(|row| output::line(&json(row)?)),
            Some(format) => match format.strip_prefix("table") {
                Some(template) => self.shaped(&Template::of_list(template.trim_start())?),
                None => {
                    let template = Template::of_list(format)?;
                    self.rows.iter().try_for_each(|row| output::line(&template.write(&row.clone().into())?))
                }
            },
        }
    }

    fn table(&self) -> Result<(), Failure> {
        let heading =
            |name: &&str| self.columns.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text);
        let headings = self.shown.iter().map(|name| heading(name).to_owned()).collect();
        let cell = |row: &Map<String, Value>, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let rows = self.rows.iter().map(|row| self.shown.iter().map(|name| cell(row, name)).collect());
        print(std::iter::once(headings).chain(rows).collect())
    }

    /// A table whose columns a template names, with tabs between them.
    fn shaped(&self, template: &Template) -> Result<(), Failure> {
        let headings = self.columns.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
        let headings = template.write(&Value::Object(headings.collect()))?;
        let rows = self.rows.iter().map(|row| template.write(&row.clone().into()));
        let rows = std::iter::once(Ok(headings)).chain(rows).collect::<Result<Vec<_>, _>>()?;
        print(rows.iter().map(|row| row.split('\t').map(str::to_owned).collect()).collect())
    }
}

fn json(row: &Map<String, Value>) -> Result<String, Failure> {
    serde_json::to_string(row).map_err(Failure::other)
}

/// Prints cells in columns. Each but the last is as wide as docker makes it: its longest text and three blanks, and ten
/// at least.
fn print(rows: Vec<Vec<String>>) -> Result<(), Failure> {
    const LEAST: usize = 10;
    const BETWEEN: usize = 3;
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let texts = rows.iter().filter(|row| column + 1 < row.len()).map(|row| row[column].chars().count());
        texts.max().map_or(0, |longest| LEAST.max(longest + BETWEEN))
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        let last = row.len().saturating_sub(1);
        let cells = row.iter().zip(&widths).enumerate();
        let line: String = cells
            .map(|(place, (text, width))| if place < last { format!("{text:width$}") } else { text.clone() })
            .collect();
        output::line(&line)?;
    }
    Ok(())
}
