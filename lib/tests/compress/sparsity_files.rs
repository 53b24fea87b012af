//! Models with zeros in files, dense and compact, whole and damaged.

use std::fs;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use sconce::compress::{Pattern, PruneConfig, SparsityConfig, SparsityReport, prune_channels, prune_weights};
use sconce::nn::{Loading, Mode, Model};
use sconce::{Result, Seed};

use super::graphs;
use super::saved::same;
use super::sparsity::{mask, tensor};
use super::zeroed::lively;

fn net() -> Result<Model> {
    Model::build([4, 6, 6], |x| {
        x.conv2d(8, 3).named("stem").relu().conv2d(6, 3).named("body").flatten().linear(3).named("head")
    })?
    .init(Seed(7), &Device::Cpu)
}

/// Weights and masks of both are the same bits.
fn alike(model: &Model, other: &Model) -> Result<()> {
    same(model, other)?;
    let bits = |model: &Model| -> Result<Vec<(String, Vec<u8>)>> {
        let bytes = |tensor: &Tensor| -> Result<Vec<u8>> {
            Ok(match tensor.dtype() {
                DType::U8 => tensor.flatten_all()?.to_vec1()?,
                _ => tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
            })
        };
        model.state()?.into_iter().map(|(name, tensor)| Ok((name, bytes(&tensor)?))).collect()
    };
    assert_eq!(bits(model)?, bits(other)?);
    Ok(())
}

/// Sparse models of several kinds.
fn models() -> Result<Vec<Model>> {
    let one_of_eight =
        SparsityConfig { pattern: Pattern::NOfM { keep: 1, of: 8 }, ..SparsityConfig::default() };
    let two = prune_weights(&net()?, &SparsityConfig::two_of_four())?.model;
    // The head has the smallest weights by far.
    let limits = vec![("head".into(), 0.95)];
    let global = SparsityConfig { limits, ..SparsityConfig::unstructured(0.9).global() };
    let mut models = vec![
        net()?,
        prune_weights(&net()?, &SparsityConfig::unstructured(0.0))?.model,
        prune_weights(&net()?, &global)?.model,
        prune_channels(&two, &PruneConfig::ratio(0.3))?.model,
        prune_weights(&net()?, &one_of_eight)?.model,
        two,
    ];
    for case in 0..20 {
        let model = graphs::random(Seed(case))?;
        lively(&model, Seed(case))?;
        let half = SparsityConfig::unstructured(0.5);
        models.extend(prune_weights(&model, &half).ok().map(|sparse| sparse.model));
    }
    Ok(models)
}

#[test]
fn both_forms_come_back_bit_for_bit_and_are_as_large_as_reported() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let [dense, compact] = ["dense", "compact"].map(|name| folder.path().join(name));
    for model in models()? {
        model.save(&dense)?;
        model.save_compact(&compact)?;
        let report = SparsityReport::of(&model)?;
        for (path, wanted) in [(&dense, report.bytes_dense()), (&compact, report.bytes_compact())] {
            let again = Model::open(path, &Device::Cpu)?;
            alike(&model, &again)?;
            // Any reader of safetensors finds whole tensors in it.
            let bytes = fs::read(path).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let size: usize = file.tensors().iter().map(|(_, view)| view.data().len()).sum();
            assert_eq!(size, wanted);
            // The same model is the same bytes.
            if path == &compact {
                again.save_compact(path)?
            } else {
                again.save(path)?
            }
            assert_eq!(fs::read(path).unwrap(), bytes);
        }
    }
    Ok(())
}

#[test]
fn two_of_four_are_values_and_indices_of_two_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let model = prune_weights(&net()?, &SparsityConfig::two_of_four())?.model;
    model.save_compact(&path)?;
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // (8, 4, 3, 3) by output and tap.
    assert_eq!(file.tensor("stem.weight.values").unwrap().shape(), [72, 2]);
    assert_eq!(file.tensor("stem.weight.indices").unwrap().shape(), [72 * 2 * 2 / 8]);
    assert!(file.tensor("stem.weight").is_err() && file.tensor("stem.bias").is_ok());
    let weights = tensor(&model, "stem.weight");
    let kept: Vec<usize> = (0..4).filter(|channel| weights[channel * 9] != 0.0).collect();
    let values = file.tensor("stem.weight.values").unwrap().data()[..8].to_vec();
    let wanted: Vec<u8> = kept.iter().flat_map(|channel| weights[channel * 9].to_le_bytes()).collect();
    assert_eq!(values, wanted);
    let indices = file.tensor("stem.weight.indices").unwrap().data()[0];
    assert_eq!([indices & 3, indices >> 2 & 3].map(usize::from), kept[..]);
    Ok(())
}

#[test]
fn masks_come_with_weights_that_are_loaded_and_stay_where_a_file_has_none() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let [sparse, plain] = ["sparse", "plain"].map(|name| folder.path().join(name));
    let model = prune_weights(&net()?, &SparsityConfig::unstructured(0.7))?.model;
    model.save(&sparse)?;
    net()?.save(&plain)?;
    let other = net()?;
    other.load(&sparse, Loading::Strict)?;
    alike(&model, &other)?;
    // Weights of a file without masks: what is held stays 0.
    other.load(&plain, Loading::Strict)?;
    alike(&model, &other)?;
    // A state says all.
    other.set_state(&net()?.state()?)?;
    assert_eq!(mask(&other, "head.weight"), None);
    other.set_state(&model.state()?)?;
    alike(&model, &other)?;
    let mut state = model.state()?;
    let place = state.iter().position(|(name, _)| name == "head.weight.mask").unwrap();
    state[place].1 = Tensor::zeros(3, DType::U8, &Device::Cpu)?;
    let error = other.set_state(&state).unwrap_err().to_string();
    assert!(error.contains("head.weight.mask"), "{error}");
    // Compact is not for load, and says what is.
    model.save_compact(&plain)?;
    let error = other.load(&plain, Loading::Strict).unwrap_err().to_string();
    assert!(error.contains("Model::open"), "{error}");
    alike(&model, &other)?;
    let own = Model::build([1, 2, 2], |x| x.map("mine", |x| Ok(x.sqr()?)).flatten().linear(2))?;
    let error = own.init(Seed(1), &Device::Cpu)?.save_compact(&plain).unwrap_err().to_string();
    assert!(error.contains("code of your own"), "{error}");
    Ok(())
}

/// The file with its header changed.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    assert!(header.contains(from), "{from} in {header}");
    let header = header.replacen(from, to, 1);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
}

#[test]
fn files_that_cannot_be_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let two = prune_weights(&net()?, &SparsityConfig::two_of_four())?.model;
    two.save_compact(&path)?;
    let bytes = fs::read(&path).unwrap();
    // Quotes inside the metadata are escaped. The body comes first.
    let cases = [
        (r#"{\"sconce\":1,\"tensors\":{\"b"#, r#"{\"sconce\":9,\"tensors\":{\"b"#, "version 9"),
        (r#"{\"body.weight\""#, r#"{\"tail.weight\""#, "tail.weight, which no layer has"),
        (r#"\"of\":4"#, r#"\"of\":8"#, "body.weight"),
        (r#"\"of\":4"#, r#"\"of\":0"#, "body.weight"),
        (r#"\"of\":4"#, r#"\"of\":3"#, "body.weight"),
        (r#"\"keep\":2"#, r#"\"keep\":3"#, "body.weight"),
        (r#"\"keep\":2"#, r#"\"keep\":18446744073709551615"#, "body.weight"),
        (r#"\"dim\":1"#, r#"\"dim\":7"#, "body.weight"),
        (r#"\"dim\":1"#, r#"\"dim\":2"#, "body.weight"),
        (r#""body.weight.values""#, r#""body.weight.valued""#, "no values of body.weight"),
        (r#""body.weight.indices""#, r#""body.weight.indexes""#, "no indices of body.weight"),
        (r#"{\"NOfM\""#, r#"{\"MOfN\""#, "unknown variant"),
        (r#"\"out_features\":3"#, r#"\"out_features\":3000000000"#, "head"),
    ];
    for (from, to, words) in cases {
        fs::write(&path, changed(&bytes, from, to)).unwrap();
        let error = Model::open(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
    let many = prune_weights(&net()?, &SparsityConfig::unstructured(0.9))?.model;
    many.save_compact(&path)?;
    let bytes = fs::read(&path).unwrap();
    // One bit more than there are values.
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let start = file.tensor("stem.weight.mask").unwrap().data().as_ptr() as usize - bytes.as_ptr() as usize;
    let mut broken = bytes.clone();
    let place = (start..).find(|&place| broken[place] != 255).unwrap();
    broken[place] |= broken[place] + 1;
    fs::write(&path, broken).unwrap();
    let error = Model::open(&path, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("stem.weight") && error.contains("not as many"), "{error}");
    Ok(())
}

#[test]
fn damaged_files_never_panic() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let models = models()?;
    let mut opened = 0;
    for case in 0..1000 {
        let mut rng = Seed(case).derive("damage").rng();
        models[rng.below(models.len())].save_compact(&path)?;
        let mut bytes = fs::read(&path).unwrap();
        for _ in 0..1 + rng.below(3) {
            // Mostly where it is read as numbers: digits of the header, or values, masks and indices.
            let place = rng.below(bytes.len());
            match case % 4 {
                0 => bytes[place] = rng.below(256) as u8,
                1 => bytes[place] ^= 1 << rng.below(8),
                2 => {
                    let digits: Vec<usize> =
                        (8..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                    bytes[digits[place % digits.len()]] = b'0' + rng.below(10) as u8;
                }
                _ => bytes.truncate(place.max(8)),
            }
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(model) = Model::open(&path, &Device::Cpu) {
            let shape = model.graph().nodes()[0].shape.clone();
            if shape.iter().product::<usize>() < 10_000 {
                let x = Tensor::zeros([&[1], shape.as_slice()].concat(), DType::F32, &Device::Cpu)?;
                let _ = model.forward(&x, Mode::Eval);
                opened += 1;
            }
        }
    }
    assert!(opened > 20, "no damage got past the reader: {opened}");
    Ok(())
}
