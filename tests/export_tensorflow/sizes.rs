//! Models for images of any size, on images of several.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use sconce::compress::{QuantizeConfig, quantize};
use sconce::export::{self, Batch, Exportable, ImageSize, SavedModelConfig, TfliteConfig};
use sconce::models::{ModelConfig, entry};
use sconce::nn::{
    Architecture, Conv2dConfig, ConvTranspose2dConfig, Corners, Graph, Interpolation, Mode, Model, Outputs,
    Padding, Pool2dConfig, SinePositionConfig, TargetSize,
};
use sconce::{Result, Seed};
use serde_json::{Value, json};

use crate::cases::{Cases, write};
use crate::models::{self, filled};

type WithSizes = (&'static str, Architecture, Vec<[usize; 2]>);

/// Models for images of any size: one of convolutions only, with all that makes images smaller and larger, and two of the
/// zoo, a residual one with global pooling and one with an output for each pixel. With sizes of images for each.
fn any_size() -> Result<Vec<WithSizes>> {
    let strided = Conv2dConfig { padding: 1.into(), stride: [2, 2], ..Conv2dConfig::default() };
    let uneven = Padding { top: 1, bottom: 0, left: 0, right: 2 };
    let convolutions = Model::build_outputs([3, 16, 12], |x| {
        let fine = x.conv2d_with(4, strided).batch_norm().relu();
        let window = Pool2dConfig { kernel: [3, 3], padding: 1.into(), ..Pool2dConfig::default() };
        let coarse = fine.max_pool2d_with(window).conv2d_with(6, strided).group_norm(2).silu();
        let up = coarse.conv_transpose2d_with(
            4,
            ConvTranspose2dConfig {
                kernel: [3, 4],
                stride: [2, 3],
                padding: uneven,
                output_padding: [1, 0],
                ..ConvTranspose2dConfig::default()
            },
        );
        let y = up.interpolate_like(&fine, Interpolation::Nearest) + &fine;
        let y = y.interpolate(TargetSize::Times([2, 3]), Interpolation::Bilinear(Corners::Edges));
        let sines = SinePositionConfig { embed_dim: 4, ..SinePositionConfig::default() };
        let tokens = y.conv2d(4, 1).layer_norm2d();
        let tokens = (tokens.sine_position_embedding(sines) + tokens).image_to_tokens().self_attention(2);
        let tokens = x.queries([5, 4]).multi_head_attention(&tokens, &tokens, 2);
        Outputs::new("map", y.interpolate_like(&x, Interpolation::Bilinear(Corners::Centres)).conv2d(2, 1))
            .output("queries", tokens)
            .output(
                "mean",
                up.interpolate(TargetSize::Times([3, 1]), Interpolation::Nearest).global_avg_pool(),
            )
    });
    let zoo = |name: &str, side: usize| {
        entry(name)?.architecture(ModelConfig::default().num_classes(5).image([3, side, side]))
    };
    Ok(vec![
        ("any_convolutions", convolutions?, vec![[16, 12], [21, 19], [34, 29]]),
        ("any_resnet20", zoo("resnet20", 32)?, vec![[32, 32], [17, 39]]),
        ("any_unet_small", zoo("unet_small", 16)?, vec![[16, 16], [20, 25]]),
    ])
}

/// A model's outputs for a batch of images.
fn outputs(model: &Model, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
    let outputs = model.forward_outputs(images, Mode::Eval)?;
    Ok(outputs.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect())
}

impl Cases {
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
}

/// Of the models of one operator each, those that take images of any size here and have no such form there.
const OF_ONE_SIZE: [&str; 4] = ["avg_pool_ceil", "adaptive", "adaptive_whole", "pad_replicate"];

#[test]
fn images_of_any_size_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&[]);
    for (name, architecture, sizes) in any_size()? {
        let model = filled(architecture.init(Seed(5), &Device::Cpu)?, Seed(5))?;
        let ways = ["lite any", "lite any batch", "saved any"];
        let run = |x: &Tensor| outputs(&model, x);
        let refused = cases.add_sizes(name, (&model, model.graph()), &sizes, &ways, run)?;
        assert_eq!(refused, None);
    }
    // On integers.
    let same = Conv2dConfig { padding: 1.into(), ..Conv2dConfig::default() };
    let net = Model::build([3, 16, 16], |x| {
        let x = x.conv2d(8, 3).relu().max_pool2d(2);
        (x.conv2d_with(8, same).relu() + x).global_avg_pool().linear(5)
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
