//! Comms: messages between code here and code in the front end, the way that widgets talk.
//!
//! Either side opens a comm to a target that the other side has registered. What comes in is handled on a
//! thread of its own, beside a running cell or between two. In a plain program nobody is at the other end.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt::{self, Display};
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use crate::wire::Frame;

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The data: a JSON document as its text.
    pub data: String,
    /// The metadata: a JSON object as its text.
    pub metadata: String,
    /// Bytes that need no form of text.
    pub buffers: Vec<Vec<u8>>,
}

/// Anything whose text is JSON: what `serde_json::json!` makes, or text that is written as JSON.
impl<T: Display> From<T> for Payload {
    fn from(data: T) -> Payload {
        Payload { data: data.to_string(), metadata: "{}".into(), buffers: Vec::new() }
    }
}

impl Payload {
    /// Adds bytes.
    #[must_use]
    pub fn with_buffer(mut self, bytes: Vec<u8>) -> Payload {
        self.buffers.push(bytes);
        self
    }

    /// Replaces the metadata, a JSON object.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Display) -> Payload {
        self.metadata = metadata.to_string();
        self
    }
}

/// What a message of a comm does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Opens it.
    Open {
        /// Which code at the other side it is for.
        target: String,
    },
    /// Says something.
    Message,
    /// Ends it.
    Close,
}

/// A message as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The comm's id.
    pub comm: String,
    /// What it does.
    pub action: Action,
    /// What it carries.
    pub payload: Payload,
}

type OnMessage = Box<dyn FnMut(&Comm, Payload) + Send>;
type OnOpen = Box<dyn FnMut(Comm, Payload) + Send>;

/// One end of a comm. Its clones are the same end.
///
/// One that was opened here is closed when its last clone is dropped. One that the front end opened stays until
/// either side closes it.
#[derive(Clone)]
pub struct Comm {
    end: Arc<End>,
}

struct End {
    id: String,
    target: String,
    /// Whether it was opened here.
    ours: bool,
    open: AtomicBool,
    on_message: Mutex<Option<OnMessage>>,
}

#[derive(Default)]
struct Registry {
    /// Those that were opened here live as long as somebody holds them.
    ours: HashMap<String, Weak<End>>,
    theirs: HashMap<String, Comm>,
    targets: HashMap<String, Arc<Mutex<OnOpen>>>,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, Registry> {
    lock(&REGISTRY)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code of others runs under these locks but what is called once at a time anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Comm {
    /// Opens a comm to the front end's `target`.
    pub fn open(target: impl Into<String>, payload: impl Into<Payload>) -> Comm {
        let target = target.into();
        let id = format!("{:016x}{:016x}", random(), random());
        let comm = Comm::new(id.clone(), target.clone(), true);
        registry().ours.insert(id, Arc::downgrade(&comm.end));
        comm.tell(Action::Open { target }, payload.into());
        comm
    }

    fn new(id: String, target: String, ours: bool) -> Comm {
        let open = AtomicBool::new(true);
        Comm { end: Arc::new(End { id, target, ours, open, on_message: Mutex::new(None) }) }
    }

    /// Sends a message. Nothing happens once the comm is closed.
    pub fn send(&self, payload: impl Into<Payload>) {
        if self.is_open() {
            self.tell(Action::Message, payload.into());
        }
    }

    /// Calls `handler` with each message that comes, in place of an earlier handler. It gets the comm, so that it
    /// need not hold a clone of its own, which would keep the comm open.
    pub fn on_message(&self, handler: impl FnMut(&Comm, Payload) + Send + 'static) {
        *lock(&self.end.on_message) = Some(Box::new(handler));
    }

    /// Closes it.
    pub fn close(&self) {
        self.end.close("{}".into());
    }

    /// Whether neither side has closed it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end.open.load(Ordering::Acquire)
    }

    /// What its messages name it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.end.id
    }

    /// The code that it was opened for.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.end.target
    }

    fn tell(&self, action: Action, payload: Payload) {
        crate::send(Frame::Comm(Packet { comm: self.end.id.clone(), action, payload }));
    }

    fn receive(&self, payload: Payload) {
        // Taken out while it runs: it may set another, or send to its own comm.
        let Some(mut handler) = lock(&self.end.on_message).take() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(self, payload)));
        lock(&self.end.on_message).get_or_insert(handler);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_open() { "open" } else { "closed" };
        write!(f, "Comm({} to {:?}, {state})", self.end.id, self.end.target)
    }
}

impl End {
    fn close(&self, payload: Payload) {
        if self.open.swap(false, Ordering::AcqRel) {
            crate::send(Frame::Comm(Packet { comm: self.id.clone(), action: Action::Close, payload }));
        }
        self.forget();
    }

    fn forget(&self) {
        let mut registry = registry();
        registry.ours.remove(&self.id);
        let theirs = registry.theirs.remove(&self.id);
        // What goes with the last clone may use the registry.
        drop(registry);
        drop(theirs);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.ours {
            self.close("{}".into());
        }
    }
}

/// Calls `handler` with each comm that the front end opens to the target `name`, in place of an earlier handler,
/// and with what it was opened with.
pub fn register_target(name: impl Into<String>, handler: impl FnMut(Comm, Payload) + Send + 'static) {
    let old = registry().targets.insert(name.into(), Arc::new(Mutex::new(Box::new(handler))));
    drop(old);
}

/// Takes a message of the front end's to whom it is for. The worker calls this; what handlers panic with comes
/// out. A comm to a target that nobody registered is closed at once.
pub fn deliver(packet: Packet) {
    let Packet { comm: id, action, payload } = packet;
    match action {
        Action::Open { target } => {
            let comm = Comm::new(id.clone(), target, false);
            let handler = registry().targets.get(comm.target()).cloned();
            match handler {
                Some(handler) => {
                    registry().theirs.insert(id, comm.clone());
                    lock(&handler)(comm, payload);
                }
                None => comm.close(),
            }
        }
        Action::Message => {
            if let Some(comm) = find(&id) {
                comm.receive(payload);
            }
        }
        Action::Close => {
            if let Some(comm) = find(&id) {
                comm.end.open.store(false, Ordering::Release);
                comm.end.forget();
            }
        }
    }
}

fn find(id: &str) -> Option<Comm> {
    let registry = registry();
    let ours = registry.ours.get(id).and_then(Weak::upgrade).map(|end| Comm { end });
    ours.or_else(|| registry.theirs.get(id).cloned())
}

fn random() -> u64 {
    // The standard library's source of randomness for hash maps.
    RandomState::new().hash_one(0)
}
