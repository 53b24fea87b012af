//! MNIST's and CIFAR's files, made here in exactly their formats.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sconce::Result;
use sconce::data::{Download, Pixels, TrainTest, datasets};

use crate::{fixture, mutate};

fn idx(sides: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sides.len() as u8];
    sides.iter().for_each(|side| file.extend(side.to_be_bytes()));
    file.extend(bytes);
    file
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Three images of 2 x 4 to learn from, one to be judged by.
fn write_mnist(root: &Path) {
    let pixels: Vec<u8> = (0..24).collect();
    fs::write(root.join("train-images-idx3-ubyte"), idx(&[3, 2, 4], &pixels)).unwrap();
    fs::write(root.join("train-labels-idx1-ubyte.gz"), gz(&idx(&[3], &[7, 0, 9]))).unwrap();
    fs::write(root.join("t10k-images.idx3-ubyte"), idx(&[1, 2, 4], &pixels[16..])).unwrap();
    fs::write(root.join("t10k-labels-idx1-ubyte"), idx(&[1], &[4])).unwrap();
}

fn mnist(root: &Path) -> Result<TrainTest> {
    datasets::mnist(root, Download::No)
}

#[test]
fn mnist_is_read_gzipped_or_not() {
    let root = tempfile::tempdir().unwrap();
    write_mnist(root.path());
    let parts = mnist(root.path()).unwrap();
    assert_eq!((parts.train.len(), parts.test.len(), parts.train.image_shape()), (3, 1, Some([1, 2, 4])));
    assert_eq!(parts.train.label_values().unwrap(), [7, 0, 9]);
    let sample = parts.train.sample(1).unwrap();
    assert_eq!(*sample.image.pixels(), Pixels::U8((8..16).collect()));
    assert_eq!((sample.image.shape(), sample.target.labels), ([2, 4, 1], vec![0]));
    assert!(parts.train.sample(3).is_err());
    assert!(format!("{:?}", parts).len() < 2000, "a data set must not print its pixels");
    let fashion = datasets::fashion_mnist(root.path(), Download::No).unwrap();
    assert_eq!(fashion.test.class_names()[fashion.test.label_values().unwrap()[0] as usize], "Coat");
    // Where torchvision keeps them.
    let raw = root.path().join("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte.gz",
        "t10k-images.idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        fs::rename(root.path().join(name), raw.join(name)).unwrap();
    }
    assert_eq!(mnist(root.path()).unwrap().test.len(), 1);
}

#[test]
fn files_that_contradict_themselves_or_each_other_are_named() {
    let images = "train-images-idx3-ubyte";
    let labels = "train-labels-idx1-ubyte.gz";
    let cases: [(&str, Vec<u8>, &str); 11] = [
        (images, idx(&[4, 2, 4], &[0; 24]), "32 bytes"),
        (images, idx(&[3, 2, 4], &[0; 25]), "more"),
        (images, idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 24]), "fits into memory"),
        (images, idx(&[3, 0, 4], &[]), "0 x 4"),
        (images, idx(&[24], &[0; 24]), "3 sides"),
        (images, b"<html>not found".to_vec(), "IDX file of bytes"),
        (images, vec![0, 0, 8], "cut off"),
        (images, Vec::new(), "cut off"),
        (labels, gz(&idx(&[2], &[1, 2])), "3 labels"),
        (labels, gz(&idx(&[3], &[1, 2, 10])), "label 10 of image 2"),
        (labels, gz(&idx(&[3], &[1, 2, 3]))[..15].to_vec(), "cut off"),
    ];
    for (name, bytes, complaint) in cases {
        let root = tempfile::tempdir().unwrap();
        write_mnist(root.path());
        fs::write(root.path().join(name), bytes).unwrap();
        let error = mnist(root.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(complaint), "{error}");
    }
}

#[test]
fn a_missing_file_says_what_to_put_where() {
    let root = tempfile::tempdir().unwrap();
    let error = mnist(root.path()).unwrap_err().to_string();
    let wanted = root.path().join("train-images-idx3-ubyte.gz");
    assert!(error.contains(wanted.to_str().unwrap()), "{error}");
    assert!(
        error.contains("https://") && error.contains("MD5 f68b3c2d") && error.contains("Download::Yes"),
        "{error}"
    );
    let error = datasets::cifar10(root.path(), Download::No).unwrap_err().to_string();
    assert!(error.contains("cifar-10-binary.tar.gz"), "{error}");
}

/// Byte `i` of image `n`, as the fixtures have it.
fn byte(n: usize, i: usize) -> u8 {
    ((7 * i + 13 * n) % 256) as u8
}

fn record(labels: &[u8], n: usize) -> Vec<u8> {
    labels.iter().copied().chain((0..3072).map(|i| byte(n, i))).collect()
}

fn write_cifar10(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    fs::write(folder.join("batches.meta.txt"), names).unwrap();
    for at in 1..=5 {
        let batch = [record(&[at], 0), record(&[at + 1], 1)].concat();
        fs::write(folder.join(format!("data_batch_{at}.bin")), batch).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), record(&[9], 1)).unwrap();
}

fn check_pixels(sample: &sconce::data::Sample, n: usize) {
    assert_eq!(sample.image.shape(), [32, 32, 3]);
    let Pixels::U8(pixels) = sample.image.pixels() else { panic!("no bytes") };
    for at in 0..1024 {
        for channel in 0..3 {
            assert_eq!(pixels[at * 3 + channel], byte(n, channel * 1024 + at));
        }
    }
}

#[test]
fn the_binary_version_of_cifar() {
    let root = tempfile::tempdir().unwrap();
    write_cifar10(&root.path().join("cifar-10-batches-bin"));
    let parts = datasets::cifar10(root.path(), Download::No).unwrap();
    assert_eq!(parts.train.label_values().unwrap(), [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
    assert_eq!((parts.test.len(), parts.test.class_names()[9].as_str()), (1, "truck"));
    check_pixels(&parts.train.sample(3).unwrap(), 1);
    // The folder itself does too.
    let parts = datasets::cifar10(root.path().join("cifar-10-batches-bin"), Download::No).unwrap();
    assert_eq!(parts.train.len(), 10);

    let folder = root.path().join("cifar-100-binary");
    fs::create_dir(&folder).unwrap();
    let names: String = (0..100).map(|class| format!("class {class}\n")).collect();
    fs::write(folder.join("fine_label_names.txt"), names).unwrap();
    fs::write(folder.join("train.bin"), [record(&[3, 77], 0), record(&[1, 8], 1)].concat()).unwrap();
    fs::write(folder.join("test.bin"), record(&[2, 99], 0)).unwrap();
    let parts = datasets::cifar100(root.path(), Download::No).unwrap();
    assert_eq!(parts.train.label_values().unwrap(), [77, 8]);
    assert_eq!(parts.test.class_names()[99], "class 99");
    check_pixels(&parts.train.sample(1).unwrap(), 1);
}

#[test]
fn damaged_batches_are_named() {
    for (name, bytes, complaint) in [
        ("data_batch_3.bin", vec![0; 3072], "no multiple"),
        ("data_batch_2.bin", record(&[10], 0), "label 10 of image 0"),
        ("test_batch.bin", Vec::new(), "0 bytes"),
        ("batches.meta.txt", b"cat\ndog\n".to_vec(), "2 names"),
    ] {
        let root = tempfile::tempdir().unwrap();
        write_cifar10(root.path());
        fs::write(root.path().join(name), bytes).unwrap();
        let error = datasets::cifar10(root.path(), Download::No).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(complaint), "{error}");
    }
}

/// A batch as Python 2's cPickle wrote those that are published: protocol 2, texts as bytes.
fn python2_batch() -> Vec<u8> {
    let data: Vec<u8> = (0..2).flat_map(|n| (0..3072).map(move |i| byte(n, i))).collect();
    let mut file = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x06a testq\x03U\x06labelsq\x04]q\x05(K\x03K\x09eU\x04dataq\x06".to_vec();
    file.extend(b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09U\x01bq\x0a\x87q\x0bRq\x0c");
    file.extend(b"(K\x01K\x02M\x00\x0c\x86q\x0dcnumpy\ndtype\nq\x0eU\x02u1q\x0fK\x00K\x01\x87q\x10Rq\x11");
    file.extend(b"(K\x03U\x01|q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x13b\x89T");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file.extend(b"q\x14tq\x15bU\x09filenamesq\x16]q\x17(U\x05a.pngq\x18U\x05b.pngq\x19eu.");
    file
}

fn write_python(folder: &Path, batch: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let mut meta = b"\x80\x02}q\x01(U\x0blabel_namesq\x02]q\x03(".to_vec();
    for name in names {
        meta.extend([b'U', name.len() as u8]);
        meta.extend(name.bytes());
    }
    meta.extend(b"eu.");
    fs::write(folder.join("batches.meta"), meta).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    {
        fs::write(folder.join(name), batch).unwrap();
    }
}

#[test]
fn the_python_version_of_cifar_in_every_protocol() {
    let mut batches: Vec<Vec<u8>> = (2..=5).map(|n| fixture(&format!("cifar_protocol{n}.pickle"))).collect();
    batches.push(python2_batch());
    for batch in batches {
        let root = tempfile::tempdir().unwrap();
        write_python(&root.path().join("cifar-10-batches-py"), &batch);
        let parts = datasets::cifar10(root.path(), Download::No).unwrap();
        assert_eq!(parts.train.len(), 10);
        assert_eq!(parts.test.label_values().unwrap(), [3, 9]);
        assert_eq!(
            (parts.test.id(1).unwrap().as_str(), parts.test.class_names()[3].as_str()),
            ("b.png", "cat")
        );
        check_pixels(&parts.test.sample(0).unwrap(), 0);
        check_pixels(&parts.test.sample(1).unwrap(), 1);
    }
}

#[test]
fn broken_pickles_and_idx_files_never_panic() {
    let root = tempfile::tempdir().unwrap();
    let rounds = mutate::rounds();
    for batch in [python2_batch(), fixture("cifar_protocol4.pickle")] {
        write_python(root.path(), &batch);
        // The array's bytes mean nothing to the reader; the rest is what it takes apart.
        mutate::many("pickle", &batch, rounds, |broken| {
            fs::write(root.path().join("test_batch"), broken).unwrap();
            if let Ok(parts) = datasets::cifar10(root.path(), Download::No) {
                (0..parts.test.len()).for_each(|at| drop(parts.test.sample(at).unwrap()));
            }
        });
    }
    let root = tempfile::tempdir().unwrap();
    write_mnist(root.path());
    for name in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"] {
        let good = fs::read(root.path().join(name)).unwrap();
        mutate::many(name, &good, rounds, |broken| {
            fs::write(root.path().join(name), broken).unwrap();
            if let Ok(parts) = mnist(root.path()) {
                (0..parts.train.len()).for_each(|at| drop(parts.train.sample(at).unwrap()));
            }
        });
        fs::write(root.path().join(name), good).unwrap();
    }
}
