use candle_core::{Device, IndexOp, Result, Tensor};

use super::super::precision::Precision;
use super::super::softmax::Scale;
use super::differentiable;
use super::softmax::{backward, forward};

/// [`super::super::relative_attention`] of any device. The weights are made again in the gradient.
pub(in super::super) fn relative_attention(qkv: &Tensor, table: &Tensor, grid: [usize; 2]) -> Result<Tensor> {
    let heads = table.dim(1)?;
    let parts = Parts::of(&qkv.detach(), heads)?;
    let precision = Precision::current();
    let y = precision.matmul(&parts.weights(&table.detach(), grid, precision)?, &parts.v)?; // (B·heads, N, D)
    let y = parts.tokens(&y)?;
    differentiable("relative_attention", [qkv, table], y, move |given| {
        let [qkv, table] = &given.inputs;
        let parts = Parts::of(qkv, heads)?;
        let p = parts.weights(table, grid, precision)?;
        let dy = parts.heads(&given.dy)?;
        let dv = precision.matmul(&p.t()?, &dy)?;
        let slopes = backward(&p, &precision.matmul(&dy, &parts.v.t()?)?, 2)?; // (B·heads, N, N)
        let d_table = given.of(1, || d_table(&slopes, heads, grid))?;
        let d_qkv = given.of(0, || {
            let slopes = (slopes * parts.scale())?;
            let dq = precision.matmul(&slopes, &parts.k)?;
            let dk = precision.matmul(&slopes.t()?, &parts.q)?;
            parts.joined([&dq, &dk, &dv])?.reshape(qkv.shape())
        })?;
        Ok([d_qkv, d_table])
    })
}

/// (B, heads, N, N).
pub(in super::super) fn relative_attention_weights(
    qkv: &Tensor,
    table: &Tensor,
    grid: [usize; 2],
) -> Result<Tensor> {
    let heads = table.dim(1)?;
    let parts = Parts::of(&qkv.detach(), heads)?;
    let weights = parts.weights(&table.detach(), grid, Precision::current())?;
    let (_, pixels, _) = weights.dims3()?;
    weights.reshape((parts.batch, heads, pixels, pixels))
}

/// Queries, keys and values, each (B·heads, N, D).
struct Parts {
    batch: usize,
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

impl Parts {
    fn of(qkv: &Tensor, heads: usize) -> Result<Parts> {
        let (batch, pixels, features) = qkv.dims3()?;
        let features = features / (3 * heads);
        let parts = qkv.contiguous()?.reshape((batch, pixels, heads, 3, features))?;
        let parts = parts.permute((3, 0, 2, 1, 4))?.contiguous()?; // (3, B, heads, N, D)
        let part = |index: usize| parts.i(index)?.reshape((batch * heads, pixels, features));
        Ok(Parts { batch, q: part(0)?, k: part(1)?, v: part(2)? })
    }

    fn scale(&self) -> f64 {
        1.0 / (self.q.dims().last().copied().unwrap_or(1) as f64).sqrt()
    }

    /// (B·heads, N, N).
    fn weights(&self, table: &Tensor, grid: [usize; 2], precision: Precision) -> Result<Tensor> {
        let scores = precision.matmul(&(&self.q * self.scale())?, &self.k.t()?)?;
        let (rows, pixels, _) = scores.dims3()?;
        let heads = rows / self.batch;
        let ways = Tensor::from_vec(ways(grid), pixels * pixels, table.device())?;
        let bias = table.contiguous()?.index_select(&ways, 0)?.t()?.contiguous()?; // (heads, N·N)
        let bias = bias.reshape((1, heads, pixels, pixels))?;
        let scores = scores.reshape((self.batch, heads, pixels, pixels))?.broadcast_add(&bias)?;
        forward(&scores.reshape((rows, pixels, pixels))?, 2, Scale::Plain)
    }

    /// (B, N, heads·D) as (B·heads, N, D).
    fn heads(&self, y: &Tensor) -> Result<Tensor> {
        let (rows, pixels, features) = self.q.dims3()?;
        let heads = y.reshape((self.batch, pixels, rows / self.batch, features))?.transpose(1, 2)?;
        heads.contiguous()?.reshape((rows, pixels, features))
    }

    /// The other way round.
    fn tokens(&self, y: &Tensor) -> Result<Tensor> {
        let (rows, pixels, features) = self.q.dims3()?;
        let heads = rows / self.batch;
        let tokens = y.reshape((self.batch, heads, pixels, features))?.transpose(1, 2)?;
        tokens.contiguous()?.reshape((self.batch, pixels, heads * features))
    }

    /// Three of (B·heads, N, D) as they lie in what comes in: (B, N, heads, 3, D).
    fn joined(&self, parts: [&Tensor; 3]) -> Result<Tensor> {
        let (rows, pixels, features) = self.q.dims3()?;
        let joined =
            Tensor::stack(&parts, 0)?.reshape((3, self.batch, rows / self.batch, pixels, features))?;
        joined.permute((1, 3, 2, 0, 4))?.contiguous()
    }
}

/// The row of the table for each pair of pixels: N rows of N.
fn ways([height, width]: [usize; 2]) -> Vec<u32> {
    let pixels = height * width;
    let way = |from: usize, to: usize| {
        let rows = from / width + height - 1 - to / width;
        let columns = from % width + width - 1 - to % width;
        (rows * (2 * width - 1) + columns) as u32
    };
    (0..pixels).flat_map(|from| (0..pixels).map(move |to| way(from, to))).collect()
}

/// The gradient of the table: each of its rows gathers the pairs of pixels that it is for.
fn d_table(slopes: &Tensor, heads: usize, grid: [usize; 2]) -> Result<Tensor> {
    let (rows, pixels, _) = slopes.dims3()?;
    let pairs = pixels * pixels;
    let sums = slopes.reshape((rows / heads, heads, pairs))?.sum(0)?; // (heads, N·N)
    let gathered = sums.pad_with_zeros(1, 0, 1)?.index_select(&places(grid, slopes.device())?, 1)?;
    gathered.reshape((heads, (), pixels))?.sum(2)?.t()?.contiguous()
}

/// For each row of the table its pairs of pixels, at most N, filled up with the one behind the last.
fn places(grid: [usize; 2], device: &Device) -> Result<Tensor> {
    let [height, width] = grid;
    let pixels = height * width;
    let mut lists = vec![Vec::new(); (2 * height - 1) * (2 * width - 1)];
    for (pair, way) in ways(grid).into_iter().enumerate() {
        lists[way as usize].push(pair as u32);
    }
    for list in &mut lists {
        list.resize(pixels, (pixels * pixels) as u32);
    }
    let places = lists.concat();
    let count = places.len();
    Tensor::from_vec(places, count, device)
}
