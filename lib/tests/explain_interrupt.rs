//! An interrupt stops what runs a model many times. In a process of its own: the flag belongs to the whole process.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use sconce::explain::{
    self, DeletionConfig, EmbedConfig, Embedding, IntegratedGradientsConfig, NeighboursConfig,
    OcclusionConfig, SmoothGradConfig, TsneConfig, TsneStart,
};
use sconce::nn::Model;
use sconce::{Error, Result, Seed};
use sconce_display::interrupt;

#[test]
fn what_runs_a_model_many_times_stops() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| x.conv2d(2, 3).relu().global_avg_pool().linear(2))?
        .init(Seed(1), &Device::Cpu)?;
    let x = Tensor::ones((1, 1, 8, 8), DType::F32, &Device::Cpu)?;
    let map = explain::saliency(&net, &x, Some(0))?;
    let points = Embedding::new("points", &Tensor::randn(0_f32, 1.0, (40, 4), &Device::Cpu)?)?;
    let random = TsneConfig { perplexity: 5.0, start: TsneStart::Random(Seed(1)), ..TsneConfig::default() };
    interrupt::request();
    let stopped: [Result<()>; 11] = [
        explain::occlusion(&net, &x, OcclusionConfig { batch: 4, ..Default::default() }).map(|_| ()),
        explain::smooth_grad(&net, &x, SmoothGradConfig { batch: 4, ..Default::default() }).map(|_| ()),
        explain::integrated_gradients(&net, &x, IntegratedGradientsConfig { batch: 4, ..Default::default() })
            .map(|_| ()),
        explain::deletion_insertion(&net, &x, &map, DeletionConfig { batch: 4, ..Default::default() })
            .map(|_| ()),
        explain::nearest_neighbours(&net, &x, &x, NeighboursConfig { count: 1, ..Default::default() })
            .map(|_| ()),
        explain::randomisation(&net, Seed(1), |net| explain::saliency(net, &x, Some(0))).map(|_| ()),
        explain::activation_statistics(&net, &x).map(|_| ()),
        explain::embed(&net, &x, EmbedConfig::default()).map(|_| ()),
        points.pca(2).map(|_| ()),
        points.tsne(random).map(|_| ()),
        points.trustworthiness(&[[0.0; 2]; 40], 5).map(|_| ()),
    ];
    interrupt::reset();
    for result in stopped {
        assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
    }
    // Nothing stays behind.
    assert!(explain::occlusion(&net, &x, OcclusionConfig::default()).is_ok());
    Ok(())
}
