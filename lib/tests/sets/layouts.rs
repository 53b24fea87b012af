//! PASCAL VOC, ImageNet and drawings.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use sconce::data::{BBox, ClassMap, DecodeConfig, Image, Pixels, Source, Voc, VocConfig, VocTask, datasets};
use sconce::{Error, Seed};

use crate::folders::picture;
use crate::{fixture, mutate};

pub fn write(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn object(name: &str, [xmin, ymin, xmax, ymax]: [&str; 4], more: &str) -> String {
    format!(
        "<object><name>{name}</name>{more}<bndbox><xmax>{xmax}</xmax><xmin>{xmin}</xmin><ymax>{ymax}</ymax>\
         <ymin>{ymin}</ymin></bndbox></object>"
    )
}

fn annotation(objects: &str) -> String {
    format!(
        "<annotation><folder>VOC2012</folder><filename>2007_1.jpg</filename><source><database>x</database></source>\
         <size><width>3</width><height>2</height><depth>3</depth></size><segmented>1</segmented>{objects}</annotation>"
    )
}

/// A PNG with a palette, as VOC's masks have it.
fn palette_png(path: PathBuf, bits: png::BitDepth, rows: &[&[u8]], width: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width, rows.len() as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(bits);
    let colors = if bits == png::BitDepth::Eight { 256 } else { 16 };
    encoder.set_palette((0..colors * 3).map(|at| (at * 7 % 256) as u8).collect::<Vec<_>>());
    encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
}

fn voc_folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join("VOCdevkit/VOC2012").join(name);
    for name in ["2007_1", "2007_2"] {
        // VOC's images are JPEG whatever they show.
        let image = Image::new([2, 3, 3], Pixels::U8(vec![90; 18])).unwrap();
        fs::create_dir_all(at("JPEGImages")).unwrap();
        image.save(at(&format!("JPEGImages/{name}.jpg"))).unwrap();
    }
    let dog = object(
        "dog",
        ["1", "1", "2", "2"],
        "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><part><name>head</name><bndbox><xmin>1</xmin>\
         <ymin>1</ymin><xmax>1</xmax><ymax>1</ymax></bndbox></part>",
    );
    let cow = object("cow", ["2", "1.5", "3", "2"], "<difficult>1</difficult><occluded>1</occluded>");
    write(at("Annotations/2007_1.xml"), annotation(&(dog + &cow)));
    write(at("Annotations/2007_2.xml"), format!("\u{feff}{}", annotation("")));
    write(at("ImageSets/Main/train.txt"), "2007_1\n2007_2\n\n");
    write(at("ImageSets/Main/val.txt"), "2007_2\r\n");
    write(at("ImageSets/Main/dog_train.txt"), "2007_1  1\n2007_2 -1\n");
    write(at("ImageSets/Segmentation/train.txt"), "2007_1\n");
    palette_png(at("SegmentationClass/2007_1.png"), png::BitDepth::Eight, &[&[12, 12, 0], &[255, 10, 10]], 3);
    palette_png(at("SegmentationObject/2007_1.png"), png::BitDepth::Four, &[&[0x11, 0x00], &[0xf2, 0x20]], 3);
    root
}

#[test]
fn voc_has_boxes_masks_and_tags() {
    let root = voc_folder();
    let data = datasets::voc(root.path(), VocTask::Detection, "train").unwrap();
    assert_eq!((data.len(), data.num_classes(), data.name()), (2, 20, "VOC2012"));
    let sample = data.sample(0).unwrap();
    assert_eq!((sample.id.as_str(), sample.image.shape()), ("2007_1", [2, 3, 3]));
    let [dog, cow] = sample.target.objects.as_slice() else { panic!("two objects") };
    assert_eq!((data.class_names()[dog.label as usize].as_str(), dog.ignore), ("dog", false));
    assert_eq!(dog.bbox, BBox { x0: 0.0, y0: 0.0, x1: 2.0, y1: 2.0 });
    assert_eq!((cow.bbox, cow.ignore), (BBox { x0: 1.0, y0: 0.5, x1: 3.0, y1: 2.0 }, true));
    assert!(data.sample(1).unwrap().target.objects.is_empty());

    let year = root.path().join("VOCdevkit/VOC2012");
    let segmentation = datasets::voc(&year, VocTask::Segmentation, "train").unwrap();
    assert_eq!((segmentation.num_classes(), segmentation.class_names()[0].as_str()), (21, "background"));
    let target = segmentation.sample(0).unwrap().target;
    assert_eq!(target.segmentation.unwrap().classes, [12, 12, 0, ClassMap::IGNORE, 10, 10]);
    assert_eq!((target.objects[0].label, target.objects[1].label), (12, 10));
    assert_eq!(target.objects[0].mask.as_ref().unwrap().pixels, [1, 1, 0, 0, 0, 0]);
    assert_eq!(target.objects[1].mask.as_ref().unwrap().pixels, [0, 0, 0, 0, 1, 1]);

    let tags = datasets::voc(&year, VocTask::Classification, "train").unwrap();
    assert_eq!((tags.labels_of(0).unwrap(), tags.labels_of(1).unwrap()), (&[11][..], &[][..]));
    assert_eq!(datasets::voc(&year, VocTask::Detection, "dog_train").unwrap().len(), 1);
    assert_eq!(datasets::voc(&year, VocTask::Detection, "val").unwrap().id(0).unwrap(), "2007_2");

    let voc = Voc::open(&year, VocConfig::default()).unwrap();
    let annotation = voc.annotation(0).unwrap();
    let dog = &annotation.objects[0];
    assert!(annotation.segmented && dog.truncated && annotation.objects[1].occluded);
    assert_eq!((dog.pose.as_str(), dog.parts[0].0.as_str()), ("Left", "head"));
    assert_eq!(dog.parts[0].1, BBox { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 });
}

#[test]
fn what_is_wrong_with_voc_is_named() {
    let root = voc_folder();
    let year = root.path().join("VOCdevkit/VOC2012");
    let open = |split: &str| datasets::voc(&year, VocTask::Detection, split);
    let error = open("trian").unwrap_err().to_string();
    assert!(error.contains("train, val"), "{error}");
    assert!(open("../Main/train").is_err());
    for (list, complaint) in [("../../etc/passwd\n", "line 1"), ("\n", "no name"), ("a/b", "`a/b`")] {
        write(year.join("ImageSets/Main/bad.txt"), list);
        let error = open("bad").unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("bad.txt"), "{error}");
    }
    let good = annotation(&object("dog", ["1", "1", "2", "2"], ""));
    for (xml, complaint) in [
        (good.replace("size>", "sise>"), "`size`"),
        (good.replace("<height>2", "<height>-2"), "`height`"),
        (good.replace("<height>2", "<height>4"), "4 x 3"),
        (good.replace("<xmin>1", "<xmin>NaN"), "xmin `NaN`"),
        (good.replace("<xmin>1", "<xmin>3"), "3 to 2"),
        (good.replace("bndbox>", "box>"), "`bndbox`"),
        (good.replace("dog", "wolf"), "`wolf`"),
        (good.replace("<name>dog</name>", ""), "`name`"),
        (good.replace("</annotation>", ""), "XML"),
        (String::new(), "XML"),
        ("<html/>".to_owned(), "`html`"),
    ] {
        write(year.join("Annotations/2007_1.xml"), xml);
        let error = open("train").unwrap().sample(0).unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("2007_1"), "{complaint}: {error}");
    }
    fs::remove_file(year.join("Annotations/2007_1.xml")).unwrap();
    assert!(
        matches!(open("train").unwrap().sample(0), Err(Error::Io { path, .. }) if path.ends_with("2007_1.xml"))
    );
    fs::create_dir_all(root.path().join("VOCdevkit/VOC2007/JPEGImages")).unwrap();
    fs::create_dir_all(root.path().join("VOCdevkit/VOC2007/ImageSets")).unwrap();
    let error = datasets::voc(root.path(), VocTask::Detection, "train").unwrap_err().to_string();
    assert!(error.contains("VOC2007") && error.contains("VOC2012"), "{error}");
}

#[test]
fn masks_that_do_not_fit_are_named() {
    let root = voc_folder();
    let year = root.path().join("VOCdevkit/VOC2012");
    let mask = || year.join("SegmentationClass/2007_1.png");
    let problem = || {
        let data = datasets::voc(&year, VocTask::Segmentation, "train").unwrap();
        data.sample(0).unwrap_err().to_string()
    };
    let few = DecodeConfig { max_pixels: 5, ..DecodeConfig::default() };
    let config = VocConfig { task: VocTask::Segmentation, decode: few, ..VocConfig::default() };
    let error = Voc::open(&year, config).unwrap().target(0).unwrap_err().to_string();
    assert!(error.contains("at most 5 pixels") && error.contains("2007_1.png"), "{error}");
    palette_png(mask(), png::BitDepth::Eight, &[&[0, 21, 0], &[0, 0, 0]], 3);
    assert!(problem().contains("class 21"), "{}", problem());
    palette_png(mask(), png::BitDepth::Eight, &[&[0, 0, 0]], 3);
    assert!(problem().contains("1 x 3"), "{}", problem());
    Image::new([2, 3, 3], Pixels::U8(vec![0; 18])).unwrap().save(mask()).unwrap();
    assert!(problem().contains("Rgb"), "{}", problem());
    fs::write(mask(), b"no png").unwrap();
    assert!(problem().contains("2007_1.png"), "{}", problem());
}

fn imagenet_folder(table: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in [
        "train/n02119789/n02119789_1.JPEG",
        "train/n01440764/n01440764_1.JPEG",
        "train/n01440764/n01440764_2.JPEG",
        "val/ILSVRC2012_val_00000002.JPEG",
        "val/ILSVRC2012_val_00000001.JPEG",
    ] {
        let path = root.path().join(name);
        picture(&path.with_extension("jpg"), 0);
        fs::rename(path.with_extension("jpg"), path).unwrap();
    }
    let devkit = root.path().join("ILSVRC2012_devkit_t12/data");
    write(devkit.join("meta.mat"), fixture(table));
    write(devkit.join("ILSVRC2012_validation_ground_truth.txt"), "1\n2\n");
    root
}

#[test]
fn imagenet_has_the_names_of_its_synsets() {
    for table in ["meta.mat", "meta_plain.mat"] {
        let root = imagenet_folder(table);
        let set = datasets::imagenet(root.path()).unwrap();
        assert_eq!(set.train.class_names(), ["tench, Tinca tinca", "kit fox, Vulpes macrotis"]);
        assert_eq!(set.synsets[1].wnid, "n02119789");
        assert_eq!(set.train.label_values().unwrap(), [0, 0, 1]);
        // The devkit's 1 is the fox, which is the second by its number in WordNet.
        assert_eq!(set.test.label_values().unwrap(), [1, 0]);
        assert_eq!(set.test.id(0).unwrap(), "ILSVRC2012_val_00000001.JPEG");
        assert_eq!(set.test.sample(1).unwrap().target.labels, [0]);
    }
}

#[test]
fn imagenet_as_kaggle_has_it_and_with_folders_only() {
    let root = imagenet_folder("meta.mat");
    fs::remove_dir_all(root.path().join("ILSVRC2012_devkit_t12")).unwrap();
    let error = datasets::imagenet(root.path()).unwrap_err().to_string();
    assert!(error.contains("ground_truth.txt") && error.contains("LOC_val_solution.csv"), "{error}");
    let solution = "ImageId,PredictionString\nILSVRC2012_val_00000002,n02119789 1 2 3 4 n02119789 1 1 2 2 \n\
                    ILSVRC2012_val_00000001,n01440764 1 2 3 4 \n";
    write(root.path().join("LOC_val_solution.csv"), solution);
    write(root.path().join("LOC_synset_mapping.txt"), "n01440764 tench, Tinca tinca\n");
    let set = datasets::imagenet(root.path()).unwrap();
    assert_eq!(set.train.class_names(), ["tench, Tinca tinca", "n02119789"]);
    assert_eq!(set.test.label_values().unwrap(), [0, 1]);
    fs::remove_dir_all(root.path().join("val")).unwrap();
    picture(&root.path().join("val/n02119789/x.png"), 0);
    let set = datasets::imagenet(root.path()).unwrap();
    assert_eq!(
        (set.test.label_values().unwrap(), set.test.class_names()),
        (&[1][..], set.train.class_names())
    );
    picture(&root.path().join("train/dogs/x.png"), 0);
    assert!(datasets::imagenet(root.path()).unwrap_err().to_string().contains("`dogs`"));
}

#[test]
fn a_devkit_that_contradicts_the_images_is_named() {
    let truth = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt";
    for (text, complaint) in
        [("1\n", "1 classes for 2 images"), ("1\n7\n", "`7`"), ("1\nx\n", "`x`"), ("1\n1001\n", "`1001`")]
    {
        let root = imagenet_folder("meta.mat");
        write(root.path().join(truth), text);
        let error = datasets::imagenet(root.path()).unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("ground_truth"), "{error}");
    }
    let root = imagenet_folder("meta.mat");
    let table = root.path().join("ILSVRC2012_devkit_t12/data/meta.mat");
    for name in ["meta.mat", "meta_plain.mat"] {
        mutate::many(name, &fixture(name), mutate::rounds(), |broken| {
            fs::write(&table, broken).unwrap();
            let _ = datasets::imagenet(root.path());
        });
    }
    fs::write(&table, "no table").unwrap();
    assert!(datasets::imagenet(root.path()).unwrap_err().to_string().contains("meta.mat"));
}

#[test]
fn broken_annotations_of_voc_never_panic() {
    let root = voc_folder();
    let year = root.path().join("VOCdevkit/VOC2012");
    let data = datasets::voc(&year, VocTask::Segmentation, "train").unwrap();
    for name in ["Annotations/2007_1.xml", "SegmentationClass/2007_1.png", "SegmentationObject/2007_1.png"] {
        let good = fs::read(year.join(name)).unwrap();
        mutate::many(name, &good, mutate::rounds() * 2, |broken| {
            fs::write(year.join(name), broken).unwrap();
            let _ = data.sample(0);
        });
        fs::write(year.join(name), good).unwrap();
    }
    assert!(data.sample(0).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn drawings_hold_what_their_targets_say(seed in any::<u64>(), index in 0_usize..1000) {
        let data = datasets::shapes(1000, Seed(seed));
        let sample = data.sample(index).unwrap();
        prop_assert_eq!(&sample, &datasets::shapes(1000, Seed(seed)).sample(index).unwrap());
        prop_assert_eq!(sample.image.shape(), [96, 96, 3]);
        let target = &sample.target;
        prop_assert!((1..=4).contains(&target.objects.len()));
        let map = target.segmentation.as_ref().unwrap();
        let mut covered = vec![0_u16; 96 * 96];
        for object in &target.objects {
            prop_assert!((1..=3).contains(&object.label) && target.labels.contains(&object.label));
            let mask = object.mask.as_ref().unwrap();
            let inside: Vec<usize> = (0..96 * 96).filter(|&at| mask.pixels[at] == 1).collect();
            prop_assert_eq!(object.area, Some(inside.len() as f64));
            let edge = |coordinate: &dyn Fn(usize) -> usize| {
                let all = || inside.iter().map(|&at| coordinate(at));
                [all().min().unwrap() as f32, all().max().unwrap() as f32 + 1.0]
            };
            let ([x0, x1], [y0, y1]) = (edge(&|at| at % 96), edge(&|at| at / 96));
            prop_assert_eq!(object.bbox, BBox { x0, y0, x1, y1 });
            for at in inside {
                prop_assert_eq!((covered[at], map.classes[at]), (0, object.label as u16));
                covered[at] = 1;
            }
        }
        prop_assert!((0..96 * 96).all(|at| covered[at] == 1 || map.classes[at] == 0));
    }
}

#[test]
fn drawings_differ_and_end() {
    let data = datasets::shapes(20, Seed(3));
    assert_eq!((data.len(), data.class_names().len(), data.image_shape()), (20, 4, Some([3, 96, 96])));
    assert_ne!(data.sample(0).unwrap().image, data.sample(1).unwrap().image);
    assert_ne!(data.sample(0).unwrap().image, datasets::shapes(20, Seed(4)).sample(0).unwrap().image);
    assert_eq!(data.labels_of(5).unwrap(), data.sample(5).unwrap().target.labels);
    assert!(data.sample(20).is_err());
    let kinds: std::collections::HashSet<u32> =
        (0..20).flat_map(|index| data.labels_of(index).unwrap().to_vec()).collect();
    assert_eq!(kinds.len(), 3);
}
