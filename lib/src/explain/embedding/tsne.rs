//! Points in a plane, so that neighbours stay neighbours.

use rayon::prelude::*;
use sconce_display::{Bundle, Content};

use super::Embedding;
use super::affinity::{conditional, joint};
use super::rows::Groups;
use crate::ops::vectorized;
use crate::plot::{Scatter, Table, count, number};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// So many values are computed side by side, so that they become vectors.
const LANES: usize = 8;
/// The standard deviation of the first coordinate at the start: as good as a single point.
const START: f64 = 1e-4;
/// After how many steps it is looked whether anything still happens.
const LOOK: usize = 50;
/// A divergence that has not become less for so many steps is as low as it gets.
const PATIENCE: usize = 300;
/// A gradient of this length moves nothing.
const LEAST_GRADIENT: f64 = 1e-7;

/// How [`Embedding::tsne`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TsneConfig {
    /// About how many neighbours of a point count, from 1 to less than the number of points less one; 5 to 50 are usual.
    pub perplexity: f64,
    /// How often all points move, at least 1.
    pub steps: usize,
    /// How many of the first steps, fewer than all, pull neighbours together more strongly, so that groups find their places.
    pub early_steps: usize,
    /// How much more strongly, at least 1.
    pub early_exaggeration: f64,
    /// How far points move; `None` for N / `early_exaggeration` / 4, at least 50 (Belkina et al. 2019).
    pub learning_rate: Option<f64>,
    /// Where the points begin.
    pub start: TsneStart,
}

impl Default for TsneConfig {
    /// Perplexity 30, 1000 steps of which 250 are early ones with an exaggeration of 12, from the first two components.
    fn default() -> TsneConfig {
        TsneConfig {
            perplexity: 30.0,
            steps: 1000,
            early_steps: 250,
            early_exaggeration: 12.0,
            learning_rate: None,
            start: TsneStart::Pca,
        }
    }
}

/// Where the points of a [`Tsne`] begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsneStart {
    /// At their first two principal components, which keeps more of the whole (Kobak and Berens 2019), and is the same every
    /// time.
    Pca,
    /// At random.
    Random(Seed),
}

/// Points in a plane, those near each other in many dimensions near each other. Made by [`Embedding::tsne`].
#[derive(Debug, Clone)]
pub struct Tsne {
    name: String,
    groups: Option<Groups>,
    points: Vec<[f64; 2]>,
    perplexity: f64,
    divergence: f64,
    steps: usize,
}

impl Tsne {
    /// How many points there may be: each step looks at all pairs. Of more take a [sample](Embedding::sample).
    pub const MOST: usize = 5000;

    /// See [`Embedding::tsne`].
    pub(super) fn of(embedding: &Embedding, config: &TsneConfig) -> Result<Tsne> {
        check(embedding.shape()[0], config)?;
        crate::threads::init()?;
        let start = start(embedding, config.start)?;
        let points = embedding.shape()[0];
        let pull = joint(conditional(&embedding.rows, config.perplexity)?, points);
        let mut plane = Plane::new(start, &pull);
        let (divergence, steps) = plane.settle(config)?;
        Ok(Tsne {
            name: embedding.name.clone(),
            groups: embedding.groups.clone(),
            points: plane.x.iter().zip(&plane.y).map(|(&x, &y)| [x, y]).collect(),
            perplexity: config.perplexity,
            divergence,
            steps,
        })
    }

    /// Where each point is.
    #[must_use]
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The Kullback-Leibler divergence from the neighbourhoods in many dimensions to those in the plane, in nats: how much
    /// the plane had to leave out. Of the same points with the same perplexity the less the better.
    #[must_use]
    pub fn divergence(&self) -> f64 {
        self.divergence
    }

    /// How often the points moved.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// What it is made of and how it went.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["points", "perplexity", "divergence", "steps"]);
        let row =
            [count(self.points.len()), number(self.perplexity), number(self.divergence), count(self.steps)];
        table.push(&row);
        table
    }

    /// The points in the colours of their classes. Axes have no meaning beyond who is near whom.
    #[must_use]
    pub fn scatter(&self) -> Scatter {
        let title = format!("{}: t-SNE of {} points", self.name, count(self.points.len()));
        Groups::scatter(self.groups.as_ref(), &self.points, &title)
    }
}

impl Rich for Tsne {
    fn rich(&self) -> Bundle {
        let text = format!("{}{}", self.scatter().text(), self.table().text());
        self.scatter().rich().with("text/plain", Content::Text(text))
    }
}

fn check(points: usize, config: &TsneConfig) -> Result<()> {
    let refused = |expected: &str, got: String, hint: &str| {
        Err(Error::Argument {
            op: "Embedding::tsne".into(),
            expected: expected.into(),
            got,
            hint: hint.into(),
        })
    };
    let TsneConfig { perplexity, steps, early_steps, early_exaggeration, learning_rate, .. } = *config;
    if points < 4 {
        return refused("at least 4 points", points.to_string(), "Take more images.");
    }
    if points > Tsne::MOST {
        let hint = format!("Take a part of them: `embedding.sample({}, Seed(0)).tsne(config)`.", Tsne::MOST);
        return refused(&format!("at most {} points", Tsne::MOST), points.to_string(), &hint);
    }
    let most = points - 1;
    if !(perplexity >= 1.0 && perplexity < most as f64) {
        let good = (most as f64 / 3.0).min(30.0).floor().max(1.0);
        let expected =
            format!("a perplexity of at least 1 and below {most}, the neighbours that a point has");
        let hint = format!("For {points} points `perplexity: {good:.1}` is good.");
        return refused(&expected, perplexity.to_string(), &hint);
    }
    if steps == 0 {
        return refused("at least 1 step", "0".into(), "1000 is usual.");
    }
    if early_steps >= steps {
        let hint = format!("A quarter of them is usual: `early_steps: {}`.", steps / 4);
        return refused(&format!("fewer early steps than the {steps} steps"), early_steps.to_string(), &hint);
    }
    if !(early_exaggeration >= 1.0 && early_exaggeration.is_finite()) {
        let hint = "12 is usual, 1 is none.";
        return refused("an early exaggeration of at least 1", early_exaggeration.to_string(), hint);
    }
    if let Some(rate) = learning_rate.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
        return refused(
            "a learning rate above 0",
            rate.to_string(),
            "`None` chooses one by the number of points.",
        );
    }
    Ok(())
}

/// Where the points begin, each coordinate by itself.
fn start(embedding: &Embedding, start: TsneStart) -> Result<[Vec<f64>; 2]> {
    let mut points: Vec<[f64; 2]> = match start {
        TsneStart::Random(seed) => {
            let mut rng = seed.derive("t-SNE").rng();
            (0..embedding.shape()[0])
                .map(|_| [rng.normal(), rng.normal()].map(|value| value * START))
                .collect()
        }
        TsneStart::Pca => {
            let pca = embedding.pca(2).map_err(|error| match error {
                Error::Argument { expected, got, .. } => Error::Argument {
                    op: "Embedding::tsne".into(),
                    expected,
                    got,
                    hint: "For points that differ in one direction only begin with `TsneStart::Random(Seed(0))`."
                        .into(),
                },
                other => other,
            })?;
            let scale =
                START / (pca.variance()[0] * (pca.shape()[0] - 1) as f64 / pca.shape()[0] as f64).sqrt();
            pca.points().into_iter().map(|point| point.map(|value| value * scale)).collect()
        }
    };
    let x = points.iter().map(|point| point[0]).collect();
    Ok([x, points.drain(..).map(|point| point[1]).collect()])
}

/// Points that pull at those they take for neighbours, and push all others away.
struct Plane<'a> {
    x: Vec<f64>,
    y: Vec<f64>,
    /// The joint probabilities, row by row.
    pull: &'a [f32],
}

/// What acts on one point.
#[derive(Debug, Clone, Copy, Default)]
struct Forces {
    pull: [f64; 2],
    push: [f64; 2],
    /// The sum of its likenesses to the others in the plane.
    likeness: f64,
}

impl<'a> Plane<'a> {
    fn new([x, y]: [Vec<f64>; 2], pull: &'a [f32]) -> Plane<'a> {
        Plane { x, y, pull }
    }

    /// Moves the points until the steps are made or nothing happens any more; gives the divergence and the steps.
    fn settle(&mut self, config: &TsneConfig) -> Result<(f64, usize)> {
        let points = self.x.len();
        let rate = points as f64 / config.early_exaggeration / 4.0;
        let rate = config.learning_rate.unwrap_or(rate.max(50.0));
        let mut update = vec![[0.0_f64; 2]; points];
        let mut gain = vec![[1.0_f64; 2]; points];
        let (mut best, mut best_step) = (f64::INFINITY, 0);
        let mut progress = Progress::start("t-SNE", Unit::Steps, Some(config.steps as u64));
        let mut made = config.steps;
        for step in 0..config.steps {
            progress.at(step as u64)?;
            let early = step < config.early_steps;
            let (exaggeration, momentum) = if early { (config.early_exaggeration, 0.5) } else { (1.0, 0.8) };
            let gradient = self.gradient(exaggeration);
            for (at, gradient) in gradient.iter().enumerate() {
                for axis in 0..2 {
                    // Where the way goes on as before, longer steps; where it turns, shorter ones (Jacobs 1988).
                    let turned = update[at][axis] * gradient[axis] >= 0.0;
                    let grown = if turned { gain[at][axis] * 0.8 } else { gain[at][axis] + 0.2 };
                    gain[at][axis] = grown.max(0.01);
                    update[at][axis] = momentum * update[at][axis] - rate * gain[at][axis] * gradient[axis];
                }
                self.x[at] += update[at][0];
                self.y[at] += update[at][1];
            }
            if (step + 1).is_multiple_of(LOOK) && !early {
                let length = gradient.iter().flatten().map(|value| value * value).sum::<f64>().sqrt();
                let divergence = self.divergence();
                if divergence < best {
                    (best, best_step) = (divergence, step);
                }
                if step - best_step > PATIENCE || length <= LEAST_GRADIENT {
                    made = step + 1;
                    break;
                }
            }
        }
        let divergence = self.divergence();
        if !divergence.is_finite() {
            return Err(Error::Argument {
                op: "Embedding::tsne".into(),
                expected: "a learning rate with which the points stay together".into(),
                got: format!("{rate}, with which they flew apart"),
                hint: "`learning_rate: None` chooses one by the number of points.".into(),
            });
        }
        Ok((divergence, made))
    }

    /// The gradient of the divergence for each point (van der Maaten and Hinton 2008, equation 5), exact.
    fn gradient(&self, exaggeration: f64) -> Vec<[f64; 2]> {
        let points = self.x.len();
        let forces: Vec<Forces> = (0..points).into_par_iter().map(|at| self.forces(at)).collect();
        let all: f64 = forces.iter().map(|forces| forces.likeness).sum();
        let gradient = |forces: &Forces| {
            [0, 1].map(|axis| 4.0 * (exaggeration * forces.pull[axis] - forces.push[axis] / all))
        };
        forces.iter().map(gradient).collect()
    }

    fn forces(&self, at: usize) -> Forces {
        let points = self.x.len();
        let pull = self.pull.get(at * points..(at + 1) * points).unwrap_or_default();
        let mut forces = Forces::default();
        vectorized(|| forces = sums([self.x[at], self.y[at]], [&self.x, &self.y], pull));
        // The point is as like itself as can be, which does not count.
        forces.likeness -= 1.0;
        forces
    }

    fn divergence(&self) -> f64 {
        let points = self.x.len();
        let likeness = |a: usize, b: usize| {
            1.0 / (1.0 + (self.x[a] - self.x[b]).powi(2) + (self.y[a] - self.y[b]).powi(2))
        };
        let rows: Vec<[f64; 2]> = (0..points)
            .into_par_iter()
            .map(|at| {
                let pull = self.pull.get(at * points..(at + 1) * points).unwrap_or_default();
                let (mut all, mut divergence) = (0.0, 0.0);
                for (other, &pull) in pull.iter().enumerate().filter(|(other, _)| *other != at) {
                    let (likeness, pull) = (likeness(at, other), f64::from(pull));
                    all += likeness;
                    if pull > 0.0 {
                        divergence += pull * (pull / likeness).ln();
                    }
                }
                [all, divergence]
            })
            .collect();
        let all: f64 = rows.iter().map(|[all, _]| all).sum();
        // The probabilities sum to 1.
        rows.iter().map(|[_, divergence]| divergence).sum::<f64>() + all.ln()
    }
}

/// What acts on a point at `own`, itself among the others.
#[inline(always)]
fn sums(own: [f64; 2], [x, y]: [&[f64]; 2], pull: &[f32]) -> Forces {
    let mut sums = [[0.0_f64; LANES]; 5];
    let (xs, ys, pulls) = (x.chunks_exact(LANES), y.chunks_exact(LANES), pull.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder()).zip(pulls.remainder());
    for (lane, ((&x, &y), &pull)) in rest.enumerate() {
        add(&mut sums, lane, own, [x, y], pull);
    }
    for ((x, y), pull) in xs.zip(ys).zip(pulls) {
        for (lane, ((&x, &y), &pull)) in x.iter().zip(y).zip(pull).enumerate() {
            add(&mut sums, lane, own, [x, y], pull);
        }
    }
    let [pull_x, pull_y, push_x, push_y, likeness] = sums.map(|lanes| lanes.iter().sum::<f64>());
    Forces { pull: [pull_x, pull_y], push: [push_x, push_y], likeness }
}

#[inline(always)]
fn add(sums: &mut [[f64; LANES]; 5], lane: usize, own: [f64; 2], other: [f64; 2], pull: f32) {
    let [dx, dy] = [own[0] - other[0], own[1] - other[1]];
    let likeness = 1.0 / (1.0 + dx * dx + dy * dy);
    let (pull, push) = (f64::from(pull) * likeness, likeness * likeness);
    for (sum, value) in sums.iter_mut().zip([pull * dx, pull * dy, push * dx, push * dy, likeness]) {
        sum[lane] += value;
    }
}
