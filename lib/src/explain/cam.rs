//! Class activation maps: a layer's maps, weighed by what they do for a class.

use candle_core::Tensor;

use super::attribution::Attribution;
use super::gradient::of_node;
use super::layer::with_maps;
use super::subject::Subject;
use crate::Result;
use crate::nn::Model;

/// Which layer and class a class activation map is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CamConfig {
    /// The layer's name; `None` for the last whose output is maps (C, H, W) of more than one place, dropouts left out.
    pub layer: Option<String>,
    /// The class; `None` for the one of the highest score.
    pub class: Option<usize>,
}

impl CamConfig {
    /// Sets the layer.
    #[must_use]
    pub fn layer(mut self, name: &str) -> CamConfig {
        self.layer = Some(name.to_owned());
        self
    }

    /// Sets the class.
    #[must_use]
    pub fn class(mut self, class: usize) -> CamConfig {
        self.class = Some(class);
        self
    }
}

/// Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): the maps of a layer, each weighed by the mean gradient of the score
/// with respect to it, summed; what is less than 0 becomes 0.
///
/// ```
/// # use sconce::{explain::{self, CamConfig}, prelude::*};
/// # let net = Model::build([1, 8, 8], |x| {
/// #     x.conv2d(4, 3).relu().named("low").max_pool2d(2).conv2d(8, 3).relu().global_avg_pool().linear(3)
/// # })?.init(Seed(1), &Device::Cpu)?;
/// # let image = Tensor::ones((1, 8, 8), DType::F32, &Device::Cpu)?;
/// let map = explain::grad_cam(&net, &image, CamConfig::default())?;
/// assert_eq!((map.size(), map.coarse().unwrap().0), ([8, 8], [4, 4]));
/// let map = explain::grad_cam(&net, &image, CamConfig::default().layer("low").class(2))?;
/// assert_eq!((map.class(), map.coarse().unwrap().0), (Some(2), [8, 8]));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As [`saliency`](super::saliency); a layer that there is not, whose output is no maps, or from which the main output
/// does not come.
pub fn grad_cam(model: &Model, image: &Tensor, config: CamConfig) -> Result<Attribution> {
    cam("Grad-CAM", "explain::grad_cam", model, image, &config, |maps, gradients| {
        let weight = mean(gradients);
        maps.iter().map(|&value| weight * f64::from(value)).collect()
    })
}

/// Grad-CAM++ (Chattopadhyay et al. 2018, arXiv:1710.11063): as [`grad_cam`], where the weight of a map is the sum of its
/// gradients above 0, each times `1 / (2 + ΣA · gradient)` with ΣA the sum of the map. An object that is there several
/// times is found whole.
///
/// # Errors
/// As [`grad_cam`].
pub fn grad_cam_pp(model: &Model, image: &Tensor, config: CamConfig) -> Result<Attribution> {
    cam("Grad-CAM++", "explain::grad_cam_pp", model, image, &config, |maps, gradients| {
        let sum: f64 = maps.iter().map(|&value| f64::from(value)).sum();
        // The paper's g² / (2·g² + ΣA·g³), shortened; of a vanishing divisor nothing can be said.
        let part = |gradient: f64| {
            let divisor = 2.0 + sum * gradient;
            if gradient > 0.0 && divisor != 0.0 { gradient / divisor } else { 0.0 }
        };
        let weight: f64 = gradients.iter().map(|&gradient| part(f64::from(gradient))).sum();
        maps.iter().map(|&value| weight * f64::from(value)).collect()
    })
}

/// Layer-CAM (Jiang et al. 2021, IEEE TIP 30): each place of each map weighed by its own gradient where that is above 0,
/// summed over the maps; what is less than 0 becomes 0. Fine maps of early layers stay sharp.
///
/// # Errors
/// As [`grad_cam`].
pub fn layer_cam(model: &Model, image: &Tensor, config: CamConfig) -> Result<Attribution> {
    cam("Layer-CAM", "explain::layer_cam", model, image, &config, |maps, gradients| {
        let pairs = maps.iter().zip(gradients);
        pairs.map(|(&value, &gradient)| f64::from(gradient.max(0.0)) * f64::from(value)).collect()
    })
}

/// The sum over a layer's maps of what `weighed` makes of each and its gradients.
fn cam(
    method: &str,
    op: &'static str,
    model: &Model,
    image: &Tensor,
    config: &CamConfig,
    weighed: impl Fn(&[f32], &[f32]) -> Vec<f64>,
) -> Result<Attribution> {
    let subject = Subject::new(op, model, image, config.class)?;
    let node = with_maps(op, model, config.layer.as_deref(), subject.shape())?;
    let [value, gradient] = of_node(&subject, node)?;
    let (_, _, rows, columns) = value.dims4()?;
    let area = (rows * columns).max(1);
    let [value, gradient] = [value, gradient].map(|tensor| tensor.flatten_all()?.to_vec1::<f32>());
    let (value, gradient) = (value?, gradient?);
    let mut sums = vec![0.0_f64; area];
    for (map, gradients) in value.chunks_exact(area).zip(gradient.chunks_exact(area)) {
        sums.iter_mut().zip(weighed(map, gradients)).for_each(|(sum, part)| *sum += part);
    }
    let map = sums.into_iter().map(|sum| sum.max(0.0) as f32).collect();
    let method = format!("{method} of {:?}", model.graph().nodes()[node].name);
    let target = Some((subject.class, subject.score));
    Attribution::of_places(method, target, &subject.image, ([rows, columns], map))
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len().max(1) as f64
}
