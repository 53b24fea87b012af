//! Masks of COCO: runs of pixels down the columns, and polygons drawn as COCO's own code draws them.
//!
//! The rules are those of `maskApi.c` (P. Dollár and T.-Y. Lin 2014). Runs alternate between outside and
//! inside, from the first column on, each column from the top. A polygon is drawn on a grid five times as
//! fine: its outline is walked in steps of one fine pixel, and where the walk goes from one column to the
//! next in the middle of a coarse pixel, that column changes sides from there on down.

use crate::data::sample::Mask;

/// Finer than pixels, so that an outline between them is met.
const FINE: f64 = 5.0;

/// A mask of runs, or what is wrong with them.
pub(super) fn from_runs(runs: &[u32], [height, width]: [usize; 2]) -> Result<Mask, String> {
    let area = height * width;
    let sum: u64 = runs.iter().map(|&run| u64::from(run)).sum();
    if sum != area as u64 {
        return Err(format!("runs of {sum} pixels for {height} x {width}"));
    }
    let mut columns = Vec::with_capacity(area);
    for (at, &run) in runs.iter().enumerate() {
        columns.resize(columns.len() + run as usize, (at % 2) as u8);
    }
    Ok(transposed(&columns, [height, width]))
}

/// The runs in a packed text: numbers of five bits a character, the lowest first; from the third on what a
/// number differs from the one two before it.
pub(super) fn unpack(text: &str) -> Result<Vec<u32>, String> {
    let mut runs: Vec<u32> = Vec::new();
    let mut bytes = text.bytes();
    while bytes.len() > 0 {
        let (mut value, mut shift) = (0_i64, 0);
        loop {
            let byte = bytes.next().ok_or("packed runs that end within a number")?;
            let digit = byte.checked_sub(48).filter(|digit| *digit < 64);
            let digit = i64::from(digit.ok_or_else(|| format!("packed runs with the byte {byte:#04x}"))?);
            if shift > 35 {
                return Err("packed runs with a number of more than 40 bits".into());
            }
            value |= (digit & 0x1f) << shift;
            shift += 5;
            if digit & 0x20 == 0 {
                if digit & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
        }
        if runs.len() > 2 {
            value += i64::from(runs[runs.len() - 2]);
        }
        runs.push(u32::try_from(value).map_err(|_| format!("packed runs with a run of {value} pixels"))?);
    }
    Ok(runs)
}

/// The mask of several polygons together, each `x0, y0, x1, y1, …`, or what is wrong with them.
pub(super) fn from_polygons(polygons: &[Box<[f64]>], size: [usize; 2]) -> Result<Mask, String> {
    let [height, width] = size;
    let mut all = vec![0; height * width];
    for polygon in polygons {
        check(polygon, size)?;
        let mut inside = 0;
        // Each place is where the pixels below it, column by column, change sides.
        let mut places = crossings(polygon, size);
        places.sort_unstable();
        let mut places = places.into_iter().peekable();
        for (at, pixel) in all.iter_mut().enumerate() {
            while places.next_if(|&place| place <= at).is_some() {
                inside ^= 1;
            }
            *pixel |= inside;
        }
    }
    Ok(transposed(&all, size))
}

fn check(polygon: &[f64], [height, width]: [usize; 2]) -> Result<(), String> {
    if !polygon.len().is_multiple_of(2) || polygon.len() < 6 {
        return Err(format!("a polygon of {} numbers, which is not x and y of three points", polygon.len()));
    }
    // The walk along the outline takes as many steps as it is long.
    let far = 2.0 * height.max(width) as f64 + 100.0;
    match polygon.iter().find(|value| !(-far..=far).contains(*value)) {
        Some(value) => {
            Err(format!("a polygon with a point at {value}, far outside {height} x {width} pixels"))
        }
        None => Ok(()),
    }
}

/// Where columns change sides: column times height plus row, which may be one behind the last row.
fn crossings(polygon: &[f64], [height, width]: [usize; 2]) -> Vec<usize> {
    let fine = |value: f64| (FINE * value + 0.5) as i64;
    let points: Vec<[i64; 2]> = polygon.as_chunks().0.iter().map(|&[x, y]| [fine(x), fine(y)]).collect();
    let mut places = Vec::new();
    let mut before: Option<[i64; 2]> = None;
    for (at, &from) in points.iter().enumerate() {
        let to = points[(at + 1) % points.len()];
        walk(from, to, &mut |[x, y]| {
            if let Some([old_x, old_y]) = before
                && old_x != x
            {
                places.extend(crossing([old_x, old_y], [x, y], [height, width]));
            }
            before = Some([x, y]);
        });
    }
    places
}

/// All fine points of an edge, ends included, one for each step along its longer side.
fn walk([x0, y0]: [i64; 2], [x1, y1]: [i64; 2], visit: &mut dyn FnMut([i64; 2])) {
    let (wide, high) = ((x1 - x0).abs(), (y1 - y0).abs());
    let steps = wide.max(high);
    let flat = wide >= high;
    // Computed from the lesser end, whichever way the walk goes, so that both ways meet the same points.
    let backwards = if flat { x0 > x1 } else { y0 > y1 };
    let ([x0, y0], [x1, y1]) = if backwards { ([x1, y1], [x0, y0]) } else { ([x0, y0], [x1, y1]) };
    let slope = if flat { (y1 - y0) as f64 } else { (x1 - x0) as f64 } / steps as f64;
    for step in 0..=steps {
        let t = if backwards { steps - step } else { step };
        // An edge without length is one point, and its slope no number.
        let across = if steps == 0 { 0.0 } else { slope * t as f64 };
        visit(if flat {
            [x0 + t, (y0 as f64 + across + 0.5) as i64]
        } else {
            [(x0 as f64 + across + 0.5) as i64, y0 + t]
        });
    }
}

/// The place of a step from one fine column to another, if it goes through the middle of a column of pixels.
fn crossing(old: [i64; 2], new: [i64; 2], [height, width]: [usize; 2]) -> Option<usize> {
    let column = (if new[0] < old[0] { new[0] } else { new[0] - 1 } as f64 + 0.5) / FINE - 0.5;
    if column.floor() != column || column < 0.0 || column > width as f64 - 1.0 {
        return None;
    }
    let row = (old[1].min(new[1]) as f64 + 0.5) / FINE - 0.5;
    let row = row.clamp(0.0, height as f64).ceil();
    Some(column as usize * height + row as usize)
}

/// Columns become rows.
fn transposed(columns: &[u8], [height, width]: [usize; 2]) -> Mask {
    let mut pixels = vec![0; height * width];
    for (x, column) in columns.chunks_exact(height.max(1)).enumerate() {
        for (y, &pixel) in column.iter().enumerate() {
            pixels[y * width + x] = pixel;
        }
    }
    Mask { height, width, pixels }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn runs_go_down_the_columns() {
        let mask = from_runs(&[1, 2, 3], [2, 3]).unwrap();
        assert_eq!(mask.pixels, [0, 1, 0, 1, 0, 0]);
        assert!(from_runs(&[1, 2], [2, 3]).unwrap_err().contains("3 pixels for 2 x 3"));
        assert!(from_runs(&[u32::MAX, u32::MAX], [2, 3]).is_err());
    }

    #[test]
    fn packed_runs_that_are_none_are_refused() {
        for text in ["P", "\u{1}", "é", "ooooooooooo0", "@"] {
            assert!(unpack(text).is_err(), "{text:?}");
        }
        assert_eq!(unpack("").unwrap(), [0; 0]);
        assert_eq!(unpack("12").unwrap(), [1, 2]);
    }

    #[test]
    fn a_polygon_far_away_takes_no_time() {
        for polygon in [
            vec![0.0, 0.0, 1e12, 0.0, 0.0, 1e12],
            vec![f64::NAN; 6],
            vec![f64::INFINITY; 6],
            vec![0.0; 4],
            vec![0.0; 7],
        ] {
            assert!(from_polygons(&[polygon.into()], [4, 4]).is_err());
        }
        assert_eq!(from_polygons(&[vec![-1.0; 6].into()], [4, 4]).unwrap().pixels, [0; 16]);
    }
}
