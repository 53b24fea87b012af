//! A list of one's own: a CSV or JSON-lines file with a row for each image.

mod csv;
mod json;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::list::{FileList, Targets};
use super::names::Names;
use super::placed;
use crate::data::dataset::Dataset;
use crate::data::decode::DecodeConfig;
use crate::data::sample::{BBox, Object, Target};
use crate::download::below;
use crate::{Error, Result};

/// What becomes of a path that leads out of the folder of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutsidePaths {
    /// It is an error, so that a list from elsewhere reads nothing that it has no business with.
    #[default]
    Refuse,
    /// It is read: for a list of one's own with absolute paths.
    Allow,
}

/// How a list is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManifestConfig {
    /// The folder that paths are below; `None` for that of the list.
    pub root: Option<PathBuf>,
    /// The classes in the order of their labels; another one is then an error. `None` takes those that the
    /// list names, in alphabetical order, or in that of their numbers where all are numbers.
    pub classes: Option<Vec<String>>,
    /// What becomes of absolute paths and of `..`.
    pub outside: OutsidePaths,
    /// How images are decoded.
    pub decode: DecodeConfig,
}

/// One row: an image with what it says of it. Rows of the same image are put together.
#[derive(Debug, Default)]
struct Row {
    line: usize,
    image: String,
    labels: Vec<String>,
    captions: Vec<String>,
    objects: Vec<Thing>,
}

/// An object of a row.
#[derive(Debug)]
struct Thing {
    label: String,
    bbox: BBox,
    area: Option<f64>,
    ignore: bool,
}

/// The images that a list names; the name tells its format.
///
/// A `.csv` (or, with tabs, `.tsv`) begins with a line of column names: `image` (or `path`, `file`, `filename`,
/// `file_name`), and any of `label` (or `class`), `caption`, and the edges of a box `x0`, `y0`, `x1`, `y1` (or
/// `xmin`, `ymin`, `xmax`, `ymax`) in pixels. A label beside a box is that of the box. Several labels are
/// separated by `;`. Several rows of one image, say one for each box, become one sample.
///
/// A `.jsonl` (or `.ndjson`) has an object a line: `{"image": "a.jpg", "label": "cat"}`, where a label may be a
/// number too, with `labels`, `caption`, `captions` and `objects`, such as `[{"label": "cat", "bbox": [x0, y0,
/// x1, y1], "area": 12.5, "ignore": false}]`.
///
/// Other columns and fields are left alone.
///
/// ```no_run
/// # use sconce::data::datasets;
/// let data = datasets::manifest("birds/labels.csv")?;
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// When the list cannot be read; when a row, which is named, has no image, a box that is none, or a path that
/// leads out of the folder. A missing image is an error when it is asked for.
pub fn manifest(path: impl AsRef<Path>) -> Result<Dataset> {
    manifest_with(path, ManifestConfig::default())
}

/// As [`manifest`], read otherwise.
///
/// # Errors
/// As [`manifest`], and for a class that is none of those told.
pub fn manifest_with(path: impl AsRef<Path>, config: ManifestConfig) -> Result<Dataset> {
    let path = path.as_ref();
    let list = List { path, config: &config };
    let bytes = fs::read(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })?;
    let text =
        std::str::from_utf8(&bytes).map_err(|error| list.wrong("a text in UTF-8", error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}');
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    let rows = match ending.as_str() {
        "csv" => csv::rows(&list, text, b',')?,
        "tsv" => csv::rows(&list, text, b'\t')?,
        "jsonl" | "ndjson" => json::rows(&list, text)?,
        _ => {
            return Err(
                list.wrong("a name that ends with .csv, .tsv, .jsonl or .ndjson", format!("`.{ending}`"))
            );
        }
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Dataset::from_source(list.build(rows)?).named(&name))
}

struct List<'a> {
    path: &'a Path,
    config: &'a ManifestConfig,
}

impl List<'_> {
    fn wrong(&self, expected: &str, got: String) -> Error {
        Error::Format {
            path: self.path.to_owned(),
            expected: expected.into(),
            got,
            hint: "Mend the list; its format is described at `datasets::manifest`.".into(),
        }
    }

    fn build(&self, rows: Vec<Row>) -> Result<FileList> {
        if rows.is_empty() {
            return Err(self.wrong("at least one image", "none".into()));
        }
        let class_names = self.config.classes.clone().unwrap_or_else(|| classes_of(&rows));
        let labels = placed("datasets::manifest", &class_names)?;
        let label = |name: &str, line: usize| {
            labels.get(name).copied().ok_or_else(|| {
                let expected = format!("one of the {} classes that were told", class_names.len());
                self.wrong(&expected, format!("`{name}` in line {line}"))
            })
        };
        let mut places = std::collections::HashMap::new();
        let (mut files, mut targets): (Names, Vec<Target>) = (Names::default(), Vec::new());
        for row in rows {
            self.check_path(&row)?;
            let at = *places.entry(row.image.clone()).or_insert_with(|| {
                files.push(OsStr::new(&row.image));
                targets.push(Target::default());
                targets.len() - 1
            });
            let target = &mut targets[at];
            for name in &row.labels {
                let label = label(name, row.line)?;
                if !target.labels.contains(&label) {
                    target.labels.push(label);
                }
            }
            target.captions.extend(row.captions);
            for thing in row.objects {
                target.objects.push(Object {
                    label: label(&thing.label, row.line)?,
                    bbox: thing.bbox,
                    mask: None,
                    keypoints: Vec::new(),
                    area: thing.area,
                    ignore: thing.ignore,
                });
            }
        }
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(FileList {
            root: self.config.root.clone().unwrap_or(folder),
            files,
            targets: Targets::Many(targets),
            class_names: class_names.clone(),
            decode: self.config.decode,
        })
    }

    fn check_path(&self, row: &Row) -> Result<()> {
        if row.image.is_empty() {
            return Err(self.wrong("an image in each row", format!("none in line {}", row.line)));
        }
        let inside = below(Path::new(""), Path::new(&row.image)).is_some();
        if inside || self.config.outside == OutsidePaths::Allow {
            return Ok(());
        }
        Err(Error::Format {
            path: self.path.to_owned(),
            expected: "paths that stay in the folder of the images".into(),
            got: format!("`{}` in line {}", row.image, row.line),
            hint: "If the list is your own, allow it with `OutsidePaths::Allow` in a `ManifestConfig`."
                .into(),
        })
    }

    /// A box with its edges in order.
    fn bbox(&self, [x0, y0, x1, y1]: [f64; 4], line: usize) -> Result<BBox> {
        if ![x0, y0, x1, y1].iter().all(|edge| edge.is_finite()) || x0 > x1 || y0 > y1 {
            let got = format!("[{x0}, {y0}, {x1}, {y1}] in line {line}");
            return Err(self.wrong("boxes [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1", got));
        }
        Ok(BBox { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 })
    }
}

/// All classes that rows name, each once, in order.
fn classes_of(rows: &[Row]) -> Vec<String> {
    let of_row = |row: &Row| {
        row.labels.iter().chain(row.objects.iter().map(|object| &object.label)).cloned().collect::<Vec<_>>()
    };
    let mut names: Vec<String> = rows.iter().flat_map(of_row).collect();
    names.sort_unstable();
    names.dedup();
    if let Ok(numbers) = names.iter().map(|name| name.parse()).collect::<Result<Vec<u64>, _>>() {
        let mut order: Vec<(u64, String)> = numbers.into_iter().zip(names).collect();
        order.sort_unstable();
        return order.into_iter().map(|(_, name)| name).collect();
    }
    names
}
