//! What samples look like: boxes, masks, classes of pixels and keypoints over the image.

use candle_core::{DType, Device, Tensor};
use sconce::Seed;
use sconce::data::{
    BBox, ClassMap, Dataset, Image, Keypoint, Mask, Object, Pixels, Sample, Target, Visibility,
};
use sconce::plot::{Annotated, Mark, Picture};
use sconce::rich::Rich;
use sconce::transforms::RandomHorizontalFlip;

/// A grey street of 200 x 300 with a car that has a mask and two points.
fn street() -> Sample {
    let (height, width) = (200, 300);
    let bbox = BBox { x0: 20.0, y0: 40.0, x1: 120.0, y1: 100.0 };
    let inside = |at: usize| (20..120).contains(&(at % width)) && (40..100).contains(&(at / width));
    let pixels = (0..height * width).map(|at| u8::from(inside(at))).collect();
    let point = |x, visibility| Keypoint { x, y: 70.0, visibility };
    let keypoints = vec![
        point(40.0, Visibility::Visible),
        point(60.0, Visibility::Hidden),
        point(90.0, Visibility::Unlabelled),
    ];
    let mask = Some(Mask { height, width, pixels });
    let car = Object { label: 1, bbox, mask, keypoints, area: None, ignore: false };
    let image = Image::new([height, width, 1], Pixels::U8(vec![128; height * width])).unwrap();
    Sample { id: "street".into(), image, target: Target { objects: vec![car], ..Target::default() } }
}

fn pixel(picture: &Picture, [x, y]: [usize; 2]) -> [u8; 3] {
    let at = (y * picture.size()[1] + x) * 3;
    picture.pixels()[at..at + 3].try_into().unwrap()
}

/// The colour of class 1 in every picture.
const CAR: [u8; 3] = [213, 94, 0];

#[test]
fn boxes_masks_and_points_are_drawn_and_told() {
    let data = Dataset::in_memory(vec![street()], &["tree", "car <small>"]).unwrap();
    let shown = data.show(0).unwrap();
    let picture = shown.picture().unwrap();
    assert_eq!((picture.size(), picture.is_grey()), ([200, 300], false));
    assert_eq!(pixel(&picture, [20, 60]), CAR, "the left edge of the box");
    assert_eq!(pixel(&picture, [119, 60]), CAR, "its right edge");
    assert_eq!(pixel(&picture, [200, 150]), [128; 3], "nothing was drawn here");
    // Between grey and the colour under the mask.
    let masked = pixel(&picture, [110, 90]);
    assert!(masked[0] > 150 && masked[2] < 100, "{masked:?}");
    assert_eq!(pixel(&picture, [40, 70]), CAR, "a point that can be seen");
    assert_ne!(pixel(&picture, [60, 70]), CAR, "the hole of one that is hidden");
    assert_eq!(pixel(&picture, [90, 70]), masked, "one that is not labelled");
    let svg = shown.svg().unwrap();
    roxmltree::Document::parse(&svg).unwrap();
    assert!(svg.contains("car &lt;small&gt;") && svg.contains("#d55e00"), "{svg}");
    let text = shown.text();
    assert!(text.starts_with("street\n") && text.contains("car <small>") && text.contains("6000"), "{text}");
    assert_eq!(data.show(0).unwrap(), shown);
    assert!(data.show(1).is_err());
    // Without a data set the class is its number.
    assert!(street().show().unwrap().text().contains('1'));
    assert!(street().rich().forms.len() >= 3);
}

#[test]
fn what_a_transform_makes_of_it_can_be_seen() {
    let data = Dataset::in_memory(vec![street()], &["tree", "car"]).unwrap();
    let turned = data.transform(RandomHorizontalFlip::new(1.0)).show_transformed(0, 0, Seed(1)).unwrap();
    let picture = turned.picture().unwrap();
    assert_eq!(pixel(&picture, [300 - 20 - 1, 60]), CAR);
    assert_eq!(pixel(&picture, [20, 60]), [128; 3]);
}

#[test]
fn a_batch_is_shown_with_its_boxes() {
    let mut empty = street();
    empty.target.objects.clear();
    let data = Dataset::in_memory(vec![street(), empty], &["tree", "car"]).unwrap();
    let grid = data.show_batch(2);
    assert_eq!(grid.len(), 2);
    let pixels = grid.picture().unwrap();
    let orange = pixels.pixels().chunks(3).filter(|pixel| pixel[0] > 180 && pixel[2] < 60).count();
    assert!(orange > 50, "{orange} pixels of boxes");
}

#[test]
fn classes_of_pixels_are_drawn_and_those_that_do_not_count_are_not() {
    let classes = (0..100).map(|at| if at < 50 { 1 } else { ClassMap::IGNORE }).collect();
    let map = ClassMap { height: 10, width: 10, classes };
    let image = Image::new([10, 10, 3], Pixels::U8(vec![200; 300])).unwrap();
    let target = Target { segmentation: Some(map), labels: vec![0], ..Target::default() };
    let data = Dataset::in_memory(vec![Sample { id: "map".into(), image, target }], &["sky", "sea"]).unwrap();
    let shown = data.show(0).unwrap();
    let text = shown.text();
    assert!(text.starts_with("map: sky\n") && text.contains("sea") && text.contains("50"), "{text}");
    let picture = shown.picture().unwrap();
    assert_eq!(picture.size(), [190, 190], "small ones grow");
    assert_ne!(pixel(&picture, [50, 50]), [200; 3]);
    assert_eq!(pixel(&picture, [50, 150]), [200; 3]);
}

#[test]
fn nothing_that_is_drawn_leaves_the_picture_or_panics() {
    for corners in [
        [f32::NAN; 4],
        [f32::NEG_INFINITY, 0.0, f32::INFINITY, 5.0],
        [-1e30, -1e30, 1e30, 1e30],
        [5.0, 5.0, 2.0, 2.0],
        [-50.0, 3.0, 500.0, 4.0],
        [9.0, 9.0, 9.0, 9.0],
    ] {
        for color in [0, 6, 7, 80, usize::MAX] {
            let label = "a class with a very long name indeed".to_owned();
            let mark = Mark { label, color, corners: Some(corners), ..Mark::default() };
            let picture = Picture::grey([10, 12], vec![50; 120]).unwrap();
            let shown = Annotated::new(picture).mark(mark).unwrap();
            assert_eq!(shown.picture().unwrap().size(), [160, 192]);
            roxmltree::Document::parse(&shown.svg().unwrap()).unwrap();
        }
    }
    let mark = Mark { mask: Some(vec![1; 7]), ..Mark::default() };
    let picture = Picture::grey([2, 3], vec![0; 6]).unwrap();
    let error = Annotated::new(picture).mark(mark).unwrap_err().to_string();
    assert!(error.contains("2 x 3") && error.contains("7 pixels"), "{error}");
    let mut wrong = street();
    wrong.target.objects[0].mask = Some(Mask { height: 1, width: 1, pixels: vec![1] });
    assert!(wrong.show().is_err());
    assert!(wrong.rich().plain().unwrap().contains("could not be drawn"));
}

#[test]
fn the_balance_and_an_example_of_each_class_can_be_seen() {
    let image = |value| Image::new([2, 2, 1], Pixels::U8(vec![value; 4])).unwrap();
    let samples = [0, 0, 2, 0].iter().enumerate().map(|(at, &class)| Sample {
        id: at.to_string(),
        image: image(at as u8),
        target: Target { labels: vec![class], ..Target::default() },
    });
    let data = Dataset::in_memory(samples.collect(), &["cat", "dog", "cow"]).unwrap();
    let text = data.class_balance().unwrap().text();
    let line = |class: &str| text.lines().find(|line| line.starts_with(class)).unwrap().to_owned();
    assert!(line("cat").contains("75.0 %") && line("cat").ends_with(&"█".repeat(20)), "{text}");
    assert!(line("dog").ends_with("0.0 %") && line("cow").ends_with(&"█".repeat(7)), "{text}");
    let balance = data.class_balance().unwrap();
    assert_eq!(balance.counts(), [3, 0, 1]);
    let svg = balance.bars().unwrap().svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let widths: Vec<f64> = document
        .descendants()
        .filter(|node| node.has_tag_name("g"))
        .map(|bar| bar.children().find(|node| node.has_tag_name("rect")).unwrap())
        .map(|rect| rect.attribute("width").unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths, [360.0, 0.0, 120.0], "as long as there are images");
    let examples = data.show_classes();
    assert_eq!(examples.len(), 2, "no dog is there");
    assert!(examples.text().contains("cat") && examples.text().contains("cow"));
}

#[test]
fn of_many_classes_the_most_and_the_least_frequent_are_shown() {
    // Class c has c images.
    let labels: Vec<u32> = (0..40).flat_map(|class| vec![class; class as usize]).collect();
    let images = Tensor::zeros((labels.len(), 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
    let names: Vec<String> = (0..40).map(|class| format!("class {class}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let balance = Dataset::new(images, &labels, &names).unwrap().class_balance().unwrap();
    let lines: Vec<String> = balance.text().lines().skip(2).map(str::to_owned).collect();
    assert_eq!(lines.len(), 21);
    assert!(lines[0].starts_with("class 39") && lines[20].starts_with("class 0 "), "{lines:?}");
    // Classes 10 to 29, 390 images of 780.
    let others: Vec<&str> = lines[10].split_whitespace().collect();
    assert_eq!(others, ["20", "others", "390", "50.0", "%"]);
    let svg = balance.bars().unwrap().svg().unwrap();
    assert!(svg.contains("20 other classes, 390 images"));
    assert!(svg.contains("class 30") && !svg.contains("class 20"));
}
