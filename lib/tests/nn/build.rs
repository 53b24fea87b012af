//! Describing a model: shapes, names and what is said about mistakes.

use candle_core::{DType, Device, Tensor};
use sconce::nn::{
    Architecture, BatchNormConfig, Conv2dConfig, Initial, Map, Mode, Model, Operator, OutputUse, Outputs,
    Pool2dConfig, Rounding, Value,
};
use sconce::{Error, Result, Seed};

fn refusal(input: [usize; 3], layers: impl FnOnce(Value) -> Value) -> String {
    Model::build(input, layers).map(|_| ()).unwrap_err().to_string()
}

fn output(architecture: &Architecture) -> &[usize] {
    let graph = architecture.graph();
    &graph.nodes()[graph.outputs()[0].node].shape
}

#[test]
fn a_residual_network_reads_as_in_the_documentation() -> Result<()> {
    let net = Model::build([3, 32, 32], |x| {
        let x = x.conv2d(32, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(32, 3).batch_norm().relu().conv2d(32, 3).batch_norm();
        (x + y).relu().global_avg_pool().linear(10)
    })?;
    let names: Vec<&str> = net.graph().nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "input",
            "conv2d_1",
            "batch_norm_1",
            "stem",
            "conv2d_2",
            "batch_norm_2",
            "relu_1",
            "conv2d_3",
            "batch_norm_3",
            "add_1",
            "relu_2",
            "global_avg_pool_1",
            "linear_1"
        ]
    );
    assert_eq!(output(&net), [10]);
    assert_eq!(net.graph().node("stem")?.shape, [32, 32, 32]);
    assert_eq!(net.graph().node("add_1")?.inputs, [3, 8]);
    let tensors: Vec<&str> = net.graph().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(
        &tensors[..6],
        [
            "conv2d_1.weight",
            "conv2d_1.bias",
            "batch_norm_1.weight",
            "batch_norm_1.bias",
            "batch_norm_1.running_mean",
            "batch_norm_1.running_var"
        ]
    );
    Ok(())
}

#[test]
fn shapes_follow_pytorchs_formulas() -> Result<()> {
    let config = Conv2dConfig {
        kernel: [7, 3],
        stride: [2, 1],
        padding: [3, 0].into(),
        dilation: [1, 2],
        bias: false,
        ..Conv2dConfig::default()
    };
    let net = Model::build([3, 23, 17], |x| x.conv2d_with(8, config))?;
    assert_eq!(output(&net), [8, 12, 13]);
    for (rounding, side) in [(Rounding::Floor, 3), (Rounding::Ceil, 4)] {
        let config = Pool2dConfig { kernel: [3, 3], stride: [2, 2], rounding, ..Pool2dConfig::default() };
        let net = Model::build([2, 8, 8], |x| x.max_pool2d_with(config))?;
        assert_eq!(output(&net), [2, side, side]);
    }
    // A window that would start in the far padding is none.
    let config = Pool2dConfig { padding: 1.into(), rounding: Rounding::Ceil, ..Pool2dConfig::default() };
    assert_eq!(output(&Model::build([1, 3, 3], |x| x.max_pool2d_with(config))?), [1, 2, 2]);
    assert_eq!(output(&Model::build([2, 5, 7], |x| x.max_pool2d(2).flatten())?), [12]);
    assert_eq!(output(&Model::build([2, 5, 7], |x| x)?), [2, 5, 7]);
    Ok(())
}

#[test]
fn a_wrong_shape_names_the_layer_what_it_wanted_and_what_it_got() {
    let error = refusal([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).named("stem");
        let y = x.conv2d(32, 3);
        (x + y).named("merge").relu().global_avg_pool().linear(10)
    });
    assert_eq!(
        error,
        "add \"merge\": expected two inputs of one shape, got (16, 8, 8) and (32, 8, 8). \
         A 1 x 1 conv2d with the right stride and channels can bring one to the other."
    );
    let error = refusal([1, 8, 8], |x| x.conv2d(16, 3).relu().linear(10));
    assert_eq!(
        error,
        "linear \"linear_1\": expected features (C) or tokens (N, D), got (16, 8, 8). \
         Put flatten(), global_avg_pool() or image_to_tokens() before it."
    );
    let error = refusal([1, 8, 8], |x| x.flatten().conv2d(16, 3).named("late"));
    assert!(error.starts_with("conv2d \"late\": expected images (C, H, W), got (64)."), "{error}");
    let error = refusal([1, 4, 4], |x| x.max_pool2d(2).max_pool2d(2).max_pool2d(2));
    assert!(
        error.starts_with("max_pool2d \"max_pool2d_3\": expected images of at least the window, (2, 2)"),
        "{error}"
    );
    assert!(error.contains("got (1, 1)"), "{error}");
}

#[test]
fn the_first_mistake_is_reported_not_those_that_follow_from_it() {
    let error = refusal([1, 8, 8], |x| {
        let broken =
            x.conv2d_with(4, Conv2dConfig { kernel: [9, 9], ..Conv2dConfig::default() }).named("first");
        broken.linear(3).conv2d(8, 3).named("second")
    });
    assert!(error.starts_with("conv2d \"first\""), "{error}");
}

#[test]
fn a_mistake_in_a_layer_that_leads_nowhere_is_one_too() {
    let error = refusal([1, 8, 8], |x| {
        let _unused = x.linear(3).named("unused");
        x.relu()
    });
    assert!(error.starts_with("linear \"unused\""), "{error}");
}

#[test]
fn arguments_out_of_range_are_refused() {
    let conv = |config| refusal([1, 8, 8], |x| x.conv2d_with(4, config));
    let default = Conv2dConfig::default();
    for (error, part) in [
        (
            refusal([1, 8, 8], |x| x.conv2d(0, 3)),
            "conv2d \"conv2d_1\": expected at least 1 of output channels, got 0",
        ),
        (refusal([1, 8, 8], |x| x.conv2d(4, 2)), "expected an odd kernel"),
        (refusal([1, 8, 8], |x| x.conv2d(4, 0)), "expected a kernel of at least 1, got (0, 0)"),
        (conv(Conv2dConfig { stride: [1, 0], ..default }), "expected a stride of at least 1, got (1, 0)"),
        (conv(Conv2dConfig { dilation: [0, 1], ..default }), "expected a dilation of at least 1"),
        (conv(Conv2dConfig { kernel: [usize::MAX; 2], ..default }), "expected images of at least the window"),
        (
            conv(Conv2dConfig { padding: usize::MAX.into(), ..default }),
            "expected images of at least the window",
        ),
        (conv(Conv2dConfig { padding: (1 << 50).into(), ..default }), "could fit into a memory"),
        (refusal([1, 8, 8], |x| x.conv2d(usize::MAX, 3)), "could fit into a memory"),
        (refusal([1, 8, 8], |x| x.flatten().linear(usize::MAX)), "could fit into a memory"),
        (refusal([1, 8, 8], |x| x.flatten().linear(0)), "at least 1 of output features"),
        (refusal([1, 8, 8], |x| x.max_pool2d(0)), "expected a kernel of at least 1"),
        (
            refusal([1, 8, 8], |x| x.dropout(1.0)),
            "dropout \"dropout_1\": expected a probability p in [0, 1), got 1",
        ),
        (refusal([1, 8, 8], |x| x.dropout(f64::NAN)), "got NaN"),
        (
            refusal([1, 0, 8], |x| x.relu()),
            "input \"input\": expected images (C, H, W) of at least one pixel",
        ),
        (
            refusal([1, 8, 8], |x| {
                x.max_pool2d_with(Pool2dConfig { padding: [2, 0].into(), ..Pool2dConfig::default() })
            }),
            "expected a padding of at most half the kernel (2, 2), got (2, 0)",
        ),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn names_are_used_once_and_make_sense() -> Result<()> {
    let error = refusal([1, 8, 8], |x| x.conv2d(4, 3).named("a").relu().named("a"));
    assert!(error.contains("expected a name that no other layer has, got \"a\" twice"), "{error}");
    for name in ["", " a", "a\nb"] {
        assert!(refusal([1, 8, 8], |x| x.relu().named(name)).contains("expected a name such as"), "{name:?}");
    }
    // A name of ours that somebody took is passed over; a second name replaces the first.
    let net = Model::build([1, 8, 8], |x| x.relu().named("relu_2").relu().relu().named("a").named("last"))?;
    let names: Vec<&str> = net.graph().nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["input", "relu_2", "relu_1", "last"]);
    let error = net.graph().node("nope").unwrap_err().to_string();
    assert!(error.contains("one of the layers input, relu_2, relu_1, last, got \"nope\""), "{error}");
    Ok(())
}

#[test]
fn layers_that_lead_nowhere_are_left_out() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| {
        let _unused = x.conv2d(64, 3).relu();
        x.conv2d(4, 3)
    })?;
    assert_eq!(net.graph().nodes().len(), 2);
    assert_eq!(net.graph().nodes()[1].inputs, [0]);
    assert_eq!(net.graph().tensors()[0].shape, [4, 1, 3, 3]);
    Ok(())
}

#[test]
fn values_add_by_value_and_by_reference() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| {
        let y = x.relu();
        let a = &x + &y;
        let b = a.clone() + &y;
        &(b + a) + y
    })?;
    let adds = net.graph().nodes().iter().filter(|node| node.operator == Operator::Add).count();
    assert_eq!(adds, 4);
    Ok(())
}

#[test]
fn other_image_sizes_are_inferred_where_the_layers_allow_it() -> Result<()> {
    let any = Model::build([3, 32, 32], |x| x.conv2d(8, 3).max_pool2d(2).global_avg_pool().linear(10))?;
    let shapes = any.graph().infer([3, 50, 20])?;
    assert_eq!(shapes, [vec![3, 50, 20], vec![8, 50, 20], vec![8, 25, 10], vec![8], vec![10]]);
    let fixed = Model::build([3, 32, 32], |x| x.max_pool2d(2).flatten().linear(10).named("head"))?;
    let error = fixed.graph().infer([3, 50, 20]).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }));
    assert!(error.to_string().starts_with("linear \"head\": expected 768 features, got (750)."), "{error}");
    Ok(())
}

#[test]
fn batch_norm_takes_its_config() -> Result<()> {
    let config = BatchNormConfig { eps: 1e-3, momentum: 0.01 };
    let net = Model::build([3, 4, 4], |x| x.batch_norm_with(config))?;
    assert_eq!(net.graph().nodes()[1].operator, Operator::BatchNorm { channels: 3, config });
    Ok(())
}

#[test]
fn what_tensors_start_as_is_chosen_by_layer() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| {
        let narrow = Initial::truncated_normal(0.02);
        let x =
            x.conv2d(4, 3).named("conv").initial("weight", narrow).initial("bias", Initial::Constant(0.5));
        x.image_to_tokens().class_token().initial("class_token", Initial::Constant(2.0)).named("token")
    })?;
    let net = net.init(Seed(1), &Device::Cpu)?;
    let of = |name: &str| {
        let parameter = net.parameters().into_iter().find(|parameter| parameter.name == name).unwrap();
        parameter.var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert!(of("conv.weight").iter().all(|value| value.abs() <= 0.04));
    assert_eq!(of("conv.bias"), [0.5; 4]);
    assert_eq!(of("token"), [2.0; 4]);
    Ok(())
}

#[test]
fn a_tensor_that_a_layer_has_not_cannot_be_chosen() {
    let zero = Initial::Constant(0.0);
    let message = refusal([1, 4, 4], |x| x.conv2d(4, 3).named("stem").initial("weights", zero));
    let wanted = "conv2d \"stem\": expected one of this layer's tensors weight, bias, got \"weights\"";
    assert!(message.contains(wanted), "{message}");
    let message = refusal([1, 4, 4], |x| x.conv2d(4, 3).relu().initial("weight", zero));
    assert!(message.contains("because this layer has no tensors"), "{message}");
    let message = refusal([1, 4, 4], |x| x.conv2d(4, 3).initial("weight", Initial::Normal { std: -1.0 }));
    assert!(message.contains("a standard deviation that is not negative"), "{message}");
}

#[test]
fn outputs_have_names_of_their_own() -> Result<()> {
    let net = Model::build_outputs([1, 4, 4], |x| {
        let x = x.conv2d(2, 3).named("conv");
        Outputs::new("a", x.flatten().linear(3))
            .output("b", x.clone())
            .training("c", x.conv2d(1, 1).named("aux"))
    })?;
    let outputs: Vec<&str> = net.graph().outputs().iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["a", "b", "c"]);
    assert_eq!(net.graph().outputs()[2].when, OutputUse::Training);
    let summary = net.summary();
    let aux = summary.layers().iter().find(|layer| layer.name == "aux").unwrap();
    assert!(aux.training_only && aux.operator.ends_with(", in training only"), "{}", aux.operator);
    // It has parameters, and no cost in use.
    assert_eq!(summary.num_parameters(), 20 + 99 + 3);
    assert_eq!(summary.multiply_adds(), 16 * 18 + 32 * 3);

    let refused =
        |layers: fn(Value) -> Outputs| Model::build_outputs([1, 4, 4], layers).unwrap_err().to_string();
    let message = refused(|x| Outputs::new("a", x.relu()).output("a", x));
    assert!(message.contains("outputs each with a name of its own, got \"a\""), "{message}");
    assert!(refused(|x| Outputs::new("", x)).contains("outputs each with a name"));
    Ok(())
}

#[test]
fn shared_tensors_are_there_once_under_the_first_layers_name() -> Result<()> {
    let net = Model::build([2, 4, 4], |x| {
        let a = x.conv2d(2, 3).named("head");
        let b = a.relu().conv2d(2, 3).shares("head");
        // Of one that shares itself, too.
        let c = b.relu().conv2d(2, 3).named("third").shares("head");
        (a + c).global_avg_pool()
    })?;
    let names: Vec<&str> = net.graph().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["head.weight", "head.bias"]);
    let summary = net.summary();
    assert_eq!(summary.num_parameters(), 38);
    assert_eq!(summary.layers().iter().filter(|layer| layer.parameters > 0).count(), 1);
    assert!(
        summary.text().contains("conv2d 2 -> 2, 3 x 3, padding 1, shared with head"),
        "{}",
        summary.text()
    );
    assert_eq!(net.init(Seed(1), &Device::Cpu)?.num_parameters(), 38);

    // A layer that is left out itself still gives its tensors their name and beginning.
    let net = Model::build([2, 4, 4], |x| {
        let _ = x.conv2d(2, 3).named("head").initial("bias", Initial::Constant(3.0));
        x.relu().conv2d(2, 3).named("other").shares("head")
    })?;
    assert_eq!(net.graph().tensors()[0].name, "head.weight");
    assert_eq!(net.graph().tensors()[1].initial, Initial::Constant(3.0));
    assert_eq!(net.graph().node("other")?.shares, None);
    assert_eq!(net.summary().num_parameters(), 38);
    Ok(())
}

#[test]
fn layers_that_differ_share_nothing() {
    let message = refusal([2, 4, 4], |x| x.conv2d(2, 3).named("head").conv2d(4, 3).shares("head"));
    let wanted = "the same layer as \"head\", conv2d 2 -> 2, 3 x 3, padding 1, got conv2d 2 -> 4";
    assert!(message.contains(wanted), "{message}");
    let message = refusal([2, 4, 4], |x| x.conv2d(2, 3).shares("later").conv2d(2, 3).named("later"));
    assert!(message.contains("a layer that was added before this one"), "{message}");
    let message = refusal([2, 4, 4], |x| x.conv2d(2, 3).named("a").relu().shares("a"));
    assert!(message.contains("expected a layer with tensors"), "{message}");
    let message = refusal([2, 4, 4], |x| {
        x.conv2d(2, 3).named("a").conv2d(2, 3).shares("a").initial("bias", Initial::Constant(0.0))
    });
    assert!(message.contains("beside shares(\"a\")"), "{message}");
}

#[test]
fn frozen_layers_are_buffers_and_patterns_find_parameters() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| {
        let x = x.conv2d(2, 3).named("layer1.conv").batch_norm().named("layer1.norm").frozen().relu();
        x.conv2d(2, 3).named("layer2.conv").global_avg_pool().linear(3).named("fc")
    })?
    .init(Seed(1), &Device::Cpu)?;
    let names =
        |net: &Model| net.parameters().into_iter().map(|parameter| parameter.name).collect::<Vec<_>>();
    assert_eq!(net.buffers().len(), 4);
    assert_eq!(names(&net).len(), 6);
    net.freeze("layer?.*")?;
    assert_eq!(names(&net.clone()), ["fc.weight", "fc.bias"]);
    assert_eq!(net.num_parameters(), 20 + 38 + 9);
    net.unfreeze("*.bias")?;
    assert_eq!(names(&net), ["layer1.conv.bias", "layer2.conv.bias", "fc.weight", "fc.bias"]);
    let message = net.freeze("layer2").unwrap_err().to_string();
    assert!(message.contains("All parameters of the layer are \"layer2.*\""), "{message}");
    let message = net.freeze("layer3.*").unwrap_err().to_string();
    assert!(message.contains("some of the 6 parameters") && message.contains("fc.bias"), "{message}");
    let message = refusal([1, 4, 4], |x| x.relu().frozen());
    assert!(message.contains("frozen() behind one without"), "{message}");
    Ok(())
}

#[test]
fn layers_of_ones_own_are_tried_when_they_are_built() -> Result<()> {
    let net = Model::build([2, 4, 4], |x| {
        let x = x.map("halved", |x| Ok(x.narrow(2, 0, x.dim(2)? / 2)?));
        x.conv2d(2, 3)
    })?;
    assert_eq!(output(&net), [2, 2, 4]);
    assert_eq!(net.graph().infer([2, 8, 4])?[1], [2, 4, 4]);
    assert!(net.summary().text().contains("map, code of its own"));
    let message = refusal([2, 4, 4], |x| x.map("wrong", |x| Ok(x.narrow(0, 5, 1)?)));
    assert!(
        message.contains("map \"wrong\": expected a function that takes a batch (1, 2, 4, 4)"),
        "{message}"
    );
    let message = refusal([2, 4, 4], |x| x.map("flat", |x| Ok(x.flatten_all()?)));
    assert!(message.contains("Keep the batch as the first dimension"), "{message}");
    let twice = || Map::new(|x, _| Ok(x.clone())).parameter("a", [2], Initial::Constant(0.0));
    let message =
        refusal([2, 4, 4], |x| x.map_with("m", twice().parameter("a", [2], Initial::Constant(0.0))));
    assert!(message.contains("parameters with names of their own, got \"a\""), "{message}");
    // What was told instead of tried is held to it later.
    let net = Model::build([2, 4, 4], |x| x.map_with("m", Map::new(|x, _| Ok(x.clone())).output([7])))?;
    let x = Tensor::zeros((1, 2, 4, 4), DType::F32, &Device::Cpu)?;
    let message = net.init(Seed(1), &Device::Cpu)?.forward(&x, Mode::Eval).unwrap_err().to_string();
    assert!(message.contains("map \"m\": expected a function that gives (B, 7)"), "{message}");
    Ok(())
}
