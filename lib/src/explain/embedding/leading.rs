//! The greatest eigenvalues of a symmetric matrix that is only known by what it does to vectors: the Lanczos method
//! (Lanczos 1950) with every new vector made orthogonal to all before it.

use crate::progress::Progress;
use crate::{Error, Result, Seed};

/// Vectors whose residual is this part of the greatest eigenvalue are found.
const TOLERANCE: f64 = 1e-11;
/// Turns that bring a matrix of three diagonals to one, for each eigenvalue, at most. It takes two or three.
const TURNS: usize = 60;

/// An eigenvalue and its vector, of length 1.
pub(super) type Pair = (f64, Vec<f64>);

/// A symmetric matrix without eigenvalues below 0.
pub(super) struct Matrix<'a> {
    pub(super) side: usize,
    /// The product with a vector.
    pub(super) product: &'a dyn Fn(&[f64]) -> Vec<f64>,
}

/// The `count` greatest eigenvalues, the greatest first. There are at least `count`.
pub(super) fn leading(matrix: &Matrix<'_>, count: usize, progress: &mut Progress) -> Result<Vec<Pair>> {
    let mut found = krylov(matrix, &[], count, progress)?;
    // From one vector only one of several equal eigenvalues can be reached: look for others beside what is found.
    while found.len() < matrix.side {
        let Some(other) = krylov(matrix, &found, 1, progress)?.pop() else { break };
        let least = found.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min);
        let greatest = found.iter().map(|(value, _)| *value).fold(0.0, f64::max);
        if found.len() >= count && other.0 <= least + TOLERANCE * greatest {
            break;
        }
        found.push(other);
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        if found.len() > count {
            found.truncate(count);
        }
    }
    Ok(found)
}

/// The `count` greatest eigenvalues that can be reached from one vector beside those that are known.
fn krylov(matrix: &Matrix<'_>, known: &[Pair], count: usize, progress: &mut Progress) -> Result<Vec<Pair>> {
    let most = matrix.side - known.len();
    let mut rng = Seed(0x1a2c_705e).rng();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = Vec::new();
    let mut check = (2 * count + 12).min(most);
    // What is left of a vector that lies in the space of the others is rounding.
    let mut scale = 0.0_f64;
    while basis.len() < most {
        progress.at(basis.len() as u64)?;
        let length = norm(&next);
        if length <= 1e-13 * scale || next.is_empty() {
            let Some(fresh) = fresh(matrix.side, known, &basis, &mut || rng.normal()) else { break };
            if !basis.is_empty() {
                beside.push(0.0);
            }
            basis.push(fresh);
        } else {
            beside.push(length);
            basis.push(next.iter().map(|value| value / length).collect());
        }
        let Some(last) = basis.last() else { break };
        next = (matrix.product)(last);
        let value = dot(&next, last);
        diagonal.push(value);
        remove(&mut next, known, &basis);
        scale = scale.max(value.abs()).max(norm(&next));
        if basis.len() == check {
            if residuals(&diagonal, &beside, norm(&next), count)? <= TOLERANCE {
                break;
            }
            check = (check + check / 2).min(most);
        }
    }
    let size = basis.len();
    let rows = (0..size).map(|at| (0..size).map(|row| f64::from(u8::from(row == at))).collect()).collect();
    let (values, vectors) = diagonalised(diagonal, beside, rows)?;
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let pair = |&at: &usize| {
        let mut vector = vec![0.0; matrix.side];
        for (part, basis) in vectors[at].iter().zip(&basis) {
            vector.iter_mut().zip(basis).for_each(|(sum, value)| *sum += part * value);
        }
        let length = norm(&vector);
        vector.iter_mut().for_each(|value| *value /= length);
        (values[at].max(0.0), vector)
    };
    Ok(order.iter().take(count).map(pair).collect())
}

/// How wrong the worst of the `count` greatest pairs is, as a part of the greatest eigenvalue.
fn residuals(diagonal: &[f64], beside: &[f64], after: f64, count: usize) -> Result<f64> {
    let size = diagonal.len();
    // Of each vector only its last number is needed.
    let rows = (0..size).map(|at| vec![f64::from(u8::from(at + 1 == size))]).collect();
    let (values, lasts) = diagonalised(diagonal.to_vec(), beside.to_vec(), rows)?;
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let greatest = order.first().map_or(0.0, |&at| values[at]);
    let worst = order.iter().take(count).map(|&at| lasts[at][0].abs()).fold(0.0, f64::max);
    Ok(if greatest > 0.0 { worst * after / greatest } else { 0.0 })
}

/// A vector of length 1 at right angles to all others, if there is one.
fn fresh(side: usize, known: &[Pair], basis: &[Vec<f64>], draw: &mut dyn FnMut() -> f64) -> Option<Vec<f64>> {
    for _ in 0..4 {
        let mut vector: Vec<f64> = (0..side).map(|_| draw()).collect();
        let before = norm(&vector);
        remove(&mut vector, known, basis);
        let length = norm(&vector);
        if length > 1e-8 * before {
            vector.iter_mut().for_each(|value| *value /= length);
            return Some(vector);
        }
    }
    None
}

/// Takes out of a vector what lies along the others, twice: once leaves the rounding of what was taken.
fn remove(vector: &mut [f64], known: &[Pair], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for other in known.iter().map(|(_, other)| other).chain(basis) {
            let along = dot(vector, other);
            vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
        }
    }
}

/// The eigenvalues of a symmetric matrix of three diagonals by implicit QL steps (Bowdler, Martin, Reinsch and Wilkinson
/// 1968), and `rows`, those of a matrix, turned along with it: of the identity, they become the eigenvectors.
fn diagonalised(
    mut d: Vec<f64>,
    mut e: Vec<f64>,
    mut rows: Vec<Vec<f64>>,
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let size = d.len();
    e.resize(size, 0.0);
    for first in 0..size {
        for turn in 0.. {
            let small = |at: usize| e[at].abs() <= f64::EPSILON * (d[at].abs() + d[at + 1].abs());
            let end = (first..size.saturating_sub(1)).find(|&at| small(at)).unwrap_or(size - 1);
            if end == first {
                break;
            }
            if turn == TURNS {
                return Err(Error::Argument {
                    op: "Embedding::pca".into(),
                    expected: "points whose spread can be computed".into(),
                    got: "numbers for which the computation does not end".into(),
                    hint: "Look for values of very different sizes, and report this.".into(),
                });
            }
            let mut g = (d[first + 1] - d[first]) / (2.0 * e[first]);
            let mut r = g.hypot(1.0);
            g = d[end] - d[first] + e[first] / (g + r.copysign(g));
            let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for at in (first..end).rev() {
                let (f, b) = (sine * e[at], cosine * e[at]);
                r = f.hypot(g);
                e[at + 1] = r;
                if r == 0.0 {
                    d[at + 1] -= p;
                    e[end] = 0.0;
                    split = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = d[at + 1] - p;
                r = (d[at] - g) * sine + 2.0 * cosine * b;
                p = sine * r;
                d[at + 1] = g + p;
                g = cosine * r - b;
                let (upper, lower) = rows.split_at_mut(at + 1);
                for (a, b) in upper[at].iter_mut().zip(lower[0].iter_mut()) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
            }
            if !split {
                d[first] -= p;
                e[first] = g;
                e[end] = 0.0;
            }
        }
    }
    Ok((d, rows))
}

/// The sum of the products, cut into parts by the length alone.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    sums.iter().sum::<f64>() + rest
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::progress::Unit;

    /// A matrix with these eigenvalues, made of them by reflections.
    fn product(values: &[f64]) -> impl Fn(&[f64]) -> Vec<f64> {
        let mut rng = Seed(3).rng();
        let mirrors: Vec<Vec<f64>> = (0..3)
            .map(|_| {
                let mirror: Vec<f64> = values.iter().map(|_| rng.normal()).collect();
                let length = norm(&mirror);
                mirror.into_iter().map(|value| value / length).collect()
            })
            .collect();
        let reflected = |mut vector: Vec<f64>, mirror: &Vec<f64>| {
            let along = dot(&vector, mirror);
            vector.iter_mut().zip(mirror).for_each(|(value, mirror)| *value -= 2.0 * along * mirror);
            vector
        };
        let values = values.to_vec();
        move |vector| {
            let vector = mirrors.iter().fold(vector.to_vec(), reflected);
            let stretched = vector.iter().zip(&values).map(|(a, b)| a * b).collect();
            mirrors.iter().rev().fold(stretched, reflected)
        }
    }

    /// Also where several are equal, or most are 0, and all of them.
    #[test]
    fn the_greatest_are_found() -> Result<()> {
        let flat: Vec<f64> = (0..150).map(|at| 2.0 - f64::from(at) / 150.0).collect();
        let mut equal = vec![3.0, 7.0, 7.0, 7.0, 5.0, 5.0, 1.0];
        equal.resize(40, 0.0);
        let all: Vec<f64> = (1..=12).map(|at| f64::from(at * at)).collect();
        for (values, count) in [(&flat, 4), (&equal, 2), (&equal, 6), (&all, 12), (&vec![4.0], 1)] {
            let product = product(values);
            let matrix = Matrix { side: values.len(), product: &product };
            let mut progress = Progress::start("test", Unit::Steps, None);
            let found = leading(&matrix, count, &mut progress)?;
            let mut wanted = values.clone();
            wanted.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(found.len(), count);
            for (at, ((value, vector), wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((value - wanted).abs() < 1e-9 * wanted, "{at}: {value}, not {wanted}");
                let turned = product(vector);
                let off = turned.iter().zip(vector).map(|(a, b)| (a - value * b).abs()).fold(0.0, f64::max);
                assert!(off < 1e-8 * wanted, "{at}: {off}");
                for (other, (_, before)) in found.iter().take(at + 1).enumerate() {
                    let wanted = f64::from(u8::from(other == at));
                    assert!((dot(vector, before) - wanted).abs() < 1e-9, "{other} and {at}");
                }
            }
        }
        Ok(())
    }
}
