//! Exported models, their inputs and what they should give, for Python to run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::Tensor;
use sconce::Result;
use sconce::compress::QuantizedModel;
use sconce::export::{self, Batch, ExportReport, Metadata, TfliteConfig, TfliteInterface, TfliteWeights};
use sconce::nn::{Graph, Mode, Model};
use sconce_tests::{python, tensorflow};
use serde_json::{Value, json};

/// Numbers as a file that Python reads.
pub fn write(folder: &Path, file: &str, tensor: &Tensor) -> Result<Value> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(folder.join(file), bytes).unwrap();
    Ok(json!({"file": file, "dims": tensor.dims()}))
}

/// Besides, what TensorFlow's own converter makes of the SavedModel. It takes longer than all others.
pub const AND_CONVERTED: [&str; 5] = ["lite", "lite half", "lite batch", "saved", "converted"];

/// Options for a file without f32.
pub fn on_integers() -> TfliteConfig {
    TfliteConfig { interface: TfliteInterface::Int8, ..TfliteConfig::default() }
}

/// What Python is to run, and the reports of what was written for it.
pub struct Cases {
    ways: &'static [&'static str],
    pub folder: tempfile::TempDir,
    pub cases: Vec<Value>,
    pub reports: BTreeMap<String, ExportReport>,
}

impl Cases {
    pub fn new(ways: &'static [&'static str]) -> Cases {
        Cases { ways, folder: tempfile::tempdir().unwrap(), cases: Vec::new(), reports: BTreeMap::new() }
    }

    /// Exports a model in all ways.
    pub fn add(&mut self, name: &str, model: &Model, inputs: &[Tensor]) -> Result<()> {
        let folder = self.folder.path();
        let in_use = |way: &str| self.ways.contains(&way);
        let lite = format!("{name}.tflite");
        let report = export::tflite(model, folder.join(&lite))?;
        self.reports.insert(name.to_owned(), report);
        let (half, batch) = (format!("{name}.half.tflite"), format!("{name}.batch.tflite"));
        if in_use("lite half") {
            let config = TfliteConfig { weights: TfliteWeights::Float16, ..TfliteConfig::default() };
            export::tflite_with(model, folder.join(&half), &config)?;
        }
        if in_use("lite batch") {
            let config = TfliteConfig { batch: Batch::Dynamic, ..TfliteConfig::default() };
            export::tflite_with(model, folder.join(&batch), &config)?;
        }
        let saved = export::saved_model(model, folder.join(name))?.path;
        let saved = saved.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let outputs = model.forward_inputs_outputs(&inputs.iter().collect::<Vec<_>>(), Mode::Eval)?;
        let outputs: Vec<Value> = outputs
            .iter()
            .map(|(output, tensor)| {
                let mut written = write(folder, &format!("{name}.{output}.f32"), tensor)?;
                written["name"] = output.into();
                Ok(written)
            })
            .collect::<Result<_>>()?;
        let inputs = self.inputs(name, model.graph(), inputs)?;
        let files = [lite, half, batch, saved.clone(), saved];
        let files: BTreeMap<&str, String> =
            AND_CONVERTED.into_iter().zip(files).filter(|(way, _)| in_use(way)).collect();
        self.cases.push(json!({"name": name, "inputs": inputs, "outputs": outputs, "files": files}));
        Ok(())
    }

    /// What goes in, by name.
    pub fn inputs(&self, name: &str, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Value>> {
        let named = graph.inputs().iter().zip(inputs).enumerate();
        let written = named.map(|(at, (node, values))| {
            let mut written = write(self.folder.path(), &format!("{name}.{at}.f32"), values)?;
            written["name"] = node.name.as_str().into();
            Ok(written)
        });
        written.collect()
    }

    /// Exports a model on integers, with an interface of integers where it is to run in `whole` ways.
    pub fn add_int8(
        &mut self,
        name: &str,
        model: &QuantizedModel,
        images: &Tensor,
        whole: &[&'static str],
    ) -> Result<()> {
        let folder = self.folder.path();
        let lite = format!("{name}.tflite");
        self.reports.insert(name.to_owned(), export::tflite(model, folder.join(&lite))?);
        let int8 = format!("{name}.int8.tflite");
        if !whole.is_empty() {
            let report = export::tflite_with(model, folder.join(&int8), &on_integers())?;
            self.reports.insert(format!("{name}, int8"), report);
        }
        let mut output = write(folder, &format!("{name}.output.f32"), &model.forward(images)?)?;
        output["name"] = model.graph().outputs()[0].name.as_str().into();
        let inputs = self.inputs(name, model.graph(), std::slice::from_ref(images))?;
        let report = export::saved_model(model, folder.join(name))?;
        let saved = report.path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let mut files = BTreeMap::from([("lite int8", &lite), ("saved int8", &saved)]);
        // Classes are those of a row of scores.
        if model.graph().nodes()[model.graph().outputs()[0].node].shape.len() == 1 {
            files.insert("lite other classes", &lite);
            files.insert("saved other classes", &saved);
        }
        files.extend(whole.iter().map(|way| (*way, &int8)));
        self.cases.push(json!({"name": name, "inputs": inputs, "outputs": [output], "files": files}));
        Ok(())
    }

    /// Exports a model whose integers follow the range of their batch, which the file's do not.
    pub fn add_dynamic(&mut self, name: &str, model: &QuantizedModel, images: &Tensor) -> Result<()> {
        let report = export::saved_model(model, self.folder.path().join(name))?;
        let saved = report.path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_owned();
        let mut output = write(self.folder.path(), &format!("{name}.output.f32"), &model.forward(images)?)?;
        output["name"] = model.graph().outputs()[0].name.as_str().into();
        let inputs = self.inputs(name, model.graph(), std::slice::from_ref(images))?;
        let files = json!({"saved dynamic": saved, "saved other classes": saved});
        self.cases.push(json!({"name": name, "inputs": inputs, "outputs": [output], "files": files}));
        Ok(())
    }

    /// Writes the file of integers of a case again, with metadata, and says what Python is to find there.
    pub fn tell(
        &mut self,
        name: &str,
        model: &QuantizedModel,
        metadata: Metadata,
        told: Value,
    ) -> Result<()> {
        let config = TfliteConfig { metadata, ..on_integers() };
        let file = format!("{name}.int8.tflite");
        let path = self.folder.path().join(&file);
        let report = export::tflite_with(model, &path, &config)?;
        assert_eq!(report.bytes, fs::metadata(&path).unwrap().len());
        let case = self.cases.iter_mut().find(|case| case["name"] == name).unwrap();
        case["metadata"] = told;
        case["files"]["metadata"] = file.into();
        Ok(())
    }

    /// Runs all of them in one process, and holds them to how far they may be.
    pub fn check(&self) {
        let folder = self.folder.path();
        fs::write(folder.join("cases.json"), serde_json::to_string(&self.cases).unwrap()).unwrap();
        let mut command = tensorflow::python().unwrap();
        python::run(command.arg("tests/export_tensorflow/run.py").arg(folder)).unwrap();
        let results = fs::read_to_string(folder.join("results.json")).unwrap();
        let results: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&results).unwrap();
        assert_eq!(results.len(), self.cases.len());
        let mut wrong = Vec::new();
        let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, found) in &results {
            for (what, deviation) in found {
                let allowed = match what.as_str() {
                    "lite half" => 2e-2,
                    // Steps of 8 bits.
                    "lite int8" | "lite int8 any" | "saved int8" | "saved int8 any" => 2.0 / 255.0,
                    // Ours rounds what layers take to 255 numbers, too.
                    "saved dynamic" => 0.03,
                    // In steps of the output.
                    "int8 steps" => 2.0,
                    // Rounded logits make others, here by less than this.
                    "int8 probabilities" => 0.05,
                    "int8 other classes" => 0.01,
                    "lite other classes" | "saved other classes" => 0.01,
                    _ => 1e-4,
                };
                match deviation.as_f64() {
                    Some(deviation) if deviation <= allowed => {
                        let most = largest.entry(what.as_str()).or_default();
                        *most = most.max(deviation);
                    }
                    _ => wrong.push(format!("{name}, {what}: {deviation}")),
                }
            }
            let case = self.cases.iter().find(|case| case["name"] == name.as_str()).unwrap();
            if found.len() < case["files"].as_object().unwrap().len() && !found.contains_key("error") {
                wrong.push(format!("{name}: ran in {} ways only", found.len()));
            }
        }
        eprintln!("{} models, largest deviations: {largest:?}", results.len());
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), results.len(), wrong.join("\n"));
    }
}
