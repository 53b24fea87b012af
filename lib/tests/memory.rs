//! What training leaves behind: nothing. Every allocation of the process is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use sconce::nn::{Mode, Model, Parameter, Value};
use sconce::optim::{OptimizerConfig, adagrad, adamw, rmsprop, sgd, vectors};
use sconce::{Result, Seed, ops};

/// The system's allocator, with a look at how much goes through it.
struct Counting;

/// Bytes that are in use, and bytes that were ever handed out.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        TAKEN.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counts are the whole process's, so the tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model that unoptimised code trains in no time.
fn tiny_model() -> Result<Model> {
    let layers = |x: Value| x.conv2d(1, 3).batch_norm().relu().flatten().linear(3);
    Model::build([1, 2, 2], layers)?.init(Seed(1), &Device::Cpu)
}

/// A model with every kind of layer that trains.
fn small_model() -> Result<Model> {
    Model::build([1, 4, 4], |x| {
        let x = x.conv2d(2, 3).batch_norm().relu();
        let y = x.conv2d(2, 3).batch_norm();
        (x + y).relu().max_pool2d(2).dropout(0.1).flatten().linear(3)
    })?
    .init(Seed(1), &Device::Cpu)
}

/// Two images and their labels.
fn batch(side: usize) -> Result<(Tensor, Tensor)> {
    let mut rng = Seed(2).rng();
    let images: Vec<f32> = (0..2 * side * side).map(|_| rng.uniform_f32()).collect();
    Ok((Tensor::from_vec(images, (2, 1, side, side), &Device::Cpu)?, Tensor::new(&[0u32, 2], &Device::Cpu)?))
}

/// Forward, loss and backward of one step.
fn gradients(model: &Model, (images, labels): &(Tensor, Tensor), step: u64) -> Result<GradStore> {
    let logits = model.forward(images, Mode::Train(Seed(step)))?;
    Ok(ops::softmax_cross_entropy(&logits, labels, 0.1)?.backward()?)
}

#[test]
fn ten_thousand_steps_take_no_memory() -> Result<()> {
    let _turn = alone();
    let (model, batch) = (tiny_model()?, batch(2)?);
    let config = adamw(1e-3).group(vectors().weight_decay(0.0));
    let mut optimizer = config.build(&model.parameters())?;
    let mut settled = 0;
    for step in 0..10_000 {
        if step == 500 {
            settled = LIVE.load(Ordering::Relaxed);
        }
        optimizer.step(&gradients(&model, &batch, step)?)?;
    }
    let grown = LIVE.load(Ordering::Relaxed).saturating_sub(settled);
    // A thread's queue may be larger than at the start. One tensor left behind in each step is a megabyte.
    assert!(grown < 32 * 1024, "{grown} bytes more in use after 9,500 further steps");
    Ok(())
}

#[test]
fn gradients_hold_nothing_of_the_step_they_come_from() -> Result<()> {
    let _turn = alone();
    let (model, (images, labels)) = (small_model()?, batch(4)?);
    let images = Var::from_tensor(&images)?;
    let batch = (images.as_tensor().clone(), labels);
    let store = gradients(&model, &batch, 0)?;
    let mut known = model.parameters();
    known.push(Parameter::new("images", images.clone()));
    for Parameter { name, var, .. } in &known {
        let gradient = store.get(var).map(Tensor::track_op);
        assert_eq!(
            gradient,
            Some(false),
            "the gradient of {name} is missing or remembers how it was computed"
        );
    }
    drop(store);
    // Gradients that are summed up over many steps, as for a batch that does not fit into memory.
    let parameters = model.parameters();
    let mut sums: Vec<Tensor> =
        parameters.iter().map(|parameter| parameter.var.zeros_like()).collect::<candle_core::Result<_>>()?;
    let mut settled = 0;
    for step in 0..300 {
        if step == 100 {
            settled = LIVE.load(Ordering::Relaxed);
        }
        let store = gradients(&model, &batch, step)?;
        for (sum, parameter) in sums.iter_mut().zip(&parameters) {
            if let Some(gradient) = store.get(&parameter.var) {
                *sum = (&*sum + gradient)?;
            }
        }
    }
    let grown = LIVE.load(Ordering::Relaxed).saturating_sub(settled);
    assert!(grown < 16 * 1024, "{grown} bytes more in use after 200 further sums");
    Ok(())
}

/// Bytes that `steps` further steps of an optimizer hand out, for a parameter of `elements` numbers.
fn taken_by_steps(config: &OptimizerConfig, elements: usize, steps: usize) -> Result<usize> {
    let parameter = Parameter::new("w", Var::ones(elements, DType::F32, &Device::Cpu)?);
    let mut optimizer = config.build(std::slice::from_ref(&parameter))?;
    let store = parameter.var.as_tensor().sum_all()?.backward()?;
    for _ in 0..3 {
        optimizer.step(&store)?;
    }
    let before = TAKEN.load(Ordering::Relaxed);
    for _ in 0..steps {
        optimizer.step(&store)?;
    }
    Ok(TAKEN.load(Ordering::Relaxed) - before)
}

#[test]
fn an_optimizer_step_makes_no_temporaries() -> Result<()> {
    let _turn = alone();
    let configs: [OptimizerConfig; 5] = [
        sgd(0.1).into(),
        sgd(0.1).momentum(0.9).into(),
        adamw(0.1).amsgrad().into(),
        rmsprop(0.1).momentum(0.5).centered().into(),
        adagrad(0.1).into(),
    ];
    for config in configs {
        // candle makes a few small lists of strides, and the thread pool grows its queues now and then: that
        // is nothing beside one temporary of the size of the parameter, or one list of its chunks.
        for elements in [1000, 500_000] {
            let taken = taken_by_steps(&config, elements, 5)?;
            assert!(taken < 8 * 1024, "{config:?} takes {taken} bytes in 5 steps of {elements} numbers");
        }
    }
    Ok(())
}
