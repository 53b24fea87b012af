use candle_core::{Result, Tensor};

use super::super::composed::differentiable;
use super::launch::{Arguments, Grid, Kernel, Written, run_for};

const SOURCE: (&str, &str) = ("layer_norm", include_str!("kernels/layer_norm.cu"));
const NORMALIZE: Kernel = Kernel { name: "normalize_rows", source: SOURCE };
const INPUT: Kernel = Kernel { name: "rows_input", source: SOURCE };
const PARAMETERS: Kernel = Kernel { name: "rows_parameters", source: SOURCE };

/// [`super::super::layer_norm`] on a GPU.
pub(in super::super) fn layer_norm([x, weight, bias]: [&Tensor; 3], eps: f64) -> Result<Tensor> {
    let (dims, dtype, values) = (x.dims().to_vec(), x.dtype(), weight.elem_count());
    let rows = x.elem_count() / values;
    let ints = [rows as i32, values as i32];
    let held = [x, weight, bias].map(|tensor| tensor.detach().contiguous());
    let [x0, weight0, bias0] = held;
    let arguments = Arguments {
        inputs: &[&x0?, &weight0?, &bias0?],
        outputs: &[(&dims, Written::Values), (&[rows], Written::Values), (&[rows], Written::Values)],
        ints: &ints,
        numbers: &[eps],
        ..Arguments::default()
    };
    let [y, mean, inverse] = run_for(NORMALIZE, dtype, Grid::Blocks(rows, values), &arguments)?;
    differentiable("layer_norm", [x, weight, bias], y, move |given| {
        let [x, weight, _] = &given.inputs;
        let (x, weight) = (x.contiguous()?, weight.contiguous()?);
        let dx = given.of(0, || {
            let arguments = Arguments {
                inputs: &[&x, &mean, &inverse, &weight, &given.dy],
                outputs: &[(&dims, Written::Values)],
                ints: &ints,
                ..Arguments::default()
            };
            let [dx] = run_for(INPUT, dtype, Grid::Blocks(rows, values), &arguments)?;
            Ok(dx)
        })?;
        if !given.wanted[1] && !given.wanted[2] {
            return Ok([dx, None, None]);
        }
        let arguments = Arguments {
            inputs: &[&x, &mean, &inverse, &given.dy],
            outputs: &[(weight.dims(), Written::Values), (weight.dims(), Written::Values)],
            ints: &ints,
            ..Arguments::default()
        };
        let [dw, db] = run_for(PARAMETERS, dtype, Grid::Squares(values.div_ceil(32)), &arguments)?;
        Ok([dx, Some(dw), Some(db)])
    })
}
