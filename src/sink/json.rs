//! JSON: a row is an object on a line of its own, alone (NDJSON) or in one array.

use std::io::{self, Write};

use polars::prelude::DataFrame;

use super::cells::{Cell, Cells, columns, push_json_text};

/// Writes an object a line.
pub fn write_lines(frame: &DataFrame, out: &mut impl Write) -> io::Result<()> {
    let mut objects = Objects::of(frame)?;
    while let Some(object) = objects.next() {
        out.write_all(object)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes one array, an object a line.
pub fn write_array(frame: &DataFrame, out: &mut impl Write) -> io::Result<()> {
    let mut objects = Objects::of(frame)?;
    let mut before = "[\n";
    out.write_all(if frame.height() == 0 { b"[" } else { b"" })?;
    while let Some(object) = objects.next() {
        out.write_all(before.as_bytes())?;
        out.write_all(object)?;
        before = ",\n";
    }
    out.write_all(if frame.height() == 0 { b"]\n" } else { b"\n]\n" })
}

/// The rows of a frame as objects, each in the same buffer.
pub(super) struct Objects<'a> {
    /// `"name":` and the cells under it.
    columns: Vec<(Vec<u8>, Cells<'a>)>,
    rows: std::ops::Range<usize>,
    object: Vec<u8>,
}

impl<'a> Objects<'a> {
    /// Those of this frame.
    pub(super) fn of(frame: &'a DataFrame) -> io::Result<Self> {
        let keys = frame.columns().iter().map(|column| {
            let mut key = Vec::new();
            push_json_text(column.name(), &mut key);
            key.push(b':');
            key
        });
        let columns = keys.zip(columns(frame).map_err(io::Error::other)?).collect();
        Ok(Objects { columns, rows: 0..frame.height(), object: Vec::new() })
    }

    /// The next row's.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        self.rows.next()?;
        self.object.clear();
        self.object.push(b'{');
        for (index, (key, cells)) in self.columns.iter_mut().enumerate() {
            self.object.extend_from_slice(if index > 0 { b"," } else { b"" });
            self.object.extend_from_slice(key);
            cells.next().unwrap_or(Cell::Null).push_json(&mut self.object);
        }
        self.object.push(b'}');
        Some(&self.object)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::*;
    use serde_json::{Value, json};

    use crate::sink::{
        Format,
        tests::{every_type, odd_types, text},
    };

    #[test]
    fn a_frame_with_every_type() {
        assert_eq!(
            text(Format::Ndjson, &every_type()),
            concat!(
                r#"{"product_id":1204,"views":1204,"share":0.1234,"seconds":2.0,"name":"김치 \"A\"","#,
                r#""paired":true,"day":"2025-03-10","at":"2025-03-10T01:05:44.107627"}"#,
                "\n",
                r#"{"product_id":null,"views":null,"share":null,"seconds":null,"name":null,"#,
                r#""paired":null,"day":null,"at":null}"#,
                "\n",
            )
        );
    }

    #[test]
    fn whatever_the_frame_it_is_json() {
        let hostile = df!(
            "\"\n" => ["\u{0}\u{1b}[2J", "\u{2028}</script>"],
            "float" => [f64::NAN, 1e300]
        )
        .unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text(Format::Json, &hostile)).unwrap(),
            json!([
                {"\"\n": "\u{0}\u{1b}[2J", "float": null},
                {"\"\n": "\u{2028}</script>", "float": 1e300},
            ])
        );
        let odd: Value = serde_json::from_str(&text(Format::Json, &odd_types())).unwrap();
        assert_eq!(odd[0]["big"], json!(u64::MAX));
        assert_eq!(odd[0]["list"], json!(["=1", "b\"c"]));
        assert_eq!(text(Format::Json, &DataFrame::empty()), "[]\n");
        assert_eq!(text(Format::Ndjson, &every_type().head(Some(0))), "");
    }
}
