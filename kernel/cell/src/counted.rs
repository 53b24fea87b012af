//! Loops over cheap things look for an interrupt between blocks, not in each round: a look in each would
//! keep the compiler from making them fast.

use std::ops::ControlFlow;

use sconce_display::interrupt::check;

/// How many rounds go without a look: few enough that slow operators between them are noticed, enough that
/// the look costs nothing.
const BLOCK: u32 = 128;

/// What a `for` goes over, in blocks.
pub struct Blocks<I> {
    items: I,
    /// How many rounds the block has left; none before the first.
    left: u32,
}

/// Makes blocks of what a `for` goes over.
#[inline(always)]
pub fn blocks<I: IntoIterator>(items: I) -> Blocks<I::IntoIter> {
    Blocks { items: items.into_iter(), left: 0 }
}

impl<I: Iterator> Blocks<I> {
    /// Begins the next block; looks for an interrupt. False when the one before came to the end.
    #[inline(always)]
    pub fn more(&mut self) -> bool {
        if self.left > 0 {
            return false;
        }
        check();
        self.left = BLOCK;
        true
    }

    /// The rounds of this block.
    #[inline(always)]
    pub fn block(&mut self) -> Block<'_, I> {
        Block(self)
    }
}

/// Some rounds of a `for`.
pub struct Block<'a, I>(&'a mut Blocks<I>);

impl<I: Iterator> Iterator for Block<'_, I> {
    type Item = I::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<I::Item> {
        if self.0.left == 0 {
            return None;
        }
        let item = self.0.items.next()?;
        self.0.left -= 1;
        Some(item)
    }
}

/// An iterator that looks for an interrupt now and then.
#[derive(Debug, Clone)]
pub struct Counted<I> {
    items: I,
    left: u32,
}

/// Makes an iterator look for an interrupt now and then.
#[inline(always)]
pub fn counted<I: IntoIterator>(items: I) -> Counted<I::IntoIter> {
    Counted { items: items.into_iter(), left: BLOCK }
}

impl<I> Counted<I> {
    #[inline]
    fn look(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                check();
                self.left = BLOCK;
            }
        }
    }
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.look();
        self.items.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<I::Item> {
        self.look();
        self.items.nth(n)
    }

    #[inline]
    fn fold<B, F: FnMut(B, I::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut all = init;
        loop {
            check();
            let mut left = BLOCK;
            let block = self.items.try_fold(all, |all, item| {
                left -= 1;
                let all = f(all, item);
                if left == 0 { ControlFlow::Break(all) } else { ControlFlow::Continue(all) }
            });
            match block {
                ControlFlow::Break(so_far) => all = so_far,
                ControlFlow::Continue(all) => return all,
            }
        }
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for Counted<I> {
    #[inline]
    fn next_back(&mut self) -> Option<I::Item> {
        self.look();
        self.items.next_back()
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Counted<I> {}
