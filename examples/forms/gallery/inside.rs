//! What a model looks at.

use sconce::explain::{
    ActivationStatistics, AttentionMaps, Attribution, DeletionConfig, DeletionInsertion, Filters, Neighbours,
    NeighboursConfig, OcclusionConfig, Randomisation,
};
use sconce::prelude::*;

use super::models::{network, square};

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
    explain::attention_maps(&model, &square()?, None)
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
