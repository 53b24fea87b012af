//! Norms, and what else scales values.

use super::Value;
use crate::nn::config::{GroupNormConfig, LayerNormConfig};
use crate::nn::operator::Operator;
use crate::ops::{BatchNormConfig, shape_text};

impl Value {
    /// Batch normalization of every channel (Ioffe and Szegedy 2015). Keeps the shape.
    #[must_use]
    pub fn batch_norm(&self) -> Value {
        self.batch_norm_with(BatchNormConfig::default())
    }

    /// Batch normalization with an epsilon and momentum of your own. Keeps the shape.
    #[must_use]
    pub fn batch_norm_with(&self, config: BatchNormConfig) -> Value {
        self.then(|shape| Operator::BatchNorm {
            channels: shape.first().copied().unwrap_or_default(),
            config,
        })
    }

    /// Layer normalization (Ba et al. 2016) of every token. Keeps the shape, (N, D) or (D).
    #[must_use]
    pub fn layer_norm(&self) -> Value {
        let value = self.layer_norm_with(LayerNormConfig::default());
        if let Some(shape) = self.shape().filter(|shape| shape.len() > 2) {
            value.refuse(
                "tokens (N, D) or features (D)",
                shape_text(&shape),
                "For images (C, H, W) there is layer_norm2d(); layer_norm_with() takes any last dimension.",
            );
        }
        value
    }

    /// Layer normalization over the last dimension, whatever comes before it. Keeps the shape.
    #[must_use]
    pub fn layer_norm_with(&self, config: LayerNormConfig) -> Value {
        self.then(|shape| Operator::LayerNorm { features: shape.last().copied().unwrap_or_default(), config })
    }

    /// Layer normalization of every pixel over its channels, as ConvNeXt has it. Keeps the shape, (C, H, W).
    #[must_use]
    pub fn layer_norm2d(&self) -> Value {
        self.layer_norm2d_with(LayerNormConfig::default())
    }

    /// [`Value::layer_norm2d`] with an epsilon of your own. Keeps the shape, (C, H, W).
    #[must_use]
    pub fn layer_norm2d_with(&self, config: LayerNormConfig) -> Value {
        self.then(|shape| Operator::LayerNorm2d {
            channels: shape.first().copied().unwrap_or_default(),
            config,
        })
    }

    /// Group normalization (Wu and He 2018) of every image, in `groups` equal groups of channels. Keeps the shape.
    #[must_use]
    pub fn group_norm(&self, groups: usize) -> Value {
        self.group_norm_with(GroupNormConfig { groups, ..GroupNormConfig::default() })
    }

    /// Group normalization with an epsilon of your own. Keeps the shape.
    #[must_use]
    pub fn group_norm_with(&self, config: GroupNormConfig) -> Value {
        self.then(|shape| Operator::GroupNorm {
            channels: shape.first().copied().unwrap_or_default(),
            config,
        })
    }

    /// Every value times `factor`. Keeps the shape.
    #[must_use]
    pub fn scale(&self, factor: f64) -> Value {
        self.then(|_| Operator::Scale { factor })
    }

    /// Each channel times a number of its own that is trained and starts as `initial`, 1e-6 in ConvNeXt (Touvron et al.
    /// 2021). The channels are the first dimension of images, the last one of tokens. Keeps the shape, (C, H, W), (N, D)
    /// or (D). The parameter has the layer's name.
    #[must_use]
    pub fn layer_scale(&self, initial: f32) -> Value {
        self.then(|shape| {
            let shape = match *shape {
                [channels, _, _] => vec![channels, 1, 1],
                ref shape => shape.last().copied().into_iter().collect(),
            };
            Operator::LayerScale { shape, initial }
        })
    }
}
