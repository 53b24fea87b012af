//! The set loss against transformers' (`tests/fixtures/losses/set_loss.py`).

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use sconce::losses::{SetLoss, SetPrediction, set_loss};
use sconce::rich::Rich;
use serde_json::Value;

use crate::fixtures::{Any, close};

const CPU: &Device = &Device::Cpu;

struct Fixture {
    values: Value,
    tensors: HashMap<String, Tensor>,
    labels: Vec<Vec<u32>>,
    boxes: Vec<Vec<[f32; 4]>>,
}

fn fixture() -> Result<Fixture, Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/losses/set_loss.safetensors");
    let values: Value = serde_json::from_str(include_str!("../../../tests/fixtures/losses/set_loss.json"))?;
    Ok(Fixture {
        labels: serde_json::from_value(values["labels"].clone())?,
        boxes: serde_json::from_value(values["boxes"].clone())?,
        tensors: candle_core::safetensors::load(path, CPU)?,
        values,
    })
}

impl Fixture {
    fn number(&self, name: &str) -> f32 {
        self.values[name].as_f64().expect(name) as f32
    }
}

#[test]
fn value_and_gradients_are_those_of_transformers() -> Any {
    let fixture = fixture()?;
    let var = |name: String| Var::from_tensor(&fixture.tensors[&name]);
    let logits = (0..3).map(|at| var(format!("logits.{at}"))).collect::<Result<Vec<_>, _>>()?;
    let boxes = (0..3).map(|at| var(format!("boxes.{at}"))).collect::<Result<Vec<_>, _>>()?;
    let layers: Vec<SetPrediction> = logits
        .iter()
        .zip(&boxes)
        .map(|(logits, boxes)| SetPrediction {
            logits: logits.as_tensor().clone(),
            boxes: boxes.as_tensor().clone(),
        })
        .collect();
    let loss = set_loss(3).of(&layers, &fixture.labels, &fixture.boxes)?;
    close(&[loss.total.to_scalar()?], &[fixture.number("total")], "total");
    close(
        &[loss.class as f32, loss.l1 as f32, loss.giou as f32],
        &["class", "l1", "giou"].map(|part| fixture.number(part)),
        "parts of the last layer",
    );
    let gradients = loss.total.backward()?;
    for (name, vars) in [("logits", &logits), ("boxes", &boxes)] {
        for (at, var) in vars.iter().enumerate() {
            let got = gradients.get(var).ok_or("no gradient")?.flatten_all()?.to_vec1()?;
            let name = format!("d{name}.{at}");
            close(&got, &fixture.tensors[&name].flatten_all()?.to_vec1()?, &name);
        }
    }
    // One layer alone, and the same in f64.
    let single = set_loss(3).of(&layers[2..], &fixture.labels, &fixture.boxes)?;
    close(&[single.total.to_scalar()?], &[fixture.number("single")], "single");
    let double = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    let layer = SetPrediction { logits: double(&layers[2].logits)?, boxes: double(&layers[2].boxes)? };
    let single = set_loss(3).of(&[layer], &fixture.labels, &fixture.boxes)?;
    close(&[single.total.to_scalar::<f64>()? as f32], &[fixture.number("single")], "in f64");
    let text = single.rich().plain().unwrap_or_default().to_owned();
    assert!(text.contains("class") && text.contains("L1"), "{text}");
    Ok(())
}

#[test]
fn images_without_objects_teach_that_there_is_nothing() -> Any {
    let (logits, boxes) = (Var::zeros((2, 3, 4), DType::F32, CPU)?, Var::ones((2, 3, 4), DType::F32, CPU)?);
    let prediction = SetPrediction { logits: logits.as_tensor().clone(), boxes: boxes.as_tensor().clone() };
    let loss = set_loss(3).of(&[prediction], &[vec![], vec![]], &[vec![], vec![]])?;
    assert_eq!((loss.l1, loss.giou), (0.0, 0.0));
    close(&[loss.total.to_scalar()?], &[4.0f32.ln()], "cross-entropy alone");
    let gradients = loss.total.backward()?;
    let toward = gradients.get(&logits).ok_or("no gradient")?.flatten_all()?.to_vec1::<f32>()?;
    assert!(toward.chunks(4).all(|row| row[3] < 0.0 && row[0] > 0.0), "{toward:?}");
    let boxes = gradients.get(&boxes).ok_or("layers behind the boxes need a gradient")?;
    assert_eq!(boxes.sqr()?.sum_all()?.to_scalar::<f32>()?, 0.0);
    Ok(())
}

#[test]
fn more_objects_than_queries_leave_the_dearest_out() -> Any {
    let boxes = Tensor::new(&[[[0.2f32, 0.2, 0.1, 0.1]]], CPU)?;
    let prediction = SetPrediction { logits: Tensor::zeros((1, 1, 3), DType::F32, CPU)?, boxes };
    let objects = vec![[0.8, 0.8, 0.1, 0.1], [0.2, 0.2, 0.1, 0.1]];
    let loss = set_loss(2).of(&[prediction], &[vec![0, 1]], &[objects])?;
    assert!(loss.l1.abs() < 1e-6 && loss.giou.abs() < 1e-6, "{loss:?}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Any {
    let logits = Tensor::zeros((1, 2, 4), DType::F32, CPU)?;
    let boxes = Tensor::new(&[[[0.5f32, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1]]], CPU)?;
    let good = SetPrediction { logits, boxes };
    let with_boxes = |boxes: Tensor| SetPrediction { boxes, ..good.clone() };
    let negative = with_boxes(Tensor::new(&[[[0.5f32, 0.5, -0.2, 0.2], [0.2, 0.2, 0.1, 0.1]]], CPU)?);
    let nan = with_boxes((good.boxes.clone() * f64::NAN)?);
    let few = with_boxes(good.boxes.narrow(1, 0, 1)?);
    let one = vec![vec![[0.5, 0.5, 0.2, 0.2]]];
    type Case = (SetLoss, Vec<SetPrediction>, Vec<Vec<u32>>, Vec<Vec<[f32; 4]>>, &'static str);
    let cases: Vec<Case> = vec![
        (set_loss(3), vec![], vec![vec![0]], one.clone(), "at least one prediction"),
        (set_loss(4), vec![good.clone()], vec![vec![0]], one.clone(), "logits (1, N, 5)"),
        (set_loss(3), vec![good.clone()], vec![vec![3]], one.clone(), "label 3 in image 0"),
        (set_loss(3), vec![good.clone()], vec![vec![0, 1]], one.clone(), "2 labels and 1 boxes"),
        (set_loss(3), vec![good.clone()], vec![vec![0], vec![]], one.clone(), "labels of 2 and boxes of 1"),
        (set_loss(3), vec![good.clone()], vec![vec![0]], vec![vec![[10.0, 10.0, 4.0, 4.0]]], "fractions"),
        (
            set_loss(3),
            vec![good.clone(), negative],
            vec![vec![0]],
            one.clone(),
            "query 0 of image 0 in layer 1",
        ),
        (set_loss(3), vec![nan], vec![vec![0]], one.clone(), "NaN"),
        (set_loss(3), vec![few], vec![vec![0]], one.clone(), "F32 [1, 1, 4]"),
        (SetLoss { l1_weight: -1.0, ..set_loss(3) }, vec![good], vec![vec![0]], one, "l1_weight"),
    ];
    for (loss, layers, labels, boxes, named) in cases {
        let error = loss.of(&layers, &labels, &boxes).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}
