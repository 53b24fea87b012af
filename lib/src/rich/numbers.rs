//! A tensor's first and last values as a small table.

use candle_core::{Layout, Tensor, WithDType};

use super::values::{Question, ask, position};
use crate::Result;

/// Longer rows and columns are cut in the middle.
const WHOLE: usize = 8;
const FIRST: usize = 4;
const LAST: usize = 3;

/// The values in lines of text: a 0-d tensor in one number, a 1-d one in one line, others as the matrix
/// of their last two dimensions at index 0 of the others, with `…` where something is left out.
pub(super) fn numbers(tensor: &Tensor) -> Result<String> {
    if tensor.elem_count() == 0 {
        return Ok(String::new());
    }
    let rank = tensor.rank();
    let [rows, columns] = match tensor.dims() {
        [] => [1, 1],
        [columns] => [1, *columns],
        [.., rows, columns] => [*rows, *columns],
    };
    let [rows, columns] = [rows, columns].map(picks);
    let mut at = Vec::new();
    for row in rows.iter().flatten() {
        for column in columns.iter().flatten() {
            let mut indices = vec![0; rank];
            match indices.as_mut_slice() {
                [] => {}
                [only] => *only = *column,
                [.., y, x] => [*y, *x] = [*row, *column],
            }
            at.push(indices);
        }
    }
    let mut values = ask(tensor, Shown { at: &at, float: tensor.dtype().is_float() })?.into_iter();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cell = |column: &Option<usize>| match (row, column) {
                (Some(_), Some(_)) => values.next().unwrap_or_default(),
                _ => "…".to_owned(),
            };
            columns.iter().map(cell).collect()
        })
        .collect();
    let width = cells.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let lines = cells.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(|cell| format!("{cell:>width$}")).collect();
        format!("{}\n", cells.join("  "))
    });
    let mut text: String = lines.collect();
    if rank > 2 {
        let zeros = vec!["0"; rank - 2].join(", ");
        text = format!("[{zeros}, .., ..]\n{text}");
    }
    Ok(text)
}

fn picks(length: usize) -> Vec<Option<usize>> {
    if length <= WHOLE {
        return (0..length).map(Some).collect();
    }
    (0..FIRST).map(Some).chain([None]).chain((length - LAST..length).map(Some)).collect()
}

/// The values at some indices as text, with the same number of decimals.
struct Shown<'a> {
    at: &'a [Vec<usize>],
    float: bool,
}

impl Question for Shown<'_> {
    type Answer = Vec<String>;

    fn ask<T: WithDType>(self, storage: &[T], layout: &Layout) -> Vec<String> {
        let values: Vec<T> = self.at.iter().map(|indices| storage[position(layout, indices)]).collect();
        if !self.float {
            return values.iter().map(T::to_string).collect();
        }
        if let &[value] = values.as_slice()
            && (1e-4..1e7).contains(&value.to_f64().abs())
        {
            // A single number, a loss perhaps, in full.
            return vec![value.to_string()];
        }
        let values: Vec<f64> = values.into_iter().map(T::to_f64).collect();
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let largest = finite().map(f64::abs).fold(0.0, f64::max);
        let show = |value: f64| {
            if !value.is_finite() {
                value.to_string()
            } else if largest != 0.0 && !(1e-2..1e5).contains(&largest) {
                format!("{value:.3e}")
            } else if finite().all(|value| value.fract() == 0.0) {
                format!("{value:.0}")
            } else {
                format!("{value:.4}")
            }
        };
        values.iter().map(|&value| show(value)).collect()
    }
}
