//! Exported models in LiteRT and in TensorFlow give what they give here.

#![allow(clippy::unwrap_used)]

#[path = "export_tensorflow/models.rs"]
mod models;
#[path = "../lib/tests/compress/graphs.rs"]
mod random;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use sconce::compress::{QuantizeConfig, QuantizedModel, quantize, quantize_dynamic, quantize_trained};
use sconce::export::{
    self, Batch, ExportReport, Exportable, ImageSize, Metadata, SavedModelConfig, TfliteConfig,
    TfliteInterface, TfliteWeights,
};
use sconce::nn::{Graph, Mode, Model};
use sconce::{Result, Seed};
use sconce_tests::{python, tensorflow};
use serde_json::{Value, json};

use models::{filled, images};

/// Numbers as a file that Python reads.
fn write(folder: &Path, file: &str, tensor: &Tensor) -> Result<Value> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(folder.join(file), bytes).unwrap();
    Ok(json!({"file": file, "dims": tensor.dims()}))
}

/// A model's outputs for a batch of images.
fn outputs(model: &Model, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
    let outputs = model.forward_outputs(images, Mode::Eval)?;
    Ok(outputs.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect())
}

/// The ways in which a model is run: a file for one image at a time, with weights in 16 bits, for any number; SavedModel.
const WAYS: [&str; 4] = ["lite", "lite half", "lite batch", "saved"];
/// Besides, what TensorFlow's own converter makes of the SavedModel. It takes longer than all others.
const AND_CONVERTED: [&str; 5] = ["lite", "lite half", "lite batch", "saved", "converted"];

/// Options for a file without f32.
fn on_integers() -> TfliteConfig {
    TfliteConfig { interface: TfliteInterface::Int8, ..TfliteConfig::default() }
}

/// Of large models, whose files take their time.
const OF_LARGE: [&str; 2] = ["lite", "saved"];

/// What Python is to run, and the reports of what was written for it.
struct Cases {
    ways: &'static [&'static str],
    folder: tempfile::TempDir,
    cases: Vec<Value>,
    reports: BTreeMap<String, ExportReport>,
}

impl Cases {
    fn new(ways: &'static [&'static str]) -> Cases {
        Cases { ways, folder: tempfile::tempdir().unwrap(), cases: Vec::new(), reports: BTreeMap::new() }
    }

    /// Exports a model in all ways.
    fn add(&mut self, name: &str, model: &Model, inputs: &[Tensor]) -> Result<()> {
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
    fn inputs(&self, name: &str, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Value>> {
        let named = graph.inputs().iter().zip(inputs).enumerate();
        let written = named.map(|(at, (node, values))| {
            let mut written = write(self.folder.path(), &format!("{name}.{at}.f32"), values)?;
            written["name"] = node.name.as_str().into();
            Ok(written)
        });
        written.collect()
    }

    /// Exports a model on integers, with an interface of integers where it is to run in `whole` ways.
    fn add_int8(
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
    fn add_dynamic(&mut self, name: &str, model: &QuantizedModel, images: &Tensor) -> Result<()> {
        let report = export::saved_model(model, self.folder.path().join(name))?;
        let saved = report.path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_owned();
        let mut output = write(self.folder.path(), &format!("{name}.output.f32"), &model.forward(images)?)?;
        output["name"] = model.graph().outputs()[0].name.as_str().into();
        let inputs = self.inputs(name, model.graph(), std::slice::from_ref(images))?;
        let files = json!({"saved dynamic": saved, "saved other classes": saved});
        self.cases.push(json!({"name": name, "inputs": inputs, "outputs": [output], "files": files}));
        Ok(())
    }

    /// Exports a model for images of any size, one at a time and any number, and has it run on images of these, with
    /// outputs that `run` gives here. Gives the error where both formats refuse it.
    fn add_sizes(
        &mut self,
        name: &str,
        (model, graph): (&dyn Exportable, &Graph),
        sizes: &[[usize; 2]],
        ways: &[&'static str],
        run: impl Fn(&Tensor) -> Result<Vec<(String, Tensor)>>,
    ) -> Result<Option<String>> {
        let folder = self.folder.path().to_owned();
        let mut files = BTreeMap::new();
        let mut refused = Vec::new();
        for &way in ways {
            let size = ImageSize::Dynamic;
            let exported = if way.starts_with("saved") {
                let config = SavedModelConfig { size, ..SavedModelConfig::default() };
                export::saved_model_with(model, folder.join(name), &config)
            } else {
                let batch = if way.ends_with("batch") { Batch::Dynamic } else { Batch::Fixed(1) };
                let config = TfliteConfig { size, batch, ..TfliteConfig::default() };
                export::tflite_with(model, folder.join(format!("{name} {way}.tflite")), &config)
            };
            match exported {
                Ok(report) => {
                    let input = &report.inputs[0];
                    assert!(input.contains(", height, width,"), "{name}: {input}");
                    let path = report.path.strip_prefix(&folder).unwrap().to_str().unwrap();
                    files.insert(way, path.to_owned());
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
        if !refused.is_empty() {
            assert!(files.is_empty(), "{name}: only some formats refuse it: {refused:?}");
            return Ok(refused.pop());
        }
        for &[height, width] in sizes {
            let channels = graph.inputs()[0].shape[0];
            let images = models::values(&[channels, height, width], 2, 7)?;
            let name = format!("{name} {height}x{width}");
            let outputs = run(&images)?.into_iter().map(|(output, tensor)| {
                let mut written = write(&folder, &format!("{name}.{output}.f32"), &tensor)?;
                written["name"] = output.into();
                Ok(written)
            });
            let outputs: Vec<Value> = outputs.collect::<Result<_>>()?;
            let inputs = self.inputs(&name, graph, std::slice::from_ref(&images))?;
            self.cases.push(json!({"name": name, "inputs": inputs, "outputs": outputs, "files": files}));
        }
        Ok(None)
    }

    /// Writes the file of integers of a case again, with metadata, and says what Python is to find there.
    fn tell(&mut self, name: &str, model: &QuantizedModel, metadata: Metadata, told: Value) -> Result<()> {
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
    fn check(&self) {
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

#[test]
fn every_operator_gives_what_it_gives_here() -> Result<()> {
    let mut cases = Cases::new(&WAYS);
    for (index, (name, architecture)) in models::operators().into_iter().enumerate() {
        let model = filled(architecture?.init(Seed(index as u64), &Device::Cpu)?, Seed(index as u64))?;
        let images = images(&model, 2, index as u64)?;
        cases.add(&format!("{index:02}_{name}"), &model, &[images])?;
    }
    cases.check();
    Ok(())
}

/// Of the models of one operator each, those that take images of any size here and have no such form there.
const OF_ONE_SIZE: [&str; 4] = ["avg_pool_ceil", "adaptive", "adaptive_whole", "pad_replicate"];

#[test]
fn images_of_any_size_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&[]);
    for (name, architecture, sizes) in models::any_size()? {
        let model = filled(architecture.init(Seed(5), &Device::Cpu)?, Seed(5))?;
        let ways = ["lite any", "lite any batch", "saved any"];
        let run = |x: &Tensor| outputs(&model, x);
        let refused = cases.add_sizes(name, (&model, model.graph()), &sizes, &ways, run)?;
        assert_eq!(refused, None);
    }
    // On integers.
    let net = Model::build([3, 16, 16], |x| {
        let x = x.conv2d(8, 3).relu().max_pool2d(2);
        (x.conv2d_with(8, models::padded()).relu() + x).global_avg_pool().linear(5)
    })?;
    let net = filled(net.init(Seed(6), &Device::Cpu)?, Seed(6))?;
    // With those that are compared, lest these are cut off.
    let sizes = [[16, 16], [21, 18]];
    let calibration: Vec<Tensor> = sizes
        .iter()
        .map(|[height, width]| models::values(&[3, *height, *width], 2, 7))
        .collect::<Result<_>>()?;
    let quantized = quantize(&net, &calibration, &QuantizeConfig::default())?.model;
    let output = quantized.graph().outputs()[0].name.clone();
    let run = |x: &Tensor| Ok(vec![(output.clone(), quantized.forward(x)?)]);
    let ways = ["lite int8 any", "saved int8 any"];
    let refused = cases.add_sizes("any_int8", (&quantized, quantized.graph()), &sizes, &ways, run)?;
    assert_eq!(refused, None);
    let mut refusals = Vec::new();
    for (index, (name, architecture)) in models::operators().into_iter().enumerate() {
        let model = filled(architecture?.init(Seed(index as u64), &Device::Cpu)?, Seed(index as u64))?;
        let [_, height, width] = model.graph().nodes()[0].shape[..] else { panic!("{name}") };
        let sizes = [[2 * height + 1, width + 5]];
        let here = |x: &Tensor| outputs(&model, x);
        let channels = model.graph().nodes()[0].shape[0];
        let takes = here(&models::values(&[channels, sizes[0][0], sizes[0][1]], 1, 1)?).is_ok();
        let sizes = if takes { &sizes[..] } else { &[] };
        let ways = ["lite any batch"];
        let refused = cases.add_sizes(&format!("any_{name}"), (&model, model.graph()), sizes, &ways, here)?;
        if let Some(error) = refused {
            let names_a_layer =
                model.graph().nodes().iter().any(|node| error.contains(&format!("{:?}", node.name)));
            assert!(names_a_layer, "{name}: {error}");
            if takes {
                refusals.push(name);
            }
        }
    }
    cases.check();
    assert_eq!(refusals, OF_ONE_SIZE);
    Ok(())
}

#[test]
fn models_of_several_inputs_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for (name, architecture) in models::several_inputs() {
        let model = filled(architecture?.init(Seed(1), &Device::Cpu)?, Seed(1))?;
        let nodes = model.graph().inputs().iter().enumerate();
        let inputs = nodes.map(|(at, node)| models::values(&node.shape, 2, at as u64));
        cases.add(name, &model, &inputs.collect::<Result<Vec<_>>>()?)?;
    }
    cases.check();
    Ok(())
}

#[test]
fn random_graphs_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for seed in 0..12 {
        let model = filled(random::random(Seed(seed))?, Seed(seed))?;
        let images = images(&model, 2, seed)?;
        cases.add(&format!("random_{seed}"), &model, &[images])?;
    }
    cases.check();
    Ok(())
}

#[test]
fn the_models_of_the_zoo_give_what_they_give_here_without_transposes() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for (name, model) in models::zoo()? {
        let images = images(&model, 2, 1)?;
        cases.add(name, &model, &[images])?;
    }
    cases.check();
    for (name, report) in &cases.reports {
        let transposes = report.operators.iter().find(|(operator, _)| operator == "TRANSPOSE");
        // Attention in heads is the only thing that takes some.
        let attends = ["vit", "coatnet", "detr"].iter().any(|kind| name.contains(kind));
        assert!(attends || transposes.is_none(), "{name}: {report}");
    }
    Ok(())
}

/// Not through TensorFlow's own converter, which takes three minutes of processor for these four. What it made of them was
/// within 1e-6 of the files of TensorFlow Lite when it was run once; the smallest models of their families go through it
/// above.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn the_large_models_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&OF_LARGE);
    for case in models::large() {
        let (name, model) = case?;
        cases.add(name, &model, &[images(&model, 1, 1)?])?;
    }
    cases.check();
    Ok(())
}

/// Trained on the digits, so that its classes mean something, and quantized, by calibration and in training.
#[test]
fn integers_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&[]);
    for (name, model) in models::for_integers()? {
        // With those that are compared, lest these are cut off.
        let calibration = [images(&model, 16, 1)?, images(&model, 8, 3)?];
        let quantized = quantize(&model, &calibration, &QuantizeConfig::default())?.model;
        let whole: &[_] = match name {
            "int8_mixed" => &[],
            "int8_probabilities" => &["int8 probabilities"],
            _ => &["int8 steps"],
        };
        cases.add_int8(name, &quantized, &images(&model, 8, 3)?, whole)?;
    }
    let (net, aware, calibration, unseen) = models::digits()?;
    let whole = &["int8 steps", "int8 other classes"];
    let quantized = quantize(&net, &calibration, &QuantizeConfig::default())?.model;
    cases.add_int8("digits", &quantized, &unseen, whole)?;
    // The same file with what is told of the model, and the names of the classes behind it.
    let classes: Vec<String> = (0..10).map(|digit| format!("the digit {digit}")).collect();
    let metadata = Metadata::default().classes(&classes).normalized(&[0.25], &[0.5]);
    let told = json!({
        "name": "digits.int8", "input": net.graph().nodes()[0].name, "color": 2, "size": [8, 8], "mean": [63.75],
        "std": [127.5], "outputs": [net.graph().outputs()[0].name], "labels": classes,
    });
    cases.tell("digits", &quantized, metadata, told)?;
    let path = cases.folder.path().join("digits.safetensors");
    quantized.save(&path)?;
    cases.add_int8("digits_from_file", &QuantizedModel::open(&path)?, &unseen, whole)?;
    cases.add_int8("digits_trained", &quantize_trained(&aware)?.model, &unseen, whole)?;
    cases.add_dynamic("digits_dynamic", &quantize_dynamic(&net, &[])?.model, &unseen)?;
    cases.check();
    // Weights in 8 bits are most of a file.
    let wide = Model::build([1, 8, 8], |x| x.flatten().linear(512).relu().linear(10))?;
    let wide = wide.init(Seed(1), &Device::Cpu)?;
    let in_float = export::saved_model(&wide, cases.folder.path().join("wide"))?.bytes;
    let wide = quantize(&wide, &calibration, &QuantizeConfig::default())?.model;
    let in_bytes = export::saved_model(&wide, cases.folder.path().join("wide_int8"))?.bytes;
    assert!(3 * in_bytes < in_float, "{in_bytes} and {in_float} bytes");
    let operators = |name: &str, operator: &str| {
        let found = cases.reports[name].operators.iter().find(|(other, _)| other == operator);
        found.map_or(0, |(_, count)| *count)
    };
    for name in ["digits", "digits_from_file", "digits_trained"] {
        // All that is f32 goes in and comes out.
        assert_eq!(operators(name, "QUANTIZE") + operators(name, "DEQUANTIZE"), 2, "{}", cases.reports[name]);
        let name = format!("{name}, int8");
        assert_eq!(operators(&name, "CONV_2D") + operators(&name, "FULLY_CONNECTED"), 3);
        assert_eq!(operators(&name, "QUANTIZE") + operators(&name, "DEQUANTIZE"), 0);
    }
    Ok(())
}

#[test]
fn a_file_of_integers_names_the_layer_that_is_none() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: &dyn Exportable| {
        let path = folder.path().join("whole.tflite");
        let error = export::tflite_with(model, &path, &on_integers()).unwrap_err().to_string();
        assert!(!path.exists(), "{error}");
        error
    };
    let net = Model::build([3, 8, 8], |x| {
        let x = x.conv2d(4, 3).named("stem").relu().conv2d(4, 3).named("middle").relu();
        x.flatten().linear(5).named("head")
    })?;
    let net = net.init(Seed(1), &Device::Cpu)?;
    let calibration = [images(&net, 8, 1)?];
    let error = refused(&net);
    assert!(error.contains("\"stem\"") && error.contains("compress::quantize makes"), "{error}");
    let error = refused(&quantize_dynamic(&net, &[])?.model);
    assert!(error.contains("\"stem\"") && error.contains("quantize_dynamic"), "{error}");
    for layer in ["stem", "middle", "head"] {
        let config = QuantizeConfig { exclude: vec![layer.to_owned()], ..QuantizeConfig::default() };
        let error = refused(&quantize(&net, &calibration, &config)?.model);
        assert!(error.contains(&format!("{layer:?}")) && error.contains("without excluding"), "{error}");
    }
    let gated = Model::build([3, 8, 8], |x| x.conv2d(4, 3).hardswish().named("gate").conv2d(4, 3))?;
    let gated = gated.init(Seed(1), &Device::Cpu)?;
    let error = refused(&quantize(&gated, &calibration, &QuantizeConfig::default())?.model);
    assert!(error.contains("\"gate\"") && error.contains("other layers"), "{error}");
    Ok(())
}
