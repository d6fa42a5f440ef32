//! The last N things: fixed storage, taken once.

/// Holds the last `capacity` items.
#[derive(Debug, Clone)]
pub(super) struct Ring<T> {
    items: Vec<T>,
    capacity: usize,
    /// Where the oldest one is once it is full.
    oldest: usize,
}

impl<T: Copy> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { items: Vec::with_capacity(capacity), capacity, oldest: 0 }
    }

    /// The newest item; the oldest one goes when it is full.
    pub(super) fn push(&mut self, item: T) {
        if self.items.len() < self.capacity {
            self.items.push(item);
        } else if let Some(slot) = self.items.get_mut(self.oldest) {
            *slot = item;
            self.oldest = (self.oldest + 1) % self.capacity;
        }
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.oldest = 0;
    }

    /// The item at this age: 0 is the oldest.
    pub(super) fn get(&self, index: usize) -> Option<T> {
        let len = self.items.len();
        if index >= len { None } else { self.items.get((self.oldest + index) % len).copied() }
    }

    pub(super) fn newest(&self) -> Option<T> {
        self.items.len().checked_sub(1).and_then(|last| self.get(last))
    }

    /// The newest item for which `is_early` holds, where it holds for all before it too.
    pub(super) fn last_where(&self, is_early: impl Fn(&T) -> bool) -> Option<T> {
        self.position_last_where(is_early).map(|(_, item)| item)
    }

    /// The same, with its age.
    pub(super) fn position_last_where(&self, is_early: impl Fn(&T) -> bool) -> Option<(usize, T)> {
        let (mut low, mut high) = (0, self.items.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.get(middle).is_some_and(|item| is_early(&item)) { low = middle + 1 } else { high = middle }
        }
        let index = low.checked_sub(1)?;
        self.get(index).map(|item| (index, item))
    }
}

/// A queue of at most N things that were not fetched yet; the oldest one goes when it is full, and is counted.
#[derive(Debug, Clone)]
pub(super) struct Queue<T> {
    items: std::collections::VecDeque<T>,
    capacity: usize,
    dropped: u64,
}

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { items: std::collections::VecDeque::with_capacity(capacity), capacity, dropped: 0 }
    }

    pub(super) fn push(&mut self, item: T) {
        if self.items.len() >= self.capacity {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    /// Those that had to go.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_finds_the_newest_item_before_a_limit_also_when_it_has_wrapped() {
        let mut ring = Ring::new(5);
        assert_eq!(ring.last_where(|_| true), None);
        for item in 0..13 {
            ring.push(item);
            assert_eq!(ring.newest(), Some(item));
        }
        assert_eq!(ring.last_where(|item| *item <= 10), Some(10));
        assert_eq!(ring.last_where(|item| *item <= 7), None, "8 is the oldest one");
        assert_eq!(ring.last_where(|_| true), Some(12));
    }

    #[test]
    fn what_a_full_queue_drops_is_the_oldest_and_is_counted() {
        let mut queue = Queue::new(3);
        for item in 0..5 {
            queue.push(item);
        }
        assert_eq!((queue.pop(), queue.dropped()), (Some(2), 2));
        queue.push(5);
        assert_eq!((queue.pop(), queue.dropped()), (Some(3), 2), "there was room");
    }
}
