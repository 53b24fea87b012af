//! What a model looks at: which parts of an image a score hangs on, and what is inside.
//!
//! Every function takes a [`Model`](crate::nn::Model) and one image, (C, H, W) or (1, C, H, W), prepared as for the
//! model, and computes in [`Mode::Eval`](crate::nn::Mode::Eval). A score is the model's output for one class, before any
//! softmax if the model has none. What comes back shows itself over the image and gives its numbers.
//!
//! | question | function |
//! |---|---|
//! | which pixels the score hangs on | [`saliency`], [`input_x_gradient`], [`smooth_grad`], [`integrated_gradients`] |
//! | which places of a layer's maps speak for the class | [`grad_cam`], [`grad_cam_pp`], [`layer_cam`] |
//! | what happens where a part of the image is hidden | [`occlusion`] |
//! | where attention goes | [`attention_maps`], [`attention_rollout`] |
//! | what a detector's queries found, and where they looked | [`query_attention`] |
//! | which images the model finds alike | [`nearest_neighbours`], [`embed`] |
//! | what a layer's filters and outputs are like | [`filters`], [`activation_statistics`] |
//! | whether a map says anything about the model | [`deletion_insertion`], [`randomisation`] |

mod attention;
mod attribution;
mod baseline;
mod cam;
mod deletion;
mod embedding;
mod features;
mod filters;
mod gradient;
mod integrated;
mod layer;
mod neighbours;
mod occlusion;
mod query_attention;
mod randomisation;
mod rollout;
mod saliency;
mod smooth;
mod statistics;
mod subject;

pub use attention::{AttentionMaps, attention_maps};
pub use attribution::{Attribution, Completeness};
pub use baseline::Baseline;
pub use cam::{CamConfig, grad_cam, grad_cam_pp, layer_cam};
pub use deletion::{DeletionConfig, DeletionInsertion, deletion_insertion};
pub use embedding::{EmbedConfig, Embedding, Pca, Tsne, TsneConfig, TsneStart, embed};
pub use filters::{Filters, filters};
pub use integrated::{IntegratedGradientsConfig, integrated_gradients};
pub use neighbours::{Neighbour, Neighbours, NeighboursConfig, nearest_neighbours};
pub use occlusion::{OcclusionConfig, occlusion};
pub use query_attention::{ObjectQuery, QueryAttention, QueryAttentionConfig, QueryChoice, query_attention};
pub use randomisation::{Randomisation, RandomisedLayer, randomisation};
pub use rollout::{HeadFusion, attention_rollout};
pub use saliency::{input_x_gradient, saliency};
pub use smooth::{SmoothGradConfig, smooth_grad};
pub use statistics::{ActivationStatistics, LayerActivations, activation_statistics};
