//! Models that come back from their files without the code that made them.

use std::fs;

use candle_core::{DType, Device, Tensor};
use sconce::compress::{PruneConfig, prune_channels};
use sconce::nn::{Mode, Model};
use sconce::{Error, Result, Seed};

use super::graphs;
use super::zeroed::lively;

/// The outputs of both models for the same images, which must be the same bits.
pub fn same(model: &Model, other: &Model) -> Result<()> {
    assert_eq!(model.graph(), other.graph());
    let shape = model.graph().nodes()[0].shape.clone();
    let x = Tensor::rand(0_f32, 1.0, [&[2], shape.as_slice()].concat(), &Device::Cpu)?;
    let [one, two] = [model, other].map(|model| model.forward_outputs(&x, Mode::Eval));
    for ((name, one), (_, two)) in one?.iter().zip(two?.iter()) {
        let bits = |tensor: &Tensor| -> Result<Vec<u32>> {
            Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(one)?, bits(two)?, "{name}");
    }
    Ok(())
}

#[test]
fn whatever_the_layers_a_pruned_model_comes_back_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    for case in 0..60 {
        let model = graphs::random(Seed(case))?;
        lively(&model, Seed(case))?;
        let model = prune_channels(&model, &PruneConfig::ratio(0.5)).map_or(model, |pruned| pruned.model);
        model.save(&path)?;
        let bytes = fs::read(&path).unwrap();
        let again = Model::open(&path, &Device::Cpu)?;
        same(&model, &again)?;
        // The same model is the same bytes.
        again.save(&path)?;
        assert_eq!(fs::read(&path).unwrap(), bytes, "case {case}");
    }
    Ok(())
}

#[test]
fn weights_alone_are_no_model() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let mine = Model::build([1, 4, 4], |x| x.conv2d(2, 3).map("mine", |x| Ok(x.sqr()?)))?;
    mine.init(Seed(1), &Device::Cpu)?.save(&path)?;
    let error = Model::open(&path, &Device::Cpu).unwrap_err();
    assert!(matches!(&error, Error::Format { got, .. } if got == "weights alone"), "{error}");
    Ok(())
}

/// The file with its graph changed.
pub fn changed(bytes: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let header = change(header);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
}

#[test]
fn a_graph_that_cannot_be_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let net = Model::build([1, 4, 4], |x| {
        let y = x.conv2d(3, 3).named("stem").relu();
        (&y + y.conv2d(3, 1).named("other")).flatten().linear(2).named("head")
    })?;
    net.init(Seed(1), &Device::Cpu)?.save(&path)?;
    let bytes = fs::read(&path).unwrap();
    // Quotes inside the metadata are escaped.
    let cases = [
        (r#"\"sconce\":1"#, r#"\"sconce\":2"#, "version 2"),
        (r#"\"inputs\":[2,3]"#, r#"\"inputs\":[2,9]"#, "comes later"),
        (r#"\"inputs\":[2,3]"#, r#"\"inputs\":[2]"#, "1 inputs"),
        (r#"\"tensors\":[0,1]"#, r#"\"tensors\":[0,77]"#, "a tensor that is none"),
        (r#"\"tensors\":[0,1]"#, r#"\"tensors\":[0]"#, "1 tensors"),
        (r#"\"tensors\":[2,3]"#, r#"\"tensors\":[0,1]"#, "a tensor that another layer has"),
        (r#"\"shape\":[1,4,4]"#, r#"\"shape\":[1,4294967296,4294967296]"#, "fit into a memory"),
        (r#"\"name\":\"other\""#, r#"\"name\":\"stem\""#, "another layer has"),
        (r#"\"out_features\":2"#, r#"\"out_features\":5"#, "head.weight of shape [2, 48] instead of [5, 48]"),
        (r#"\"out_features\":2"#, r#"\"out_features\":18446744073709551615"#, "linear"),
        (r#"\"node\":6"#, r#"\"node\":60"#, "outputs that are none"),
        (r#"\"Linear\""#, r#"\"Linar\""#, "unknown variant"),
        (r#"\"Relu\""#, r#"{\"LeakyRelu\":{\"slope\":null}}"#, "null"),
    ];
    for (from, to, words) in cases {
        let whole = changed(&bytes, |header| {
            assert!(header.contains(from), "{from} in {header}");
            header.replacen(from, to, 1)
        });
        fs::write(&path, whole).unwrap();
        let error = Model::open(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
    Ok(())
}

#[test]
fn damaged_graphs_never_panic() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let mut opened = 0;
    for case in 0..400 {
        let mut rng = Seed(case).derive("damage").rng();
        graphs::random(Seed(case % 20))?.save(&path)?;
        let bytes = fs::read(&path).unwrap();
        let places: Vec<usize> = (0..1 + rng.below(3)).map(|_| rng.below(usize::MAX >> 1)).collect();
        let broken = changed(&bytes, |header| {
            let mut bytes = header.as_bytes().to_vec();
            for place in &places {
                // Every other time digits become other digits: those get past the parser.
                let of_kind = |at: &usize| case % 2 == 1 || bytes[*at].is_ascii_digit();
                let chosen: Vec<usize> = (0..bytes.len()).filter(of_kind).collect();
                bytes[chosen[place % chosen.len()]] = b'0' + (place % 10) as u8;
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        fs::write(&path, broken).unwrap();
        if let Ok(model) = Model::open(&path, &Device::Cpu) {
            let shape = model.graph().nodes()[0].shape.clone();
            if shape.iter().product::<usize>() < 10_000 {
                let x = Tensor::zeros([&[1], shape.as_slice()].concat(), DType::F32, &Device::Cpu)?;
                let _ = model.forward(&x, Mode::Eval);
                opened += 1;
            }
        }
    }
    assert!(opened > 5, "no damage got past the reader: {opened}");
    Ok(())
}
