//! Saving and loading: bit for bit, all or nothing.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use sconce::nn::{Loading, Mode, Model};
use sconce::{Error, Result, Seed};

fn model(seed: u64) -> Result<Model> {
    let net =
        Model::build([1, 4, 4], |x| x.conv2d(3, 3).named("stem").batch_norm().relu().flatten().linear(2))?;
    net.init(Seed(seed), &Device::Cpu)
}

/// A model whose running statistics have moved, and that holds values which are hard to keep.
fn trained(seed: u64) -> Result<Model> {
    let net = model(seed)?;
    let x = Tensor::arange(0_f32, 32.0, &Device::Cpu)?.reshape((2, 1, 4, 4))?;
    net.forward(&x, Mode::Train(Seed(0)))?;
    let odd = [f32::NAN, -0.0, f32::MIN_POSITIVE / 8.0];
    net.parameters()[1].var.set(&Tensor::new(&odd, &Device::Cpu)?)?;
    Ok(net)
}

fn bits(model: &Model) -> Result<Vec<(String, Vec<u32>)>> {
    let state = model.state()?.into_iter().map(|(name, tensor)| {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        Ok((name, values.into_iter().map(f32::to_bits).collect()))
    });
    state.collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_saved_comes_back_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let saved = trained(1)?;
    saved.save(&path)?;
    saved.save(&path)?;
    assert_eq!(files(folder.path()), ["net.safetensors"]);

    let loaded = model(2)?;
    let handles = loaded.parameters();
    assert_ne!(bits(&loaded)?, bits(&saved)?);
    loaded.load(&path, Loading::Strict)?;
    assert_eq!(bits(&loaded)?, bits(&saved)?);
    // In place: handles from before see the new values.
    assert_eq!(
        handles[0].var.flatten_all()?.to_vec1::<f32>()?,
        saved.parameters()[0].var.flatten_all()?.to_vec1::<f32>()?
    );

    // The same weights are the same file.
    let again = folder.path().join("again.safetensors");
    loaded.save(&again)?;
    assert_eq!(fs::read(&path).unwrap(), fs::read(&again).unwrap());
    Ok(())
}

#[test]
fn other_programs_can_read_the_file() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let net = model(1)?;
    net.save(&path)?;
    let read = candle_core::safetensors::load(&path, &Device::Cpu)?;
    assert_eq!(read.len(), 8);
    for (name, tensor) in net.state()? {
        assert_eq!(read[&name].dims(), tensor.dims());
        assert_eq!(read[&name].flatten_all()?.to_vec1::<f32>()?, tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(())
}

/// Loads `bytes` and gives the error's text; the model must not have changed.
fn refusal(bytes: &[u8]) -> Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    fs::write(&path, bytes).unwrap();
    let net = trained(1)?;
    let before = bits(&net)?;
    let error = net.load(&path, Loading::Strict).unwrap_err();
    assert_eq!(bits(&net)?, before);
    assert!(matches!(error, Error::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("net.safetensors: expected"), "{text}");
    Ok(text)
}

#[test]
fn a_damaged_file_is_refused_and_changes_nothing() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    trained(2)?.save(&path)?;
    let good = fs::read(&path).unwrap();
    for len in [0, 4, 8, 9, good.len() / 2, good.len() - 1] {
        let text = refusal(&good[..len])?;
        assert!(text.contains("cut off"), "{text}");
    }
    let mut longer = good.clone();
    longer.push(0);
    refusal(&longer)?;
    let mut huge_header = good.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refusal(&huge_header)?;
    let mut bad_json = good.clone();
    bad_json[10] ^= 0xff;
    refusal(&bad_json)?;
    refusal(b"\x80\x02a pickle, perhaps")?;
    Ok(())
}

#[test]
fn another_models_file_is_refused_with_what_differs() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let other =
        Model::build([1, 4, 4], |x| x.conv2d(5, 3).named("stem").relu().flatten().linear(2).named("head"))?;
    other.init(Seed(1), &Device::Cpu)?.save(&path)?;
    let text = refusal(&fs::read(&path).unwrap())?;
    assert!(
        text.contains(
            "expected the 8 tensors of this model, got missing batch_norm_1.weight, batch_norm_1.bias, \
             batch_norm_1.running_mean, batch_norm_1.running_var, linear_1.weight, linear_1.bias; \
             unexpected head.bias, head.weight; \
             different stem.weight: F32 (5, 1, 3, 3) instead of F32 (3, 1, 3, 3), \
             stem.bias: F32 (5) instead of F32 (3)."
        ),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_file_that_cannot_be_reached_is_named() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let net = model(1)?;
    let missing = folder.path().join("missing.safetensors");
    let error = net.load(&missing, Loading::Strict).unwrap_err();
    assert!(matches!(&error, Error::Io { op: "read", path, .. } if *path == missing), "{error:?}");
    let nowhere = folder.path().join("no folder").join("net.safetensors");
    let error = net.save(&nowhere).unwrap_err();
    assert!(matches!(&error, Error::Io { op: "write", path, .. } if *path == nowhere), "{error:?}");
    assert!(matches!(net.save(folder.path().join("..")).unwrap_err(), Error::Io { .. }));
    // A folder stands in the way: nothing is left behind.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    assert!(matches!(net.save(&taken).unwrap_err(), Error::Io { .. }));
    assert_eq!(files(folder.path()), ["taken"]);
    Ok(())
}

#[test]
fn a_state_brings_a_model_back_to_where_it_was() -> Result<()> {
    let net = trained(1)?;
    let (state, before) = (net.state()?, bits(&net)?);
    let x = Tensor::ones((2, 1, 4, 4), candle_core::DType::F32, &Device::Cpu)?;
    net.forward(&x, Mode::Train(Seed(0)))?;
    net.parameters()[0].var.set(&net.parameters()[0].var.as_detached_tensor().zeros_like()?)?;
    assert_ne!(bits(&net)?, before);
    net.set_state(&state)?;
    assert_eq!(bits(&net)?, before);

    let changed = bits(&net)?;
    let error = net.set_state(&state[1..]).unwrap_err().to_string();
    assert!(
        error.starts_with("Model::set_state: expected the 8 tensors of this model, got missing stem.weight."),
        "{error}"
    );
    assert_eq!(bits(&net)?, changed);
    // Its own variables may be among the values.
    let own: Vec<(String, Tensor)> = net
        .parameters()
        .into_iter()
        .chain(net.buffers())
        .map(|parameter| (parameter.name, parameter.var.as_tensor().clone()))
        .collect();
    net.set_state(&own)?;
    assert_eq!(bits(&net)?, changed);
    Ok(())
}
