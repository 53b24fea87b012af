//! Each kind of finding.

use std::path::PathBuf;

use sconce::data::care::{FindingKind, Problem, Scan, ScanConfig};
use sconce::data::{BBox, Dataset, Image, Object, Pixels, Sample, Source, Target};
use sconce::rich::Rich;
use sconce::{Error, Result};

use super::{Scene, data, sample};

fn scan(samples: Vec<Sample>) -> Scan {
    data(samples).scan(ScanConfig::default()).unwrap()
}

fn found(scan: &Scan) -> Vec<(usize, Problem)> {
    scan.findings.iter().map(|finding| (finding.index, finding.kind.problem())).collect()
}

#[test]
fn images_are_measured_and_the_odd_ones_found() {
    let scene = Scene::new(1);
    let smooth = |at: usize| (60 + at % 64) as u8;
    let scan = scan(vec![
        sample("good", scene.image([64, 64])),
        sample("tiny", Scene::new(2).image([15, 20])),
        sample("long", Scene::new(3).image([40, 200])),
        sample("dark", Scene::new(4).drawn([64, 64], |value| 0.15 * value)),
        sample("bright", Scene::new(5).drawn([64, 64], |value| (1.3 + 0.05 * value) * 1.0)),
        sample("smooth", Image::new([64, 64, 1], Pixels::U8((0..64 * 64).map(smooth).collect())).unwrap()),
        sample("black", Image::new([64, 64, 1], Pixels::U8(vec![0; 64 * 64])).unwrap()),
        sample("good too", Scene::new(6).image([300, 400])),
    ]);
    let expected = [
        (1, Problem::Tiny),
        (2, Problem::OddAspect),
        (3, Problem::TooDark),
        (4, Problem::TooBright),
        (5, Problem::Blurred),
        (6, Problem::TooDark),
    ];
    assert_eq!(found(&scan), expected);
    assert_eq!(scan.findings[0].kind, FindingKind::Tiny { rows: 15, columns: 20 });
    assert_eq!(scan.findings[1].kind, FindingKind::OddAspect { aspect: 5.0 });
    assert_eq!(scan.findings[5].kind, FindingKind::TooDark { brightness: 0.0 });
    assert_eq!((scan.findings[0].index, scan.findings[0].id.as_str()), (1, "tiny"));
    let good = scan.measured[0].as_ref().unwrap();
    assert!(good.sharpness.unwrap() > 100.0 && good.hash.is_some(), "{good:?}");
    // Every row of the smooth one is a ramp: its Laplacian is 0, and so is its variance.
    assert!(scan.measured[5].as_ref().unwrap().sharpness.unwrap() < 1e-3);
    assert_eq!(scan.measured[6].as_ref().unwrap().hash, None, "black shows nothing");
    assert_eq!(scan.to_drop(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(scan.to_drop_for(&[Problem::Tiny, Problem::Blurred]), [1, 5]);
    assert_eq!(scan.of(Problem::TooDark)[0].id, "black", "the worst comes first");
}

/// The same picture at several sizes is sharp at each of them, and blurred where it was blurred.
#[test]
fn one_limit_of_sharpness_holds_for_all_sizes() {
    let sizes = [[256, 256], [512, 512], [1024, 768]];
    let sharp = sizes.map(|size| sample("sharp", Scene::new(8).image(size)));
    let config = ScanConfig { near_distance: None, ..ScanConfig::default() };
    assert_eq!(found(&data(sharp.to_vec()).scan(config).unwrap()), []);
    // Waves without edges.
    let mut scene = Scene::new(8);
    scene.blocks.clear();
    let blurred = sizes.map(|size| sample("blurred", scene.image(size)));
    let expected = [(0, Problem::Blurred), (1, Problem::Blurred), (2, Problem::Blurred)];
    assert_eq!(found(&data(blurred.to_vec()).scan(config).unwrap()), expected);
}

#[test]
fn numbers_that_are_no_fractions_are_found() {
    let of = |id: &str, value: f32| {
        let values = (0..64 * 64).map(|at| if at == 100 { value } else { (at % 7) as f32 / 7.0 }).collect();
        sample(id, Image::new([64, 64, 1], Pixels::F32(values)).unwrap())
    };
    let config = ScanConfig { near_distance: None, ..ScanConfig::default() };
    let scan =
        data(vec![of("good", 1.0), of("bytes", 37.0), of("NaN", f32::NAN), of("below", -1.5)]).scan(config);
    let scan = scan.unwrap();
    let wrong = Problem::NotFractions;
    assert_eq!(found(&scan), [(1, wrong), (2, wrong), (3, wrong)]);
    assert_eq!(scan.findings[0].kind, FindingKind::NotFractions { value: 37.0 });
    assert_eq!(scan.measured[1].as_ref().unwrap().sharpness, None);
}

#[test]
fn boxes_and_classes_that_cannot_be_right_are_found() {
    let with = |id: &str, boxes: &[[f32; 4]]| {
        let object = |&[x0, y0, x1, y1]: &[f32; 4]| Object {
            label: 0,
            bbox: BBox { x0, y0, x1, y1 },
            mask: None,
            keypoints: Vec::new(),
            area: None,
            ignore: false,
        };
        let target = Target { objects: boxes.iter().map(object).collect(), ..Target::default() };
        Sample { id: id.into(), image: Scene::new(id.len() as u64).image([50, 80]), target }
    };
    let scan = scan(vec![
        with("a", &[[0.0, 0.0, 80.0, 50.0], [-1.0, 0.0, 81.0, 51.0]]),
        with("bb", &[[0.0, 0.0, 10.0, 10.0], [70.0, 10.0, 85.5, 20.0]]),
        with("ccc", &[[10.0, 10.0, 10.0, 20.0], [30.0, 20.0, 20.0, 30.0], [5.0, 5.0, 5.5, 40.0]]),
        with("dddd", &[[f32::NAN, 0.0, 10.0, 10.0]]),
    ]);
    let thin = Problem::BoxDegenerate;
    assert_eq!(found(&scan), [(1, Problem::BoxOutside), (2, thin), (2, thin), (2, thin), (3, thin)]);
    let bbox = BBox { x0: 70.0, y0: 10.0, x1: 85.5, y1: 20.0 };
    assert_eq!(scan.findings[0].kind, FindingKind::BoxOutside { object: 1, bbox, beyond: 5.5 });
    assert_eq!(scan.to_drop(), [1, 2, 3]);
    // Eight objects of the one class.
    assert_eq!(scan.rare_classes.iter().map(|class| class.examples).collect::<Vec<_>>(), [8]);
}

#[test]
fn classes_with_few_examples_are_told() {
    let labelled = |index: usize| {
        let mut sample = sample(&index.to_string(), Scene::new(index as u64).image([32, 32]));
        sample.target.labels = vec![u32::from(index >= 10)];
        sample
    };
    let data = Dataset::in_memory((0..13).map(labelled).collect(), &["many", "few", "none"]).unwrap();
    let scan = data.scan(ScanConfig::default()).unwrap();
    let rare: Vec<_> =
        scan.rare_classes.iter().map(|rare| (rare.class, rare.name.as_str(), rare.examples)).collect();
    assert_eq!(rare, [(1, "few", 3), (2, "none", 0)]);
    assert!(scan.rich().plain().unwrap().contains("few"));
    let config = ScanConfig { min_class_examples: 0, ..ScanConfig::default() };
    assert!(data.scan(config).unwrap().rare_classes.is_empty());
}

/// Images in files, each read when it is asked for.
#[derive(Debug)]
struct Files(Vec<PathBuf>);

impl Source for Files {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn id(&self, index: usize) -> String {
        self.0[index].file_name().unwrap().display().to_string()
    }
    fn labels(&self, _: usize) -> Vec<u32> {
        vec![7]
    }
    fn target(&self, index: usize) -> Result<Target> {
        Ok(Target { labels: self.labels(index), ..Target::default() })
    }
    fn sample(&self, index: usize) -> Result<Sample> {
        assert!(!self.id(index).starts_with("panic"), "a source that gives up");
        let image = Image::open(&self.0[index])?;
        Ok(Sample { id: self.id(index), image, target: self.target(index)? })
    }
    fn class_names(&self) -> &[String] {
        &[]
    }
}

#[test]
fn files_that_cannot_be_decoded_are_findings() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    Scene::new(1).image([64, 64]).save(at("good.jpg")).unwrap();
    let jpeg = std::fs::read(at("good.jpg")).unwrap();
    std::fs::write(at("cut.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    std::fs::write(at("empty.jpg"), "").unwrap();
    std::fs::write(at("text.jpg"), "this is a text and no image at all").unwrap();
    Scene::new(1).image([64, 64]).save(at("damaged.png")).unwrap();
    let mut png = std::fs::read(at("damaged.png")).unwrap();
    let middle = png.len() / 2;
    png[middle..middle + 8].fill(0xff);
    std::fs::write(at("damaged.png"), png).unwrap();
    let names = ["missing.jpg", "empty.jpg", "cut.jpg", "damaged.png", "text.jpg", "panic.jpg", "good.jpg"];
    let data = Dataset::from_source(Files(names.map(at).to_vec()));
    let scan = data.scan(ScanConfig::default()).unwrap();
    let expected = [
        (0, Problem::Unreadable),
        (1, Problem::Empty),
        (2, Problem::Truncated),
        (3, Problem::Damaged),
        (4, Problem::Unreadable),
        (5, Problem::Unreadable),
        (6, Problem::UnknownClass),
    ];
    assert_eq!(found(&scan), expected);
    assert!(matches!(&scan.findings[0].kind, FindingKind::Unreadable { why } if why.contains("missing.jpg")));
    assert!(matches!(&scan.findings[5].kind, FindingKind::Unreadable { why } if why.contains("gives up")));
    assert_eq!(scan.findings[6].kind, FindingKind::UnknownClass { label: 7 });
    assert_eq!(scan.measured.iter().filter(|measured| measured.is_some()).count(), 1);
    assert_eq!(scan.to_drop_for(&[Problem::Unreadable, Problem::Empty]), [0, 1, 4, 5]);
    assert_eq!(scan.worst().len(), 1, "only the one that can be read is drawn");
    let text = scan.rich().plain().unwrap().to_owned();
    assert!(text.starts_with("scan: 7 of 7 images with findings, 7 to drop\n"), "{text}");
    assert!(text.contains("truncated") && text.contains("cut.jpg"), "{text}");
    assert_eq!(scan.table().len(), 7);
}

#[test]
fn limits_that_cannot_be_meant_are_refused() {
    let data = data(vec![sample("a", Scene::new(1).image([32, 32]))]);
    let good = ScanConfig::default();
    for (config, name) in [
        (ScanConfig { max_aspect: 0.5, ..good }, "max_aspect"),
        (ScanConfig { dark: -0.1, ..good }, "dark"),
        (ScanConfig { bright: f32::NAN, ..good }, "bright"),
        (ScanConfig { min_sharpness: f64::INFINITY, ..good }, "min_sharpness"),
        (ScanConfig { near_distance: Some(11), ..good }, "near_distance"),
        (ScanConfig { box_slack: -1.0, ..good }, "box_slack"),
        (ScanConfig { min_box_side: f32::NAN, ..good }, "min_box_side"),
    ] {
        let error = data.scan(config).unwrap_err();
        assert!(matches!(&error, Error::Argument { expected, .. } if expected.contains(name)), "{error}");
    }
}

#[test]
fn nothing_is_found_in_nothing() {
    let scan = scan(Vec::new());
    assert!(scan.findings.is_empty() && scan.rare_classes.is_empty() && scan.to_drop().is_empty());
    assert_eq!(scan.rich().plain().unwrap(), "scan: 0 of 0 images with findings, 0 to drop\n");
}
