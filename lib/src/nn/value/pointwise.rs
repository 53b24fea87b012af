//! Functions of each value by itself.

use super::Value;
use crate::nn::config::Rounds;
use crate::nn::operator::Operator;
use crate::ops::Activation;

impl Value {
    /// Any [`Activation`]. Keeps the shape.
    #[must_use]
    pub fn activation(&self, activation: Activation) -> Value {
        self.then(|_| Operator::Activation(activation))
    }

    /// Negative values become 0. Keeps the shape.
    #[must_use]
    pub fn relu(&self) -> Value {
        self.activation(Activation::Relu)
    }

    /// Negative values become `slope` times themselves, 0.01 as a rule. Keeps the shape.
    #[must_use]
    pub fn leaky_relu(&self, slope: f64) -> Value {
        self.activation(Activation::LeakyRelu { slope })
    }

    /// `x · Φ(x)`, with Φ the normal distribution (Hendrycks and Gimpel 2016). Keeps the shape.
    #[must_use]
    pub fn gelu(&self) -> Value {
        self.activation(Activation::Gelu)
    }

    /// [`Value::gelu`] with Φ approximated by the hyperbolic tangent. Keeps the shape.
    #[must_use]
    pub fn gelu_tanh(&self) -> Value {
        self.activation(Activation::GeluTanh)
    }

    /// `x · sigmoid(x)` (Elfwing et al. 2017), also called Swish. Keeps the shape.
    #[must_use]
    pub fn silu(&self) -> Value {
        self.activation(Activation::Silu)
    }

    /// `1 / (1 + e⁻ˣ)`. Keeps the shape.
    #[must_use]
    pub fn sigmoid(&self) -> Value {
        self.activation(Activation::Sigmoid)
    }

    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al. 2019). Keeps the shape.
    #[must_use]
    pub fn hardswish(&self) -> Value {
        self.activation(Activation::Hardswish)
    }

    /// Raw logits to probabilities along dimension `dim`, which does not count the batch. Keeps the shape.
    #[must_use]
    pub fn softmax(&self, dim: usize) -> Value {
        self.then(|_| Operator::Softmax { dim })
    }

    /// Raw logits to the logarithms of probabilities along dimension `dim`, which does not count the batch. Keeps the
    /// shape.
    #[must_use]
    pub fn log_softmax(&self, dim: usize) -> Value {
        self.then(|_| Operator::LogSoftmax { dim })
    }

    /// Rounds every value to what a byte can stand for, as [`crate::ops::fake_quantize`] does, in a range that follows
    /// what comes in during training, by a share `momentum` of each batch, until
    /// [`freeze_observers`](crate::nn::Model::freeze_observers). Gradients go through as if nothing were rounded. Keeps
    /// the shape.
    #[must_use]
    pub fn fake_quantize(&self, momentum: f64) -> Value {
        self.then(|_| Operator::FakeQuantize { momentum, rounds: Rounds::Values })
    }

    /// In training, sets each value to 0 with probability `p` in `[0, 1)` and scales the others up.
    /// Keeps the shape.
    #[must_use]
    pub fn dropout(&self, p: f64) -> Value {
        self.then(|_| Operator::Dropout { p })
    }

    /// In training, the value becomes 0 for a share `p` in `[0, 1)` of the images and is scaled up for the others: on the
    /// branch of a residual block, the block is left out (Huang et al. 2016). Keeps the shape.
    #[must_use]
    pub fn stochastic_depth(&self, p: f64) -> Value {
        self.then(|_| Operator::StochasticDepth { p })
    }
}
