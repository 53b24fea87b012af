//! What a run says of itself, as JSON.

use std::path::Path;

use serde::Deserialize;

use super::facts::{Facts, joined};
use crate::train::json_text::{Number, Pairs, lines, map, quoted, written};
use crate::{Error, Result, atomic_file};

const KIND: &str = "run";
const VERSION: u64 = 1;
/// A larger file says nothing of a run.
const MOST_BYTES: u64 = 1 << 26;

/// The content of `run.json`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RunFile {
    /// When, in UTC.
    pub(super) begun: String,
    /// What the run was made with: sections of names and values.
    pub(super) sections: Vec<(String, Facts)>,
    pub(super) fits: Vec<Fit>,
}

/// One call of `fit`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub(super) begun: String,
    /// Epochs that were complete before it.
    pub(super) from: usize,
    /// Epochs that it was to reach.
    pub(super) until: usize,
    /// How it ended; `running` until it has.
    pub(super) ending: String,
    pub(super) seconds: f64,
    /// Settings that were no longer those of the first fit.
    pub(super) changed: Facts,
}

impl RunFile {
    pub(super) fn fact(&self, section: &str, name: &str) -> Option<&str> {
        let mut facts = self.section(section).iter();
        facts.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The facts of a section; none if there is no such section.
    pub(super) fn section(&self, name: &str) -> &[(String, String)] {
        self.sections.iter().find(|(known, _)| known == name).map_or(&[], |(_, facts)| facts)
    }

    /// All facts by their whole names, `optimizer.lr`.
    pub(super) fn facts(&self) -> Facts {
        let all = self.sections.iter().flat_map(|(section, facts)| {
            facts.iter().map(move |(name, value)| (joined(section, name), value.clone()))
        });
        all.collect()
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let facts = |facts: &Facts| map(facts.iter().map(|(name, value)| (name.as_str(), quoted(value))));
        let sections: Vec<String> = self
            .sections
            .iter()
            .map(|(name, section)| format!("{}:{}", quoted(name), facts(section)))
            .collect();
        let fits: Vec<String> = self
            .fits
            .iter()
            .map(|fit| {
                format!(
                    "{{\"begun\":{},\"from\":{},\"until\":{},\"ending\":{},\"seconds\":{},\"changed\":{}}}",
                    quoted(&fit.begun),
                    fit.from,
                    fit.until,
                    quoted(&fit.ending),
                    written(fit.seconds),
                    facts(&fit.changed)
                )
            })
            .collect();
        let text = format!(
            "{{\n\"sconce\":\"{KIND}\",\n\"version\":{VERSION},\n\"begun\":{},\n\"settings\":{{\n{}\n}},\n\"fits\":{}\n}}\n",
            quoted(&self.begun),
            sections.join(",\n"),
            lines(&fits)
        );
        atomic_file::write(path, text.as_bytes())
    }

    pub(super) fn load(path: &Path) -> Result<RunFile> {
        let whole: Whole = read(path, KIND)?;
        let facts = |Pairs(facts): Pairs<String>| facts;
        let fits = whole.fits.into_iter().map(|row| Fit {
            begun: row.begun,
            from: row.from,
            until: row.until,
            ending: row.ending,
            seconds: row.seconds.0,
            changed: facts(row.changed),
        });
        let sections = whole.settings.0.into_iter().map(|(name, section)| (name, facts(section)));
        Ok(RunFile { begun: whole.begun, sections: sections.collect(), fits: fits.collect() })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "sconce")]
    _kind: String,
    #[serde(rename = "version")]
    _version: u64,
    begun: String,
    settings: Pairs<Pairs<String>>,
    fits: Vec<FitRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FitRow {
    begun: String,
    from: usize,
    until: usize,
    ending: String,
    seconds: Number,
    changed: Pairs<String>,
}

#[derive(Deserialize)]
struct Head {
    sconce: String,
    version: u64,
}

/// A file of this kind, of the format that is written here.
pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path, kind: &str) -> Result<T> {
    let wrong = |got: String, hint: &str| Error::Format {
        path: path.to_owned(),
        expected: format!("the {kind} that RunRecord wrote"),
        got,
        hint: hint.into(),
    };
    let damaged = "The file is damaged, or of another program.";
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > MOST_BYTES {
        return Err(wrong(format!("a file of {size} bytes"), damaged));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let head: Head = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("text with a fault: {error}"), damaged))?;
    if head.sconce != kind {
        return Err(wrong(format!("a {:?} of Sconce", head.sconce), damaged));
    }
    if head.version != VERSION {
        let hint = "Read it with the release that wrote it, or a later one.";
        return Err(wrong(format!("format {}, not {VERSION}", head.version), hint));
    }
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("a fault: {error}"), damaged))
}
