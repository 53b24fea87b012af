//! Describing a model: shapes, names and what is said about mistakes.
#![allow(clippy::unwrap_used)]

use candle_core::Device;
use sconce::nn::{
    Architecture, BatchNormConfig, Conv2dConfig, Initial, Model, Operator, Pool2dConfig, Rounding, Value,
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
fn values_of_another_model_are_refused() {
    let mut leaked = None;
    Model::build([1, 8, 8], |x| {
        leaked = Some(x.clone());
        x.relu()
    })
    .unwrap();
    let leaked = leaked.unwrap();
    let error = refusal([1, 8, 8], |_| leaked.relu());
    assert!(error.starts_with("Model::build: expected a value made from the closure's argument"), "{error}");
    let error = refusal([1, 8, 8], |x| &x + &leaked);
    assert!(error.starts_with("add \"add_1\": expected values of one model"), "{error}");
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
