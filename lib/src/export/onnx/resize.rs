//! Images of another size.

use super::attribute::{int, text};
use super::builder::{Builder, Dim, Name};
use super::proto::Element;
use crate::Result;
use crate::nn::{Corners, Interpolation, TargetSize};

impl Builder<'_> {
    pub(super) fn interpolate(&mut self, size: TargetSize, interpolation: Interpolation) -> Result<Name> {
        let x = self.input(0)?;
        let fixed = |builder: &Builder, shape: &[Dim]| builder.lengths(shape, 2).ok();
        let (input, output) = (fixed(self, self.input_shape(0)), fixed(self, self.shape()));
        let times = match (size, &input, &output) {
            (TargetSize::Times(times), ..) => Some(times),
            (_, Some(input), Some(output)) if whole_times(input, output) => {
                Some([0, 1].map(|axis: usize| output[axis] / input[axis]))
            }
            _ => None,
        };
        if let Some([rows, columns]) = times {
            let scales = self.floats("scales", &[4], &[1.0, 1.0, rows as f32, columns as f32]);
            return Ok(self.resized(&[&x, "", &scales], interpolation));
        }
        if interpolation != Interpolation::Nearest {
            let sizes = self.sizes(&x, size)?;
            return Ok(self.resized(&[&x, "", "", &sizes], interpolation));
        }
        // By other than whole times: a runtime's floats may fall short of a pixel's edge, whole numbers do not.
        match (input, output) {
            (Some(input), Some(output)) => self.picked(&x, &input, &output),
            _ => self.picked_in_graph(&x, size),
        }
    }

    fn resized(&mut self, inputs: &[&str], interpolation: Interpolation) -> Name {
        let (mode, places) = match interpolation {
            Interpolation::Nearest => ("nearest", "asymmetric"),
            Interpolation::Bilinear(Corners::Edges) => ("linear", "half_pixel"),
            Interpolation::Bilinear(Corners::Centres) => ("linear", "align_corners"),
        };
        let mut attributes = vec![text("mode", mode), text("coordinate_transformation_mode", places)];
        if interpolation == Interpolation::Nearest {
            attributes.push(text("nearest_mode", "floor"));
        }
        self.done("Resize", inputs, attributes)
    }

    /// B, C, OH and OW.
    fn sizes(&mut self, x: &str, size: TargetSize) -> Result<Name> {
        let front = self.lengths_of(x, 0..2);
        let back = match size {
            TargetSize::Like if self.lengths(self.input_shape(1), 2).is_err() => {
                let like = self.input(1)?;
                self.lengths_of(&like, 2..4)
            }
            _ => {
                let output = self.lengths(self.shape(), 2)?;
                self.whole("size", &[output[0] as i64, output[1] as i64])
            }
        };
        Ok(self.step_of("Concat", &[&front, &back], vec![int("axis", 0)], Element::I64, &[Dim::Fixed(4)]))
    }

    /// Some of the lengths of a value, when it is there.
    pub(super) fn lengths_of(&mut self, x: &str, dims: std::ops::Range<usize>) -> Name {
        let attributes = vec![int("start", dims.start as i64), int("end", dims.end as i64)];
        self.step_of("Shape", &[x], attributes, Element::I64, &[Dim::Fixed(dims.len())])
    }

    /// Nearest pixels, by their numbers.
    fn picked(&mut self, x: &str, input: &[usize], output: &[usize]) -> Result<Name> {
        let sources = |axis: usize| -> Vec<i64> {
            (0..output[axis]).map(|place| (place * input[axis] / output[axis]) as i64).collect()
        };
        let (rows, columns) = (self.whole("rows", &sources(0)), self.whole("columns", &sources(1)));
        let mut shape = self.input_shape(0).to_vec();
        shape[2] = Dim::Fixed(output[0]);
        let y = self.step("Gather", &[x, &rows], vec![int("axis", 2)], &shape);
        Ok(self.done("Gather", &[&y, &columns], vec![int("axis", 3)]))
    }

    /// The same, where the sizes are known when it runs.
    fn picked_in_graph(&mut self, x: &str, size: TargetSize) -> Result<Name> {
        let mut y = x.to_owned();
        let mut shape = self.input_shape(0).to_vec();
        for axis in [2, 3] {
            let from = self.length_of(x, axis);
            let to = match (size, self.shape()[axis].clone()) {
                (TargetSize::Like, _) => {
                    let like = self.input(1)?;
                    self.length_of(&like, axis)
                }
                (_, Dim::Fixed(length)) => self.whole_scalar("size", length as i64),
                _ => return Err(self.refused("a size", "none", "Please report this.")),
            };
            let (zero, one) = (self.whole_scalar("first", 0), self.whole_scalar("step", 1));
            let line = [self.shape()[axis].clone()];
            let whole = Element::I64;
            let places = self.step_of("Range", &[&zero, &to, &one], Vec::new(), whole, &line);
            let times = self.step_of("Mul", &[&places, &from], Vec::new(), whole, &line);
            let sources = self.step_of("Div", &[&times, &to], Vec::new(), whole, &line);
            shape[axis] = self.shape()[axis].clone();
            let attributes = vec![int("axis", axis as i64)];
            y = match axis {
                2 => self.step("Gather", &[&y, &sources], attributes, &shape),
                _ => self.done("Gather", &[&y, &sources], attributes),
            };
        }
        Ok(y)
    }

    /// One of the lengths of a value, a number without a dimension.
    fn length_of(&mut self, x: &str, dim: usize) -> Name {
        let one = self.lengths_of(x, dim..dim + 1);
        let first = self.whole("dimension", &[0]);
        self.step_of("Squeeze", &[&one, &first], Vec::new(), Element::I64, &[])
    }
}

fn whole_times(input: &[usize], output: &[usize]) -> bool {
    input.iter().zip(output).all(|(input, output)| output % input == 0)
}
