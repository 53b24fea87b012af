//! Which tensors of a file become which of a model.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::graph::TensorSpec;
use super::load_report::{LoadReport, Mismatch};
use crate::Result;
use crate::checkpoint::{Checkpoint, Source, Spelling, StoredTensor, spellings};
use crate::progress::{Progress, Unit};

/// How many batches a batch norm has seen: PyTorch counts them, and nothing here needs it.
const BATCHES_SEEN: &str = "num_batches_tracked";

/// Where the tensors of a model come from, in their order.
pub(super) struct Plan<'a> {
    spelling: Spelling,
    found: Vec<Found<'a>>,
}

/// What a file has for a tensor of the model.
enum Found<'a> {
    Missing,
    /// In a form that does not fit, which is told.
    Different {
        file: String,
        from: Vec<&'a StoredTensor>,
    },
    Fitting {
        from: Vec<&'a StoredTensor>,
        take: Take,
    },
}

/// What of it is taken.
#[derive(Debug, Clone, Copy)]
enum Take {
    All,
    /// One of so many equal parts.
    Part {
        index: usize,
        of: usize,
    },
}

impl<'a> Plan<'a> {
    /// By the spelling that finds the most; our own where others find no more.
    pub(super) fn new(specs: &[&TensorSpec], checkpoint: &'a Checkpoint) -> Plan<'a> {
        let by_name: HashMap<&str, &StoredTensor> =
            checkpoint.tensors().iter().map(|tensor| (tensor.name(), tensor)).collect();
        let mut best: Option<(usize, Plan)> = None;
        for spelling in spellings() {
            let found: Vec<Found> = specs.iter().map(|spec| find(spec, &spelling, &by_name)).collect();
            // What is there in another form still speaks for the spelling, but less.
            let score = found.iter().map(|found| match found {
                Found::Missing => 0,
                Found::Different { .. } => 1,
                Found::Fitting { .. } => 2,
            });
            let score = score.sum();
            if best.as_ref().is_none_or(|(least, _)| score > *least) {
                best = Some((score, Plan { spelling, found }));
            }
        }
        best.map_or_else(|| Plan { spelling: Spelling::default(), found: Vec::new() }, |(_, plan)| plan)
    }

    pub(super) fn report(&self, specs: &[&TensorSpec], checkpoint: &Checkpoint) -> LoadReport {
        let mut report = LoadReport {
            path: checkpoint.path().to_owned(),
            loaded: Vec::new(),
            missing: Vec::new(),
            unexpected: Vec::new(),
            mismatched: Vec::new(),
            converted: BTreeMap::new(),
            spelling: None,
            others: checkpoint.others().to_vec(),
        };
        let mut used = HashSet::new();
        for (spec, found) in specs.iter().zip(&self.found) {
            match found {
                Found::Missing => report.missing.push(spec.name.clone()),
                Found::Different { file, from } => {
                    used.extend(from.iter().map(|tensor| tensor.name()));
                    let (name, model) = (spec.name.clone(), spec.shape.clone());
                    report.mismatched.push(Mismatch { name, model, file: file.clone() });
                }
                Found::Fitting { from, .. } => {
                    used.extend(from.iter().map(|tensor| tensor.name()));
                    if let Some(tensor) = from.iter().find(|tensor| !tensor.is_f32()) {
                        *report.converted.entry(tensor.dtype()).or_default() += 1;
                    }
                    report.loaded.push(spec.name.clone());
                }
            }
        }
        let left = checkpoint.tensors().iter().map(StoredTensor::name);
        let left = left.filter(|name| !used.contains(name) && name.rsplit('.').next() != Some(BATCHES_SEEN));
        report.unexpected = left.map(str::to_owned).collect();
        report.unexpected.sort();
        report.spelling =
            (!self.spelling.is_own() && !used.is_empty()).then(|| self.spelling.title.to_owned());
        report
    }

    /// The values of each tensor of the model that the file has.
    pub(super) fn read(
        &self,
        specs: &[&TensorSpec],
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let bytes = |spec: &&TensorSpec| 4 * spec.shape.iter().product::<usize>() as u64;
        let name = checkpoint.path().file_name().unwrap_or_default().to_string_lossy();
        let total = specs.iter().map(bytes).sum();
        let mut progress = Progress::start(&format!("reading {name}"), Unit::Bytes, Some(total));
        let mut reader = checkpoint.reader()?;
        let (mut all, mut done) = (Vec::with_capacity(specs.len()), 0);
        for (spec, found) in specs.iter().zip(&self.found) {
            let Found::Fitting { from, take } = found else {
                all.push(None);
                continue;
            };
            let mut values = Vec::new();
            for tensor in from {
                let read = reader.values(tensor)?;
                if values.is_empty() { values = read } else { values.extend(read) }
            }
            if let Take::Part { index, of } = take {
                let length = values.len() / of;
                values = values.split_off(index * length);
                values.truncate(length);
            }
            all.push(Some(values));
            done += bytes(spec);
            progress.at(done)?;
        }
        Ok(all)
    }
}

fn find<'a>(spec: &TensorSpec, spelling: &Spelling, by_name: &HashMap<&str, &'a StoredTensor>) -> Found<'a> {
    let get = |name: &String| by_name.get(name.as_str()).copied();
    let (names, take) = match spelling.source(&spec.name) {
        Source::Whole(name) => (vec![name], Take::All),
        Source::Part { whole, index, of } => (vec![whole], Take::Part { index, of }),
        Source::Joined(names) => (names, Take::All),
    };
    let Some(from) = names.iter().map(get).collect::<Option<Vec<_>>>() else { return Found::Missing };
    let fits = match (from.as_slice(), take) {
        ([tensor], Take::All) if spelling.is_own() => tensor.shape() == spec.shape,
        // Other libraries leave out sides of 1, or have more of them.
        ([tensor], Take::All) => without_ones(tensor.shape()) == without_ones(&spec.shape),
        ([tensor], Take::Part { of, .. }) => match (tensor.shape(), spec.shape.as_slice()) {
            ([all, rest @ ..], [part, own @ ..]) => rest == own && part.checked_mul(of) == Some(*all),
            _ => false,
        },
        (tensors, _) => {
            let first = |tensor: &&StoredTensor| tensor.shape().first().copied();
            let sides: Option<usize> = tensors.iter().map(first).sum();
            let rest = spec.shape.get(1..).unwrap_or_default();
            sides == spec.shape.first().copied()
                && tensors.iter().all(|tensor| tensor.shape().get(1..) == Some(rest))
        }
    };
    if fits && from.iter().all(|tensor| tensor.is_float()) {
        return Found::Fitting { from, take };
    }
    let kinds: Vec<String> = from.iter().map(|tensor| tensor.kind()).collect();
    Found::Different { file: kinds.join(" and "), from }
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&side| side != 1).collect()
}
