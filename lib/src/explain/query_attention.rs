//! Where the object queries of a detector look, and what they found there.

use candle_core::Tensor;
use sconce_display::{Bundle, Content};

use super::attention::{AttentionMaps, attention_called, attentions};
use super::attribution::Attribution;
use super::subject::{checked, picture};
use crate::nn::Model;
use crate::ops::{BoxFormat, convert_boxes, shape_text, softmax};
use crate::plot::{Annotated, ImageGrid, Mark, Picture, Table, number, percent};
use crate::rich::Rich;
use crate::{Error, Result};

/// The longer side of a picture in the grid, in pixels.
const SIDE: usize = 480;

/// What [`query_attention`] shows.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAttentionConfig {
    /// The attention of queries to places; `None` for the last one before the main output, in DETR that of the last
    /// decoder layer.
    pub layer: Option<String>,
    /// One head, from 0; `None` for the mean of all.
    pub head: Option<usize>,
    /// Which queries.
    pub queries: QueryChoice,
}

impl Default for QueryAttentionConfig {
    fn default() -> QueryAttentionConfig {
        QueryAttentionConfig {
            layer: None,
            head: None,
            queries: QueryChoice::Found { min_score: 0.7, most: 12 },
        }
    }
}

/// Which object queries are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryChoice {
    /// Those that found something, the surest first.
    Found {
        /// The least probability of their class, in `0..=1`.
        min_score: f64,
        /// How many at most.
        most: usize,
    },
    /// These, by their numbers from 0, whatever they found.
    These(Vec<usize>),
}

/// What object queries found in an image and where they looked. Made by [`query_attention`].
#[derive(Debug, Clone)]
pub struct QueryAttention {
    layer: String,
    head: Option<usize>,
    queries: Vec<ObjectQuery>,
    /// How many the model has.
    count: usize,
    class_names: Vec<String>,
    picture: Picture,
}

/// An object query: what it found and where it looked.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectQuery {
    /// Its number, from 0.
    pub query: usize,
    /// The likeliest class other than no object.
    pub class: usize,
    /// The probability of that class, in `0..=1`.
    pub score: f64,
    /// Left, top, right and bottom in pixels of the image; a model may place them beyond its edges.
    pub bbox: [f32; 4],
    /// The part of the attention that falls on places with their centre in the box, in `0..=1`.
    pub inside: f64,
    /// Where it looked.
    pub map: Attribution,
}

/// Of a detector of objects by queries, DETR or one of your own: what its queries found in `image`, (C, H, W) or
/// (1, C, H, W), prepared as for the model, and where in the image their attention went (Carion et al. 2020,
/// arXiv:2005.12872, figure 6). The model has the outputs `logits` (B, Q, classes + 1), raw, the last of no object, and
/// `boxes` (B, Q, 4) of [`BoxFormat::Cxcywh`] in fractions of the image.
///
/// ```
/// # use sconce::{explain::{self, QueryAttentionConfig, QueryChoice}, models::DetrConfig, prelude::*};
/// # let net = DetrConfig::small([3, 64, 64]).architecture()?.init(Seed(1), &Device::Cpu)?;
/// # let image = Tensor::zeros((3, 64, 64), DType::F32, &Device::Cpu)?;
/// let config = QueryAttentionConfig { queries: QueryChoice::These(vec![0, 7]), ..Default::default() };
/// let seen = explain::query_attention(&net, &image, config)?.class_names(&["circle", "square", "cross"])?;
/// assert_eq!(seen.queries()[1].map.coarse().map(|(size, _)| size), Some([8, 8]));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the model has no such outputs or no attention of its queries to places of the image, cannot take `image`, or gives
/// values that are not numbers; there is no such layer, head or query; or a least score outside `0..=1`.
pub fn query_attention(
    model: &Model,
    image: &Tensor,
    config: QueryAttentionConfig,
) -> Result<QueryAttention> {
    let op = "explain::query_attention";
    let image = checked(op, image)?;
    let node = match &config.layer {
        Some(layer) => attention_called(op, model, layer)?,
        None => attentions(op, model)?.pop().unwrap_or_default(),
    };
    let outputs = [output(op, model, "logits")?, output(op, model, "boxes")?];
    let (maps, values) = AttentionMaps::of(op, model, image.clone(), (node, &outputs))?;
    let found = guesses(op, model, &values, [image.dims()[2], image.dims()[3]])?;
    let [_, queries, _] = maps.shape();
    if queries != found.len() {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!("an attention of the {} object queries", found.len()),
            got: format!("{:?}, which has {queries} queries", maps.layer()),
            hint: "Choose the attention of the decoder to the image.".into(),
        });
    }
    let mut shown = Vec::new();
    for query in chosen(op, &found, &config.queries)? {
        let Guess { class, score, bbox } = found[query];
        let (grid, map) = maps.map_of(op, query, config.head)?;
        let inside = inside(&map, grid, bbox, [image.dims()[2], image.dims()[3]]);
        let of = config.head.map_or_else(String::new, |head| format!("head {head} of "));
        let method = format!("query {query} in {of}{:?}", maps.layer());
        let map = Attribution::of_places(method, Some((class, score)), &image, (grid, map))?;
        shown.push(ObjectQuery { query, class, score, bbox, inside, map });
    }
    Ok(QueryAttention {
        layer: maps.layer().to_owned(),
        head: config.head,
        queries: shown,
        count: found.len(),
        class_names: Vec::new(),
        picture: picture(&image)?,
    })
}

/// The node of an output.
fn output(op: &'static str, model: &Model, name: &str) -> Result<usize> {
    let outputs = model.graph().outputs();
    outputs.iter().find(|output| output.name == name).map(|output| output.node).ok_or_else(|| {
        let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        Error::Argument {
            op: op.into(),
            expected: "a model with the outputs \"logits\" and \"boxes\", as `models::DetrConfig` makes"
                .into(),
            got: format!("one with {}", super::layer::quoted(&names, ", ")),
            hint: "For the attention of other models take `explain::attention_maps`.".into(),
        }
    })
}

/// What a query says.
#[derive(Debug, Clone, Copy)]
struct Guess {
    class: usize,
    score: f64,
    bbox: [f32; 4],
}

/// The likeliest class of each query other than no object, and its box in pixels of an image of this height and width.
fn guesses(op: &'static str, model: &Model, values: &[Tensor], size: [usize; 2]) -> Result<Vec<Guess>> {
    let [logits, boxes] = values else { return Ok(Vec::new()) };
    let fits = match (logits.dims(), boxes.dims()) {
        (&[1, queries, columns], &[1, boxes, 4]) => queries == boxes && columns > 1,
        _ => false,
    };
    if !fits {
        return Err(Error::Shape {
            op: op.into(),
            expected: "outputs `logits` (B, Q, classes + 1) and `boxes` (B, Q, 4)".into(),
            got: format!("{} and {}", shape_text(logits.dims()), shape_text(boxes.dims())),
            hint: "The last logit of a query is that of no object.".into(),
        });
    }
    let [height, width] = size.map(|side| side as f64);
    let scale = Tensor::new(&[width, height, width, height], model.device())?.to_dtype(boxes.dtype())?;
    let corners = convert_boxes(&boxes.get(0)?, BoxFormat::Cxcywh, BoxFormat::Xyxy)?.broadcast_mul(&scale)?;
    let corners = corners.to_vec2::<f32>()?; // (Q, 4)
    let rows = softmax(&logits.get(0)?, 1)?.to_vec2::<f32>()?; // (Q, classes + 1)
    if !rows.iter().chain(&corners).flatten().all(|value| value.is_finite()) {
        return Err(Error::Argument {
            op: op.into(),
            expected: "logits and boxes that are numbers".into(),
            got: "one that is not, or is infinite".into(),
            hint: "The model has diverged, or was given an image that is not normalized.".into(),
        });
    }
    let guess = |(row, corners): (&Vec<f32>, &Vec<f32>)| {
        let (_, classes) = row.split_last()?;
        let (class, &score) =
            classes.iter().enumerate().max_by(|(a, p), (b, q)| p.total_cmp(q).then(b.cmp(a)))?;
        let bbox = <[f32; 4]>::try_from(corners.as_slice()).ok()?;
        Some(Guess { class, score: f64::from(score), bbox })
    };
    Ok(rows.iter().zip(&corners).filter_map(guess).collect())
}

/// The numbers of the queries to show.
fn chosen(op: &'static str, found: &[Guess], choice: &QueryChoice) -> Result<Vec<usize>> {
    let refused = |expected: String, got: String, hint: &str| {
        Err(Error::Argument { op: op.into(), expected, got, hint: hint.into() })
    };
    match choice {
        QueryChoice::These(queries) => match queries.iter().find(|&&query| query >= found.len()) {
            Some(query) => {
                let expected = format!("queries below {}", found.len());
                refused(expected, query.to_string(), "Queries count from 0.")
            }
            None if queries.is_empty() => refused(
                "at least one query".into(),
                "none".into(),
                "`QueryChoice::These(vec![0])` is the first.",
            ),
            None => Ok(queries.clone()),
        },
        QueryChoice::Found { min_score, most } => {
            if !(0.0..=1.0).contains(min_score) || *most == 0 {
                let got = format!("min_score {min_score}, most {most}");
                let expected = "a least score in 0..=1 and at least one query".to_owned();
                return refused(expected, got, "The defaults are 0.7 and 12.");
            }
            let mut sure: Vec<usize> =
                (0..found.len()).filter(|&query| found[query].score >= *min_score).collect();
            sure.sort_by(|&a, &b| found[b].score.total_cmp(&found[a].score));
            sure.truncate(*most);
            Ok(sure)
        }
    }
}

/// The part of a map that falls on places with their centre in a box.
fn inside(map: &[f32], grid: [usize; 2], bbox: [f32; 4], size: [usize; 2]) -> f64 {
    let [left, top, right, bottom] = bbox.map(f64::from);
    let center = |at: usize, axis: usize| (at as f64 + 0.5) * size[axis] as f64 / grid[axis].max(1) as f64;
    let (mut within, mut all) = (0.0, 0.0);
    for (place, &value) in map.iter().enumerate() {
        let (y, x) = (center(place / grid[1].max(1), 0), center(place % grid[1].max(1), 1));
        all += f64::from(value);
        if (left..=right).contains(&x) && (top..=bottom).contains(&y) {
            within += f64::from(value);
        }
    }
    if all > 0.0 { within / all } else { 0.0 }
}

impl QueryAttention {
    /// The queries that are shown, the surest first or in the order asked for.
    #[must_use]
    pub fn queries(&self) -> &[ObjectQuery] {
        &self.queries
    }

    /// The attention's name.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Sets what the classes are called.
    ///
    /// # Errors
    /// If a class that was found has no name.
    pub fn class_names<S: AsRef<str>>(mut self, names: &[S]) -> Result<QueryAttention> {
        if let Some(query) = self.queries.iter().find(|query| query.class >= names.len()) {
            return Err(Error::Argument {
                op: "QueryAttention::class_names".into(),
                expected: "a name for each of the model's classes".into(),
                got: format!("{} names; query {} found class {}", names.len(), query.query, query.class),
                hint: "Give all names in the order of the classes, without no object.".into(),
            });
        }
        self.class_names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        for query in &mut self.queries {
            query.map = query.map.clone().class_name(&self.class_names[query.class]);
        }
        Ok(self)
    }

    /// Shows the maps over another picture than the prepared image, such as the image as it was, in the same pixels.
    ///
    /// # Errors
    /// If the picture has another size than the image.
    pub fn over(mut self, picture: Picture) -> Result<QueryAttention> {
        if picture.size() != self.picture.size() {
            let text = |[height, width]: [usize; 2]| format!("{height} x {width} pixels");
            return Err(Error::Shape {
                op: "QueryAttention::over".into(),
                expected: format!("a picture of {}, as the image", text(self.picture.size())),
                got: text(picture.size()),
                hint: "Resize and crop it as the image was.".into(),
            });
        }
        for query in &mut self.queries {
            query.map = query.map.clone().over(picture.clone())?;
        }
        self.picture = picture;
        Ok(self)
    }

    fn name(&self, query: &ObjectQuery) -> String {
        let name = self.class_names.get(query.class).cloned();
        name.unwrap_or_else(|| format!("class {}", query.class))
    }

    /// The image with all boxes, then for each query the image in grey with the places it looked at in colours, and its
    /// box.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn grid(&self) -> Result<ImageGrid> {
        let mut grid = ImageGrid::new().title(&self.title()).note(match self.queries.is_empty() {
            true => "no query found anything",
            false => {
                "attention from 0, dark blue, to the greatest of each query, yellow; the box is what it found"
            }
        });
        let all: Vec<&ObjectQuery> = self.queries.iter().collect();
        grid.push(boxed(&self.picture, &all)?, "found");
        for query in &self.queries {
            let score = percent(query.score);
            let caption = format!("{}: {} {score}", query.query, self.name(query));
            grid.push(boxed(&query.map.overlay()?.picture()?, &[query])?, &caption);
        }
        Ok(grid)
    }

    fn title(&self) -> String {
        let heads =
            self.head.map_or_else(|| "the mean of all heads".to_owned(), |head| format!("head {head}"));
        format!(
            "{}, {heads}: where {} of {} object queries looked",
            self.layer,
            self.queries.len(),
            self.count
        )
    }

    /// A row for each query: what it found, how sure it is, the greatest weight of a place, where that is, and the part
    /// of the attention that falls into its box.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns =
            ["query", "class", "score", "x0", "y0", "x1", "y1", "greatest weight", "at", "in the box"];
        let mut table = Table::new(&columns);
        for query in &self.queries {
            let mut row = vec![query.query.to_string(), self.name(query), percent(query.score)];
            row.extend(query.bbox.map(|side| format!("{side:.1}")));
            let greatest = query.map.coarse().map_or(0.0, |(_, map)| map.iter().copied().fold(0.0, f32::max));
            let [y, x] = query.map.peak();
            row.extend([number(f64::from(greatest)), format!("x {x}, y {y}"), percent(query.inside)]);
            table.push(&row);
        }
        table
    }
}

/// A picture, small enough for a grid, with the boxes of queries.
fn boxed(picture: &Picture, queries: &[&ObjectQuery]) -> Result<Picture> {
    let shown = picture.reduced(SIDE);
    let scale = shown.size()[0] as f32 / picture.size()[0].max(1) as f32;
    let drawn = queries.iter().try_fold(Annotated::new(shown), |annotated, query| {
        let corners = Some(query.bbox.map(|side| side * scale));
        annotated.mark(Mark { color: query.class, corners, ..Mark::default() })
    });
    drawn?.picture()
}

impl Rich for QueryAttention {
    fn rich(&self) -> Bundle {
        let text = match self.queries.is_empty() {
            true => format!("{}\nno query found anything\n", self.title()),
            false => format!("{}\n{}", self.title(), self.table().text()),
        };
        match self.grid() {
            Ok(grid) => grid.rich().with("text/plain", Content::Text(text)),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
