//! Image files in a list, each with what is known of it.

use std::path::PathBuf;

use super::names::Names;
use super::{no_such, open_file};
use crate::Result;
use crate::data::decode::DecodeConfig;
use crate::data::sample::{Sample, Target};
use crate::data::source::Source;

/// Files below a folder.
#[derive(Debug)]
pub(super) struct FileList {
    pub(super) root: PathBuf,
    /// Paths below the root.
    pub(super) files: Names,
    pub(super) targets: Targets,
    pub(super) class_names: Vec<String>,
    pub(super) decode: DecodeConfig,
}

/// What is known of each file.
#[derive(Debug)]
pub(super) enum Targets {
    /// A class.
    One(Vec<u32>),
    /// Whatever a sample can have.
    Many(Vec<Target>),
}

impl Source for FileList {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn id(&self, index: usize) -> String {
        self.files.get(index).to_string_lossy().into_owned()
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        (index < self.len()).then(|| self.root.join(self.files.get(index)))
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        match &self.targets {
            Targets::One(labels) => labels.get(index).map_or_else(Vec::new, |&label| vec![label]),
            Targets::Many(targets) => {
                targets.get(index).map_or_else(Vec::new, |target| target.labels.clone())
            }
        }
    }

    fn target(&self, index: usize) -> Result<Target> {
        if index >= self.len() {
            return Err(no_such(index, self.len()));
        }
        Ok(match &self.targets {
            Targets::One(_) => Target { labels: self.labels(index), ..Target::default() },
            Targets::Many(targets) => targets.get(index).cloned().unwrap_or_default(),
        })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        open_file(self, index, self.decode)
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}
