//! Layers of one's own.

use candle_core::Tensor;

use super::Value;
use crate::Result;
use crate::nn::map::Map;
use crate::nn::operator::Operator;

impl Value {
    /// A layer called `name` that makes `function(x)` of each batch `x` (B, …), in any code over candle tensors; what
    /// comes out is found by a trial. Candle's tape goes through it, so that it trains what comes before. Whatever reads
    /// the graph cannot look into it, and says so.
    ///
    /// ```
    /// # use sconce::prelude::*;
    /// let net = Model::build([3, 16, 16], |x| {
    ///     x.conv2d(8, 3).map("swish", |x| Ok((x * (x.neg()?.exp()? + 1.0)?.recip()?)?)).global_avg_pool().linear(10)
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn map(
        &self,
        name: impl Into<String>,
        function: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Value {
        self.map_with(name, Map::new(move |x, _| function(x)))
    }

    /// [`Value::map`] with parameters, or with a shape that is told instead of tried.
    #[must_use]
    pub fn map_with(&self, name: impl Into<String>, map: Map) -> Value {
        self.then(|_| Operator::Map(map)).named(name)
    }
}
