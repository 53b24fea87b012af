//! Weights that others have trained and published: where they are, what they reach, and how their images are prepared.

pub(super) mod detr;
pub(super) mod torchvision;

use crate::transforms::Filter;

/// A set of published weights of an architecture. It says where they are; nothing is fetched by looking at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedWeights {
    /// Its name, unique for the architecture: `IMAGENET1K_V1`.
    pub name: &'static str,
    /// Where the file is. Of torchvision's, the name ends with the first eight digits of the file's SHA-256.
    pub url: &'static str,
    /// What was trained, and by whom: a page to read.
    pub source: &'static str,
    /// What it reaches, as its authors say.
    pub accuracy: Accuracy,
    /// The classes that its outputs stand for, in their order.
    pub classes: ClassList,
    /// What is done to an image before it goes in.
    pub preprocessing: Preprocessing,
}

/// What published weights reach on the validation images of their data set; fractions of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Accuracy {
    /// ImageNet-1K: the share of the images whose class has the largest logit, and is among the five largest.
    Classification {
        /// Among one.
        top1: f64,
        /// Among five.
        top5: f64,
    },
    /// COCO 2017: the mean average precision of boxes over IoU 0.5 to 0.95.
    Detection {
        /// The mean.
        box_ap: f64,
    },
}

/// A list of class names, by the data set that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassList {
    /// The 1000 classes of ImageNet-1K (ILSVRC 2012).
    ImageNet,
    /// COCO's 91 numbers, of which 80 are classes; 0 is the background, or unused.
    Coco,
    /// COCO's 80 classes without gaps, as most code numbers them that is not DETR's or torchvision's.
    Coco80,
    /// The 20 classes of PASCAL VOC.
    Voc,
}

/// What is done to an image before it goes into a model: resized, cut, divided by 255, normalized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    /// How it is resized.
    pub resize: Resizing,
    /// How pixels are made in doing so.
    pub filter: Filter,
    /// The sides of the square that is cut out of the middle, in pixels, if one is.
    pub crop: Option<usize>,
    /// Taken from each channel, in fractions of the brightest.
    pub mean: [f32; 3],
    /// What each channel is then divided by.
    pub std: [f32; 3],
}

/// The size an image is brought to, its proportions kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resizing {
    /// The shorter side has so many pixels.
    Shorter(usize),
    /// The shorter side has so many pixels, fewer if the longer one would have more than `longest`.
    Within {
        /// Of the shorter side.
        shorter: usize,
        /// Of the longer side at most.
        longest: usize,
    },
}

/// The means of ImageNet's colours, red, green and blue, that nearly everyone takes.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Their standard deviations.
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl PublishedWeights {
    /// Of torchvision, trained on ImageNet-1K: the shorter side resized to 256 pixels, 224 cut out.
    const fn imagenet(name: &'static str, url: &'static str, [top1, top5]: [f64; 2]) -> PublishedWeights {
        PublishedWeights {
            name,
            url,
            source: "https://docs.pytorch.org/vision/stable/models.html",
            accuracy: Accuracy::Classification { top1, top5 },
            classes: ClassList::ImageNet,
            preprocessing: Preprocessing {
                resize: Resizing::Shorter(256),
                filter: Filter::Bilinear,
                crop: Some(224),
                mean: IMAGENET_MEAN,
                std: IMAGENET_STD,
            },
        }
    }

    /// A detector trained on COCO 2017: the shorter side resized to 800 pixels, the longer one to 1333 at most.
    const fn coco(
        name: &'static str,
        url: &'static str,
        source: &'static str,
        box_ap: f64,
    ) -> PublishedWeights {
        PublishedWeights {
            name,
            url,
            source,
            accuracy: Accuracy::Detection { box_ap },
            classes: ClassList::Coco,
            preprocessing: Preprocessing {
                resize: Resizing::Within { shorter: 800, longest: 1333 },
                filter: Filter::Bilinear,
                crop: None,
                mean: IMAGENET_MEAN,
                std: IMAGENET_STD,
            },
        }
    }

    /// The shorter side resized to so many pixels.
    const fn resized(mut self, shorter: usize) -> PublishedWeights {
        self.preprocessing.resize = Resizing::Shorter(shorter);
        self
    }

    /// Pixels brought to `[-1, 1]`.
    const fn centred(mut self) -> PublishedWeights {
        self.preprocessing.mean = [0.5; 3];
        self.preprocessing.std = [0.5; 3];
        self
    }

    /// Resized with a cubic filter.
    const fn bicubic(mut self) -> PublishedWeights {
        self.preprocessing.filter = Filter::Bicubic;
        self
    }

    /// A square of so many pixels cut out.
    const fn cropped(mut self, side: usize) -> PublishedWeights {
        self.preprocessing.crop = Some(side);
        self
    }

    /// The first digits of the file's SHA-256, if its name says them: `f37072fd` of `resnet18-f37072fd.pth`.
    #[must_use]
    pub fn sha256_start(&self) -> Option<&'static str> {
        let file = self.url.rsplit('/').next()?;
        let digits = file.rsplit_once('.')?.0.rsplit_once('-')?.1;
        (digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
    }
}
