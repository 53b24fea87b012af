//! What is wrong with the images of a data set.

use std::collections::HashMap;

use sconce_display::interrupt;

use super::config::ScanConfig;
use super::finding::{Finding, FindingKind, Problem};
use super::looking::look_at_all;
use super::measure::{Looked, Measured};
use super::near::Near;
use crate::data::Dataset;
use crate::{Error, Result};

/// How many images pass between two looks whether an interrupt came.
pub(super) const LOOK: usize = 256;

/// What is wrong with the images of a data set, or may be; [`Dataset::scan`] makes it.
#[derive(Debug, Clone)]
pub struct Scan {
    /// What was found, in the order of the images.
    pub findings: Vec<Finding>,
    /// Classes with few examples.
    pub rare_classes: Vec<RareClass>,
    /// What each image was measured by; `None` for one that could not be read.
    pub measured: Vec<Option<Measured>>,
    /// What was scanned.
    pub(super) data: Dataset,
}

/// A class with few examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RareClass {
    /// Its label.
    pub class: u32,
    /// Its name.
    pub name: String,
    /// How many images have it, objects are of it, or images have pixels of it; in images that can be read.
    pub examples: usize,
}

impl Dataset {
    /// Looks at every image once, before any transform, in parallel, and says what is wrong: files that can't
    /// be read, images that are tiny, of an odd shape, too dark, too bright or blurred, exact and near
    /// duplicates, boxes that can't be right, classes with few examples. Shows how far it is.
    ///
    /// A near duplicate is compared with the images before it that are none themselves, so that a row of
    /// images that change little by little does not become one.
    ///
    /// ```
    /// use sconce::data::care::{Problem, ScanConfig};
    /// use sconce::prelude::*;
    ///
    /// let data = datasets::digits()?;
    /// // The digits are 8 x 8 pixels and look alike by nature.
    /// let config = ScanConfig { min_side: 8, near_distance: None, ..ScanConfig::default() };
    /// let scan = data.scan(config)?;
    /// let clean = data.without(&scan.to_drop())?;
    /// assert_eq!(scan.of(Problem::Tiny).len(), 0);
    /// # assert!(clean.len() <= data.len());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// For limits that can't be meant; [`Error::Interrupted`]. Images that can't be read are findings.
    pub fn scan(&self, config: ScanConfig) -> Result<Scan> {
        let config = config.checked("Dataset::scan")?;
        let mut looked = look_at_all(self, config, "scan")?;
        for (index, kind) in duplicates(&looked, config.near_distance)? {
            looked[index].found.push(kind);
        }
        let rare_classes = rare_classes(self, &looked, config.min_class_examples);
        let mut findings = Vec::new();
        let mut measured = Vec::with_capacity(looked.len());
        for (index, looked) in looked.into_iter().enumerate() {
            for kind in looked.found {
                findings.push(Finding { index, id: self.id(index)?, kind });
            }
            measured.push(looked.measured);
        }
        Ok(Scan { findings, rare_classes, measured, data: self.clone() })
    }
}

/// Images that are, or look like, an earlier one.
fn duplicates(looked: &[Looked], near_distance: Option<u32>) -> Result<Vec<(usize, FindingKind)>> {
    let mut found = Vec::new();
    let mut same: HashMap<[u8; 32], usize> = HashMap::new();
    let mut near = near_distance.map(Near::within);
    // Which image each fingerprint is of.
    let mut places = Vec::new();
    for (index, measured) in looked.iter().map(|looked| looked.measured.as_ref()).enumerate() {
        if index.is_multiple_of(LOOK) && interrupt::requested() {
            return Err(Error::Interrupted { at: format!("in scan, comparing image {index}") });
        }
        let Some(measured) = measured else { continue };
        if let Some(&of) = same.get(&measured.digest) {
            found.push((index, FindingKind::Duplicate { of }));
            continue;
        }
        same.insert(measured.digest, index);
        let (Some(near), Some(hash)) = (near.as_mut(), measured.hash) else { continue };
        match near.nearest(hash) {
            Some((number, distance)) => {
                found.push((index, FindingKind::NearDuplicate { of: places[number], distance }));
            }
            None => {
                near.push(hash);
                places.push(index);
            }
        }
    }
    Ok(found)
}

/// None where nothing in the data has a class.
fn rare_classes(data: &Dataset, looked: &[Looked], least: usize) -> Vec<RareClass> {
    let mut examples = vec![0; data.num_classes()];
    for class in looked.iter().flat_map(|looked| &looked.classes) {
        if let Some(examples) = examples.get_mut(*class as usize) {
            *examples += 1;
        }
    }
    if looked.iter().all(|looked| looked.classes.is_empty()) {
        return Vec::new();
    }
    let classes = (0_u32..).zip(data.class_names()).zip(examples);
    classes
        .filter(|(_, examples)| *examples < least)
        .map(|((class, name), examples)| RareClass { class, name: name.clone(), examples })
        .collect()
}

impl Scan {
    /// The findings of one kind, the worst first.
    #[must_use]
    pub fn of(&self, problem: Problem) -> Vec<&Finding> {
        let mut found: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.kind.problem() == problem).collect();
        found.sort_by(|a, b| b.kind.severity().total_cmp(&a.kind.severity()));
        found
    }

    /// The indices of all images with a finding, in their order, for [`Dataset::without`]. Of images that
    /// duplicate each other the first without any other finding is kept.
    #[must_use]
    pub fn to_drop(&self) -> Vec<usize> {
        self.to_drop_for(&Problem::ALL)
    }

    /// The same for some kinds of findings alone.
    #[must_use]
    pub fn to_drop_for(&self, problems: &[Problem]) -> Vec<usize> {
        let mut drop = vec![false; self.measured.len()];
        // What each image duplicates, itself where it is the first.
        let mut first: Vec<usize> = (0..drop.len()).collect();
        for finding in &self.findings {
            if !problems.contains(&finding.kind.problem()) {
                continue;
            }
            match finding.kind {
                // An earlier image, whose own first is known by now.
                FindingKind::Duplicate { of } | FindingKind::NearDuplicate { of, .. } => {
                    first[finding.index] = first[of];
                }
                _ => drop[finding.index] = true,
            }
        }
        let mut kept = vec![false; drop.len()];
        for (index, first) in first.into_iter().enumerate() {
            if !drop[index] {
                drop[index] = std::mem::replace(&mut kept[first], true);
            }
        }
        (0..drop.len()).filter(|&index| drop[index]).collect()
    }
}
