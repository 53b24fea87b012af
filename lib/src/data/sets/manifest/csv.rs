//! Rows of a table.

use csv::{ReaderBuilder, StringRecord};

use super::{List, Row, Thing};
use crate::Result;

const IMAGE: [&str; 5] = ["image", "path", "file", "filename", "file_name"];
const LABEL: [&str; 3] = ["label", "labels", "class"];
const CAPTION: [&str; 1] = ["caption"];
const EDGES: [[&str; 2]; 4] = [["x0", "xmin"], ["y0", "ymin"], ["x1", "xmax"], ["y1", "ymax"]];

pub(super) fn rows(list: &List<'_>, text: &str, delimiter: u8) -> Result<Vec<Row>> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let damaged =
        |error: csv::Error| list.wrong("a table with as many columns in each row", error.to_string());
    let head = reader.headers().map_err(damaged)?.clone();
    let column =
        |names: &[&str]| head.iter().position(|name| names.contains(&name.trim().to_lowercase().as_str()));
    let Some(image) = column(&IMAGE) else {
        let got = head.iter().collect::<Vec<_>>().join(", ");
        return Err(list.wrong(&format!("a column {}", IMAGE.join(" or ")), got));
    };
    let (label, caption) = (column(&LABEL), column(&CAPTION));
    let edges = EDGES.map(|names| column(&names));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let text = |at: Option<usize>| at.and_then(|at| record.get(at)).map_or("", str::trim);
        let labels: Vec<String> = text(label)
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let mut row = Row { line, image: text(Some(image)).to_owned(), ..Row::default() };
        if let Some(edges) = numbers(list, &record, edges, line)? {
            let [label] = labels.as_slice() else {
                let got = format!("{} labels in line {line}", labels.len());
                return Err(list.wrong("one label for each box", got));
            };
            let bbox = list.bbox(edges, line)?;
            row.objects.push(Thing { label: label.clone(), bbox, area: None, ignore: false });
        } else {
            row.labels = labels;
        }
        let caption = text(caption);
        if !caption.is_empty() {
            row.captions.push(caption.to_owned());
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The edges of the box of a row, if it has one: all four fields are empty in a row without.
fn numbers(
    list: &List<'_>,
    record: &StringRecord,
    edges: [Option<usize>; 4],
    line: usize,
) -> Result<Option<[f64; 4]>> {
    let texts = edges.map(|at| at.and_then(|at| record.get(at)).map_or("", str::trim));
    if texts.iter().all(|text| text.is_empty()) {
        return Ok(None);
    }
    let mut numbers = [0.0; 4];
    for (number, text) in numbers.iter_mut().zip(texts) {
        *number = text
            .parse()
            .map_err(|_| list.wrong("four numbers for a box", format!("`{text}` in line {line}")))?;
    }
    Ok(Some(numbers))
}
