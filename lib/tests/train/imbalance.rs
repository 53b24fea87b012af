//! What helps where one class is rare.

use sconce::losses::focal;
use sconce::prelude::*;

/// Two numbers an image, around 0 for the frequent class and around 1.2 for the rare one, so that both lie over each other:
/// whoever counts all images alike does best by never saying "rare".
fn data(images: usize, seed: u64) -> Dataset {
    let mut rng = Seed(seed).rng();
    let labels: Vec<u32> = (0..images).map(|at| u32::from(at % 20 == 0)).collect();
    let pixels: Vec<f32> =
        labels.iter().flat_map(|label| [0; 2].map(|_| *label as f32 * 1.2 + rng.normal() as f32)).collect();
    let images = Tensor::from_vec(pixels, (images, 1, 1, 2), &Device::Cpu).unwrap();
    Dataset::new(images, &labels, &["frequent", "rare"]).unwrap()
}

fn learner() -> Learner {
    let data = DataSplit { train: data(2000, 1), valid: data(40, 2), test: data(2000, 3) };
    let net =
        Model::build([1, 1, 2], |x| x.flatten().linear(2)).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    Learner::new(net, data).optimizer(adamw(0.03)).batch_size(100)
}

/// How many of each class are recognized.
fn recalls(mut learner: Learner) -> [f64; 2] {
    learner.fit(8).unwrap();
    let matrix = learner.evaluate(Split::Test).unwrap().confusion_matrix();
    let counts = matrix.counts();
    [counts[0] as f64 / (counts[0] + counts[1]) as f64, counts[3] as f64 / (counts[2] + counts[3]) as f64]
}

#[test]
fn the_rare_class_is_recognized_with_weights_or_with_a_sampler() {
    let plain = recalls(learner());
    assert!(plain[0] > 0.95 && plain[1] < 0.3, "nothing is done about it: {plain:?}");
    let train = data(2000, 1);
    let by_frequency = train.inverse_frequency_weights().unwrap();
    let by_number = train.effective_number_weights(0.999).unwrap();
    let treated = [
        ("weights", learner().loss(cross_entropy().class_weights(by_frequency))),
        ("effective number", learner().loss(cross_entropy().class_weights(by_number.clone()))),
        ("focal with weights", learner().loss(focal().class_weights(by_number))),
        ("sampler", learner().sampler(Sampler::balanced(&train).unwrap())),
    ];
    for (name, learner) in treated {
        let recalls = recalls(learner);
        assert!(recalls[0] > 0.6 && recalls[1] > 0.6, "{name}: {recalls:?}");
    }
}

#[test]
fn a_sampler_decides_what_an_epoch_is() {
    let train = data(2000, 1);
    let sampler = Sampler::balanced(&train).unwrap().draws(450);
    let mut learner = learner().sampler(sampler.clone()).seed(Seed(9));
    let history = learner.fit(2).unwrap();
    assert_eq!(history.step_losses().len(), 2 * 5, "450 draws in batches of 100");
    // The batches are those of a loop by hand.
    let (net, mut losses) = (self::learner(), Vec::new());
    let model = net.model().unwrap();
    let mut optimizer = adamw(0.03).build(&model.parameters()).unwrap();
    for epoch in 1..=2 {
        for (at, batch) in train.batches(100).sampler(&sampler, Seed(9)).epoch(epoch).enumerate() {
            let batch = batch.unwrap();
            let mode = Mode::Train(Seed(9).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let loss =
                cross_entropy().of(&model.forward(&batch.images, mode).unwrap(), &batch.labels).unwrap();
            optimizer.step(&loss.backward().unwrap()).unwrap();
            losses.push(f64::from(loss.to_scalar::<f32>().unwrap()));
        }
    }
    assert_eq!(history.step_losses(), losses);
}

#[test]
fn a_sampler_for_other_data_is_refused() {
    let sampler = Sampler::balanced(&data(100, 1)).unwrap();
    let error = learner().sampler(sampler).fit(1).unwrap_err().to_string();
    assert!(error.contains("a sampler of 2000 weights") && error.contains("one of 100"), "{error}");
}
