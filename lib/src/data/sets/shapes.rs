//! Drawings of circles, squares and triangles, for detection and segmentation without a download.

use super::no_such;
use crate::data::dataset::Dataset;
use crate::data::image::{Image, Pixels};
use crate::data::sample::{BBox, ClassMap, Mask, Object, Sample, Target};
use crate::data::source::Source;
use crate::{Result, Rng, Seed};

/// Rows and columns of a drawing.
const SIDE: usize = 96;
/// Half of the shortest and the longest shape, in pixels.
const RADII: [usize; 2] = [6, 18];
/// The most shapes in a drawing.
const MOST: usize = 4;
const CLASSES: [&str; 4] = ["background", "circle", "square", "triangle"];

/// `n` drawings, RGB, 96 x 96 pixels, of one to four circles, squares and triangles that do not overlap, on a
/// ground that is nowhere quite even.
///
/// Each object has a label, its box and its mask; the segmentation has the class of each pixel, `background`
/// the first; the labels of the image are the classes of its objects. They are drawn when they are asked for,
/// and the same seed draws the same.
///
/// ```
/// use sconce::{Seed, data::datasets};
///
/// let data = datasets::shapes(100, Seed(1));
/// let sample = data.sample(0)?;
/// let object = &sample.target.objects[0];
/// let inside = object.mask.as_ref().unwrap().pixels.iter().filter(|&&pixel| pixel == 1).count();
/// assert!(inside > 0 && inside as f32 <= object.bbox.area());
/// # Ok::<(), sconce::Error>(())
/// ```
#[must_use]
pub fn shapes(n: usize, seed: Seed) -> Dataset {
    Dataset::from_source(Shapes { n, seed, class_names: CLASSES.map(str::to_owned).to_vec() })
        .named("shapes")
        .described("Drawn by Sconce from a seed.")
}

#[derive(Debug)]
struct Shapes {
    n: usize,
    seed: Seed,
    class_names: Vec<String>,
}

/// A shape in its place.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Its class: 1, 2 or 3.
    label: u32,
    /// Row and column of its middle.
    center: [usize; 2],
    radius: usize,
    color: [f32; 3],
}

impl Shape {
    /// Whether the pixel in row `y` and column `x` belongs to it.
    fn holds(&self, y: usize, x: usize) -> bool {
        let [dy, dx] = [y as i64 - self.center[0] as i64, x as i64 - self.center[1] as i64];
        let radius = self.radius as i64;
        match self.label {
            1 => dy * dy + dx * dx <= radius * radius,
            2 => dy.abs() <= radius && dx.abs() <= radius,
            // The tip in the middle above, twice as high as half of its foot.
            _ => dy.abs() <= radius && 2 * dx.abs() <= dy + radius,
        }
    }

    fn overlaps(&self, other: &Shape) -> bool {
        let reach = self.radius + other.radius + 1;
        (0..2).all(|axis| self.center[axis].abs_diff(other.center[axis]) <= reach)
    }
}

/// What a drawing is of: the shapes, and the generator for the rest of it.
fn scene(seed: Seed, index: usize) -> (Vec<Shape>, Rng) {
    let mut rng = seed.derive(&format!("drawing {index}")).rng();
    let wanted = 1 + rng.below(MOST);
    let mut shapes: Vec<Shape> = Vec::with_capacity(wanted);
    // What finds no room after some tries is left out; the first always does.
    for _ in 0..wanted * 10 {
        let radius = RADII[0] + rng.below(RADII[1] - RADII[0] + 1);
        let mut middle = || radius + rng.below(SIDE - 2 * radius);
        let center = [middle(), middle()];
        let label = 1 + rng.below(CLASSES.len() - 1) as u32;
        let mut color = [0.0; 3].map(|_: f32| 60.0 + 195.0 * rng.uniform_f32());
        // Brighter than any ground in at least one of its colours.
        color[rng.below(3)] = 200.0 + 55.0 * rng.uniform_f32();
        let shape = Shape { label, center, radius, color };
        if shapes.len() < wanted && !shapes.iter().any(|other| other.overlaps(&shape)) {
            shapes.push(shape);
        }
    }
    (shapes, rng)
}

fn draw(shapes: &[Shape], rng: &mut Rng) -> Vec<u8> {
    let mut corner = || [0.0; 3].map(|_: f32| 20.0 + 90.0 * rng.uniform_f32());
    let (top, bottom) = (corner(), corner());
    let mut pixels = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        let down = y as f32 / (SIDE - 1) as f32;
        for x in 0..SIDE {
            let shape = shapes.iter().find(|shape| shape.holds(y, x));
            for channel in 0..3 {
                let ground = top[channel] * (1.0 - down) + bottom[channel] * down;
                let value = shape.map_or(ground, |shape| shape.color[channel]);
                let noise = 16.0 * (rng.uniform_f32() - 0.5);
                pixels.push((value + noise).round().clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}

fn object(shape: &Shape) -> Object {
    let mut mask = Mask { height: SIDE, width: SIDE, pixels: vec![0; SIDE * SIDE] };
    let (mut low, mut high, mut area) = ([SIDE; 2], [0; 2], 0);
    for y in 0..SIDE {
        for x in 0..SIDE {
            if shape.holds(y, x) {
                mask.pixels[y * SIDE + x] = 1;
                low = [low[0].min(y), low[1].min(x)];
                high = [high[0].max(y + 1), high[1].max(x + 1)];
                area += 1;
            }
        }
    }
    let bbox = BBox { x0: low[1] as f32, y0: low[0] as f32, x1: high[1] as f32, y1: high[0] as f32 };
    Object {
        label: shape.label,
        bbox,
        mask: Some(mask),
        keypoints: Vec::new(),
        area: Some(f64::from(area)),
        ignore: false,
    }
}

fn target(shapes: &[Shape]) -> Target {
    let objects: Vec<Object> = shapes.iter().map(object).collect();
    let mut classes = vec![0; SIDE * SIDE];
    for object in &objects {
        for (class, &inside) in classes.iter_mut().zip(object.mask.iter().flat_map(|mask| &mask.pixels)) {
            if inside == 1 {
                *class = object.label as u16;
            }
        }
    }
    let segmentation = Some(ClassMap { height: SIDE, width: SIDE, classes });
    Target { labels: labels(shapes), objects, segmentation, captions: Vec::new() }
}

fn labels(shapes: &[Shape]) -> Vec<u32> {
    let mut labels: Vec<u32> = shapes.iter().map(|shape| shape.label).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

impl Source for Shapes {
    fn len(&self) -> usize {
        self.n
    }

    fn id(&self, index: usize) -> String {
        index.to_string()
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        labels(&scene(self.seed, index).0)
    }

    fn target(&self, index: usize) -> Result<Target> {
        if index >= self.n {
            return Err(no_such(index, self.n));
        }
        Ok(target(&scene(self.seed, index).0))
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        if index >= self.n {
            return Err(no_such(index, self.n));
        }
        let (shapes, mut rng) = scene(self.seed, index);
        let image = Image::new([SIDE, SIDE, 3], Pixels::U8(draw(&shapes, &mut rng)))?;
        Ok(Sample { id: self.id(index), image, target: target(&shapes) })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn image_shape(&self) -> Option<[usize; 3]> {
        Some([3, SIDE, SIDE])
    }
}
