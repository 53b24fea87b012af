//! Functions of each value by itself.

use super::Value;
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
}
