//! Operators of the CPU on candle's tape.
//!
//! Candle adds each gradient that an operator gives to a tensor of zeros, which goes through memory three times more.
//! So to candle an operator is two: its *twin*, a single number that hangs on the twins of its inputs, and the output,
//! which hangs on the twin. The way back goes from twin to twin; their gradients say only how many parts of the
//! output's gradient there are, and the parts themselves wait in this thread. Whatever else an output goes into hangs
//! on the output, and its gradient reaches the twin from there; inputs that are none of our outputs have no twin and get
//! their gradients from candle, variables those that [`hand_over`] gives back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Error, Layout, Result, Shape, Storage,
    Tensor, TensorId,
};

use super::backward::{hand_over, plus};

/// The twins of all outputs that there are.
static TWINS: LazyLock<Mutex<HashMap<TensorId, Tensor>>> = LazyLock::new(Mutex::default);

/// Of each twin the sum of some parts of its output's gradient, and how many.
pub(super) type Parts = HashMap<TensorId, (u32, Tensor)>;

thread_local! {
    static PARTS: RefCell<Parts> = RefCell::default();
}

/// Begins a pass of its own; gives the parts of the one around it.
pub(super) fn begin() -> Parts {
    PARTS.take()
}

/// Goes on with a pass.
pub(super) fn go_on(parts: Parts) {
    PARTS.set(parts);
}

/// The twin of an operator's output.
pub(super) fn twin_of(output: &Tensor) -> Option<Tensor> {
    TWINS.lock().unwrap_or_else(PoisonError::into_inner).get(&output.id()).cloned()
}

/// Adds a part of the gradient of a twin's output.
pub(super) fn put(twin: &Tensor, part: Tensor) -> Result<()> {
    PARTS.with_borrow_mut(|parts| {
        let all = match parts.remove(&twin.id()) {
            Some((count, sum)) => (count + 1, plus(&sum, &part)?),
            None => (1, part),
        };
        parts.insert(twin.id(), all);
        Ok(())
    })
}

/// Applies an operator to one input, whose values it gets in order.
pub(super) fn apply1(op: impl CustomOp1 + Send + Sync + 'static, x: &Tensor) -> crate::Result<Tensor> {
    Ok(apply(Kernel::One(Box::new(op)), vec![x.contiguous()?])?)
}

/// The same to two.
pub(super) fn apply2(
    op: impl CustomOp2 + Send + Sync + 'static,
    [a, b]: [&Tensor; 2],
) -> crate::Result<Tensor> {
    Ok(apply(Kernel::Two(Box::new(op)), vec![a.contiguous()?, b.contiguous()?])?)
}

/// The same to three.
pub(super) fn apply3(
    op: impl CustomOp3 + Send + Sync + 'static,
    [a, b, c]: [&Tensor; 3],
) -> crate::Result<Tensor> {
    Ok(apply(Kernel::Three(Box::new(op)), vec![a.contiguous()?, b.contiguous()?, c.contiguous()?])?)
}

fn apply(kernel: Kernel, inputs: Vec<Tensor>) -> Result<Tensor> {
    let number = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let hooks: Vec<Tensor> = inputs
        .iter()
        .map(|input| match input.track_op() {
            true => twin_of(input).unwrap_or_else(|| input.clone()),
            false => number.clone(),
        })
        .collect();
    let records = hooks.iter().any(Tensor::track_op);
    let call = Arc::new(Call { kernel, inputs, output: OnceLock::new() });
    let hook = |index: usize| hooks.get(index).unwrap_or(&number);
    let twin = hook(0).apply_op3(hook(1), hook(2), Twin(Arc::clone(&call)))?;
    let place = Arc::new(Place::default());
    let output = twin.apply_op1(Output { call: Arc::clone(&call), _place: Arc::clone(&place) })?;
    if records {
        // What is kept for the gradient must not keep the tape.
        let _ = call.output.set(output.detach());
        let _ = place.0.set(output.id());
        TWINS.lock().unwrap_or_else(PoisonError::into_inner).insert(output.id(), twin);
    }
    Ok(output)
}

enum Kernel {
    One(Box<dyn CustomOp1 + Send + Sync>),
    Two(Box<dyn CustomOp2 + Send + Sync>),
    Three(Box<dyn CustomOp3 + Send + Sync>),
}

/// An operator and what it is applied to.
struct Call {
    kernel: Kernel,
    inputs: Vec<Tensor>,
    output: OnceLock<Tensor>,
}

impl Call {
    fn name(&self) -> &'static str {
        match &self.kernel {
            Kernel::One(op) => op.name(),
            Kernel::Two(op) => op.name(),
            Kernel::Three(op) => op.name(),
        }
    }

    fn forward(&self) -> Result<(CpuStorage, Shape)> {
        let held: Vec<_> = self.inputs.iter().map(Tensor::storage_and_layout).collect();
        let on_cpu = held.iter().map(|(storage, layout)| match &**storage {
            Storage::Cpu(storage) => Ok((storage, *layout)),
            _ => Err(Error::Msg(format!("{}: an input that is not on the CPU", self.name()))),
        });
        match (&self.kernel, on_cpu.collect::<Result<Vec<_>>>()?.as_slice()) {
            (Kernel::One(op), &[(a, a_layout)]) => op.cpu_fwd(a, a_layout),
            (Kernel::Two(op), &[(a, a_layout), (b, b_layout)]) => op.cpu_fwd(a, a_layout, b, b_layout),
            (Kernel::Three(op), &[(a, a_layout), (b, b_layout), (c, c_layout)]) => {
                op.cpu_fwd(a, a_layout, b, b_layout, c, c_layout)
            }
            (_, inputs) => Err(Error::Msg(format!("{}: {} inputs", self.name(), inputs.len()))),
        }
    }

    /// The gradients of the inputs.
    fn gradients(&self, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let Some(y) = self.output.get() else {
            return Err(Error::Msg(format!("{}: a gradient before there is an output", self.name())));
        };
        Ok(match (&self.kernel, self.inputs.as_slice()) {
            (Kernel::One(op), [a]) => vec![op.bwd(a, y, dy)?],
            (Kernel::Two(op), [a, b]) => {
                let (da, db) = op.bwd(a, b, y, dy)?;
                vec![da, db]
            }
            (Kernel::Three(op), [a, b, c]) => {
                let (da, db, dc) = op.bwd(a, b, c, y, dy)?;
                vec![da, db, dc]
            }
            (_, inputs) => return Err(Error::Msg(format!("{}: {} inputs", self.name(), inputs.len()))),
        })
    }
}

struct Twin(Arc<Call>);

impl CustomOp3 for Twin {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        twin: &Tensor,
        count: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (wanted, found) =
            (count.to_scalar::<f32>()?, PARTS.with_borrow_mut(|parts| parts.remove(&twin.id())));
        let dy = match found {
            Some((parts, dy)) if parts as f32 == wanted => dy,
            _ => {
                let message =
                    "an earlier backward pass through this output did not end; compute it again first";
                return Err(Error::Msg(format!("{}: {message}", self.0.name())));
            }
        };
        let mut gradients = self.0.gradients(&dy)?.into_iter();
        drop(dy);
        let mut hooks = [a, b, c].into_iter().zip(&self.0.inputs);
        let mut next = || -> Result<Option<Tensor>> {
            let (Some((hook, input)), Some(Some(gradient))) = (hooks.next(), gradients.next()) else {
                return Ok(None);
            };
            if !input.track_op() {
                return Ok(None);
            }
            if hook.id() == input.id() {
                return hand_over(input, gradient);
            }
            put(hook, gradient)?;
            Tensor::ones((), DType::F32, &Device::Cpu).map(Some)
        };
        Ok((next()?, next()?, next()?))
    }
}

/// What an operator gives.
struct Output {
    call: Arc<Call>,
    /// Goes with the output.
    _place: Arc<Place>,
}

impl CustomOp1 for Output {
    fn name(&self) -> &'static str {
        self.call.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.call.forward()
    }

    fn bwd(&self, twin: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        put(twin, dy.clone())?;
        Tensor::ones((), DType::F32, &Device::Cpu).map(Some)
    }
}

/// Where the twin of an output is found, as long as the output is there.
#[derive(Default)]
struct Place(OnceLock<TensorId>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(output) = self.0.get() {
            let twin = TWINS.lock().unwrap_or_else(PoisonError::into_inner).remove(output);
            // What hangs on it is dropped after the lock is free again.
            drop(twin);
        }
    }
}
