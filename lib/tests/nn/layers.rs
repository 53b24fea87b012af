//! Describing models with every kind of layer: shapes, weights, costs, and what is said about mistakes.

use candle_core::Device;
use sconce::nn::{
    Architecture, AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, GroupNormConfig, Interpolation,
    LayerNormConfig, LinearConfig, Model, PadMode, SinePositionConfig, TargetSize, Value,
};
use sconce::{Result, Seed};

fn refusal(input: [usize; 3], layers: impl FnOnce(Value) -> Value) -> String {
    Model::build(input, layers).map(|_| ()).unwrap_err().to_string()
}

fn output(architecture: &Architecture) -> &[usize] {
    let graph = architecture.graph();
    &graph.nodes()[graph.outputs()[0].node].shape
}

#[test]
fn shapes_of_images() -> Result<()> {
    let shape = |layers: fn(Value) -> Value| -> Result<Vec<usize>> {
        Ok(output(&Model::build([4, 9, 6], layers)?).to_vec())
    };
    assert_eq!(shape(|x| x.conv_transpose2d_with(3, ConvTranspose2dConfig::default()))?, [3, 18, 12]);
    assert_eq!(shape(|x| x.avg_pool2d(2))?, [4, 4, 3]);
    assert_eq!(shape(|x| x.avg_pool2d_with(AvgPool2dConfig::default()))?, [4, 4, 3]);
    assert_eq!(shape(|x| x.adaptive_avg_pool2d([7, 7]))?, [4, 7, 7]);
    assert_eq!(shape(|x| x.interpolate(TargetSize::Times([2, 3]), Interpolation::Nearest))?, [4, 18, 18]);
    assert_eq!(shape(|x| x.avg_pool2d(2).interpolate_like(&x, Interpolation::Nearest))?, [4, 9, 6]);
    assert_eq!(shape(|x| x.pad([1, 2], PadMode::Reflect))?, [4, 11, 10]);
    assert_eq!(shape(|x| x.sine_position_embedding(SinePositionConfig::default()))?, [256, 9, 6]);
    assert_eq!(shape(|x| x.permute([1, 2, 0]).linear_with(5, LinearConfig::default()))?, [9, 6, 5]);
    assert_eq!(shape(|x| x.adaptive_avg_pool2d([1, 1]) * x)?, [4, 9, 6]);
    assert_eq!(shape(|x| x.concat(&[&x, &x.conv2d(2, 3)], 0))?, [10, 9, 6]);
    assert_eq!(shape(|x| x.slice(2, 1..4).mean([1]))?, [4, 3]);
    assert_eq!(shape(|x| x.reshape([2, 2, 54]))?, [2, 2, 54]);
    Ok(())
}

/// What DETR asks of a graph: queries, attention across, and any image size.
#[test]
fn attention_across_works_on_any_image_size() -> Result<()> {
    let net = Model::build([3, 8, 6], |x| {
        let x = x.conv2d(8, 3);
        let position = x.sine_position_embedding(SinePositionConfig { embed_dim: 8, ..Default::default() });
        let (memory, position) = (x.image_to_tokens(), position.image_to_tokens());
        let queries = memory.queries([5, 8]).named("query_position_embeddings");
        let key = &memory + position;
        queries.multi_head_attention(&key, &memory, 2).layer_norm().linear(4).sigmoid()
    })?;
    assert_eq!(output(&net), [5, 4]);
    assert_eq!(net.graph().infer([3, 20, 30])?.last().unwrap(), &[5, 4]);
    let net = net.init(Seed(1), &Device::Cpu)?;
    let x = candle_core::Tensor::ones((2, 3, 20, 30), candle_core::DType::F32, &Device::Cpu)?;
    assert_eq!(net.forward(&x, sconce::nn::Mode::Eval)?.dims(), [2, 5, 4]);
    Ok(())
}

#[test]
fn weights_have_pytorchs_names_shapes_and_first_values() -> Result<()> {
    let net = Model::build([64, 4, 4], |x| {
        let x = x.image_to_tokens().class_token().named("class_token");
        let x = x.position_embedding().named("pos_embedding");
        let x = x.self_attention(4).named("attention").layer_scale(1e-6).named("gamma");
        x.linear_with(3, LinearConfig { bias: false, ..LinearConfig::default() }).named("head")
    })?
    .init(Seed(1), &Device::Cpu)?;
    let parameters = net.parameters();
    let names: Vec<(&str, &[usize])> =
        parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.var.dims())).collect();
    assert_eq!(
        names,
        [
            ("class_token", &[1, 1, 64][..]),
            ("pos_embedding", &[1, 17, 64]),
            ("attention.in_proj_weight", &[192, 64]),
            ("attention.in_proj_bias", &[192]),
            ("attention.out_proj.weight", &[64, 64]),
            ("attention.out_proj.bias", &[64]),
            ("gamma", &[64]),
            ("head.weight", &[3, 64]),
        ]
    );
    let values = |index: usize| parameters[index].var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let largest = |index: usize| values(index).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert_eq!([0, 3, 5].map(largest), [0.0; 3]);
    assert!(values(6).iter().all(|&value| value == 1e-6));
    // Uniform within Glorot's bound, and within that of a linear layer.
    let (glorot, linear) = ((6.0_f32 / 256.0).sqrt(), 1.0 / 8.0);
    assert!(largest(2) <= glorot && largest(2) > 0.99 * glorot, "{}", largest(2));
    assert!(largest(4) <= linear && largest(4) > 0.99 * linear, "{}", largest(4));
    let positions = values(1);
    let std = (positions.iter().map(|value| value * value).sum::<f32>() / positions.len() as f32).sqrt();
    assert!((std / 0.02 - 1.0).abs() < 0.1, "standard deviation {std}");
    Ok(())
}

#[test]
fn products_of_matrices_are_counted() -> Result<()> {
    let cost = |layers: fn(Value) -> Value| -> Result<u64> {
        Ok(Model::build([4, 3, 2], layers)?.summary().multiply_adds())
    };
    // Six pixels of four channels, each by a 2 x 2 window of three channels.
    assert_eq!(cost(|x| x.conv_transpose2d_with(3, ConvTranspose2dConfig::default()))?, 6 * 4 * 3 * 4);
    assert_eq!(cost(|x| x.image_to_tokens().linear(5))?, 6 * 4 * 5);
    // Three projections and one back, and six queries with six keys, twice.
    assert_eq!(cost(|x| x.image_to_tokens().self_attention(2))?, 4 * 6 * 4 * 4 + 2 * 6 * 6 * 4);
    Ok(())
}

#[test]
fn wrong_shapes_and_arguments_are_refused_by_name() {
    let image = [4, 8, 6];
    let groups = GroupNormConfig { groups: 3, ..GroupNormConfig::default() };
    for (error, part) in [
        (
            refusal(image, |x| x.layer_norm().named("ln")),
            "layer_norm \"ln\": expected tokens (N, D) or features (D), got (4, 8, 6). For images (C, H, W) there is \
             layer_norm2d()",
        ),
        (
            refusal(image, |x| x.flatten().layer_norm2d_with(LayerNormConfig::default())),
            "layer_norm2d_1\": expected images (C, H, W), got (192)",
        ),
        (refusal(image, |x| x.group_norm_with(groups)), "expected channels in 3 groups of one size, got 4"),
        (
            refusal(image, |x| x.image_to_tokens().self_attention(3)),
            "multi_head_attention_1\": expected features in 3 heads of one size, got 4",
        ),
        (refusal(image, |x| x.self_attention(2)), "expected tokens (N, 6), got (4, 8, 6). image_to_tokens()"),
        (
            refusal(image, |x| {
                let tokens = x.image_to_tokens();
                tokens.scaled_dot_product_attention(&tokens.linear(6), &tokens, 1)
            }),
            "expected keys (M, 4) for queries (48, 4), got (48, 6)",
        ),
        (
            refusal(image, |x| {
                let tokens = x.image_to_tokens();
                tokens.scaled_dot_product_attention(&tokens, &tokens.slice(0, 0..3), 1)
            }),
            "expected as many keys (M, D) as values (M, E), got (48, 4) and (3, 4)",
        ),
        (refusal(image, |x| x.class_token()), "class_token_1\": expected tokens (N, D), got (4, 8, 6)"),
        (
            refusal(image, |x| x.softmax(3)),
            "a dimension of (4, 8, 6), counted from 0, got 3. The batch is not",
        ),
        (
            refusal(image, |x| x.slice(1, 4..9)),
            "slice_1\": expected a range within 0..8, dimension 1 of (4, 8, 6)",
        ),
        (
            refusal(image, |x| x.permute([0, 1])),
            "each dimension of (4, 8, 6) once, counted from 0, got [0, 1]",
        ),
        (
            refusal(image, |x| x.reshape([4, 47])),
            "reshape_1\": expected 188 values for the new shape (4, 47), got (4, 8, 6). The batch is not among",
        ),
        (refusal(image, |x| x.mean([2, 2])), "each once and not empty, got [2, 2]"),
        (
            refusal(image, |x| x.concat(&[&x.max_pool2d(2)], 0).named("skip")),
            "concat \"skip\": expected shapes like (4, 8, 6) but for dimension 0, got (4, 4, 3)",
        ),
        (
            refusal(image, |x| x.global_avg_pool() * x),
            "multiply_1\": expected two inputs of one shape, or with 1 where one repeats, got (4) and (4, 8, 6)",
        ),
        (
            refusal(image, |x| x.pad(6, PadMode::Reflect)),
            "images of at least 7 x 7 for the padding 6, got (8, 6)",
        ),
        (
            refusal(image, |x| x.interpolate(TargetSize::Times([0, 1]), Interpolation::Nearest)),
            "a size of at least one pixel, got (0, 6)",
        ),
        (
            refusal(image, |x| x.interpolate(TargetSize::Like, Interpolation::Nearest)),
            "got TargetSize::Like. With `interpolate_like` you say like what",
        ),
        (refusal(image, |x| x.adaptive_avg_pool2d([0, 1])), "at least one pixel, got (0, 1)"),
        (
            refusal(image, |x| {
                let config = ConvTranspose2dConfig { output_padding: [2, 0], ..Default::default() };
                x.conv_transpose2d_with(3, config)
            }),
            "an output_padding smaller than the stride or the dilation, got (2, 0)",
        ),
        (
            refusal(image, |x| x.conv2d_with(4, Conv2dConfig { groups: 3, ..Conv2dConfig::default() })),
            "input channels in 3 groups of one size, got 4",
        ),
        (refusal(image, |x| x.stochastic_depth(1.0)), "a probability p in [0, 1), got 1"),
        (refusal(image, |x| x.queries([0, 4])), "at least 1 of queries, got 0"),
        (
            refusal(image, |x| {
                x.sine_position_embedding(SinePositionConfig { embed_dim: 6, ..Default::default() })
            }),
            "an embed_dim that is a multiple of 4, got 6",
        ),
        (
            refusal(image, |x| x.image_to_tokens().class_token().named("a.weight").linear(4).named("a")),
            "linear \"a\": expected parameters whose names no other layer's have, got \"a.weight\" twice",
        ),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    // Made for one image size.
    let net = Model::build(image, |x| x.image_to_tokens().position_embedding().named("pos")).unwrap();
    let error = net.graph().infer([4, 9, 6]).unwrap_err().to_string();
    assert!(
        error.starts_with("position_embedding \"pos\": expected values (48, 4), got (54, 4)."),
        "{error}"
    );
}
