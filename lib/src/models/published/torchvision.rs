//! The weights that torchvision publishes, with the numbers of its own documentation.

use super::PublishedWeights;

pub(in crate::models) const ALEXNET: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    [0.56522, 0.79066],
)];
pub(in crate::models) const VGG11: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg11-8a719046.pth",
    [0.69020, 0.88628],
)];
pub(in crate::models) const VGG11_BN: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg11_bn-6002323d.pth",
    [0.70370, 0.89810],
)];
pub(in crate::models) const VGG13: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg13-19584684.pth",
    [0.69928, 0.89246],
)];
pub(in crate::models) const VGG13_BN: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg13_bn-abd245e5.pth",
    [0.71586, 0.90374],
)];
pub(in crate::models) const VGG16: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    [0.71592, 0.90382],
)];
pub(in crate::models) const VGG16_BN: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg16_bn-6c64b313.pth",
    [0.73360, 0.91516],
)];
pub(in crate::models) const VGG19: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    [0.72376, 0.90876],
)];
pub(in crate::models) const VGG19_BN: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vgg19_bn-c79401a0.pth",
    [0.74218, 0.91842],
)];
pub(in crate::models) const RESNET18: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    [0.69758, 0.89078],
)];
pub(in crate::models) const RESNET34: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/resnet34-b627a593.pth",
    [0.73314, 0.91420],
)];
pub(in crate::models) const RESNET50: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        [0.76130, 0.92862],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        [0.80858, 0.95434],
    )
    .resized(232),
];
pub(in crate::models) const RESNET101: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        [0.77374, 0.93546],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/resnet101-cd907fc2.pth",
        [0.81886, 0.95780],
    )
    .resized(232),
];
pub(in crate::models) const RESNET152: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/resnet152-394f9c45.pth",
        [0.78312, 0.94046],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/resnet152-f82ba261.pth",
        [0.82284, 0.96002],
    )
    .resized(232),
];
pub(in crate::models) const RESNEXT50_32X4D: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth",
        [0.77618, 0.93698],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/resnext50_32x4d-1a0047aa.pth",
        [0.81198, 0.95340],
    )
    .resized(232),
];
pub(in crate::models) const WIDE_RESNET50_2: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth",
        [0.78468, 0.94086],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/wide_resnet50_2-9ba9bcbe.pth",
        [0.81602, 0.95758],
    )
    .resized(232),
];
pub(in crate::models) const MOBILENET_V2: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
        [0.71878, 0.90286],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth",
        [0.72154, 0.90822],
    )
    .resized(232),
];
pub(in crate::models) const MOBILENET_V3_LARGE: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/mobilenet_v3_large-8738ca79.pth",
        [0.74042, 0.91340],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_V2",
        "https://download.pytorch.org/models/mobilenet_v3_large-5c1a4163.pth",
        [0.75274, 0.92566],
    )
    .resized(232),
];
pub(in crate::models) const MOBILENET_V3_SMALL: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth",
    [0.67668, 0.87402],
)];
pub(in crate::models) const EFFICIENTNET_B0: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
    [0.77692, 0.93532],
)
.bicubic()];
pub(in crate::models) const CONVNEXT_TINY: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/convnext_tiny-983f1562.pth",
    [0.82520, 0.96146],
)
.resized(236)];
pub(in crate::models) const VIT_B_16: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/vit_b_16-c867db91.pth",
        [0.81072, 0.95318],
    ),
    PublishedWeights::imagenet(
        "IMAGENET1K_SWAG_E2E_V1",
        "https://download.pytorch.org/models/vit_b_16_swag-9ac1b537.pth",
        [0.85304, 0.97650],
    )
    .resized(384)
    .bicubic()
    .cropped(384),
    PublishedWeights::imagenet(
        "IMAGENET1K_SWAG_LINEAR_V1",
        "https://download.pytorch.org/models/vit_b_16_lc_swag-4e70ced5.pth",
        [0.81886, 0.96180],
    )
    .resized(224)
    .bicubic(),
];
pub(in crate::models) const VIT_B_32: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vit_b_32-d86f8d99.pth",
    [0.75912, 0.92466],
)];
pub(in crate::models) const VIT_L_16: &[PublishedWeights] = &[
    PublishedWeights::imagenet(
        "IMAGENET1K_V1",
        "https://download.pytorch.org/models/vit_l_16-852ce7e3.pth",
        [0.79662, 0.94638],
    )
    .resized(242),
    PublishedWeights::imagenet(
        "IMAGENET1K_SWAG_E2E_V1",
        "https://download.pytorch.org/models/vit_l_16_swag-4f3808c9.pth",
        [0.88064, 0.98512],
    )
    .resized(512)
    .bicubic()
    .cropped(512),
    PublishedWeights::imagenet(
        "IMAGENET1K_SWAG_LINEAR_V1",
        "https://download.pytorch.org/models/vit_l_16_lc_swag-4d563306.pth",
        [0.85146, 0.97422],
    )
    .resized(224)
    .bicubic(),
];
pub(in crate::models) const VIT_L_32: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/vit_l_32-c7638314.pth",
    [0.76972, 0.93070],
)];
/// Trained on pixels in `[-1, 1]`: torchvision brings its own normalization to that inside of the model.
pub(in crate::models) const INCEPTION_V3: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
    [0.77294, 0.93450],
)
.resized(342)
.cropped(299)
.centred()];
/// Trained on pixels in `[-1, 1]`, as Inception v3.
pub(in crate::models) const GOOGLENET: &[PublishedWeights] = &[PublishedWeights::imagenet(
    "IMAGENET1K_V1",
    "https://download.pytorch.org/models/googlenet-1378be20.pth",
    [0.69778, 0.89530],
)
.centred()];
pub(in crate::models) const FCOS_RESNET50_FPN: &[PublishedWeights] = &[PublishedWeights::coco(
    "COCO_V1",
    "https://download.pytorch.org/models/fcos_resnet50_fpn_coco-99b0c9b7.pth",
    "https://docs.pytorch.org/vision/stable/models.html",
    0.392,
)];
