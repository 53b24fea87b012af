//! The gradient of a score at the image itself.

use candle_core::Tensor;

use super::attribution::Attribution;
use super::gradient::{greatest_size, of_images, over_channels, sum};
use super::subject::Subject;
use crate::Result;
use crate::nn::Model;
use crate::plot::OverlayScale;

/// How fast the score of a class changes with each pixel (Simonyan, Vedaldi and Zisserman 2014, arXiv:1312.6034): of each
/// pixel's channels the greatest size of the gradient. Without a `class`, the one of the highest score.
///
/// ```
/// # use sconce::{explain, prelude::*};
/// # let net = Model::build([1, 8, 8], |x| x.conv2d(4, 3).relu().flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
/// # let image = Tensor::ones((1, 8, 8), DType::F32, &Device::Cpu)?;
/// let map = explain::saliency(&net, &image, None)?;
/// assert_eq!(map.size(), [8, 8]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the model cannot take `image`, which is one image of finite values; its output is not scores (B, classes); there is
/// no such class; a layer of the user's own lets no gradient through.
pub fn saliency(model: &Model, image: &Tensor, class: Option<usize>) -> Result<Attribution> {
    let subject = Subject::new("explain::saliency", model, image, class)?;
    let gradient = of_images(&subject, &subject.image)?.flatten_all()?.to_vec1::<f32>()?;
    let values = over_channels(&gradient, subject.shape()[0], greatest_size);
    Attribution::of_pixels("saliency", &subject, values, OverlayScale::Positive)
}

/// The gradient of the score of a class times the image, summed over the channels (Shrikumar et al. 2016,
/// arXiv:1605.01713): what each pixel adds, as if the model were linear and 0 were no information. Without a `class`, the
/// one of the highest score.
///
/// # Errors
/// As [`saliency`].
pub fn input_x_gradient(model: &Model, image: &Tensor, class: Option<usize>) -> Result<Attribution> {
    let subject = Subject::new("explain::input_x_gradient", model, image, class)?;
    let product = (of_images(&subject, &subject.image)? * &subject.image)?;
    let values = over_channels(&product.flatten_all()?.to_vec1::<f32>()?, subject.shape()[0], sum);
    Attribution::of_pixels("input x gradient", &subject, values, OverlayScale::Signed)
}
