//! The model, the image and the class that a question is about.

use candle_core::{DType, Tensor};

use crate::nn::{Mode, Model, Operator};
use crate::ops::{Activation, shape_text};
use crate::plot::{Picture, ValueRange};
use crate::{Error, Result};

/// One image and the class whose score is looked into.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) op: &'static str,
    pub(super) model: &'a Model,
    /// (1, C, H, W).
    pub(super) image: Tensor,
    pub(super) class: usize,
    /// The score of `class`.
    pub(super) score: f64,
}

impl<'a> Subject<'a> {
    /// With the class of the highest score if none is said.
    pub(super) fn new(
        op: &'static str,
        model: &'a Model,
        image: &Tensor,
        class: Option<usize>,
    ) -> Result<Subject<'a>> {
        let image = checked(op, image)?;
        let output = model.forward(&image, Mode::Eval).map_err(named(op))?;
        let &[1, classes] = output.dims() else {
            return Err(Error::Shape {
                op: op.into(),
                expected: "a model whose main output is a score for each class, (B, classes)".into(),
                got: format!("an output {}", shape_text(output.dims())),
                hint: "For a model with another output build one whose first output is the scores.".into(),
            });
        };
        let scores = output.flatten_all()?.to_vec1::<f32>()?;
        if let Some(odd) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a model with finite scores".into(),
                got: format!("{} for class {odd}", scores[odd]),
                hint: "Look at its weights: `Statistics::of` finds those that are not finite.".into(),
            });
        }
        let best = (0..classes).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
        let class = class.or(best).unwrap_or_default();
        let Some(&score) = scores.get(class) else {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("a class below {classes}, the number of the model's scores"),
                got: class.to_string(),
                hint: "Classes count from 0; without one, the class of the highest score is taken.".into(),
            });
        };
        Ok(Subject { op, model, image, class, score: f64::from(score) })
    }

    /// C, H and W of the image.
    pub(super) fn shape(&self) -> [usize; 3] {
        let dims = self.image.dims();
        [dims[1], dims[2], dims[3]]
    }

    /// The image's values, channel by channel.
    pub(super) fn values(&self) -> Result<Vec<f32>> {
        Ok(self.image.flatten_all()?.to_vec1()?)
    }

    /// Images like this one, from their values one after the other.
    pub(super) fn batch(&self, values: Vec<f32>) -> Result<Tensor> {
        let [channels, height, width] = self.shape();
        let count = values.len() / (channels * height * width).max(1);
        Ok(Tensor::from_vec(values, (count, channels, height, width), self.model.device())?)
    }

    /// The scores of the class for some images.
    pub(super) fn scores(&self, images: &Tensor) -> Result<Vec<f64>> {
        let output = self.model.forward(images, Mode::Eval).map_err(named(self.op))?;
        let column = output.narrow(1, self.class, 1)?.flatten_all()?;
        Ok(column.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
    }

    /// The probabilities of the class for some images: of a softmax over the scores, or the sigmoid of a single one, where the
    /// model has none itself.
    pub(super) fn probabilities(&self, images: &Tensor) -> Result<Vec<f64>> {
        let output = self.model.forward(images, Mode::Eval).map_err(named(self.op))?;
        let last = self.model.graph().outputs().first().map(|output| output.node);
        let last = last.and_then(|node| self.model.graph().nodes().get(node));
        let output = match last.map(|node| &node.operator) {
            Some(Operator::Softmax { .. } | Operator::Activation(Activation::Sigmoid)) => output,
            // The score of a yes, beside which that of a no is 0.
            _ if output.dims()[1] == 1 => {
                let both = Tensor::cat(&[&output, &output.zeros_like()?], 1)?;
                crate::ops::softmax(&both, 1)?
            }
            _ => crate::ops::softmax(&output, 1)?,
        };
        let column = output.narrow(1, self.class, 1)?.flatten_all()?;
        Ok(column.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
    }
}

/// The image as a batch of one, if it is an image of finite values.
pub(super) fn checked(op: &'static str, image: &Tensor) -> Result<Tensor> {
    let batch = match image.dims() {
        [_, _, _] => image.unsqueeze(0)?,
        [1, _, _, _] => image.clone(),
        dims => {
            return Err(Error::Shape {
                op: op.into(),
                expected: "one image, (C, H, W) or (1, C, H, W)".into(),
                got: shape_text(dims),
                hint: "Take one image of a batch with `batch.get(0)?`.".into(),
            });
        }
    };
    if batch.dtype() == DType::F32 {
        let odd = batch.flatten_all()?.to_vec1::<f32>()?.iter().filter(|value| !value.is_finite()).count();
        if odd > 0 {
            return Err(Error::Argument {
                op: op.into(),
                expected: "an image of finite values".into(),
                got: format!("{odd} that are not"),
                hint: "Look at how the image is prepared.".into(),
            });
        }
    }
    Ok(batch.contiguous()?.detach())
}

/// The error of a forward pass as one of `op`.
pub(super) fn named(op: &'static str) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Shape { op: inner, expected, got, hint } if inner == "Model::forward" => {
            Error::Shape { op: op.into(), expected, got, hint }
        }
        Error::Argument { op: inner, expected, got, hint } if inner == "Model::forward" => {
            Error::Argument { op: op.into(), expected, got, hint }
        }
        other => other,
    }
}

/// An image (1, C, H, W) to look at: its least value black, its greatest white. Of other channels than 3, their mean.
pub(super) fn picture(image: &Tensor) -> Result<Picture> {
    let dims = image.dims();
    let (channels, height, width) = (dims[1], dims[2], dims[3]);
    let values = image.flatten_all()?.to_vec1::<f32>()?;
    if matches!(channels, 1 | 3) {
        return Picture::from_values([channels, height, width], &values, ValueRange::Data);
    }
    let area = height * width;
    let mean = |at: usize| {
        values[at..].iter().step_by(area.max(1)).map(|&value| f64::from(value)).sum::<f64>() / channels as f64
    };
    let grey: Vec<f32> = (0..area).map(|at| mean(at) as f32).collect();
    Picture::from_values([1, height, width], &grey, ValueRange::Data)
}
