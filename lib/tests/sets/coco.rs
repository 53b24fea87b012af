//! COCO's annotations, made here in exactly their format; masks against pycocotools.

use std::fs;
use std::path::PathBuf;

use sconce::data::{BBox, Coco, DecodeConfig, Source, Visibility, datasets};
use sconce::{Error, Result};
use serde_json::{Value, json};

use crate::folders::picture;
use crate::{fixture, mutate};

/// An image of 2 x 3 pixels called `a.png` with these annotations.
fn file(annotations: Value) -> Value {
    json!({
        "info": {"year": 2017}, "licenses": [],
        "images": [
            {"id": 42, "file_name": "a.png", "height": 2, "width": 3, "license": 1, "coco_url": "http://x"},
            {"id": 7, "file_name": "sub/b.png", "height": 2, "width": 3},
        ],
        "annotations": annotations,
        "categories": [
            {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
            {"id": 1, "name": "person", "supercategory": "person"},
        ],
    })
}

fn object(id: u32, category: u32) -> Value {
    json!({"id": id, "image_id": 42, "category_id": category, "bbox": [0.5, 0.25, 2.0, 1.5], "area": 2.75,
        "iscrowd": 0, "segmentation": [[0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]]})
}

struct Set {
    root: tempfile::TempDir,
}

impl Set {
    fn new() -> Set {
        let root = tempfile::tempdir().unwrap();
        picture(&root.path().join("images/a.png"), 10);
        picture(&root.path().join("images/sub/b.png"), 20);
        Set { root }
    }

    fn json(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, content.to_string()).unwrap();
        path
    }

    fn images(&self) -> PathBuf {
        self.root.path().join("images")
    }

    fn open(&self, content: &Value) -> Result<Coco> {
        Coco::open(self.images(), self.json("instances.json", content))
    }
}

#[test]
fn objects_come_with_boxes_masks_and_classes_in_the_order_of_their_ids() {
    let set = Set::new();
    let crowd = json!({"id": 3, "image_id": 42, "category_id": 1, "bbox": [1, 0, 1, 2], "area": 2, "iscrowd": 1,
        "segmentation": {"counts": [2, 2, 2], "size": [2, 3]}});
    let packed = json!({"id": 4, "image_id": 7, "category_id": 1, "bbox": [1, 0, 1, 2], "area": 2, "iscrowd": 0,
        "segmentation": {"counts": "222", "size": [2, 3]}});
    let coco = set.open(&file(json!([object(5, 90), crowd, packed]))).unwrap();
    assert_eq!(coco.class_names(), ["person", "toothbrush"]);
    assert_eq!((coco.category_ids(), coco.image_ids()), (vec![1, 90], vec![42, 7]));
    assert_eq!((coco.annotation_ids(0), coco.annotation_ids(1)), (vec![5, 3], vec![4]));
    let sample = coco.sample(0).unwrap();
    assert_eq!((sample.id.as_str(), sample.image.shape()), ("a.png", [2, 3, 1]));
    let [brush, crowd] = sample.target.objects.as_slice() else { panic!("two objects") };
    assert_eq!((brush.label, brush.ignore, brush.area), (1, false, Some(2.75)));
    assert_eq!(brush.bbox, BBox { x0: 0.5, y0: 0.25, x1: 2.5, y1: 1.75 });
    assert_eq!(brush.mask.as_ref().unwrap().pixels, [1, 1, 0, 1, 1, 0]);
    assert_eq!((crowd.label, crowd.ignore), (0, true));
    assert_eq!(crowd.mask.as_ref().unwrap().pixels, [0, 1, 0, 0, 1, 0]);
    let other = coco.target(1).unwrap();
    assert_eq!(other.objects[0].mask, crowd.mask);
    assert!(coco.labels(0).is_empty());
    let data = datasets::coco(set.images(), set.root.path().join("instances.json")).unwrap();
    assert_eq!((data.len(), data.name()), (2, "instances"));
    assert_eq!(data.sample(1).unwrap().id, "sub/b.png");
}

/// A file may claim any size; the image, which would tell, need not be there.
#[test]
fn a_mask_larger_than_allowed_is_refused_before_it_is_drawn() {
    let set = Set::new();
    let mut claiming = file(json!([object(5, 1)]));
    claiming["images"][0]["height"] = json!(u32::MAX);
    claiming["images"][0]["width"] = json!(u32::MAX);
    let error = set.open(&claiming).unwrap().target(0).unwrap_err().to_string();
    assert!(error.contains("at most 134217728 pixels") && error.contains("a.png"), "{error}");
    let few = DecodeConfig { max_pixels: 5, ..DecodeConfig::default() };
    let coco = set.open(&file(json!([object(5, 1)]))).unwrap();
    assert!(coco.clone().target(0).is_ok() && coco.decode(few).target(0).is_err());
}

#[test]
fn captions_and_keypoints_join_the_objects() {
    let set = Set::new();
    let coco = set.open(&file(json!([object(5, 1)]))).unwrap();
    let mut captions = file(json!([
        {"image_id": 42, "id": 900, "caption": "Two \"quoted\" words."},
        {"image_id": 42, "id": 901, "caption": "Ein Löwe"},
    ]));
    captions.as_object_mut().unwrap().remove("categories");
    let mut points = object(5, 1);
    points["keypoints"] = json!([1.5, 0.5, 2, 0, 0, 0, 2, 1, 1]);
    points["num_keypoints"] = json!(2);
    let mut keypoints = file(json!([points]));
    keypoints["categories"] = json!([{"id": 1, "name": "person", "supercategory": "person",
        "keypoints": ["nose", "left_eye", "tail"], "skeleton": [[1, 2], [2, 3]]}]);
    let keypoints = set.json("keypoints.json", &keypoints);
    let coco = coco.with(set.json("captions.json", &captions)).unwrap().with(&keypoints).unwrap();
    assert_eq!(coco.categories()[0].keypoints, ["nose", "left_eye", "tail"]);
    assert_eq!(coco.categories()[0].skeleton, [[1, 2], [2, 3]]);
    let target = coco.target(0).unwrap();
    assert_eq!(target.captions, ["Two \"quoted\" words.", "Ein Löwe"]);
    let points = &target.objects[0].keypoints;
    let seen: Vec<Visibility> = points.iter().map(|point| point.visibility).collect();
    assert_eq!(seen, [Visibility::Visible, Visibility::Unlabelled, Visibility::Hidden]);
    assert_eq!((points[0].x, points[0].y, target.objects.len()), (1.5, 0.5, 1));
    // Alone they are objects too.
    assert_eq!(Coco::open(set.images(), &keypoints).unwrap().target(0).unwrap().objects.len(), 1);
    let alone = Coco::open(set.images(), set.root.path().join("captions.json")).unwrap();
    assert_eq!((alone.target(0).unwrap().captions.len(), alone.class_names().len()), (2, 0));
}

#[test]
fn what_contradicts_itself_is_named() {
    let set = Set::new();
    let with = |key: &str, value: Value| {
        let mut object = object(5, 1);
        object[key] = value;
        file(json!([object]))
    };
    let renamed = |name: &str| {
        let mut file = file(json!([]));
        file["images"][0]["file_name"] = json!(name);
        file
    };
    let mut no_images = file(json!([]));
    no_images["images"] = json!([]);
    let mut twice = file(json!([]));
    twice["images"][1]["id"] = json!(42);
    for (content, complaint) in [
        (file(json!([object(5, 2)])), "category 2 of annotation 5 of a.png"),
        (with("image_id", json!(41)), "annotation 5 of image 41"),
        (with("bbox", json!([0, 0, -1, 2])), "[0, 0, -1, 2]"),
        (with("bbox", json!([0, 0, 1])), "line"),
        (with("bbox", json!(null)), "none of annotation 5"),
        (with("segmentation", json!({"counts": [6], "size": [3, 2]})), "size"),
        (with("segmentation", json!("x")), "polygons"),
        (with("segmentation", json!({"size": [2, 3]})), "counts"),
        (with("keypoints", json!([1, 2])), "2 numbers"),
        (with("keypoints", json!([1, 2, 3])), "visibilities"),
        (file(json!([object(5, 1), object(5, 1)])), "5 twice"),
        (renamed("../../etc/passwd"), "../../etc/passwd"),
        (renamed("/etc/passwd"), "/etc/passwd"),
        (no_images, "at least one image"),
        (twice, "42 twice"),
        (json!({"images": 3}), "JSON"),
        (json!([1]), "JSON"),
    ] {
        let error = set.open(&content).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("instances.json") && error.contains(complaint), "{complaint}: {error}");
    }
    fs::write(set.root.path().join("instances.json"), "{\"images\": [").unwrap();
    assert!(Coco::open(set.images(), set.root.path().join("instances.json")).is_err());
    assert!(matches!(Coco::open(set.images(), "no/such.json"), Err(Error::Io { .. })));
}

#[test]
fn what_is_wrong_with_a_sample_is_said_when_it_is_asked_for() {
    let set = Set::new();
    let mut object = object(5, 1);
    for (outline, complaint) in [
        (json!({"counts": [5], "size": [2, 3]}), "5 pixels for 2 x 3"),
        (json!({"counts": "~", "size": [2, 3]}), "byte 0x7e"),
        (json!([[0, 0, 1, 1]]), "4 numbers"),
        (json!([[0, 0, 1e9, 1e9, 5, 5]]), "far outside"),
    ] {
        object["segmentation"] = outline;
        let error = set.open(&file(json!([object]))).unwrap().target(0).unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("annotation 5 of a.png"), "{error}");
    }
    let coco = set.open(&file(json!([]))).unwrap();
    fs::remove_file(set.images().join("a.png")).unwrap();
    assert!(matches!(coco.sample(0), Err(Error::Io { path, .. }) if path.ends_with("a.png")));
    let mut larger = file(json!([]));
    larger["images"][1]["height"] = json!(5);
    let error = set.open(&larger).unwrap().sample(1).unwrap_err().to_string();
    assert!(error.contains("5 x 3 pixels") && error.contains("b.png"), "{error}");
}

#[test]
fn polygons_are_drawn_as_pycocotools_draws_them() {
    let cases: Vec<Value> = serde_json::from_slice(&fixture("masks.json")).unwrap();
    assert!(cases.len() > 60);
    let set = Set::new();
    for (at, case) in cases.iter().enumerate() {
        let mut content = file(json!([object(1, 1), object(2, 1)]));
        content["images"][0]["height"] = case["size"][0].clone();
        content["images"][0]["width"] = case["size"][1].clone();
        content["annotations"][0]["segmentation"] = case["polygons"].clone();
        content["annotations"][1]["segmentation"] = json!({"size": case["size"], "counts": case["counts"]});
        let target = set.open(&content).unwrap().target(0).unwrap();
        let [drawn, wanted] = [0, 1].map(|at| target.objects[at].mask.as_ref().unwrap());
        assert_eq!(drawn, wanted, "case {at}: {case}");
        let area = drawn.pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
        assert_eq!(area, case["area"].as_u64().unwrap(), "case {at}");
    }
}

#[test]
fn broken_files_never_panic() {
    let set = Set::new();
    let mut object = object(5, 1);
    object["keypoints"] = json!([1.5, 0.5, 2]);
    let runs = json!({"id": 6, "image_id": 42, "category_id": 1, "bbox": [1, 0, 1, 2], "area": 2, "iscrowd": 1,
        "segmentation": {"counts": "222", "size": [2, 3]}});
    let good = file(json!([object, runs])).to_string();
    let path = set.root.path().join("instances.json");
    mutate::many("coco", good.as_bytes(), mutate::rounds() * 2, |broken| {
        fs::write(&path, broken).unwrap();
        if let Ok(coco) = Coco::open(set.images(), &path) {
            // Whatever size the file claims, drawing a mask takes memory: not for absurd ones.
            let small = broken.windows(9).filter(|window| window.starts_with(b"\"height\"")).count() == 2
                && !String::from_utf8_lossy(broken)
                    .split(|char: char| !char.is_ascii_digit())
                    .any(|number| number.len() > 4);
            for at in 0..coco.len() {
                if small {
                    let _ = coco.target(at);
                }
            }
        }
    });
}
