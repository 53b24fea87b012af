//! What a model looks at.

use sconce::explain::{
    ActivationStatistics, AttentionMaps, Attribution, DeletionConfig, DeletionInsertion, Filters, Neighbours,
    NeighboursConfig, OcclusionConfig, QueryAttention, QueryAttentionConfig, QueryChoice, Randomisation,
};
use sconce::explain::{Embedding, Pca, Tsne, TsneConfig};
use sconce::models::DetrConfig;
use sconce::prelude::*;

use super::models::{fill, network, square};

/// Where a window of grey lowers the score.
pub fn attribution() -> Result<Attribution> {
    explain::occlusion(&network()?, &square()?, OcclusionConfig::default())
}

/// The weights of a convolution.
pub fn filters() -> Result<Filters> {
    explain::filters(&network()?, None)
}

/// What the layers give out.
pub fn activation_statistics() -> Result<ActivationStatistics> {
    explain::activation_statistics(&network()?, &square()?)
}

/// Who looks at whom.
pub fn attention_maps() -> Result<AttentionMaps> {
    let patches = Conv2dConfig { kernel: [2, 2], stride: [2, 2], ..Conv2dConfig::default() };
    let model = Model::build([1, 8, 8], |x| {
        let x = x.conv2d_with(8, patches).image_to_tokens();
        x.self_attention(2).named("attention").flatten().linear(3)
    })?
    .init(Seed(0), &Device::Cpu)?;
    fill(&model)?;
    explain::attention_maps(&model, &square()?, None)
}

/// Where the queries of a small DETR look.
pub fn query_attention() -> Result<QueryAttention> {
    let model = DetrConfig::small([3, 64, 64]).architecture()?.init(Seed(1), &Device::Cpu)?;
    let value = |at: usize| {
        let (row, column) = (at / 64 % 64, at % 64);
        let inside = (20..44).contains(&row) && (26..50).contains(&column);
        if inside { 2.0 } else { row as f32 / 64.0 - 1.0 }
    };
    let image: Vec<f32> = (0..3 * 64 * 64).map(value).collect();
    let image = Tensor::from_vec(image, (1, 3, 64, 64), &Device::Cpu)?;
    let config = QueryAttentionConfig { queries: QueryChoice::These(vec![0, 7]), ..Default::default() };
    explain::query_attention(&model, &image, config)?.class_names(&["circle", "square", "cross"])
}

/// Eighteen points in four dimensions, in two groups.
pub fn embedding() -> Result<Embedding> {
    let value = |at: usize| {
        let (point, column) = (at / 4, at % 4);
        (if point % 2 == column % 2 { 4.0 } else { 0.0 }) + ((point * 5 + column * 3) % 7) as f32 / 8.0
    };
    let values = Tensor::from_vec((0..72).map(value).collect::<Vec<f32>>(), (18, 4), &Device::Cpu)?;
    let labels: Vec<u32> = (0..18).map(|point| point % 2).collect();
    let names = ["even".to_owned(), "odd".to_owned()];
    Embedding::new("points", &values)?.classes(&Tensor::new(labels, &Device::Cpu)?, &names)
}

/// Along the directions in which they differ most.
pub fn pca() -> Result<Pca> {
    embedding()?.pca(2)
}

/// In a plane, neighbours beside each other; a few steps only, because many would make much of the last bit.
pub fn tsne() -> Result<Tsne> {
    embedding()?.tsne(TsneConfig { perplexity: 4.0, steps: 20, early_steps: 10, ..TsneConfig::default() })
}

/// The images that look most alike to the model.
pub fn neighbours() -> Result<Neighbours> {
    let image = square()?;
    let images = Tensor::cat(&[&image, &image.t()?.contiguous()?, &(&image * 0.5)?, &image.neg()?], 0)?;
    let config = NeighboursConfig { count: 3, ..NeighboursConfig::default() };
    explain::nearest_neighbours(&network()?, &image, &images, config)
}

/// Whether a map names the pixels that matter.
pub fn deletion_insertion() -> Result<DeletionInsertion> {
    let config = DeletionConfig { steps: 8, ..DeletionConfig::default() };
    explain::deletion_insertion(&network()?, &square()?, &attribution()?, config)
}

/// Whether a map changes with the weights.
pub fn randomisation() -> Result<Randomisation> {
    let image = square()?;
    explain::randomisation(&network()?, Seed(7), |net| explain::saliency(net, &image, Some(0)))
}
