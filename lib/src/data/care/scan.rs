//! What is wrong with the images of a data set.

use std::collections::HashMap;

use super::config::ScanConfig;
use super::finding::{Finding, FindingKind, Problem};
use super::looking::look_at_all;
use super::measure::Measured;
use super::near::Near;
use crate::Result;
use crate::data::Dataset;

/// What is wrong with the images of a data set, or may be; [`Dataset::scan`] makes it.
#[derive(Debug, Clone)]
pub struct Scan {
    /// What was found, in the order of the images.
    pub findings: Vec<Finding>,
    /// Classes with few examples; none are told by a scan that was interrupted, which has not seen all examples.
    pub rare_classes: Vec<RareClass>,
    /// What each image was measured by, as far as the scan came; `None` for one that could not be read.
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
    /// An interrupt ends it, and what was found until then comes back: [`Scan::is_complete`] tells.
    ///
    /// # Errors
    /// For limits that can't be meant. Images that can't be read are findings.
    pub fn scan(&self, config: ScanConfig) -> Result<Scan> {
        let config = config.checked("Dataset::scan")?;
        let mut duplicates = Duplicates::within(config.near_distance);
        let mut examples = Examples::of(self);
        let mut scan =
            Scan { findings: Vec::new(), rare_classes: Vec::new(), measured: Vec::new(), data: self.clone() };
        look_at_all(self, config, "scan", |index, looked| {
            let again = looked.measured.as_ref().and_then(|measured| duplicates.look(index, measured));
            for kind in looked.found.into_iter().chain(again) {
                scan.findings.push(Finding { index, id: self.id(index)?, kind });
            }
            examples.count(&looked.classes);
            scan.measured.push(looked.measured);
            Ok(())
        })?;
        if scan.is_complete() {
            scan.rare_classes = examples.fewer_than(config.min_class_examples, self);
        }
        Ok(scan)
    }
}

/// The images so far, to tell one that is, or looks like, an earlier one.
struct Duplicates {
    same: HashMap<[u8; 32], usize>,
    near: Option<Near>,
    /// Which image each fingerprint is of.
    places: Vec<usize>,
}

impl Duplicates {
    fn within(near_distance: Option<u32>) -> Duplicates {
        Duplicates { same: HashMap::new(), near: near_distance.map(Near::within), places: Vec::new() }
    }

    /// What the next image is a duplicate of, if it is one.
    fn look(&mut self, index: usize, measured: &Measured) -> Option<FindingKind> {
        if let Some(&of) = self.same.get(&measured.digest) {
            return Some(FindingKind::Duplicate { of });
        }
        self.same.insert(measured.digest, index);
        let (near, hash) = (self.near.as_mut()?, measured.hash?);
        if let Some((number, distance)) = near.nearest(hash) {
            return Some(FindingKind::NearDuplicate { of: *self.places.get(number)?, distance });
        }
        near.push(hash);
        self.places.push(index);
        None
    }
}

/// How many examples each class has.
struct Examples {
    of_class: Vec<usize>,
    /// Whether anything has a class at all.
    any: bool,
}

impl Examples {
    fn of(data: &Dataset) -> Examples {
        Examples { of_class: vec![0; data.num_classes()], any: false }
    }

    fn count(&mut self, classes: &[u32]) {
        self.any |= !classes.is_empty();
        for &class in classes {
            if let Some(examples) = self.of_class.get_mut(class as usize) {
                *examples += 1;
            }
        }
    }

    /// None where nothing has a class.
    fn fewer_than(self, least: usize, data: &Dataset) -> Vec<RareClass> {
        if !self.any {
            return Vec::new();
        }
        let classes = (0_u32..).zip(data.class_names()).zip(self.of_class);
        classes
            .filter(|(_, examples)| *examples < least)
            .map(|((class, name), examples)| RareClass { class, name: name.clone(), examples })
            .collect()
    }
}

impl Scan {
    /// Whether every image was looked at. After an interrupt not: then everything here is of the first
    /// `measured.len()` images, and nothing is known of the others.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.measured.len() == self.data.len()
    }

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
