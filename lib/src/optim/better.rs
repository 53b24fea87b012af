/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

impl Better {
    /// Whether `value` is better than `than` by more than `by`, at least 0.
    pub(crate) fn is_better(self, value: f64, than: f64, by: f64) -> bool {
        match self {
            Better::Lower => value < than - by,
            Better::Higher => value > than + by,
        }
    }
}
