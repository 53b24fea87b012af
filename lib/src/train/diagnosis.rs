//! What a loss that is no number comes from, and what to do about it.

use candle_core::{DType, Tensor};

use super::learner::Learner;
use crate::data::Batch;
use crate::nn::Model;
use crate::ops::Parameter;
use crate::{Error, Result};

/// The loss as a number; an error that says what one that is no number may come from.
pub(super) fn finite(
    learner: &Learner,
    loss: &Tensor,
    batch: &Batch,
    place: &dyn Fn() -> String,
) -> Result<f64> {
    let value: f64 = loss.to_dtype(DType::F64)?.to_scalar()?;
    if value.is_finite() {
        return Ok(value);
    }
    let got = if value.is_nan() { "NaN" } else { "infinity" };
    Err(Error::Argument {
        op: "Learner".into(),
        expected: "a finite loss".into(),
        got: format!("{got} {}", place()),
        // Whatever stands in the way of looking for the cause must not hide what was found.
        hint: cause(learner, batch).unwrap_or_else(|_| calmer(learner.learning_rate())),
    })
}

fn calmer(lr: f64) -> String {
    format!(
        "Train anew with a lower learning rate than {lr}, e.g. {}, a warm-up (schedule(constant().warmup(100))), or \
         clip_norm(1.0).",
        lr / 10.0
    )
}

/// What is not finite, looked for from the images on, and what to do about it.
fn cause(learner: &Learner, batch: &Batch) -> Result<String> {
    let images = images_not_finite(batch)?;
    if !images.is_empty() {
        return Ok(format!(
            "Images {images:?} of this part hold NaN or infinity themselves: mend or drop them."
        ));
    }
    let calmer = calmer(learner.learning_rate());
    let parameters = learner.net.parameters();
    if let Some(name) = first_not_finite(&parameters)? {
        return Ok(format!(
            "The images of this batch are finite, but {name:?} holds NaN or infinity since the last step: the weights have \
             grown too large; the model must be built anew or loaded from a checkpoint. {calmer}"
        ));
    }
    let layer = match learner.net.as_model() {
        Some(model) => first_layer(model, &batch.images)?,
        None => None,
    };
    Ok(match layer {
        Some(layer) => format!(
            "Images and weights are finite; the first layer that gives NaN or infinity is {layer}. Look for a division by 0, \
             a root or a logarithm there; else its numbers have grown too large. {calmer}"
        ),
        None => format!(
            "Images, weights and what the model makes of them in use are finite: it comes from the loss {:?} itself, or from \
             outputs that have grown too large for it. If the loss is yours, look for a logarithm or a division of 0 in it; \
             else: {calmer}",
            learner.loss.name()
        ),
    })
}

/// The numbers of the batch's images, in their dataset, with a value that is no finite number.
fn images_not_finite(batch: &Batch) -> Result<Vec<usize>> {
    let mut culprits = Vec::new();
    for (at, &index) in batch.indices.iter().enumerate() {
        if !all_finite(&batch.images.get(at)?)? {
            culprits.push(index);
        }
    }
    Ok(culprits)
}

fn first_not_finite(parameters: &[Parameter]) -> Result<Option<&str>> {
    for parameter in parameters {
        if !all_finite(&parameter.var.as_detached_tensor())? {
            return Ok(Some(&parameter.name));
        }
    }
    Ok(None)
}

/// The first layer, in the order of the graph, whose output is not finite.
fn first_layer(model: &Model, images: &Tensor) -> Result<Option<String>> {
    // All layers at once might not fit into memory.
    for nodes in model.graph().nodes().chunks(16) {
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let features = model.features(images, &names)?;
        for node in nodes {
            if !all_finite(features.get(&node.name)?)? {
                return Ok(Some(node.label()));
            }
        }
    }
    Ok(None)
}

fn all_finite(x: &Tensor) -> Result<bool> {
    let values = x.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    Ok(values.iter().all(|value| value.is_finite()))
}

/// An error for want of memory in words; any other as it is.
pub(super) fn memory_in_words(
    error: Error,
    images: usize,
    accumulate: usize,
    place: &dyn Fn() -> String,
) -> Error {
    let text = error.to_string();
    let wants_memory = ["CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "OUT_OF_MEMORY", "ALLOC_FAILED"];
    if !wants_memory.iter().any(|sign| text.contains(sign)) {
        return error;
    }
    let half = (images / 2).max(1);
    let hint = if images > 1 {
        format!(
            "Write batch_size({half}) and accumulate({}), which trains as before with half of the memory; smaller images \
             or a smaller model need less, too.",
            2 * accumulate
        )
    } else {
        "A single image needs too much: take smaller images or a smaller model.".into()
    };
    Error::Argument {
        op: "Learner".into(),
        expected: format!("memory for a batch of {images} images"),
        got: format!("none left on the device {} ({text})", place()),
        hint,
    }
}
