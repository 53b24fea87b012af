use super::prepare::batch;
use super::ranking::{Ranked, Ranking};
use crate::data::Image;
use crate::models::{Preprocessing, Pretrained};
use crate::nn::{Mode, Model};
use crate::ops::{shape_text, softmax};
use crate::{Error, Result};

/// A model of classes with the names of the classes, and with how images are prepared for it.
#[derive(Debug, Clone)]
pub struct Classifier {
    net: Model,
    preprocessing: Preprocessing,
    classes: Vec<String>,
}

impl Classifier {
    /// A model whose output is raw logits (B, `classes.len()`).
    ///
    /// # Errors
    /// If the output is another.
    pub fn new<S: AsRef<str>>(net: Model, preprocessing: Preprocessing, classes: &[S]) -> Result<Classifier> {
        let graph = net.graph();
        let output = graph.outputs().first().and_then(|output| graph.nodes().get(output.node));
        let shape = output.map_or(&[][..], |node| node.shape.as_slice());
        if shape != [classes.len()] {
            return Err(Error::Shape {
                op: "Classifier::new".into(),
                expected: format!("a model whose output is ({}), a logit for each class name", classes.len()),
                got: shape_text(shape),
                hint: "After the head was replaced, the class names are those of your data.".into(),
            });
        }
        let classes = classes.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(Classifier { net, preprocessing, classes })
    }

    /// A model with its published weights, all of them, and their own class names.
    ///
    /// # Errors
    /// If it was built for another number of classes.
    pub fn pretrained(model: &Pretrained) -> Result<Classifier> {
        let weights = model.weights;
        Classifier::new(model.net.clone(), weights.preprocessing, &weights.classes.names())
    }

    /// The `k` likeliest classes of an image, at most as many as there are.
    ///
    /// # Errors
    /// If the image cannot be prepared.
    pub fn rank(&self, image: &Image, k: usize) -> Result<Ranking> {
        let x = batch(&self.preprocessing, image, self.net.device())?; // (1, C, H, W)
        let logits = self.net.forward(&x, Mode::Eval)?; // (1, num_classes)
        let probabilities = softmax(&logits, 1)?.squeeze(0)?.to_vec1::<f32>()?;
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Of equal ones the first class comes first; what is no number comes last.
        let key = |index: usize| if probabilities[index].is_nan() { -1.0 } else { probabilities[index] };
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        let ranked = order.into_iter().take(k).map(|label| Ranked {
            label: label as u32,
            name: self.classes.get(label).cloned().unwrap_or_default(),
            probability: probabilities[label],
        });
        Ok(Ranking::new(image, ranked.collect()))
    }
}
