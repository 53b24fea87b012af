//! Types, views and forms of files: `make.py` of the fixtures says what the tensors are.

use candle_core::Device;
use sconce::Result;
use sconce::checkpoint::{Checkpoint, Format};

use crate::fixture;

fn values(file: &Checkpoint, name: &str) -> Result<Vec<f32>> {
    Ok(file.tensor(name, &Device::Cpu)?.flatten_all()?.to_vec1()?)
}

fn counted(indices: impl IntoIterator<Item = usize>) -> Vec<f32> {
    indices.into_iter().map(|index| index as f32 / 8.0).collect()
}

#[test]
fn every_type_and_view_is_read_in_both_forms() -> Result<()> {
    for (name, format) in [("types.pth", Format::PyTorchZip), ("types_legacy.pth", Format::PyTorchLegacy)] {
        let file = Checkpoint::open(fixture(name))?;
        assert_eq!(file.format(), format);
        assert_eq!(file.tensors().len(), 18);
        for (name, dtype) in [("f32", "F32"), ("f64", "F64"), ("f16", "F16"), ("bf16", "BF16")] {
            assert_eq!(values(&file, name)?, counted(0..24), "{name}");
            assert_eq!(file.tensor(name, &Device::Cpu)?.dims(), [4, 6]);
            let tensor = file.tensors().iter().find(|tensor| tensor.name() == name).unwrap();
            assert_eq!((tensor.dtype().as_str(), tensor.shape()), (dtype, &[4, 6][..]));
        }
        for name in ["i64", "i32", "i16", "i8"] {
            assert_eq!(values(&file, name)?, [1.0, -2.0, 3.0], "{name}");
        }
        assert_eq!(values(&file, "u8")?, [1.0, 2.0, 255.0]);
        assert_eq!(values(&file, "bool")?, [1.0, 0.0, 1.0]);
        assert_eq!(file.tensor("scalar", &Device::Cpu)?.to_scalar::<f32>()?, 2.5);
        assert_eq!(file.tensor("empty", &Device::Cpu)?.dims(), [0, 3]);
        let transposed = (0..6).flat_map(|column| (0..4).map(move |row| 6 * row + column));
        assert_eq!(values(&file, "a_transposed")?, counted(transposed));
        assert_eq!(values(&file, "a_column")?, counted([2, 8, 14, 20]));
        assert_eq!(values(&file, "a_block")?, counted([7, 8, 9, 13, 14, 15]));
        assert_eq!(values(&file, "a_step")?, counted([0, 3, 12, 15]));
        assert_eq!(values(&file, "expanded")?, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        assert_eq!(values(&file, "parameter")?, [4.0, 5.0]);
        let missing = file.tensor("f23", &Device::Cpu).unwrap_err().to_string();
        assert!(missing.contains("\"f23\"") && missing.contains("bf16"), "{missing}");
    }
    Ok(())
}

#[test]
fn a_state_dict_is_found_among_other_things() -> Result<()> {
    let file = Checkpoint::open(fixture("training.pth"))?;
    assert_eq!(file.part(), Some("model"));
    let names: Vec<&str> = file.tensors().iter().map(|tensor| tensor.name()).collect();
    assert_eq!(names[..2], ["stem.weight", "stem.bias"]);
    let others: Vec<(&str, &str)> =
        file.others().iter().map(|other| (other.name.as_str(), other.what.as_str())).collect();
    assert_eq!(
        others,
        [
            ("epoch", "12"),
            ("best", "0.75"),
            ("arch", "\"net\""),
            ("args", "argparse.Namespace"),
            ("optimizer", "a dict of 2: state, param_groups")
        ]
    );
    let text = file.text();
    assert!(text.contains("torch.save, under `model`, all names without `module.`"), "{text}");
    assert!(text.contains("also in it: epoch: 12, best: 0.75"), "{text}");
    Ok(())
}

#[test]
fn what_is_no_state_dict_is_refused_with_the_way_out() {
    let refused = |name: &str| Checkpoint::open(fixture(name)).unwrap_err().to_string();
    let module = refused("module.pth");
    assert!(module.contains("`torch.nn.modules.linear.Linear`"), "{module}");
    assert!(module.contains("nothing of a file is run") && module.contains("state_dict()"), "{module}");
    let script = refused("script.pt");
    assert!(script.contains("TorchScript") && script.contains("torch.jit.load"), "{script}");
}
