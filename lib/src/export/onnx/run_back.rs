//! The file in onnxruntime, beside the model.

use std::path::Path;

use super::OnnxConfig;
use crate::Result;
use crate::export::report::Check;
use crate::export::source::Source;

#[cfg(not(feature = "onnxruntime"))]
pub(super) fn run_back(_: &Source, _: &Path, _: &OnnxConfig) -> Result<Check> {
    Ok(Check::NotRun("this Sconce is built without the feature onnxruntime".into()))
}

#[cfg(feature = "onnxruntime")]
pub(super) fn run_back(source: &Source, path: &Path, config: &OnnxConfig) -> Result<Check> {
    use candle_core::Device;

    use crate::export::metadata::Batch;
    use crate::export::runtime::{self, Runtime};

    if let Err(error) = runtime::library() {
        return Ok(Check::NotRun(error.to_string()));
    }
    let runtime = Runtime::onnx(path)?;
    let images = match config.batch {
        Batch::Fixed(images) => images,
        Batch::Dynamic => 2,
    };
    let random = source.random_inputs(images)?;
    let mut deviations = vec![deviation(source, &runtime, "random", &random)?];
    if !config.inputs.is_empty() {
        let given = config.inputs.iter().map(|x| x.to_device(&Device::Cpu));
        let given = given.collect::<candle_core::Result<Vec<_>>>()?;
        deviations.push(deviation(source, &runtime, "given", &given)?);
    }
    Ok(Check::Ran { runtime: "onnxruntime".into(), deviations })
}

#[cfg(feature = "onnxruntime")]
fn deviation(
    source: &Source,
    runtime: &crate::export::runtime::Runtime,
    what: &str,
    inputs: &[candle_core::Tensor],
) -> Result<crate::export::report::Deviation> {
    use crate::export::report::Deviation;

    let (ours, theirs) = (source.forward(inputs)?, runtime.run(inputs)?);
    Deviation::of(format!("{what} {}", source.words(inputs)), &ours, &theirs)
}
