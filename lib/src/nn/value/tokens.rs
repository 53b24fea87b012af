//! Layers of tokens and features.

use super::Value;
use crate::nn::config::LinearConfig;
use crate::nn::operator::Operator;
use crate::ops::{SinePositionConfig, shape_text};

impl Value {
    /// A fully connected layer with bias, for every token by itself. (I) to (`out_features`), (N, I) to (N,
    /// `out_features`).
    #[must_use]
    pub fn linear(&self, out_features: usize) -> Value {
        let value = self.linear_with(out_features, LinearConfig::default());
        if let Some(shape) = self.shape().filter(|shape| shape.len() > 2) {
            value.refuse(
                "features (C) or tokens (N, D)",
                shape_text(&shape),
                "Put flatten(), global_avg_pool() or image_to_tokens() before it.",
            );
        }
        value
    }

    /// A fully connected layer over the last dimension, whatever comes before it. (…, I) to (…, `out_features`).
    #[must_use]
    pub fn linear_with(&self, out_features: usize, config: LinearConfig) -> Value {
        self.then(|shape| Operator::Linear {
            in_features: shape.last().copied().unwrap_or_default(),
            out_features,
            config,
        })
    }

    /// Multi-head self-attention (Vaswani et al. 2017) with the parameters of PyTorch's `MultiheadAttention`. Keeps the
    /// shape, (N, D), with D a multiple of `num_heads`.
    #[must_use]
    pub fn self_attention(&self, num_heads: usize) -> Value {
        self.multi_head_attention(self, self, num_heads)
    }

    /// Multi-head attention of these queries (N, D) to `key` and `value` (M, D), with the parameters of PyTorch's
    /// `MultiheadAttention`. Keeps the shape; D is a multiple of `num_heads`.
    #[must_use]
    pub fn multi_head_attention(&self, key: &Value, value: &Value, num_heads: usize) -> Value {
        self.with(&[key, value], |shape| Operator::MultiHeadAttention {
            embed_dim: shape.last().copied().unwrap_or_default(),
            num_heads,
        })
    }

    /// Attention without parameters, in `num_heads` equal parts of the features: these queries (N, D), `key` (M, D) and
    /// `value` (M, E) give (N, E). Multi-head attention is it between linear layers.
    #[must_use]
    pub fn scaled_dot_product_attention(&self, key: &Value, value: &Value, num_heads: usize) -> Value {
        self.with(&[key, value], |_| Operator::ScaledDotProductAttention { num_heads })
    }

    /// Self-attention of the pixels of an image of `grid` = [H, W], with biases that are learnt for each way from one
    /// pixel to another (Dai et al. 2021, CoAtNet). The features of each pixel are queries, keys and values already, one
    /// head's after the other's: (H·W, heads·3·D), which a 1 × 1 convolution and [`Value::image_to_tokens`] make, to (H·W,
    /// heads·D).
    #[must_use]
    pub fn relative_attention(&self, num_heads: usize, grid: [usize; 2]) -> Value {
        self.then(|_| Operator::RelativeAttention { num_heads, grid })
    }

    /// A token that is trained before all others, whose output is to stand for the image (Dosovitskiy et al. 2020).
    /// (N, D) to (1 + N, D). The parameter has the layer's name.
    #[must_use]
    pub fn class_token(&self) -> Value {
        self.then(|shape| Operator::ClassToken { embed_dim: shape.last().copied().unwrap_or_default() })
    }

    /// Adds numbers that are trained, for each position its own. Keeps the shape, which is that of the image size that the
    /// model was built with. The parameter has the layer's name.
    #[must_use]
    pub fn position_embedding(&self) -> Value {
        self.then(|shape| Operator::PositionEmbedding { shape: [&[1], shape].concat() })
    }

    /// The sines and cosines of DETR (Carion et al. 2020) for an image of this one's size: (C, H, W) to (D, H, W). Add
    /// them where they are needed; nothing of the image but its size goes in.
    #[must_use]
    pub fn sine_position_embedding(&self, config: SinePositionConfig) -> Value {
        self.then(|_| Operator::SinePositionEmbedding(config))
    }

    /// `dims` = [N, D]: N vectors that are trained, the same for every image, such as the object queries of DETR (Carion
    /// et al. 2020). Any value of the model gives the same (N, D).
    #[must_use]
    pub fn queries(&self, dims: [usize; 2]) -> Value {
        self.then(|_| Operator::Queries { dims })
    }
}
