//! Which layer is meant.

use crate::nearest::nearest;
use crate::nn::{Model, Operator};
use crate::ops::shape_text;
use crate::{Error, Result};

/// The node called `name`.
pub(super) fn called(op: &'static str, model: &Model, name: &str) -> Result<usize> {
    let nodes = model.graph().nodes();
    nodes.iter().position(|node| node.name == name).ok_or_else(|| {
        let near = nearest(name, nodes.iter().map(|node| node.name.as_str()));
        let hint = match near.is_empty() {
            true => "The summary lists the layers; name your own with `.named(\"…\")`.".to_owned(),
            false => format!("Is it {}? The summary lists all layers.", quoted(&near, " or ")),
        };
        Error::Argument {
            op: op.into(),
            expected: format!("one of the model's {} layers", nodes.len()),
            got: format!("{name:?}"),
            hint,
        }
    })
}

/// The node called `name`, or else the last whose output is maps of more than one place, for images of this shape. The
/// scores must come from it.
pub(super) fn with_maps(
    op: &'static str,
    model: &Model,
    name: Option<&str>,
    image: [usize; 3],
) -> Result<usize> {
    let shapes = model.graph().infer(image)?;
    let leads = model.leads_to_output();
    let nodes = model.graph().nodes();
    let has_maps = |shape: &[usize]| matches!(*shape, [_, height, width] if height * width > 1);
    let last = (0..nodes.len())
        .rev()
        .find(|&node| leads[node] && has_maps(&shapes[node]) && computes(&nodes[node].operator));
    let Some(name) = name else {
        // Maps before tokens are those of the patches, in which nothing has been seen yet.
        let tokens = |node: &usize| {
            let operator = &nodes[*node].operator;
            let of_tokens = matches!(
                operator,
                Operator::ImageToTokens
                    | Operator::ScaledDotProductAttention { .. }
                    | Operator::MultiHeadAttention { .. }
            );
            leads[*node] && of_tokens
        };
        let last = last.filter(|&last| !(last..nodes.len()).any(|node| tokens(&node)));
        return last.ok_or_else(|| Error::Argument {
            op: op.into(),
            expected: "a model whose last layers give maps (C, H, W)".into(),
            got: "one that ends in tokens or features".into(),
            hint: "For a transformer look at `explain::attention_rollout`, or name the layer: \
                   `CamConfig::default().layer(name)`."
                .into(),
        });
    };
    let node = called(op, model, name)?;
    if !leads[node] {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a layer that the main output is computed from".into(),
            got: format!("{name:?}, which it is not"),
            hint: "Choose a layer before the main output.".into(),
        });
    }
    if shapes[node].len() != 3 {
        let maps: Vec<&str> = (0..nodes.len())
            .filter(|&node| leads[node] && has_maps(&shapes[node]) && computes(&nodes[node].operator))
            .map(|node| nodes[node].name.as_str())
            .collect();
        let end = maps.len().saturating_sub(3);
        return Err(Error::Shape {
            op: op.into(),
            expected: "a layer whose output is maps (C, H, W)".into(),
            got: format!("{name:?}, which gives {}", shape_text(&shapes[node])),
            hint: match maps.is_empty() {
                true => "This model has none.".into(),
                false => format!("The last layers with maps are {}.", quoted(&maps[end..], ", ")),
            },
        });
    }
    Ok(node)
}

/// Whether a node does something in use.
fn computes(operator: &Operator) -> bool {
    !matches!(operator, Operator::Input | Operator::Dropout { .. } | Operator::StochasticDepth { .. })
}

/// Names in quotes.
pub(super) fn quoted(names: &[&str], between: &str) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(between)
}
