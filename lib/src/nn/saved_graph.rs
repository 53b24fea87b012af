//! Graphs in files: a model that needs no code to come back.

use std::collections::HashSet;
use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::compact::Compact;
use super::config::TargetSize;
use super::graph::{Graph, Node, of_layer};
use super::inputs::check_shape;
use super::model::Model;
use super::operator::Operator;
use super::parts::Parts;
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};

/// Where a file's metadata has the graph.
pub(super) const GRAPH: &str = "sconce.graph";
/// The version of the form that is written.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    sconce: u32,
    graph: &'a Graph,
}

#[derive(Deserialize)]
struct Found {
    sconce: u32,
    graph: serde_json::Value,
}

/// The graph as text; none where there is code in it.
pub(super) fn description(graph: &Graph) -> Result<Option<String>> {
    if graph.nodes.iter().any(|node| matches!(node.operator, Operator::Map(_))) {
        return Ok(None);
    }
    graph.to_text().map(Some).map_err(|error| Error::Argument {
        op: "Model::save".into(),
        expected: "a graph that can be written".into(),
        got: error.to_string(),
        hint: "Please report this.".into(),
    })
}

impl Model {
    /// The model that [`Model::save`] or [`Model::save_compact`] wrote, layers and weights: one of your own, one of the zoo, or one that was pruned.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("sconce-open-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("digits.safetensors");
    /// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().flatten().linear(10))?.init(Seed(1), &Device::Cpu)?;
    /// net.save(&path)?;
    /// let again = Model::open(&path, &Device::Cpu)?;
    /// assert_eq!(again.graph(), net.graph());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, has no graph (one of another library, of an older Sconce, or of a model with code of
    /// your own: build the model and call [`Model::load`]), or its graph and its weights do not fit each other.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Model> {
        let path = path.as_ref();
        let wrong = |expected: &str, got: String, hint: &str| Error::Format {
            path: path.to_owned(),
            expected: expected.into(),
            got,
            hint: hint.into(),
        };
        let file = Checkpoint::open(path)?;
        let Some(text) = file.metadata(GRAPH) else {
            let hint =
                "Build the model with code and call load on it; models of the zoo come from models::create.";
            return Err(wrong(
                "a file with a model's graph, as Model::save writes it",
                "weights alone".into(),
                hint,
            ));
        };
        let damaged = |problem: String| {
            wrong("the graph of a model", problem, "The file is damaged; save the model again.")
        };
        let graph = Graph::from_text(text).map_err(|problem| match problem {
            Unreadable::Version(version) => wrong(
                "a graph of version 1",
                format!("version {version}"),
                "Open it with the Sconce that wrote it, or a newer one.",
            ),
            Unreadable::Damaged(problem) => damaged(problem),
        })?;
        let compact = Compact::of(&file, &graph).map_err(damaged)?;
        let (mut tensors, mut masks) = (Vec::new(), Vec::new());
        for spec in &graph.tensors {
            let (tensor, mask) = compact.read(&file, spec, device, &damaged)?;
            tensors.push(tensor);
            masks.push(mask);
        }
        let frozen = vec![false; tensors.len()];
        Model::of_parts(Parts { graph, tensors, frozen, masks, device: device.clone() })
    }
}

/// Why no graph comes back from a text.
pub(crate) enum Unreadable {
    /// It is of another version.
    Version(u32),
    /// What is wrong with it.
    Damaged(String),
}

impl Graph {
    /// The graph as files have it, with the version of the form.
    pub(crate) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Written { sconce: VERSION, graph: self })
    }

    /// A graph that a file has brought, looked over, with its shapes inferred anew.
    pub(crate) fn from_text(text: &str) -> std::result::Result<Graph, Unreadable> {
        let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
        let found: Found = serde_json::from_str(text).map_err(damaged)?;
        if found.sconce != VERSION {
            return Err(Unreadable::Version(found.sconce));
        }
        let graph: Graph = serde_json::from_value(found.graph).map_err(damaged)?;
        graph.check().map_err(Unreadable::Damaged)?;
        graph.inferred().map_err(|error| Unreadable::Damaged(error.to_string()))
    }

    /// What is wrong with a graph that a file has brought: places that are none, names that are there twice.
    fn check(&self) -> std::result::Result<(), String> {
        let mut names = HashSet::new();
        let mut used = vec![false; self.tensors.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let of = |problem: &str| format!("{problem} in {}", node.label());
            if !names.insert(&node.name) {
                return Err(of("a name that another layer has"));
            }
            if (node.operator == Operator::Input) != (index < self.inputs().len()) {
                return Err(of("an input that is not among the first layers"));
            }
            if node.operator == Operator::Input {
                check_shape(&node.shape).map_err(|error| of_layer(error, node.label()).to_string())?;
            }
            if node.inputs.iter().any(|&input| input >= index) {
                return Err(of("an input that comes later"));
            }
            if !inputs(&node.operator).contains(&node.inputs.len()) {
                return Err(of(&format!("{} inputs", node.inputs.len())));
            }
            if node.tensors.len() != node.operator.weights().len() {
                return Err(of(&format!("{} tensors", node.tensors.len())));
            }
            for &tensor in &node.tensors {
                let used = used.get_mut(tensor).ok_or_else(|| of("a tensor that is none"))?;
                if std::mem::replace(used, true) && node.shares.is_none() {
                    return Err(of("a tensor that another layer has"));
                }
            }
            if let Some(owner) = node.shares {
                let alike = |owner: &Node| owner.tensors == node.tensors && owner.operator == node.operator;
                if owner >= index || !alike(&self.nodes[owner]) {
                    return Err(of("tensors that are not those of the layer it shares with"));
                }
            }
        }
        let mut names = HashSet::new();
        if let Some(spec) = self.tensors.iter().find(|spec| !names.insert(&spec.name)) {
            return Err(format!("two tensors {}", spec.name));
        }
        if used.contains(&false) {
            return Err("a tensor that no layer has".into());
        }
        let mut names = HashSet::new();
        let good = |node: usize| node < self.nodes.len();
        if self.inputs().is_empty()
            || self.outputs.is_empty()
            || !self.outputs.iter().all(|output| good(output.node) && names.insert(&output.name))
        {
            return Err("inputs or outputs that are none".into());
        }
        Ok(())
    }
}

/// How many inputs an operator takes.
fn inputs(operator: &Operator) -> std::ops::RangeInclusive<usize> {
    match operator {
        Operator::Input => 0..=0,
        Operator::Concat { .. } => 1..=usize::MAX,
        Operator::Add | Operator::Multiply => 2..=2,
        Operator::Interpolate { size: TargetSize::Like, .. } => 2..=2,
        Operator::ScaledDotProductAttention { .. } | Operator::MultiHeadAttention { .. } => 3..=3,
        _ => 1..=1,
    }
}
