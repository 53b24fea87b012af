//! Images as points: against scikit-learn and in closed forms.

use std::sync::LazyLock;

use candle_core::{DType, Device, Tensor};
use sconce::data::datasets;
use sconce::explain::{self, EmbedConfig, Embedding, TsneConfig, TsneStart};
use sconce::nn::Model;
use sconce::rich::Rich;
use sconce::{Result, Seed};
use serde_json::Value as Json;

use crate::numbers;

/// What `tests/fixtures/explain/embedding.py` wrote.
static FIXTURE: LazyLock<Json> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/explain/embedding.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

/// The pixels of the first digits, from 0 to 16.
fn digits(count: usize) -> Result<Embedding> {
    let images = datasets::digits()?.images()?.narrow(0, 0, count)?;
    Embedding::new("pixels", &(images.flatten_from(1)? * 16.0)?)
}

#[track_caller]
fn close(what: &str, got: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (at, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert!((got - wanted).abs() < tolerance, "{what} at {at}: {got}, not {wanted}");
    }
}

#[track_caller]
fn refused<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().unwrap().to_string();
    for part in parts {
        assert!(error.contains(part), "{error}\nlacks {part:?}");
    }
}

#[test]
fn principal_components_are_those_of_the_reference() -> Result<()> {
    for (count, case) in [(300, "pca"), (20, "pca_few")] {
        let (pca, case) = (digits(count)?.pca(5)?, &FIXTURE[case]);
        assert_eq!(pca.shape(), [count, 5]);
        close("variance", pca.variance(), &numbers(&case["variance"]), 1e-5);
        close("ratio", &pca.variance_ratio(), &numbers(&case["ratio"]), 1e-8);
        close("directions", &pca.directions()[..2].concat(), &numbers(&case["components"]), 1e-7);
        close("points", &pca.values()[..50], &numbers(&case["points"]), 1e-6);
    }
    Ok(())
}

/// All components together have all of the variance, and the points can be put together from them.
#[test]
fn nothing_is_lost_along_all_components() -> Result<()> {
    for (points, width) in [(9, 4), (5, 11)] {
        let mut rng = Seed(5).rng();
        let values: Vec<f32> = (0..points * width).map(|_| rng.normal() as f32).collect();
        let embedding =
            Embedding::new("noise", &Tensor::from_slice(&values, (points, width), &Device::Cpu)?)?;
        let pca = embedding.pca(width.min(points - 1))?;
        close("all", &[pca.variance_ratio().iter().sum()], &[1.0], 1e-9);
        for (row, along) in values.chunks(width).zip(pca.values().chunks(pca.shape()[1])) {
            let back: Vec<f64> = (0..width)
                .map(|at| {
                    let parts = along.iter().zip(pca.directions());
                    pca.mean()[at] + parts.map(|(along, direction)| along * direction[at]).sum::<f64>()
                })
                .collect();
            close("a point", &back, &row.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), 1e-6);
        }
        for direction in pca.directions() {
            let greatest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            assert!(greatest > Some(0.0), "{direction:?}");
        }
    }
    Ok(())
}

#[test]
fn a_plane_keeps_neighbours_as_well_as_that_of_the_reference() -> Result<()> {
    let digits = digits(300)?;
    let wanted = FIXTURE["trustworthiness"].as_f64().unwrap();
    // Pixels are whole numbers: who stands first of those equally far is chance.
    close("of two components", &[digits.trustworthiness(&digits.pca(2)?.points(), 5)?], &[wanted], 5e-5);
    let case = &FIXTURE["tsne"][0];
    let [wanted, trusted] = ["divergence", "trustworthiness"].map(|name| case[name].as_f64().unwrap());
    // Runs from starts that differ by a thousandth end within 3 % of each other.
    let plane = digits.tsne(TsneConfig::default())?;
    assert!(plane.divergence() < wanted * 1.04, "{}, not {wanted}", plane.divergence());
    assert!(plane.divergence() > wanted * 0.9, "{}: too good to be true", plane.divergence());
    let got = digits.trustworthiness(plane.points(), 5)?;
    assert!(got > trusted - 0.005, "{got}, not {trusted}");
    // In closed form: the plane itself keeps all its neighbours.
    let flat: Vec<f32> = plane.points().iter().flatten().map(|&value| value as f32).collect();
    let flat = Embedding::new("plane", &Tensor::from_vec(flat, (300, 2), &Device::Cpu)?)?;
    close("of itself", &[flat.trustworthiness(plane.points(), 5)?], &[1.0], 1e-5);
    Ok(())
}

/// The same again from the same start, and something else from another, which ends about as well.
#[test]
fn a_start_leads_to_its_plane() -> Result<()> {
    let digits = digits(60)?;
    let config = TsneConfig { perplexity: 10.0, ..TsneConfig::default() };
    let random = |seed: u64| TsneConfig { start: TsneStart::Random(Seed(seed)), ..config };
    let (first, second) = (digits.tsne(config)?, digits.tsne(random(1))?);
    assert_eq!(digits.tsne(config)?.points(), first.points());
    assert_eq!(digits.tsne(random(1))?.points(), second.points());
    assert_ne!(first.points(), second.points());
    assert_ne!(digits.tsne(random(2))?.points(), second.points());
    let ratio = second.divergence() / first.divergence();
    assert!((0.6..1.6).contains(&ratio), "{} and {}", first.divergence(), second.divergence());
    Ok(())
}

/// Three heaps far from each other stay three heaps.
#[test]
fn heaps_stay_apart() -> Result<()> {
    let mut rng = Seed(2).rng();
    let values: Vec<f32> =
        (0..90 * 8).map(|at| (rng.normal() + f64::from(at / 240 % 3) * 30.0) as f32).collect();
    let names = ["a", "b", "c"].map(String::from);
    let labels: Vec<u32> = (0..90).map(|at| at / 30).collect();
    let heaps = Embedding::new("heaps", &Tensor::from_vec(values, (90, 8), &Device::Cpu)?)?
        .classes(&Tensor::new(labels, &Device::Cpu)?, &names)?;
    let plane = heaps.tsne(TsneConfig { perplexity: 10.0, steps: 500, ..TsneConfig::default() })?;
    let far = |a: usize, b: usize| {
        let (a, b) = (plane.points()[a], plane.points()[b]);
        (a[0] - b[0]).hypot(a[1] - b[1])
    };
    for at in 0..90 {
        let nearest = (0..90).filter(|&other| other != at).min_by(|&a, &b| far(at, a).total_cmp(&far(at, b)));
        assert_eq!(nearest.unwrap() / 30, at / 30, "the nearest of {at}");
    }
    let text = plane.rich().plain().unwrap().to_owned();
    for part in ["heaps: t-SNE of 90 points", "a", "30", "perplexity", "divergence"] {
        assert!(text.contains(part), "{text}\nlacks {part:?}");
    }
    let svg = plane.scatter().svg()?;
    assert!(["a", "b", "c"].iter().all(|name| svg.contains(&format!(">{name}<")) || svg.contains(name)));
    let pca = heaps.pca(2)?;
    let text = pca.rich().plain().unwrap().to_owned();
    assert!(text.contains("heaps: principal components of 90 points") && text.contains("so far"), "{text}");
    assert!(pca.scatter().svg()?.contains("% of the variance"));
    assert!(heaps.rich().plain().unwrap().contains("\"heaps\": 90 points of 8 numbers"));
    let some = heaps.sample(30, Seed(4));
    assert_eq!((some.shape(), heaps.sample(500, Seed(4)).shape()), ([30, 8], [90, 8]));
    assert_eq!(some.values(), heaps.sample(30, Seed(4)).values());
    assert_ne!(some.values(), heaps.sample(30, Seed(5)).values());
    Ok(())
}

#[test]
fn points_are_what_a_layer_says() -> Result<()> {
    let net = Model::build([2, 2, 2], |x| {
        x.conv2d(3, 1).named("maps").relu().global_avg_pool().named("features").linear(2)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let images = Tensor::randn(0_f32, 1.0, (5, 2, 2, 2), &Device::Cpu)?;
    let wanted = net.features(&images, &["features", "maps"])?;
    for batch in [1, 3, 32] {
        let points = explain::embed(&net, &images, EmbedConfig { batch, ..EmbedConfig::default() })?;
        assert_eq!(points.shape(), [5, 3]);
        let wanted = wanted.get("features")?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(points.values(), wanted);
    }
    // Maps by their means.
    let maps =
        explain::embed(&net, &images, EmbedConfig { layer: Some("maps".into()), ..Default::default() })?;
    let means = wanted.get("maps")?.flatten_from(2)?.mean(2)?.flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(maps.values(), means);
    let embed = |config: EmbedConfig| explain::embed(&net, &images, config);
    refused(
        embed(EmbedConfig { batch: 0, ..Default::default() }),
        &["explain::embed", "a batch of at least 1"],
    );
    let layer = EmbedConfig { layer: Some("feature".into()), ..Default::default() };
    refused(embed(layer), &["explain::embed", "Is it \"features\""]);
    let odd = (&images / 0.0)?;
    refused(explain::embed(&net, &odd, EmbedConfig::default()), &["finite features", "for image 0"]);
    refused(explain::embed(&net, &images.get(0)?, EmbedConfig::default()), &["images (N, C, H, W)"]);
    Ok(())
}

#[test]
fn what_cannot_be_placed_is_refused() -> Result<()> {
    let points = |rows: usize, values: &[f32]| {
        Embedding::new("points", &Tensor::from_slice(values, (rows, values.len() / rows), &Device::Cpu)?)
    };
    let at = |rows: usize| points(rows, &(0..rows * 3).map(|at| (at * at % 17) as f32).collect::<Vec<_>>());
    let tsne = |rows: usize, perplexity: f64| at(rows)?.tsne(TsneConfig { perplexity, ..Default::default() });
    refused(points(2, &[1.0, f32::NAN]), &["Embedding::new", "finite numbers", "NaN in row 1, column 0"]);
    refused(points(1, &[1.0, 2.0])?.pca(1), &["at least 2 points, got 1"]);
    refused(points(3, &[1.0; 6])?.pca(1), &["points that differ, got 3 equal ones", "dead"]);
    refused(at(5)?.pca(4), &["from 1 to 3 components of 5 points in 3 dimensions, got 4"]);
    refused(at(5)?.pca(0), &["from 1 to 3 components"]);
    let line: Vec<f32> = (0..6).flat_map(|at| [at as f32, 2.0 * at as f32]).collect();
    refused(points(6, &line)?.pca(2), &["at most 1 components", "Ask for `pca(1)`"]);
    refused(tsne(3, 1.0), &["at least 4 points, got 3"]);
    refused(tsne(20, 30.0), &["at least 1 and below 19", "got 30", "`perplexity: 6.0` is good"]);
    refused(tsne(20, f64::NAN), &["got NaN"]);
    refused(tsne(20, 0.5), &["got 0.5"]);
    assert!(tsne(20, 18.0)?.divergence().is_finite());
    refused(points(12, &[1.0; 24])?.tsne(TsneConfig { perplexity: 3.0, ..Default::default() }), &["equal"]);
    let mut twins: Vec<f32> = (0..24).map(|at| (at * at % 17) as f32).collect();
    twins[..14].fill(3.0);
    let config = TsneConfig { perplexity: 3.0, ..Default::default() };
    refused(points(12, &twins)?.tsne(config), &["at most 3 points equal to another", "6 that equal point 0"]);
    refused(points(6, &line)?.tsne(TsneConfig { perplexity: 2.0, ..config }), &["TsneStart::Random"]);
    let random = TsneConfig { perplexity: 2.0, start: TsneStart::Random(Seed(0)), ..config };
    assert!(points(6, &line)?.tsne(random)?.divergence().is_finite());
    refused(at(9)?.tsne(TsneConfig { steps: 0, ..config }), &["at least 1 step"]);
    refused(at(9)?.tsne(TsneConfig { steps: 250, ..config }), &["fewer early steps", "early_steps: 62"]);
    refused(at(9)?.tsne(TsneConfig { early_exaggeration: 0.5, ..config }), &["early exaggeration"]);
    refused(at(9)?.tsne(TsneConfig { learning_rate: Some(0.0), ..config }), &["a learning rate above 0"]);
    let wild = TsneConfig { learning_rate: Some(1e200), ..config };
    refused(at(9)?.tsne(wild), &["they flew apart"]);
    let many = points(5001, &(0..5001).map(|at| at as f32).collect::<Vec<_>>())?;
    refused(many.tsne(config), &["at most 5000 points, got 5001", "sample(5000, Seed(0))"]);
    let plane = [[0.0; 2]; 9];
    refused(at(9)?.trustworthiness(&plane[..8], 2), &["9 points, as here, got 8"]);
    refused(at(9)?.trustworthiness(&plane, 5), &["from 1 to fewer than half of 9"]);
    refused(at(9)?.trustworthiness(&[[f64::NAN; 2]; 9], 2), &["finite coordinates"]);
    let names = ["a".to_owned()];
    let labels = Tensor::zeros(8, DType::U32, &Device::Cpu)?;
    refused(at(9)?.classes(&labels, &names), &["labels (9) of u32", "(8) of u32"]);
    let labels = Tensor::ones(9, DType::U32, &Device::Cpu)?;
    refused(at(9)?.classes(&labels, &names), &["1 names and a label of 1"]);
    Ok(())
}
