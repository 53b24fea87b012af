//! What a run says of itself, as JSON.

use std::path::Path;

use serde::Deserialize;

use super::facts::{Facts, joined};
use crate::train::json_text::{Kind, Number, Pairs, lines, map, quoted, written};
use crate::{Result, atomic_file};

const KIND: Kind = Kind { name: "run", versions: 1..=1, most_bytes: 1 << 26, writer: "RunRecord" };

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
            "{{\n\"sconce\":\"{}\",\n\"version\":{},\n\"begun\":{},\n\"settings\":{{\n{}\n}},\n\"fits\":{}\n}}\n",
            KIND.name,
            KIND.versions.end(),
            quoted(&self.begun),
            sections.join(",\n"),
            lines(&fits)
        );
        atomic_file::write(path, text.as_bytes())
    }

    pub(super) fn load(path: &Path) -> Result<RunFile> {
        let whole = KIND.read(&KIND.text_of(path)?);
        let (_, whole): (_, Whole) = whole.map_err(|wrong| KIND.refused(path, wrong))?;
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
