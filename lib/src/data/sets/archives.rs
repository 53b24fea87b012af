//! Large public sets, fetched and unpacked into the layout that their readers expect.

use std::fs;
use std::path::Path;

use super::public::remote;
use crate::download::{ExtractLimits, extract};
use crate::{Error, Result};

/// A large set that anybody may fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicSet {
    /// PASCAL VOC 2007: 0.9 GB, to `VOCdevkit/VOC2007`.
    Voc2007,
    /// PASCAL VOC 2012, without its test images: 2 GB, to `VOCdevkit/VOC2012`.
    Voc2012,
    /// COCO 2017: 19.3 GB, to `train2017`, `val2017` and `annotations`.
    Coco2017,
}

/// One of its archives.
struct Archive {
    mirrors: &'static [&'static str],
    name: &'static str,
    md5: &'static str,
    /// A file or folder that is there once it is unpacked.
    proof: &'static str,
}

const VOC2007: [&str; 2] =
    ["http://host.robots.ox.ac.uk/pascal/VOC/voc2007/", "https://pjreddie.com/media/files/"];
const VOC2012: [&str; 2] =
    ["http://host.robots.ox.ac.uk/pascal/VOC/voc2012/", "https://pjreddie.com/media/files/"];
const COCO_IMAGES: [&str; 2] =
    ["http://images.cocodataset.org/zips/", "https://s3.amazonaws.com/images.cocodataset.org/zips/"];
const COCO_ANNOTATIONS: [&str; 2] = [
    "http://images.cocodataset.org/annotations/",
    "https://s3.amazonaws.com/images.cocodataset.org/annotations/",
];

impl PublicSet {
    fn archives(self) -> &'static [Archive] {
        match self {
            PublicSet::Voc2007 => &[
                Archive {
                    mirrors: &VOC2007,
                    name: "VOCtrainval_06-Nov-2007.tar",
                    md5: "c52e279531787c972589f7e41ab4ae64",
                    proof: "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt",
                },
                Archive {
                    mirrors: &VOC2007,
                    name: "VOCtest_06-Nov-2007.tar",
                    md5: "b6e924de25625d8de591ea690078ad9f",
                    proof: "VOCdevkit/VOC2007/ImageSets/Main/test.txt",
                },
            ],
            PublicSet::Voc2012 => &[Archive {
                mirrors: &VOC2012,
                name: "VOCtrainval_11-May-2012.tar",
                md5: "6cd6e144f989b92b3379bac3b3de84fd",
                proof: "VOCdevkit/VOC2012/ImageSets/Main/trainval.txt",
            }],
            PublicSet::Coco2017 => &[
                Archive {
                    mirrors: &COCO_ANNOTATIONS,
                    name: "annotations_trainval2017.zip",
                    md5: "f4bbac642086de4f52a3fdda2de5fa2c",
                    proof: "annotations/instances_train2017.json",
                },
                Archive {
                    mirrors: &COCO_IMAGES,
                    name: "val2017.zip",
                    md5: "442b8da7639aecaf257c1dceb8ba8c80",
                    proof: "val2017",
                },
                Archive {
                    mirrors: &COCO_IMAGES,
                    name: "train2017.zip",
                    md5: "cced6f7f71b7629ddf16f17bbcfab6b2",
                    proof: "train2017",
                },
            ],
        }
    }
}

/// Fetches what is missing of a large set and unpacks it into `root`; [`super::voc()`] and [`super::coco()`] read
/// it from there. Each archive is removed once it is unpacked.
///
/// ```no_run
/// # use sconce::data::{PublicSet, VocTask, datasets};
/// datasets::download("data", PublicSet::Voc2012)?;
/// let train = datasets::voc("data/VOCdevkit/VOC2012", VocTask::Detection, "train")?;
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// When an archive cannot be had, the message says what to put where; when it is damaged or a file cannot be
/// written; [`Error::Interrupted`], and the next call goes on.
pub fn download(root: impl AsRef<Path>, set: PublicSet) -> Result<()> {
    let root = root.as_ref();
    for archive in set.archives() {
        if root.join(archive.proof).exists() {
            continue;
        }
        let path = root.join(archive.name);
        remote(archive.mirrors, archive.name, archive.md5).fetch(&path)?;
        extract(&path, root, ExtractLimits::default())?;
        fs::remove_file(&path).map_err(|source| Error::Io { op: "remove", path, source })?;
    }
    Ok(())
}
