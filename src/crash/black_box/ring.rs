//! The last so many of something, each with a number that it keeps.

/// Room is taken as it is needed, up to the capacity; after that each new one takes the place of the oldest.
#[derive(Debug)]
pub(super) struct Ring<T> {
    items: Vec<T>,
    capacity: usize,
    /// How many were ever pushed: the number of the next one.
    pushed: u64,
}

impl<T: Copy> Ring<T> {
    /// At least one has room.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { items: Vec::with_capacity(capacity), capacity, pushed: 0 }
    }

    /// Takes one more; gives back the one that had to go for it.
    pub(super) fn push(&mut self, item: T) -> Option<T> {
        let at = self.place(self.pushed);
        self.pushed += 1;
        if let Some(place) = self.items.get_mut(at) {
            return Some(std::mem::replace(place, item));
        }
        self.items.push(item);
        None
    }

    /// The number of the oldest that is still here.
    pub(super) fn first(&self) -> u64 {
        self.pushed - self.items.len() as u64
    }

    /// One more than the number of the newest.
    pub(super) const fn end(&self) -> u64 {
        self.pushed
    }

    /// Those with numbers from `from` up to `to` (not included) that are still here.
    pub(super) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &T> {
        (from.max(self.first())..to.min(self.pushed)).filter_map(|number| self.items.get(self.place(number)))
    }

    /// The number of the first one for which `is_before` no longer holds; it holds for the older ones.
    pub(super) fn partition(&self, is_before: impl Fn(&T) -> bool) -> u64 {
        let (mut low, mut high) = (self.first(), self.pushed);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.items.get(self.place(middle)).is_some_and(&is_before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the capacity")]
    const fn place(&self, number: u64) -> usize {
        (number % self.capacity as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_and_finds_them_by_number() {
        let mut ring = Ring::new(5);
        for number in 0..23_u64 {
            let gone = ring.push(number);
            assert_eq!(gone, number.checked_sub(5));
            assert_eq!(ring.first(), number.saturating_sub(4));
            assert_eq!(ring.end(), number + 1);
            let all: Vec<u64> = ring.range(0, u64::MAX).copied().collect();
            assert_eq!(all, (ring.first()..=number).collect::<Vec<_>>());
            for bound in 0..30 {
                let expected = bound.clamp(ring.first(), ring.end());
                assert_eq!(ring.partition(|item| *item < bound), expected, "{number} {bound}");
            }
        }
    }
}
