//! Histograms of weights, gradients and activations while a model trains.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use sconce::data::{DataSplit, Dataset};
use sconce::nn::{Mode, Model, Parameter, backward};
use sconce::prelude::{Learner, Net, Seed, adamw, cross_entropy};
use sconce::rich::Rich;
use sconce::train::{Callback, Control, HistogramOf, Histograms, StepEnd};
use sconce::{Error, Result};

fn net() -> Result<Model> {
    Model::build([1, 4, 4], |x| {
        x.conv2d(3, 3)
            .named("conv")
            .batch_norm()
            .named("norm")
            .relu()
            .named("relu")
            .flatten()
            .linear(3)
            .named("fc")
    })?
    .init(Seed(2), &Device::Cpu)
}

/// 40 images of 3 classes to train on, 8 to validate with.
fn data() -> Result<DataSplit> {
    let mut rng = Seed(1).rng();
    let pixels: Vec<f32> = (0..48 * 16).map(|_| rng.uniform_f32()).collect();
    let labels: Vec<u32> = (0..48).map(|at| at % 3).collect();
    let data =
        Dataset::new(Tensor::from_vec(pixels, (48, 1, 4, 4), &Device::Cpu)?, &labels, &["a", "b", "c"])?;
    let part = |from: usize, to: usize| data.subset(&(from..to).collect::<Vec<_>>());
    Ok(DataSplit { train: part(0, 40)?, valid: part(40, 48)?, test: part(40, 48)? })
}

fn learner(callback: impl Callback + 'static) -> Result<Learner> {
    let learner = Learner::new(net()?, data()?).optimizer(adamw(0.01)).batch_size(8).seed(Seed(3));
    Ok(learner.callback(callback))
}

/// Looks at what a step gives: the gradients only where they were asked for, and then those that moved the weights.
struct Watching {
    seen: Vec<(usize, bool, Option<f32>)>,
    tell: std::sync::mpsc::Sender<Vec<(usize, bool, Option<f32>)>>,
}

impl Callback for Watching {
    fn needs_gradients(&self, total_steps: usize) -> bool {
        total_steps == 3 || total_steps == 4
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        let parameter = end.learner.net().parameters().remove(0);
        let norm = match end.gradients {
            Some(gradients) => {
                Some(gradients.get(&parameter.var).unwrap().sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?)
            }
            None => None,
        };
        self.seen.push((end.total_steps, end.updated, norm));
        self.tell.send(self.seen.clone()).unwrap();
        Ok(Control::GoOn)
    }
}

#[test]
fn a_callback_has_the_gradients_that_it_needs() -> Result<()> {
    let run = |accumulate: usize, max: f64| -> Result<Vec<(usize, bool, Option<f32>)>> {
        let (tell, told) = std::sync::mpsc::channel();
        let mut learner = learner(Watching { seen: Vec::new(), tell })?.accumulate(accumulate).clip_norm(max);
        learner.fit(1)?;
        Ok(told.try_iter().last().unwrap_or_default())
    };
    let seen = run(1, 1e9)?;
    let there: Vec<usize> = seen.iter().filter(|(.., norm)| norm.is_some()).map(|(step, ..)| *step).collect();
    assert_eq!((seen.len(), there), (5, vec![3, 4]));
    // As clipped: all together have a norm of 0.001.
    let clipped = run(1, 1e-3)?;
    assert!(clipped[2].2.unwrap() <= 1e-3 && seen[2].2.unwrap() > 1e-3, "{clipped:?}");
    // Of two batches together, with the second.
    let both = run(2, 1e9)?;
    assert_eq!(
        both.iter().map(|(_, updated, norm)| (*updated, norm.is_some())).collect::<Vec<_>>()[2..4],
        [(false, false), (true, true)]
    );
    Ok(())
}

#[test]
fn a_training_is_recorded_step_by_step() -> Result<()> {
    let images = data()?.valid.images()?;
    let histograms = Histograms::every(5).activations(&images, &[])?;
    learner(histograms.clone())?.fit(4)?;
    // Steps 1, 5, 10, 15 and 20.
    let weights = histograms.names(HistogramOf::Weights);
    assert_eq!(weights, ["conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias"]);
    assert_eq!(histograms.names(HistogramOf::Gradients), weights);
    assert_eq!(histograms.names(HistogramOf::Activations), ["conv", "norm", "fc"]);
    for (name, of) in [
        ("conv.weight", HistogramOf::Weights),
        ("fc.bias", HistogramOf::Gradients),
        ("norm", HistogramOf::Activations),
    ] {
        let plot = histograms.plot(name, of)?;
        assert_eq!(plot.len(), 5, "{name}");
        let text = plot.text();
        assert!(
            text.starts_with(&format!("{name}, ")) && text.contains("20") && text.contains("median"),
            "{text}"
        );
    }
    let bundle = histograms.rich();
    let text = bundle.plain().unwrap();
    for part in ["6 of weights, 6 of gradients, 3 of activations", "conv.weight", "first at step"] {
        assert!(text.contains(part), "{text}\nlacks {part:?}");
    }
    assert!(!text.contains("the first NaN"), "{text}");
    assert!(histograms.panels(HistogramOf::Activations).svg()?.contains("norm, activations"));
    let folder = std::env::temp_dir().join(format!("sconce-histograms-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    histograms.save(folder.join("all.svg"))?;
    assert!(std::fs::read_to_string(folder.join("all.svg")).unwrap().contains("fc.bias, gradients"));
    std::fs::remove_dir_all(folder).unwrap();
    let error = histograms.plot("conv", HistogramOf::Weights).unwrap_err().to_string();
    assert!(error.contains("\"conv\"") && error.contains("the first are \"conv.weight\""), "{error}");
    Ok(())
}

/// With gradients of three batches together: at the steps that move the weights.
#[test]
fn accumulated_gradients_are_recorded_when_they_count() -> Result<()> {
    let histograms = Histograms::every(2);
    learner(histograms.clone())?.accumulate(3).fit(1)?;
    // Due are 1, 2 and 4; weights move at 3 and at 5, the last.
    let text = histograms.plot("fc.weight", HistogramOf::Gradients)?.text();
    let steps: Vec<&str> = text.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(steps.contains(&"3") && steps.contains(&"5") && steps.len() <= 4, "{text}");
    Ok(())
}

/// Of values that are known.
#[test]
fn a_loop_of_ones_own_records_what_it_has() -> Result<()> {
    let net = net()?;
    let fc = net.parameters().into_iter().find(|parameter| parameter.name == "fc.bias").unwrap().var;
    let histograms = Histograms::every(10).only("fc.*");
    let images = Tensor::ones((4, 1, 4, 4), DType::F32, &Device::Cpu)?;
    let labels = Tensor::zeros(4, DType::U32, &Device::Cpu)?;
    let gradients = |bias: [f32; 3]| -> Result<GradStore> {
        fc.set(&Tensor::new(&bias, &Device::Cpu)?)?;
        backward(&cross_entropy().of(&net.forward(&images, Mode::Train(Seed(1)))?, &labels)?)
    };
    for step in 0..=30 {
        histograms.record(step, &net, &gradients([step as f32, 2.0, -9.0])?)?;
    }
    assert_eq!(histograms.names(HistogramOf::Weights), ["fc.weight", "fc.bias"]);
    let bias = histograms.plot("fc.bias", HistogramOf::Weights)?;
    // 0, 1, 10, 20 and 30.
    assert_eq!(bias.len(), 5);
    let last = bias.text().lines().last().unwrap().to_owned();
    let numbers: Vec<&str> = last.split_whitespace().collect();
    assert_eq!((numbers[0], numbers[1], numbers.last()), ("30", "-9", Some(&"30")), "{last}");
    histograms.record(40, &net, &gradients([f32::NAN, f32::INFINITY, 1.0])?)?;
    let text = histograms.rich().plain().unwrap().to_owned();
    assert!(text.contains("the first NaN or infinite value: weights of \"fc.bias\", step 40"), "{text}");
    let row =
        text.lines().find(|line| line.contains("fc.bias") && line.contains("weights") && line.contains("40"));
    assert!(row.is_some(), "{text}");
    Ok(())
}

struct Own(Var);

impl Net for Own {
    fn forward(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        Ok(x.flatten_from(1)?.matmul(&self.0)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::new("own", self.0.clone())]
    }
}

#[test]
fn what_cannot_be_recorded_is_refused() -> Result<()> {
    let images = data()?.valid.images()?;
    let refused = |histograms: Histograms, part: &str| -> Result<()> {
        let error = learner(histograms)?.fit(1).err().unwrap().to_string();
        assert!(error.contains(part), "{error}\nlacks {part:?}");
        Ok(())
    };
    refused(Histograms::every(0), "a number of steps of at least 1, got 0")?;
    refused(Histograms::every(1).only("cnov.*"), "a pattern that some parameter matches, got \"cnov.*\"")?;
    refused(Histograms::every(1).activations(&images, &["rleu"])?, "relu")?;
    let wrong = Tensor::zeros((2, 3, 4, 4), DType::F32, &Device::Cpu)?;
    refused(Histograms::every(1).activations(&wrong, &[])?, "(2, 3, 4, 4)")?;
    let many = Tensor::zeros((257, 1, 4, 4), DType::F32, &Device::Cpu)?;
    let error = Histograms::every(1).activations(&many, &[]).unwrap_err().to_string();
    assert!(error.contains("1 to 256 of them, got (257"), "{error}");
    let own = Own(Var::from_tensor(&Tensor::ones((16, 3), DType::F32, &Device::Cpu)?)?);
    let loss = cross_entropy()
        .of(&own.forward(&images, Mode::Eval)?, &Tensor::zeros(8, DType::U32, &Device::Cpu)?)?;
    let gradients = backward(&loss)?;
    let plain = Histograms::every(1);
    plain.record(1, &own, &gradients)?;
    assert_eq!(plain.names(HistogramOf::Gradients), ["own"]);
    let error = Histograms::every(1).activations(&images, &[])?.record(1, &own, &gradients).unwrap_err();
    assert!(
        matches!(error, Error::Argument { .. }) && error.to_string().contains("a struct of yours"),
        "{error}"
    );
    let nothing = Histograms::every(1);
    assert!(nothing.rich().plain().unwrap().contains("nothing was recorded yet"));
    let error = nothing.plot("fc", HistogramOf::Weights).unwrap_err().to_string();
    assert!(error.contains("train first"), "{error}");
    Ok(())
}
