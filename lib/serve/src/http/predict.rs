//! `:predict`: tensors in JSON, row by row or input by input.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::few::Named;
use super::{aside, parse, tensorflow};
use crate::backend::{self, Backend};
use crate::failure::Failure;
use crate::numbers::{self, Form};
use crate::tensor::Tensor;
use crate::version::Version;

#[derive(Deserialize)]
struct Predict<'a> {
    signature_name: Option<String>,
    #[serde(borrow)]
    instances: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
}

/// In which form a request came, and its answer goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Rows,
    Columns,
}

/// Answers a request.
///
/// # Errors
/// If it is malformed, or as [`Version::infer`].
pub async fn predict(version: &Version, bytes: &[u8], start: Instant) -> Result<Response, Failure> {
    let (inputs, layout) = aside(bytes.len(), || read(&*version.backend, bytes))?;
    let outputs = version.infer(inputs, start).await?;
    let size = outputs.iter().map(|output| output.data().len()).sum();
    tensorflow::written(size, |out| write(out, &*version.backend, &outputs, layout))
}

fn read(backend: &dyn Backend, bytes: &[u8]) -> Result<(Vec<Tensor>, Layout), Failure> {
    let request: Predict<'_> = parse(bytes)?;
    tensorflow::check_signature(request.signature_name.as_deref())?;
    match (request.instances, request.inputs) {
        (Some(instances), None) => Ok((rows(backend, instances.get())?, Layout::Rows)),
        (None, Some(inputs)) => Ok((columns(backend, inputs.get())?, Layout::Columns)),
        _ => {
            Err(Failure::invalid("expected a JSON object with `instances` or `inputs`, got both or neither."))
        }
    }
}

/// A list of instances: each the value of the one input, or an object with a value for each.
fn rows(backend: &dyn Backend, text: &str) -> Result<Vec<Tensor>, Failure> {
    let list = text.trim_start().strip_prefix('[').map(str::trim_start);
    let list = list.ok_or_else(|| Failure::invalid("`instances`: expected a list, got something else."))?;
    if !list.starts_with('{') {
        return Ok(vec![numbers::read(text, only(backend)?.dtype)?]);
    }
    let rows: Vec<&RawValue> = parse(text.as_bytes())?;
    let mut named: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
    for row in &rows {
        let Named(row) = parse(row.get().as_bytes())?;
        for (name, value) in row {
            let spec = backend::input(backend, &name)?;
            let tensor = numbers::read(value.get(), spec.dtype)?.into_row();
            // At once: a million rows of a number each would take far more memory than what they are to be.
            spec.check(&tensor)?;
            named.entry(name).or_default().push(tensor);
        }
    }
    let joined = named.into_iter().map(|(name, parts)| {
        let alike = parts.iter().all(|part| part.is_like(&parts[0]));
        if !alike || parts.len() != rows.len() {
            return Err(Failure::invalid(format!(
                "`instances`: expected a value of one shape for {name:?} in each, got others."
            )));
        }
        Ok((name, Tensor::join(&parts.iter().collect::<Vec<_>>())?))
    });
    backend::in_order(backend, joined.collect::<Result<_, _>>()?)
}

/// The value of the one input, or an object with a value for each; batches both.
fn columns(backend: &dyn Backend, text: &str) -> Result<Vec<Tensor>, Failure> {
    if !text.trim_start().starts_with('{') {
        return Ok(vec![numbers::read(text, only(backend)?.dtype)?]);
    }
    let Named(columns) = parse(text.as_bytes())?;
    let named = columns.into_iter().map(|(name, value)| {
        let tensor = numbers::read(value.get(), backend::input(backend, &name)?.dtype)?;
        Ok((name, tensor))
    });
    backend::in_order(backend, named.collect::<Result<_, Failure>>()?)
}

fn only(backend: &dyn Backend) -> Result<&backend::TensorSpec, Failure> {
    match backend.inputs() {
        [only] => Ok(only),
        several => {
            let names: Vec<&str> = several.iter().map(|spec| spec.name.as_str()).collect();
            Err(Failure::invalid(format!("expected an object with the inputs {}.", names.join(", "))))
        }
    }
}

fn write(out: &mut String, backend: &dyn Backend, outputs: &[Tensor], layout: Layout) -> Result<(), Failure> {
    let names: Vec<String> = backend.outputs().iter().map(|spec| quoted(&spec.name)).collect();
    match (layout, outputs) {
        (Layout::Rows, [output]) => {
            out.push_str("{\"predictions\":");
            numbers::write(out, output, Form::Nested)?;
        }
        (Layout::Rows, outputs) => {
            out.push_str("{\"predictions\":[");
            for row in 0..outputs.first().map_or(0, Tensor::rows) {
                let row: Vec<Tensor> = outputs.iter().map(|output| output.row(row)).collect();
                out.push_str(if out.ends_with('[') { "" } else { "," });
                write_object(out, &names, &row)?;
            }
            out.push(']');
        }
        (Layout::Columns, [output]) => {
            out.push_str("{\"outputs\":");
            numbers::write(out, output, Form::Nested)?;
        }
        (Layout::Columns, outputs) => {
            out.push_str("{\"outputs\":");
            write_object(out, &names, outputs)?;
        }
    }
    out.push('}');
    Ok(())
}

fn write_object(out: &mut String, names: &[String], tensors: &[Tensor]) -> Result<(), Failure> {
    for (at, (name, tensor)) in names.iter().zip(tensors).enumerate() {
        out.push(if at == 0 { '{' } else { ',' });
        out.push_str(name);
        out.push(':');
        numbers::write(out, tensor, Form::Nested)?;
    }
    out.push('}');
    Ok(())
}

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
