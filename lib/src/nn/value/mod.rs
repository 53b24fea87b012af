mod arithmetic;
mod images;
mod maps;
mod norms;
mod pointwise;
mod shapes;
mod tokens;

use std::cell::RefCell;
use std::rc::Rc;

use crate::nn::draft::Draft;
use crate::nn::initial::Initial;
use crate::nn::operator::Operator;

/// A value that does not exist yet: what goes into a model or comes out of one of its layers. Methods
/// add layers and give the value behind them; a value may be used any number of times.
///
/// Nothing fails here. What cannot be is remembered, and [`crate::nn::Model::build`] reports the first
/// of it, by the layer's name.
#[derive(Clone)]
pub struct Value {
    draft: Rc<RefCell<Draft>>,
    node: usize,
}

impl Value {
    /// The draft's input number `node`.
    pub(in crate::nn) fn input(draft: &Rc<RefCell<Draft>>, node: usize) -> Value {
        Value { draft: Rc::clone(draft), node }
    }

    /// The value's node, if it belongs to `draft`.
    pub(in crate::nn) fn node_in(&self, draft: &Rc<RefCell<Draft>>) -> Option<usize> {
        Rc::ptr_eq(&self.draft, draft).then_some(self.node)
    }

    fn then(&self, operator: impl FnOnce(&[usize]) -> Operator) -> Value {
        let node = self.draft.borrow_mut().push(&[self.node], operator);
        Value { draft: Rc::clone(&self.draft), node }
    }

    /// Names the layer this value comes out of, for its parameters, for errors and for looking into
    /// it. Names are unique in a model; a second name replaces the first.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Value {
        self.draft.borrow_mut().name(self.node, name.into());
        self.clone()
    }

    /// Chooses what a tensor of the layer this value comes out of starts as, instead of PyTorch's default:
    /// `x.linear(10).initial("weight", Initial::truncated_normal(0.02)).initial("bias", Initial::Constant(0.0))`.
    /// `tensor` is what its name has after the layer's; the parameter of a layer that has but one, of the layer's own
    /// name, is called as the operator, `class_token`. The last choice counts.
    #[must_use]
    pub fn initial(&self, tensor: &str, initial: Initial) -> Value {
        self.draft.borrow_mut().initial(self.node, tensor, initial);
        self.clone()
    }

    /// Lets the layer this value comes out of take the tensors of the earlier layer called `layer`, instead of its own:
    /// one head over the levels of a pyramid is `for level in …` of it, the first named and the others sharing. Both
    /// must be the same in everything but their inputs' sizes. The tensors carry the earlier layer's name, are there
    /// once, and get the sum of the gradients.
    #[must_use]
    pub fn shares(&self, layer: impl Into<String>) -> Value {
        self.draft.borrow_mut().share(self.node, layer.into());
        self.clone()
    }

    /// Makes the tensors of the layer this value comes out of constant: they are loaded and saved like the others, and
    /// no training changes them. A batch norm then normalizes by its running statistics in training too, as DETR has it.
    /// [`crate::nn::Model::freeze`] does the same to parameters later, and back.
    #[must_use]
    pub fn frozen(&self) -> Value {
        self.draft.borrow_mut().freeze(self.node);
        self.clone()
    }

    /// A node of this value and others.
    fn with(&self, others: &[&Value], operator: impl FnOnce(&[usize]) -> Operator) -> Value {
        let mut draft = self.draft.borrow_mut();
        let places = others.iter().map(|other| other.node_in(&self.draft));
        // A value of another model has no place here; this one stands in for it until the model is refused.
        let foreign = places.clone().any(|place| place.is_none());
        let inputs: Vec<usize> =
            [self.node].into_iter().chain(places.map(|place| place.unwrap_or(self.node))).collect();
        let node = draft.push(&inputs, operator);
        if foreign {
            draft.refuse(
                node,
                "values of one model".into(),
                "a value of another model".into(),
                "Use the values of one call of Model::build only.",
            );
        }
        drop(draft);
        Value { draft: Rc::clone(&self.draft), node }
    }

    /// Notes that the layer behind this value cannot be.
    fn refuse(&self, expected: &str, got: String, hint: &str) {
        self.draft.borrow_mut().refuse(self.node, expected.into(), got, hint);
    }

    /// This value's shape without the batch, e.g. (C, H, W), by which layers of your own can go; none behind a layer that cannot
    /// be, whose error comes when the model is built.
    #[must_use]
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.draft.borrow().shape(self.node).map(<[usize]>::to_vec)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({})", self.node)
    }
}
