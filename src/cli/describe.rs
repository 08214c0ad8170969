//! What the program says about itself: the schema, and what a result means.

use crate::error::Error;
use crate::report::Report;
use crate::schema::{self, Origin, RELATIONS};
use polars::prelude::{Column, DataFrame};

/// The table of the schema, a row a column.
///
/// # Errors
/// `Error::Query` if Polars gives out.
pub fn schema_table() -> Result<DataFrame, Error> {
    let rows = || {
        RELATIONS.iter().flat_map(|relation| relation.columns.iter().map(|column| (relation.name, column)))
    };
    let text = |name: &str, of: fn(&schema::Column) -> String| {
        Column::new(name.into(), rows().map(|(_, column)| of(column)).collect::<Vec<String>>())
    };
    let columns = vec![
        Column::new("relation".into(), rows().map(|(relation, _)| relation).collect::<Vec<&str>>()),
        text("column", |column| column.name.into()),
        text("type", |column| column.kind.sql().into()),
        text("unit", |column| column.unit.into()),
        text("from", |column| match column.origin {
            Origin::Key(key) => format!("key {key}"),
            Origin::Line(from) => format!("keys {}", from.join(", ")),
            Origin::Event(from) => format!("this event's {}", from.join(", ")),
            Origin::Neighbours(from) => format!("all events' {}", from.join(", ")),
        }),
        text("meaning", |column| column.meaning.into()),
    ];
    DataFrame::new(rows().count(), columns).map_err(|error| Error::Query(error.to_string()))
}

/// What the columns of a report mean, one a line.
pub fn definitions(report: &Report) -> String {
    let mut text = format!("{}: {}\n", report.header.name, report.header.title);
    for column in report.header.columns.iter().filter(|column| !column.meaning.is_empty()) {
        text += &format!("  {}: {}\n", column.name, column.meaning);
    }
    text
}
