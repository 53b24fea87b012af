//! How many threads compute.
//!
//! All operators, optimizers and statistics share one pool, rayon's global one, and candle's products of
//! matrices use it too. It has as many threads as the variable `SCONCE_NUM_THREADS` says, else
//! `RAYON_NUM_THREADS`, else as the machine has cores. Results differ between numbers of threads by rounding
//! at most; with the same number they are the same bit for bit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result, freed_memory};

const OURS: &str = "SCONCE_NUM_THREADS";
const RAYON: &str = "RAYON_NUM_THREADS";
/// Of the second pool that candle keeps, for its own operators on single elements.
const CANDLE: &str = "CANDLE_NUM_THREADS";

/// Sets the pool up as the environment says. Everything that computes does this first, so it only needs to be
/// called where a program uses rayon before it uses this library, and at the start of `main` by one that
/// starts threads of its own and wants candle's pool for single elements capped by `SCONCE_NUM_THREADS` too:
/// that pool looks for variables of its own, which can be set only while there is a single thread.
///
/// # Errors
/// A variable that is no number of threads, at least 1 (`RAYON_NUM_THREADS` may be 0, which is rayon's word
/// for all cores); a pool that already has another number of threads than `SCONCE_NUM_THREADS`.
pub fn init() -> Result<()> {
    static DONE: AtomicBool = AtomicBool::new(false);
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if DONE.load(Ordering::Acquire) {
        return Ok(());
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if DONE.load(Ordering::Acquire) {
        return Ok(());
    }
    if let Some(threads) = asked(OURS, 1)? {
        cap_candle(threads);
        build_pool(threads)?;
    } else {
        // rayon and candle read it themselves, but pass over what they cannot read.
        asked(RAYON, 0)?;
    }
    freed_memory::keep();
    DONE.store(true, Ordering::Release);
    Ok(())
}

/// How many threads compute.
///
/// # Errors
/// As [`init`].
pub fn count() -> Result<usize> {
    init()?;
    Ok(rayon::current_num_threads())
}

/// The number in a variable, `None` where it is not set.
fn asked(name: &str, least: usize) -> Result<Option<usize>> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    let value = value.to_string_lossy();
    let value = value.trim();
    if value.is_empty() {
        return Ok(None);
    }
    match value.parse::<usize>() {
        Ok(threads) if threads >= least => Ok(Some(threads)),
        _ => Err(Error::Argument {
            op: name.into(),
            expected: format!("a number of threads, at least {least}"),
            got: format!("{value:?}"),
            hint: "Set it to a number, or unset it to use all cores.".into(),
        }),
    }
}

fn build_pool(threads: usize) -> Result<()> {
    let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() else {
        return Ok(());
    };
    let running = rayon::current_num_threads();
    // Inside a pool of the program's own, its size says nothing about the global one.
    if running == threads || rayon::current_thread_index().is_some() {
        return Ok(());
    }
    Err(Error::Argument {
        op: OURS.into(),
        expected: format!("a pool of {threads} threads"),
        got: format!("one of {running} ({error})"),
        hint: "Call sconce::threads::init() at the start of the program, before anything else uses rayon."
            .into(),
    })
}

/// Gives candle's own pool the same size. It goes by the environment alone.
fn cap_candle(threads: usize) {
    if !is_the_only_thread() {
        return;
    }
    for name in [RAYON, CANDLE] {
        if name == RAYON || std::env::var_os(name).is_none() {
            // SAFETY: no other thread of this process reads the environment meanwhile, as there is none.
            unsafe { std::env::set_var(name, threads.to_string()) };
        }
    }
}

/// Whether this thread is known to be alone in its process; where the system does not tell, it is not.
fn is_the_only_thread() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}
