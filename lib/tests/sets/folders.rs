//! Images in a folder for each class, whatever else lies there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use sconce::Error;
use sconce::data::{Image, ImageFolder, ImageFolderConfig, Pixels, Source, datasets};

/// A picture of one grey, by which it is known.
pub fn picture(path: &Path, grey: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    Image::new([2, 3, 1], Pixels::U8(vec![grey; 6])).unwrap().save(path).unwrap();
}

fn open(root: &Path) -> sconce::Result<ImageFolder> {
    ImageFolder::open(root, ImageFolderConfig::default())
}

fn ids(folder: &ImageFolder) -> Vec<String> {
    (0..folder.len()).map(|index| folder.id(index)).collect()
}

#[test]
fn classes_are_the_folders_in_order_and_images_the_files_below() {
    let root = tempfile::tempdir().unwrap();
    for (at, name) in
        ["dog/b.png", "dog/a.PNG", "cat/x.png", "cat/deep/er/y.jpg.png", "dog/z.png"].iter().enumerate()
    {
        picture(&root.path().join(name), at as u8 * 10);
    }
    fs::create_dir(root.path().join("empty")).unwrap();
    let folder = open(root.path()).unwrap();
    assert_eq!(folder.class_names(), ["cat", "dog", "empty"]);
    assert_eq!(ids(&folder), ["cat/x.png", "cat/deep/er/y.jpg.png", "dog/a.PNG", "dog/b.png", "dog/z.png"]);
    assert_eq!((0..5).flat_map(|index| folder.labels(index)).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
    let sample = folder.sample(3).unwrap();
    assert_eq!((sample.id.as_str(), sample.target.labels.as_slice()), ("dog/b.png", &[1][..]));
    assert_eq!(*sample.image.pixels(), Pixels::U8(vec![0; 6]));
    assert_eq!(folder.path(0).unwrap(), root.path().join("cat/x.png"));
    assert_eq!(folder.ignored().count(), 0);
    assert!(folder.sample(5).is_err() && folder.path(5).is_none());
    let data = datasets::image_folder(root.path()).unwrap();
    assert_eq!((data.len(), data.class_counts().unwrap()), (5, vec![2, 3, 0]));
}

#[test]
fn the_other_part_keeps_the_classes() {
    let root = tempfile::tempdir().unwrap();
    for name in ["train/cat/1.png", "train/dog/2.png", "train/eel/3.png", "val/eel/4.png", "val/cat/5.png"] {
        picture(&root.path().join(name), 0);
    }
    let parts = datasets::image_folders(root.path()).unwrap();
    assert_eq!(parts.test.class_names(), ["cat", "dog", "eel"]);
    assert_eq!(parts.test.label_values().unwrap(), [0, 2]);
    // Opened by itself it would have numbered them anew.
    let alone = datasets::image_folder(root.path().join("val")).unwrap();
    assert_eq!(alone.label_values().unwrap(), [0, 1]);
    picture(&root.path().join("val/fox/6.png"), 0);
    let error = datasets::image_folders(root.path()).unwrap_err().to_string();
    assert!(error.contains("fox") && error.contains("3 classes"), "{error}");
    fs::remove_dir_all(root.path().join("val/fox")).unwrap();
    let error = datasets::image_folder(root.path()).unwrap_err().to_string();
    assert!(error.contains("train, val") && error.contains("image_folders"), "{error}");
    picture(&root.path().join("test/cat/6.png"), 0);
    assert!(datasets::image_folders(root.path()).unwrap_err().to_string().contains("val, test"));
}

#[test]
fn what_is_no_image_is_left_out_and_told() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    picture(&at("cat/1.png"), 0);
    for name in ["cat/.hidden.png", "cat/notes.txt", "cat/noending", "readme.md", ".DS_Store"] {
        fs::write(at(name), "x").unwrap();
    }
    fs::create_dir(at(".git")).unwrap();
    symlink("nowhere", at("cat/dangling.png")).unwrap();
    let folder = open(root.path()).unwrap();
    assert_eq!(ids(&folder), ["cat/1.png"]);
    assert_eq!(folder.class_names(), ["cat"]);
    let ignored = folder.ignored();
    assert_eq!((ignored.hidden, ignored.other, ignored.outside, ignored.dangling), (3, 2, 1, 1));
    let data = folder.into_dataset();
    assert!(data.description().contains("7 left out"), "{}", data.description());
}

#[test]
fn links_are_followed_once_and_loops_end() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    picture(&at("cat/1.png"), 0);
    picture(&at("cat/deep/2.png"), 0);
    symlink(at("cat"), at("cat/deep/up")).unwrap();
    symlink(".", at("cat/self")).unwrap();
    symlink(at("cat/1.png"), at("cat/link.png")).unwrap();
    symlink(at("cat"), at("kitten")).unwrap();
    let folder = open(root.path()).unwrap();
    let of = ["1.png", "link.png", "deep/2.png"];
    let wanted: Vec<String> =
        ["cat", "kitten"].iter().flat_map(|class| of.map(|name| format!("{class}/{name}"))).collect();
    assert_eq!(ids(&folder), wanted);
    assert_eq!(folder.ignored().repeated, 4);
}

#[test]
fn names_need_not_be_text() {
    let root = tempfile::tempdir().unwrap();
    let odd = OsStr::from_bytes(b"\xff\xfe.png");
    picture(&root.path().join("cat").join(odd), 77);
    let folder = open(root.path()).unwrap();
    assert_eq!(folder.path(0).unwrap(), root.path().join("cat").join(odd));
    assert_eq!(*folder.sample(0).unwrap().image.pixels(), Pixels::U8(vec![77; 6]));
    assert!(folder.id(0).ends_with(".png"));
    for name in [&b"\xff"[..], b"\xfe"] {
        picture(&root.path().join(OsStr::from_bytes(name)).join("1.png"), 0);
    }
    let error = open(root.path()).unwrap_err().to_string();
    assert!(error.contains("told apart"), "{error}");
}

#[test]
fn folders_without_classes_or_images_are_errors() {
    let root = tempfile::tempdir().unwrap();
    let error = open(root.path()).unwrap_err().to_string();
    assert!(error.contains("a folder for each class"), "{error}");
    fs::write(root.path().join("a.png"), "x").unwrap();
    assert!(open(root.path()).unwrap_err().to_string().contains("1 beside"));
    fs::create_dir(root.path().join("cat")).unwrap();
    let error = open(root.path()).unwrap_err().to_string();
    assert!(error.contains(".jpg") && error.contains("a.png"), "{error}");
    assert!(matches!(open(&root.path().join("missing")), Err(Error::Io { .. })));
    let twice = ImageFolderConfig { classes: Some(vec!["cat".into(), "cat".into()]), ..Default::default() };
    assert!(ImageFolder::open(root.path(), twice).unwrap_err().to_string().contains("`cat` twice"));
}

#[test]
fn a_broken_image_is_named_when_it_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("cat/1.png"), 0);
    fs::write(root.path().join("cat/2.png"), "no image").unwrap();
    let folder = open(root.path()).unwrap();
    assert!(folder.sample(0).is_ok());
    let error = folder.sample(1).unwrap_err();
    assert!(matches!(&error, Error::Image { path, .. } if path.ends_with("cat/2.png")), "{error}");
}

#[test]
fn twenty_thousand_files_keep_their_order() {
    let root = tempfile::tempdir().unwrap();
    let first = root.path().join("class 0/000000.png");
    picture(&first, 5);
    for at in 1..20_000 {
        let folder = root.path().join(format!("class {}", at % 20)).join(format!("part {}", at % 3));
        fs::create_dir_all(&folder).unwrap();
        fs::hard_link(&first, folder.join(format!("{at:06}.png"))).unwrap();
    }
    let folder = open(root.path()).unwrap();
    assert_eq!((folder.len(), folder.class_names().len()), (20_000, 20));
    let mut sorted = ids(&folder);
    assert_eq!(folder.id(0), "class 0/000000.png");
    assert_eq!(
        folder.labels(19_999),
        [folder.class_names().iter().position(|name| name == "class 9").unwrap() as u32]
    );
    let listed = sorted.clone();
    sorted.sort();
    // Folders in the order of their paths, files within them: the one file beside folders comes first anyway.
    assert_eq!(listed, sorted);
    assert!(folder.sample(12_345).is_ok());
}
