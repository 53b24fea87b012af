//! Where attention goes.

use candle_core::Tensor;
use sconce_display::{Bundle, Content};

use super::attribution::Attribution;
use super::layer::{called, quoted};
use super::subject::{checked, named};
use crate::nn::{Model, Operator};
use crate::plot::{HeatMap, ImageGrid, Table, ValueRange, number};
use crate::rich::Rich;
use crate::{Error, Result};

/// The weights of an attention for one image: of each head and each query, how much it takes of each key. Made by
/// [`attention_maps`].
#[derive(Debug, Clone)]
pub struct AttentionMaps {
    layer: String,
    /// Heads, queries and keys.
    shape: [usize; 3],
    values: Vec<f32>,
    places: Option<Places>,
    image: Tensor,
}

/// Which keys are places of the image: those after the first `before`, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) before: usize,
    pub(super) grid: [usize; 2],
}

/// The attention of a layer for one image, in any model of one's own or of the zoo: `self_attention`,
/// `multi_head_attention`, `scaled_dot_product_attention` (of DETR: what each query looks at) or `relative_attention`.
/// Without a `layer`, the last one that the main output comes from.
///
/// # Errors
/// If the model cannot take `image`, which is one image of finite values; there is no such layer, or it is no attention.
pub fn attention_maps(model: &Model, image: &Tensor, layer: Option<&str>) -> Result<AttentionMaps> {
    let op = "explain::attention_maps";
    let image = checked(op, image)?;
    let node = match layer {
        Some(layer) => attention_called(op, model, layer)?,
        None => *attentions(op, model)?.last().ok_or_else(|| no_attention(op, model, "a model without"))?,
    };
    AttentionMaps::of(op, model, image, (node, &[])).map(|(maps, _)| maps)
}

/// The attention called `name`.
pub(super) fn attention_called(op: &'static str, model: &Model, name: &str) -> Result<usize> {
    let node = called(op, model, name)?;
    match is_attention(model, node) {
        true => Ok(node),
        false => Err(no_attention(op, model, &model.graph().nodes()[node].label())),
    }
}

/// The attentions that the main output comes from, in order.
pub(super) fn attentions(op: &'static str, model: &Model) -> Result<Vec<usize>> {
    let leads = model.leads_to_output();
    let nodes = model.graph().nodes();
    let found: Vec<usize> =
        (0..nodes.len()).filter(|&node| leads[node] && is_attention(model, node)).collect();
    match found.is_empty() {
        true => Err(no_attention(op, model, "a model without")),
        false => Ok(found),
    }
}

fn is_attention(model: &Model, node: usize) -> bool {
    matches!(
        model.graph().nodes()[node].operator,
        Operator::MultiHeadAttention { .. }
            | Operator::ScaledDotProductAttention { .. }
            | Operator::RelativeAttention { .. }
    )
}

fn no_attention(op: &'static str, model: &Model, got: &str) -> Error {
    let nodes = model.graph().nodes().iter().enumerate();
    let names: Vec<&str> =
        nodes.filter(|(node, _)| is_attention(model, *node)).map(|(_, node)| node.name.as_str()).collect();
    let hint = match names.as_slice() {
        [] => "For convolutions look at `explain::grad_cam`.".to_owned(),
        [.., last] if names.len() > 12 => format!("The model has {}, the last is {last:?}.", names.len()),
        names => format!("The model has {}.", quoted(names, ", ")),
    };
    Error::Argument {
        op: op.into(),
        expected: "an attention of queries to keys".into(),
        got: got.to_owned(),
        hint,
    }
}

/// Where the tokens of the node `tokens` lie in the image: as those of the last `image_to_tokens` before it, with a class
/// token or a few others before them.
pub(super) fn places(model: &Model, image: &Tensor, tokens: usize, count: usize) -> Result<Option<Places>> {
    let shapes = model.graph().infer([image.dims()[1], image.dims()[2], image.dims()[3]])?;
    let leads = model.leads_to(tokens);
    let nodes = model.graph().nodes();
    let cut = (0..=tokens)
        .rev()
        .find(|&node| leads[node] && matches!(nodes[node].operator, Operator::ImageToTokens));
    let shape = cut.and_then(|cut| nodes[cut].inputs.first()).map(|&input| shapes[input].as_slice());
    let Some(&[_, rows, columns]) = shape else { return Ok(None) };
    // Tokens before those of places are class and register tokens; far more of them are something else.
    let before = count.checked_sub(rows * columns).filter(|&before| before <= 8);
    Ok(before.map(|before| Places { before, grid: [rows, columns] }))
}

impl AttentionMaps {
    /// Of the attention `node` for `image` (1, C, H, W), with the values of the nodes `beside` in the same run.
    pub(super) fn of(
        op: &'static str,
        model: &Model,
        image: Tensor,
        (node, beside): (usize, &[usize]),
    ) -> Result<(AttentionMaps, Vec<Tensor>)> {
        let mut weights = None;
        let keep = |_, found| {
            weights = Some(found);
            Ok(())
        };
        let values = model.attention_weights(&image, &[node], beside, keep).map_err(named(op))?;
        let spec = &model.graph().nodes()[node];
        let weights = weights.ok_or_else(|| no_attention(op, model, &spec.label()))?;
        let (_, heads, queries, keys) = weights.dims4()?;
        // Queries, keys and values; of relative attention all in one.
        let key = spec.inputs.get(1).or(spec.inputs.first()).copied().unwrap_or_default();
        let maps = AttentionMaps {
            layer: spec.name.clone(),
            shape: [heads, queries, keys],
            values: weights.flatten_all()?.to_vec1()?,
            places: places(model, &image, key, keys)?,
            image,
        };
        Ok((maps, values))
    }

    /// The layer's name.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Heads, queries and keys.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The weights, head by head and query by query: those of a query sum to 1.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Rows and columns of the image's places among the keys, if keys are places.
    #[must_use]
    pub fn grid(&self) -> Option<[usize; 2]> {
        self.places.map(|places| places.grid)
    }

    /// What one query looks at, the mean of all heads, over the image. Query 0 of a ViT is its class token; those of
    /// DETR are its object queries, which [`query_attention`](super::query_attention) shows with what they found.
    ///
    /// # Errors
    /// If there is no such query, or the keys are not places of the image.
    pub fn query(&self, query: usize) -> Result<Attribution> {
        let op = "AttentionMaps::query";
        let map = self.map_of(op, query, None)?;
        let method = format!("attention of query {query} in {:?}", self.layer);
        Attribution::of_places(method, None, &self.image, map)
    }

    /// What one query looks at, of one head or the mean of all: rows and columns of places, and their weights.
    pub(super) fn map_of(
        &self,
        op: &'static str,
        query: usize,
        head: Option<usize>,
    ) -> Result<([usize; 2], Vec<f32>)> {
        let [heads, queries, keys] = self.shape;
        let below = |what: &str, count: usize, got: usize| Error::Argument {
            op: op.into(),
            expected: format!("a {what} below {count}"),
            got: got.to_string(),
            hint: match what {
                "query" => "Queries count from 0.".into(),
                _ => "Heads count from 0; without one, the mean of all is taken.".into(),
            },
        };
        if query >= queries {
            return Err(below("query", queries, query));
        }
        if let Some(head) = head.filter(|&head| head >= heads) {
            return Err(below("head", heads, head));
        }
        let Places { before, grid } = self.places.ok_or_else(|| Error::Argument {
            op: op.into(),
            expected: "keys that are places of the image".into(),
            got: format!("{keys} keys of {:?} that do not come from `image_to_tokens`", self.layer),
            hint: "`values()` of `explain::attention_maps` has the weights.".into(),
        })?;
        let rows = self.values.chunks_exact(keys.max(1)).skip(query).step_by(queries.max(1)).enumerate();
        let mut sums = vec![0.0_f64; keys];
        for (_, row) in rows.filter(|(at, _)| head.is_none_or(|head| head == *at)) {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let count = if head.is_some() { 1 } else { heads.max(1) };
        Ok((grid, sums[before..].iter().map(|&sum| (sum / count as f64) as f32).collect()))
    }

    /// The weights of each head as a picture: what query 0 looks at where keys are places, else queries by keys. All on
    /// one scale.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn grid_of_heads(&self) -> Result<ImageGrid> {
        let [heads, queries, keys] = self.shape;
        let (size, from, to) = match self.places {
            Some(Places { before, grid }) => (grid, before, keys),
            None => ([queries, keys], 0, queries * keys),
        };
        let parts: Vec<&[f32]> =
            self.values.chunks_exact((queries * keys).max(1)).map(|head| &head[from..to]).collect();
        let white = parts.iter().flat_map(|part| *part).copied().fold(0.0, f32::max);
        let what = match self.places {
            Some(_) => "what query 0 looks at",
            None => "queries by keys",
        };
        let mut grid = ImageGrid::new()
            .title(&format!("{}, {heads} heads: {what}", self.layer))
            .note(&format!("dark blue is 0, yellow {}", number(f64::from(white))));
        for (head, part) in parts.into_iter().enumerate() {
            let range = ValueRange::Between { black: 0.0, white: white.max(f32::MIN_POSITIVE) };
            grid.push(HeatMap::new(size, part)?.range(range).picture()?, &format!("head {head}"));
        }
        Ok(grid)
    }

    /// Of each head the greatest weight and the entropy of the weights in bits, the mean of all queries: 0 where each looks
    /// at one key, log2 of the keys where it looks at all alike.
    #[must_use]
    pub fn table(&self) -> Table {
        let [_, queries, keys] = self.shape;
        let mut table = Table::new(&["head", "greatest weight", "mean entropy (bits)"]);
        for (head, values) in self.values.chunks_exact((queries * keys).max(1)).enumerate() {
            let greatest = values.iter().copied().fold(0.0, f32::max);
            let bits = values.iter().map(|&value| f64::from(value)).filter(|&value| value > 0.0);
            let entropy = -bits.map(|value| value * value.log2()).sum::<f64>() / queries.max(1) as f64;
            table.push(&[head.to_string(), number(f64::from(greatest)), number(entropy.max(0.0))]);
        }
        table
    }
}

impl Rich for AttentionMaps {
    fn rich(&self) -> Bundle {
        let [heads, queries, keys] = self.shape;
        let title = format!("{}: attention of {heads} heads, {queries} queries to {keys} keys\n", self.layer);
        let text = format!("{title}{}", self.table().text());
        match self.grid_of_heads() {
            Ok(grid) => grid.rich().with("text/plain", Content::Text(text)),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
