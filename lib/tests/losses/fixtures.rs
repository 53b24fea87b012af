//! PyTorch's values, and how near ours must come.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use sconce::Result;
use serde_json::Value;

pub type Any = Result<(), Box<dyn std::error::Error>>;

/// A case of `tests/fixtures/losses`.
pub struct Case {
    pub name: &'static str,
    pub params: Value,
    loss: f64,
    scale: f64,
    tensors: HashMap<String, Tensor>,
}

impl Case {
    pub fn of(name: &'static str) -> Result<Case, Box<dyn std::error::Error>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/losses/losses.safetensors");
        let cases: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/fixtures/losses/losses.json"))?;
        let case = cases.into_iter().find(|case| case["name"] == name).ok_or(name)?;
        Ok(Case {
            name,
            params: case["params"].clone(),
            loss: case["loss"].as_f64().ok_or("loss")?,
            scale: case["scale_input_by"].as_f64().unwrap_or(1.0),
            tensors: candle_core::safetensors::load(path, &Device::Cpu)?,
        })
    }

    pub fn tensor(&self, input: &str) -> Result<&Tensor, String> {
        let name = format!("{}/{input}", self.name);
        self.tensors.get(&name).ok_or(name)
    }

    /// The targets among the parameters as numbers.
    pub fn targets<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.params["targets"].clone())
    }

    /// Holds a loss of `x`, scaled as the case says, and its gradient against PyTorch's.
    pub fn check(&self, loss: impl Fn(&Tensor) -> Result<Tensor>) -> Any {
        let x = Var::from_tensor(self.tensor("x")?)?;
        let value = loss(&(x.as_tensor() * self.scale)?)?;
        close(&[value.to_scalar::<f32>()?], &[self.loss as f32], self.name);
        let gradients = value.backward()?;
        let gradient = gradients.get(&x).ok_or("no gradient")?.flatten_all()?;
        close(&gradient.to_vec1()?, &self.tensor("dx")?.flatten_all()?.to_vec1()?, self.name);
        Ok(())
    }
}

pub fn close(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() <= 1e-5 * largest, "{what}: {got}, not {wanted}");
    }
}
