//! How much each point takes of each other for its neighbour.

use rayon::prelude::*;

use super::distance::{ROUND, squared_distances};
use super::rows::Rows;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

/// Halvings of the bracket around the width of a neighbourhood: as many as a number has bits, and the way to the bracket.
const HALVINGS: usize = 200;

/// For each point, row by row, the probabilities with which it takes the others for its neighbours (van der Maaten and
/// Hinton 2008, equation 1): of a Gaussian around it whose width is such that the perplexity is the one asked for. Where
/// more others than that are equally near, these share the whole.
pub(super) fn conditional(rows: &Rows, perplexity: f64) -> Result<Vec<f32>> {
    let points = rows.len();
    let mut found = Vec::with_capacity(points * points);
    let mut progress = Progress::start("t-SNE, neighbourhoods", Unit::Images, Some(points as u64));
    for start in (0..points).step_by(ROUND) {
        progress.at(start as u64)?;
        let round = (start..(start + ROUND).min(points)).into_par_iter();
        let probabilities: Vec<Result<Vec<f32>>> = round.map(|at| row(rows, at, perplexity)).collect();
        for row in probabilities {
            found.extend(row?);
        }
    }
    Ok(found)
}

/// What is taken of each pair, both ways together; all sum to 1.
pub(super) fn joint(mut conditional: Vec<f32>, points: usize) -> Vec<f32> {
    let whole = 2.0 * points as f64;
    for row in 0..points {
        for column in 0..row {
            let (here, there) = (row * points + column, column * points + row);
            let both = f64::from(conditional[here]) + f64::from(conditional[there]);
            (conditional[here], conditional[there]) = ((both / whole) as f32, (both / whole) as f32);
        }
    }
    conditional
}

fn row(rows: &Rows, at: usize, perplexity: f64) -> Result<Vec<f32>> {
    let distances = squared_distances(rows, at);
    let others = || distances.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, far)| *far);
    let equal = others().filter(|&far| far == 0.0).count();
    if equal as f64 > perplexity {
        return Err(Error::Argument {
            op: "Embedding::tsne".into(),
            expected: format!("at most {perplexity} points equal to another, the perplexity"),
            got: format!("{equal} that equal point {at}"),
            hint:
                "Leave out images that are there several times, choose a higher perplexity, or another layer."
                    .into(),
        });
    }
    let nearest = others().fold(f64::INFINITY, f64::min);
    let mean = others().sum::<f64>() / (distances.len() - 1) as f64 - nearest;
    if !mean.is_finite() {
        return Err(Error::Argument {
            op: "Embedding::tsne".into(),
            expected: "points whose distances are numbers".into(),
            got: format!("infinite ones from point {at}"),
            hint: "Divide the values, they are too large.".into(),
        });
    }
    let mut weights = vec![0.0; distances.len()];
    // The precision is 1 / 2σ² of the paper; from where the mean distance is that of one standard deviation or so.
    let (mut precision, mut low, mut high) = (if mean > 0.0 { 1.0 / mean } else { 1.0 }, 0.0, f64::INFINITY);
    let goal = perplexity.ln();
    let mut sum = 0.0;
    for _ in 0..HALVINGS {
        let mut moment = 0.0;
        sum = 0.0;
        for (other, (weight, far)) in weights.iter_mut().zip(&distances).enumerate() {
            let far = far - nearest;
            *weight = if other == at { 0.0 } else { (-far * precision).exp() };
            sum += *weight;
            // An infinite precision is never asked for, so that this is a number.
            moment += far * *weight;
        }
        let entropy = sum.ln() + precision * moment / sum;
        if (entropy - goal).abs() <= 1e-11 {
            break;
        }
        if entropy > goal {
            low = precision
        } else {
            high = precision
        }
        precision = if high.is_finite() { f64::midpoint(low, high) } else { precision * 2.0 };
        if !precision.is_finite() || (high.is_finite() && high - low <= 1e-15 * high) {
            break;
        }
    }
    Ok(weights.into_iter().map(|weight| (weight / sum) as f32).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read as _;

    use super::*;

    /// By hand: of two others, 1 and 2 away, with the perplexity that weights 2 to 1 have.
    #[test]
    fn two_neighbours_are_weighted_as_asked() -> Result<()> {
        let rows = Rows { width: 1, values: vec![0.0, 1.0, -2.0] };
        let entropy = -(2.0_f64 / 3.0 * (2.0_f64 / 3.0).ln() + 1.0 / 3.0 * (1.0_f64 / 3.0).ln());
        let got = row(&rows, 0, entropy.exp())?;
        for (got, wanted) in got.iter().zip([0.0, 2.0 / 3.0, 1.0 / 3.0]) {
            assert!((got - wanted).abs() < 1e-6, "{got}, not {wanted}");
        }
        // Others that are equally near share the whole, whatever is asked for.
        let rows = Rows { width: 1, values: vec![0.0, 1.0, -1.0, 1.0, 9.0] };
        assert_eq!(row(&rows, 0, 2.0)?, [0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0]);
        Ok(())
    }

    #[test]
    fn probabilities_are_those_of_the_reference() -> Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/explain/embedding.json");
        let fixture: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let wanted = fixture["conditional"].as_array().unwrap();
        let packed: &[u8] = include_bytes!("../../data/digits.csv.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        // The first 40 digits; behind the pixels of each stands its class.
        let pixels = text.lines().take(40).flat_map(|line| line.split(',').take(64));
        let rows = Rows { width: 64, values: pixels.map(|value| value.parse().unwrap()).collect() };
        let got = conditional(&rows, 7.0)?;
        assert_eq!(got.len(), wanted.len());
        for (at, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            let error = (f64::from(*got) - wanted.as_f64().unwrap()).abs();
            // scikit-learn ends its search at an entropy within 1e-5 of what is asked for.
            assert!(error < 5e-6, "{at}: {got}, not {wanted}");
        }
        let both = joint(got.clone(), 40);
        let sum: f64 = both.iter().map(|&value| f64::from(value)).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!((both[3] - (got[3] + got[120]) / 80.0).abs() < 1e-9 && both[3] == both[120]);
        Ok(())
    }
}
