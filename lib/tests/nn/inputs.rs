//! Models of several inputs against the same written with the operators by hand, and what becomes of them in what reads
//! the graph.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use sconce::compress::{
    PruneConfig, QuantizeConfig, half_weights, prune_channels, quantize, quantize_dynamic,
};
use sconce::explain;
use sconce::nn::{
    Activation, Architecture, BatchNormConfig, Detail, Inputs, Mode, Model, Outputs, Padding, Value, backward,
};
use sconce::ops::{self, Sliding};
use sconce::rich::Rich as _;
use sconce::train::Net;
use sconce::{Result, Seed};

/// Two images through the same layers, and how far apart what comes out is.
fn twins() -> Result<Architecture> {
    Model::build_inputs(Inputs::new("left", [3, 8, 6]).input("right", [3, 8, 6]), |[left, right]| {
        let left = left.conv2d(4, 3).named("conv").batch_norm().named("norm").relu().global_avg_pool();
        let right = right.conv2d(4, 3).shares("conv").batch_norm().shares("norm").relu().global_avg_pool();
        (left + right.scale(-1.0)).linear(2).named("fc")
    })
}

/// Numbers beside an image, and the numbers once more as they go in.
fn image_and_numbers() -> Result<Architecture> {
    Model::build_inputs(Inputs::new("image", [1, 6, 6]).input("numbers", [5]), |[image, numbers]| {
        let image = image.conv2d(4, 3).named("conv").relu().global_avg_pool();
        let scores = image.concat(&[&numbers.linear(3).named("in").relu()], 0).linear(2).named("fc");
        Outputs::new("scores", scores).output("gates", numbers.sigmoid())
    })
}

fn values(dims: &[usize], seed: u64) -> Result<Tensor> {
    let mut rng = Seed(seed).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn near(what: &str, got: &Tensor, wanted: &Tensor) {
    assert_eq!(got.dims(), wanted.dims(), "{what}");
    let largest = numbers(wanted).into_iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 1e-4, "{what}: a test of nothing");
    for (got, wanted) in numbers(got).into_iter().zip(numbers(wanted)) {
        assert!((got - wanted).abs() <= 2e-5 * largest + 1e-6, "{what}: {got}, not {wanted} of {largest}");
    }
}

/// The model's tensors by name: those that are trained are the very variables.
fn tensors(net: &Model) -> HashMap<String, Tensor> {
    let all = net.parameters().into_iter().chain(net.buffers());
    all.map(|parameter| (parameter.name, parameter.var.as_tensor().clone())).collect()
}

fn conv(x: &Tensor, tensors: &HashMap<String, Tensor>) -> Result<Tensor> {
    let sliding = Sliding { stride: [1, 1], padding: Padding::from(1), dilation: [1, 1] };
    ops::conv2d(x, &tensors["conv.weight"], Some(&tensors["conv.bias"]), sliding, 1)
}

fn linear(x: &Tensor, name: &str, tensors: &HashMap<String, Tensor>) -> Result<Tensor> {
    let of = |what: &str| &tensors[&format!("{name}.{what}")];
    ops::linear(x, of("weight"), Some(of("bias")))
}

fn twins_by_hand(net: &Model, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
    let all = tensors(net);
    let of = |what: &str| &all[&format!("norm.{what}")];
    let config = BatchNormConfig::default();
    // The model's own statistics are the model's to change.
    let copy = |what: &str| -> Result<Var> { Ok(Var::from_tensor(&of(what).copy()?.detach())?) };
    let running = (copy("running_mean")?, copy("running_var")?);
    let branch = |x: &Tensor| -> Result<Tensor> {
        let x = conv(x, &all)?;
        let x = match mode {
            Mode::Train(_) => {
                ops::batch_norm_train(&x, of("weight"), of("bias"), (&running.0, &running.1), config)?
            }
            Mode::Eval => {
                let running = (of("running_mean"), of("running_var"));
                ops::batch_norm_eval(&x, of("weight"), of("bias"), running, config)?
            }
        };
        ops::global_avg_pool(&ops::relu(&x)?)
    };
    let far = (branch(inputs[0])? - branch(inputs[1])?)?;
    linear(&far, "fc", &all)
}

fn numbers_by_hand(net: &Model, inputs: &[&Tensor], _: Mode) -> Result<Tensor> {
    let all = tensors(net);
    let image = ops::global_avg_pool(&ops::relu(&conv(inputs[0], &all)?)?)?;
    let numbers = ops::relu(&linear(inputs[1], "in", &all)?)?;
    linear(&ops::concat(&[&image, &numbers], 1)?, "fc", &all)
}

type ByHand = fn(&Model, &[&Tensor], Mode) -> Result<Tensor>;

#[test]
fn they_are_what_is_written_by_hand() -> Result<()> {
    for (name, architecture, by_hand, shapes) in [
        ("twins", twins()?, twins_by_hand as ByHand, [&[5, 3, 8, 6][..], &[5, 3, 8, 6]]),
        ("image and numbers", image_and_numbers()?, numbers_by_hand, [&[5, 1, 6, 6], &[5, 5]]),
    ] {
        for mode in [Mode::Eval, Mode::Train(Seed(3))] {
            let net = architecture.init(Seed(1), &Device::Cpu)?;
            let vars = [Var::from_tensor(&values(shapes[0], 1)?)?, Var::from_tensor(&values(shapes[1], 2)?)?];
            let inputs = [vars[0].as_tensor(), vars[1].as_tensor()];
            let wanted = by_hand(&net, &inputs, mode)?;
            let got = net.forward_inputs(&inputs, mode)?;
            near(&format!("{name}, {mode:?}"), &got, &wanted);
            let factors = values(got.dims(), 4)?;
            let [got, wanted] =
                [backward(&(got * &factors)?.sum_all()?)?, backward(&(wanted * &factors)?.sum_all()?)?];
            for (at, x) in inputs.iter().enumerate() {
                near(&format!("{name}, {mode:?}, input {at}"), got.get(x).unwrap(), wanted.get(x).unwrap());
            }
            if mode != Mode::Eval {
                // Before a norm a bias has a gradient of nothing but rounding.
                for parameter in
                    net.parameters().iter().filter(|it| name != "twins" || it.name != "conv.bias")
                {
                    let of = |gradients: &candle_core::backprop::GradStore| {
                        gradients.get(parameter.var.as_tensor()).unwrap().clone()
                    };
                    near(&format!("{name}: {}", parameter.name), &of(&got), &of(&wanted));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn inputs_are_the_first_nodes_in_their_order() -> Result<()> {
    let net = image_and_numbers()?.init(Seed(1), &Device::Cpu)?;
    let graph = net.graph();
    let inputs: Vec<(&str, &[usize])> =
        graph.inputs().iter().map(|node| (node.name.as_str(), node.shape.as_slice())).collect();
    assert_eq!(inputs, [("image", &[1, 6, 6][..]), ("numbers", &[5])]);
    assert_eq!(graph.nodes()[1].name, "numbers");
    let x = [values(&[2, 1, 9, 4], 1)?, values(&[2, 5], 2)?];
    // Images may have other sizes where the layers allow it.
    let outputs = net.forward_inputs_outputs(&[&x[0], &x[1]], Mode::Eval)?;
    assert_eq!(outputs.names(), ["scores", "gates"]);
    near("gates", outputs.get("gates")?, &ops::activate(&x[1], Activation::Sigmoid)?);
    // A model of one input is run either way, and its input is called as ever.
    let one = Model::build([1, 4, 4], |x| x.flatten().linear(2))?.init(Seed(1), &Device::Cpu)?;
    assert_eq!(one.graph().inputs()[0].name, "input");
    let image = values(&[3, 1, 4, 4], 1)?;
    let got = [one.forward(&image, Mode::Eval)?, one.forward_inputs(&[&image], Mode::Eval)?];
    assert_eq!(numbers(&got[0]), numbers(&got[1]));
    // Features alone.
    let features = Model::build_inputs(Inputs::new("features", [3]), |[x]| x.linear(2))?;
    let features = features.init(Seed(1), &Device::Cpu)?;
    assert_eq!(features.forward(&values(&[4, 3], 1)?, Mode::Eval)?.dims(), [4, 2]);
    let error = features.forward(&values(&[3], 1)?, Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("a batch (B, 3), got (3)") && error.contains("unsqueeze(0)"), "{error}");
    Ok(())
}

#[test]
fn what_cannot_be_an_input_is_refused() -> Result<()> {
    let refusal = |inputs: Inputs, layers: fn([Value; 2]) -> Value| {
        Model::build_inputs(inputs, layers).map(|_| ()).unwrap_err().to_string()
    };
    let first: fn([Value; 2]) -> Value = |[a, _]| a.relu();
    for (inputs, words) in [
        (Inputs::new("a", [3]), ["|[a]|", "one of 2 values"]),
        (Inputs::new("a", [3]).input("b", [3]).input("c", [3]), ["|[a, b, c]|", "one of 2 values"]),
        (Inputs::new("a", [3]).input("a", [3]), ["input \"a\"", "\"a\" twice"]),
        (Inputs::new("a", [3]).input("", [3]), ["a name such as", "\"\""]),
        (Inputs::new("a", [3]).input("b", [1, 2, 3, 4]), ["input \"b\"", "(1, 2, 3, 4)"]),
        (Inputs::new("a", [3]).input("b", Vec::new()), ["input \"b\"", "features (D)"]),
        (Inputs::new("a", [3]).input("b", [3, 0, 2]), ["input \"b\"", "at least one pixel"]),
        (Inputs::new("a", [3]).input("b", [usize::MAX, 3]), ["input \"b\"", "fit into a memory"]),
    ] {
        let error = refusal(inputs, first);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    let error = refusal(Inputs::new("a", [3]).input("b", [4]), |[a, b]| (a + b).named("sum"));
    assert!(error.starts_with("add \"sum\": expected two inputs of one shape, got (3) and (4)"), "{error}");

    let net = image_and_numbers()?.init(Seed(1), &Device::Cpu)?;
    let (image, others) = (values(&[2, 1, 6, 6], 1)?, values(&[2, 5], 2)?);
    let refusal = |inputs: &[&Tensor]| net.forward_inputs(inputs, Mode::Eval).unwrap_err().to_string();
    let alone = net.forward(&image, Mode::Eval).unwrap_err().to_string();
    for (error, words) in [
        (alone, ["image (B, 1, 6, 6) and numbers (B, 5)", "forward_inputs(&[&image, &numbers], mode)"]),
        (refusal(&[]), ["got 0 tensors", "numbers (B, 5)"]),
        (refusal(&[&others, &image]), ["for the input \"image\"", "got (2, 5)"]),
        (refusal(&[&image, &values(&[2, 4], 1)?]), ["(B, 5) for the input \"numbers\"", "got (2, 4)"]),
        (refusal(&[&image, &values(&[3, 5], 1)?]), ["batches of one size", "got (2, 3)"]),
        (refusal(&[&image, &others.to_dtype(DType::F64)?]), ["dtype f32 for the input \"numbers\"", "f64"]),
        (refusal(&[&image.narrow(0, 0, 0)?, &others.narrow(0, 0, 0)?]), ["(0, 1, 6, 6)", "\"image\""]),
    ] {
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    Ok(())
}

#[test]
fn they_are_saved_and_opened_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for (architecture, shapes) in
        [(twins()?, [&[2, 3, 8, 6][..], &[2, 3, 8, 6]]), (image_and_numbers()?, [&[2, 1, 6, 6], &[2, 5]])]
    {
        let net = architecture.init(Seed(1), &Device::Cpu)?;
        let inputs = [values(shapes[0], 1)?, values(shapes[1], 2)?];
        let inputs = [&inputs[0], &inputs[1]];
        net.forward_inputs(&inputs, Mode::Train(Seed(1)))?; // moves the statistics of norms
        net.save(&path)?;
        let again = Model::open(&path, &Device::Cpu)?;
        assert_eq!(again.graph(), net.graph());
        let bits = |net: &Model| -> Result<Vec<u32>> {
            Ok(numbers(&net.forward_inputs(&inputs, Mode::Eval)?).into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(&again)?, bits(&net)?);
        net.save_compact(&path)?;
        assert_eq!(bits(&Model::open(&path, &Device::Cpu)?)?, bits(&net)?);
        half_weights(&net, Default::default())?.save(&path)?;
        Model::open(&path, &Device::Cpu)?.forward_inputs(&inputs, Mode::Eval)?;
    }
    Ok(())
}

#[test]
fn what_reads_the_graph_takes_them_or_says_that_it_does_not() -> Result<()> {
    let net = twins()?.init(Seed(1), &Device::Cpu)?;
    let summary = net.summary().text();
    let line = |name: &str| summary.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("left").contains("(3, 8, 6)") && line("right").contains("(3, 8, 6)"), "{summary}");
    assert!(summary.contains("shared with conv of right"), "{summary}");
    let diagram = net.diagram(Detail::Layers)?;
    assert!(diagram.text().starts_with("left  (3, 8, 6)\nright  (3, 8, 6)\n"), "{}", diagram.text());
    assert!(diagram.rich().plain().is_some());
    let shapes = net.graph().infer_inputs(&[&[3, 10, 6], &[3, 7, 7]])?;
    assert_eq!(shapes[..2], [vec![3, 10, 6], vec![3, 7, 7]]);

    // Inputs keep their channels, and what both branches share is cut in both.
    let pruned = prune_channels(&net, &PruneConfig::ratio(0.5))?.model;
    assert_eq!(pruned.graph().node("conv")?.shape, [2, 8, 6]);
    let x = [values(&[2, 3, 8, 6], 1)?, values(&[2, 3, 8, 6], 2)?];
    assert_eq!(pruned.forward_inputs(&[&x[0], &x[1]], Mode::Eval)?.dims(), [2, 2]);
    let same = prune_channels(&net, &PruneConfig::ratio(0.0))?.model;
    let [got, wanted] = [&same, &net].map(|net| net.forward_inputs(&[&x[0], &x[1]], Mode::Eval));
    near("nothing pruned", &got?, &wanted?);
    let wider = net.replace_head(7, Seed(1))?;
    assert_eq!(wider.forward_inputs(&[&x[0], &x[1]], Mode::Eval)?.dims(), [2, 7]);

    let batches = [x[0].clone()];
    let image = x[0].narrow(0, 0, 1)?;
    let config = QuantizeConfig::default();
    for (what, error) in [
        ("infer", net.graph().infer([3, 8, 6]).unwrap_err()),
        ("resized", net.resized([3, 9, 9]).map(|_| ()).unwrap_err()),
        ("quantize", quantize(&net, &batches, &config).map(|_| ()).unwrap_err()),
        ("quantize_dynamic", quantize_dynamic(&net, &[]).map(|_| ()).unwrap_err()),
        ("learner", Net::forward(&net, &x[0], Mode::Train(Seed(1))).unwrap_err()),
        ("feature_maps", net.feature_maps(&image, "conv").map(|_| ()).unwrap_err()),
        ("features", net.features(&x[0], &["conv"]).map(|_| ()).unwrap_err()),
        ("statistics", explain::activation_statistics(&net, &x[0]).map(|_| ()).unwrap_err()),
    ] {
        let error = error.to_string();
        assert!(error.contains("left (B, 3, 8, 6) and right (B, 3, 8, 6)"), "{what}: {error}");
    }
    Ok(())
}
