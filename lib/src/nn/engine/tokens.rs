//! What transformers are made of.

use std::sync::Arc;

use super::activation::Activation;
use super::context::{Context, Layer, broken};
use super::reverse::{Gradients, Reverse};
use crate::Result;
use crate::nn::operator::Operator;
use crate::ops::channels_last::{Epilogue, channel_sums};
use crate::ops::{Attention, Buffer, LinearSizes, RowNorm, Update};

/// Layer normalization over the last dimension.
pub(super) struct LayerNorm {
    pub(super) node: usize,
}

impl Layer for LayerNorm {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let (Operator::LayerNorm { config, .. }, Some(x)) =
            (&context.node(self.node).operator, inputs.into_iter().next())
        else {
            return Err(broken("a layer norm without input"));
        };
        let norm = RowNorm::layer(x.channels(), config.eps);
        let mut y = context.buffer(x.values.len());
        context.weights(self.node, |weights| norm.forward_into(&x.values, weights[0], weights[1], &mut y))?;
        let y = Activation::new(y, x.batch, x.shape);
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            Box::new(LayerNormReverse { node: self.node, norm, x: x.values })
        });
        Ok((y, reverse))
    }
}

struct LayerNormReverse {
    node: usize,
    norm: RowNorm,
    x: Arc<Buffer>,
}

impl Reverse for LayerNormReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        let LayerNormReverse { node, norm, x } = *self;
        let context = gradients.context.clone();
        let mut dx = context.buffer(dy.len());
        let (dw, db) = context.weights(node, |weights| norm.backward_into(&x, weights[0], &dy, &mut dx))?;
        if context.trains(node) {
            let tensors = &context.node(node).tensors;
            gradients.parameter(tensors[0], dw);
            gradients.parameter(tensors[1], db);
        }
        if gradients.wants(inputs[0]) {
            gradients.give(inputs[0], dx);
        }
        Ok(())
    }
}

/// Multi-head attention in PyTorch's layout, of queries, keys and values, and the sum with a fourth input, if it has
/// one.
pub(super) struct MultiHeadAttention {
    pub(super) node: usize,
}

/// The numbers of a product with a part of the projections.
fn projection(rows: usize, embed_dim: usize) -> LinearSizes {
    LinearSizes { rows, in_features: embed_dim, out_features: embed_dim }
}

impl Layer for MultiHeadAttention {
    fn forward(
        &self,
        context: &Context,
        inputs: Vec<Activation>,
    ) -> Result<(Activation, Option<Box<dyn Reverse>>)> {
        let (&Operator::MultiHeadAttention { embed_dim, num_heads }, [query, key, value, residual @ ..]) =
            (&context.node(self.node).operator, inputs.as_slice())
        else {
            return Err(broken("an attention without its three inputs"));
        };
        let [rows, key_rows] = [query, key].map(|input| input.values.len() / embed_dim.max(1));
        let (batch, features) = (query.batch, embed_dim / num_heads.max(1));
        let attention = Attention {
            batch,
            heads: num_heads,
            queries: rows / batch.max(1),
            keys: key_rows / batch.max(1),
            features,
            out_features: features,
        };
        let mut projected = [rows, key_rows, key_rows].map(|rows| context.buffer(rows * embed_dim));
        let (mut attended, mut y) = (context.buffer(rows * embed_dim), context.buffer(rows * embed_dim));
        context.weights(self.node, |weights| {
            let (in_weight, in_bias) = (weights[0], weights[1]);
            for (part, (input, projected)) in [query, key, value].into_iter().zip(&mut projected).enumerate()
            {
                let weight = &in_weight[part * embed_dim * embed_dim..][..embed_dim * embed_dim];
                let bias = &in_bias[part * embed_dim..][..embed_dim];
                let rows = input.values.len() / embed_dim;
                let finish = Epilogue { bias: Some(bias), ..Epilogue::default() };
                projection(rows, embed_dim).forward_then(&input.values, weight, projected, &finish);
            }
            let [q, k, v] = &projected;
            attention.forward_into::<f32>(q, k, v, &mut attended);
            let residual = residual.first().map(|residual| &**residual.values);
            let finish = Epilogue { bias: Some(weights[3]), residual, ..Epilogue::default() };
            projection(rows, embed_dim).forward_then(&attended, weights[2], &mut y, &finish);
        })?;
        let y = Activation::new(y, batch, query.shape.clone());
        let reverse = context.records.then(|| -> Box<dyn Reverse> {
            let inputs = [query, key, value].map(|input| Arc::clone(&input.values));
            Box::new(AttentionReverse { node: self.node, attention, inputs, projected, attended })
        });
        Ok((y, reverse))
    }
}

struct AttentionReverse {
    node: usize,
    attention: Attention,
    inputs: [Arc<Buffer>; 3],
    projected: [Buffer; 3],
    attended: Buffer,
}

impl Reverse for AttentionReverse {
    fn reverse(self: Box<Self>, gradients: &mut Gradients, inputs: &[usize], dy: Buffer) -> Result<()> {
        let AttentionReverse { node, attention, inputs: values, projected, attended } = *self;
        let context = gradients.context.clone();
        let embed_dim = attention.heads * attention.features;
        let square = embed_dim * embed_dim;
        let out = projection(dy.len() / embed_dim, embed_dim);
        let mut d_attended = context.buffer(attended.len());
        context.weights(node, |weights| {
            out.input_gradient_into(weights[2], &dy, &mut d_attended, Update::Replace);
        })?;
        let tensors = &context.node(node).tensors;
        if context.trains(node) {
            let mut dw = vec![0.0; square];
            out.weight_gradient_into(&attended, &dy, &mut dw);
            gradients.parameter(tensors[2], dw);
            gradients.parameter(tensors[3], channel_sums(&dy, embed_dim));
        }
        drop(attended);
        if let Some(&residual) = inputs.get(3).filter(|&&residual| gradients.wants(residual)) {
            gradients.give(residual, dy);
        }
        let mut d_projected = [0, 1, 2].map(|part| context.buffer(projected[part].len()));
        let [q, k, v] = &projected;
        let [dq, dk, dv] = &mut d_projected;
        attention.backward_into::<f32>([q, k, v], &d_attended, [dq, dk, dv]);
        drop((projected, d_attended));
        if context.trains(node) {
            let mut dw = vec![0.0; 3 * square];
            let mut db = Vec::with_capacity(3 * embed_dim);
            let parts = dw.chunks_exact_mut(square).zip(values.iter().zip(&d_projected));
            for (dw, (input, gradient)) in parts {
                let sizes = projection(gradient.len() / embed_dim, embed_dim);
                sizes.weight_gradient_into(input, gradient, dw);
                db.extend(channel_sums(gradient, embed_dim));
            }
            gradients.parameter(tensors[0], dw);
            gradients.parameter(tensors[1], db);
        }
        drop(values);
        context.weights(node, |weights| {
            let parts = inputs.iter().zip(&d_projected).zip(weights[0].chunks_exact(square));
            for ((&input, gradient), weight) in parts {
                if gradients.wants(input) {
                    let sizes = projection(gradient.len() / embed_dim, embed_dim);
                    gradients.add(input, gradient.len(), |dx, update| {
                        sizes.input_gradient_into(weight, gradient, dx, update);
                    });
                }
            }
        })
    }
}
