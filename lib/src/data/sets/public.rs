//! Small public sets, fetched where they are missing: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100.

use std::path::Path;
use std::sync::Arc;

use super::cifar::{self, Cifar};
use super::stack::Stack;
use super::{TrainTest, idx};
use crate::data::dataset::Dataset;
use crate::download::{Checksum, Download, ExtractLimits, Remote, extract};
use crate::{Error, Result};

const MNIST_MIRRORS: &[&str] = &[
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];
const FASHION_MIRRORS: &[&str] = &[
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
];
const CIFAR_MIRRORS: &[&str] = &["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"];

/// Images and labels of the training part, then of the test part.
const IDX_FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];
const MNIST_MD5: [&str; 4] = [
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
];
const FASHION_MD5: [&str; 4] = [
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
];
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CLOTHES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// MNIST: 60,000 handwritten digits to learn from and 10,000 to be judged by, grey, 28 x 28 pixels.
///
/// `root` is a folder with the four files, gzipped or not, or with torchvision's `MNIST/raw`; 12 MB are
/// fetched into it where they are missing and `download` allows it.
///
/// Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, *Gradient-based learning applied to document
/// recognition*, Proceedings of the IEEE 86 (1998); licence CC BY-SA 3.0.
///
/// # Errors
/// When a file is missing and not fetched, damaged, or contradicts another.
pub fn mnist(root: impl AsRef<Path>, download: Download) -> Result<TrainTest> {
    let about = "MNIST (LeCun, Bottou, Bengio and Haffner 1998), CC BY-SA 3.0.";
    idx_set(root.as_ref(), download, MNIST_MIRRORS, MNIST_MD5, DIGITS)?.finish("mnist", about)
}

/// Fashion-MNIST: 60,000 pieces of clothing to learn from and 10,000 to be judged by, of 10 kinds, grey, 28 x
/// 28 pixels, in the files of MNIST: `root` and `download` as for [`mnist`], 30 MB.
///
/// Source: H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST*,
/// [arXiv:1708.07747](https://arxiv.org/abs/1708.07747); licence MIT.
///
/// # Errors
/// As [`mnist`].
pub fn fashion_mnist(root: impl AsRef<Path>, download: Download) -> Result<TrainTest> {
    let about = "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), MIT.";
    idx_set(root.as_ref(), download, FASHION_MIRRORS, FASHION_MD5, CLOTHES)?.finish("fashion-mnist", about)
}

/// CIFAR-10: 50,000 photographs to learn from and 10,000 to be judged by, of 10 classes, RGB, 32 x 32 pixels.
///
/// `root` is the folder of the binary or the Python version, or the one above it; 170 MB are fetched into it
/// where they are missing and `download` allows it.
///
/// Source: A. Krizhevsky, *Learning multiple layers of features from tiny images*, 2009.
///
/// # Errors
/// When a file is missing and not fetched, damaged, or holds a label that is none.
pub fn cifar10(root: impl AsRef<Path>, download: Download) -> Result<TrainTest> {
    let md5 = "c32a1d4ab5d03f1284b67883e8d87530";
    let parts = cifar_set(root.as_ref(), download, Cifar::Ten, "cifar-10-binary.tar.gz", md5)?;
    parts.finish("cifar10", "CIFAR-10 (Krizhevsky 2009).")
}

/// CIFAR-100: as [`cifar10`], of 100 classes. Labels are the fine ones.
///
/// # Errors
/// As [`cifar10`].
pub fn cifar100(root: impl AsRef<Path>, download: Download) -> Result<TrainTest> {
    let md5 = "03b5dce01913d631647c71ecec9e9cb8";
    let parts = cifar_set(root.as_ref(), download, Cifar::Hundred, "cifar-100-binary.tar.gz", md5)?;
    parts.finish("cifar100", "CIFAR-100 (Krizhevsky 2009).")
}

/// The two parts as they were read.
struct Parts([Stack; 2]);

impl Parts {
    fn finish(self, name: &str, about: &str) -> Result<TrainTest> {
        let [train, test] = self.0.map(|stack| Dataset::from_source(stack).named(name).described(about));
        Ok(TrainTest { train, test })
    }
}

pub(super) fn remote(mirrors: &[&str], name: &str, md5: &str) -> Remote {
    let mut urls = mirrors.iter().map(|mirror| format!("{mirror}{name}"));
    let checksum = Some(Checksum::Md5(md5.to_owned()));
    let first = Remote::new(&urls.next().unwrap_or_default(), checksum);
    urls.fold(first, |remote, url| remote.mirror(&url))
}

fn idx_set(
    root: &Path,
    download: Download,
    mirrors: &[&str],
    md5: [&str; 4],
    classes: [&str; 10],
) -> Result<Parts> {
    let mut paths = Vec::with_capacity(4);
    for (name, md5) in IDX_FILES.into_iter().zip(md5) {
        let found = idx::find(root, name);
        paths.push(match found {
            Some(path) => path,
            None => {
                let zipped = format!("{name}.gz");
                let path = root.join(&zipped);
                get(&remote(mirrors, &zipped, md5), &path, download)?;
                path
            }
        });
    }
    let class_names: Arc<[String]> = classes.map(str::to_owned).into();
    Ok(Parts([
        idx::read(&paths[0], &paths[1], Arc::clone(&class_names))?,
        idx::read(&paths[2], &paths[3], class_names)?,
    ]))
}

fn cifar_set(root: &Path, download: Download, cifar: Cifar, archive: &str, md5: &str) -> Result<Parts> {
    let folder = match cifar::find(root, cifar) {
        Some(folder) => folder,
        None => {
            let path = root.join(archive);
            if !path.is_file() || download == Download::Yes {
                get(&remote(CIFAR_MIRRORS, archive, md5), &path, download)?;
            }
            extract(&path, root, ExtractLimits { max_bytes: 1 << 30, max_files: 100 })?;
            cifar::find(root, cifar).ok_or_else(|| Error::Format {
                path: path.clone(),
                expected: format!("an archive with a folder {}", cifar.folders()[0]),
                got: "another one".into(),
                hint: "Fetch the archive again.".into(),
            })?
        }
    };
    Ok(Parts(cifar::read(&folder, cifar)?))
}

/// Fetches a file, or says what to put where.
fn get(remote: &Remote, path: &Path, download: Download) -> Result<()> {
    match download {
        Download::Yes => remote.fetch(path),
        Download::No => Err(Error::Format {
            path: path.to_owned(),
            expected: "the file".into(),
            got: "nothing there".into(),
            hint: format!("Allow the download with `Download::Yes`. Or: {}", remote.by_hand(path)),
        }),
    }
}
