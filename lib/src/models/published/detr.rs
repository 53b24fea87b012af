//! The weights of DETR that its authors publish, on the Hugging Face hub, with the numbers of their model cards.

use super::PublishedWeights;

pub(in crate::models) const RESNET50: &[PublishedWeights] = &[PublishedWeights::coco(
    "COCO",
    "https://huggingface.co/facebook/detr-resnet-50/resolve/main/model.safetensors",
    "https://huggingface.co/facebook/detr-resnet-50",
    0.420,
)];
pub(in crate::models) const RESNET50_DC5: &[PublishedWeights] = &[PublishedWeights::coco(
    "COCO",
    "https://huggingface.co/facebook/detr-resnet-50-dc5/resolve/main/model.safetensors",
    "https://huggingface.co/facebook/detr-resnet-50-dc5",
    0.433,
)];
pub(in crate::models) const RESNET101: &[PublishedWeights] = &[PublishedWeights::coco(
    "COCO",
    "https://huggingface.co/facebook/detr-resnet-101/resolve/main/model.safetensors",
    "https://huggingface.co/facebook/detr-resnet-101",
    0.435,
)];
pub(in crate::models) const RESNET101_DC5: &[PublishedWeights] = &[PublishedWeights::coco(
    "COCO",
    "https://huggingface.co/facebook/detr-resnet-101-dc5/resolve/main/model.safetensors",
    "https://huggingface.co/facebook/detr-resnet-101-dc5",
    0.449,
)];
