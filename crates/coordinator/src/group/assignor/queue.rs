//! Java's `PriorityQueue`: which of several equal ones comes first is a matter of how its heap is kept.

use std::cmp::Ordering;

/// A heap whose least comes first.
pub struct Queue<T> {
    heap: Vec<T>,
    order: fn(&T, &T) -> Ordering,
}

impl<T> Queue<T> {
    /// Of these, added one by one.
    pub fn of(items: impl IntoIterator<Item = T>, order: fn(&T, &T) -> Ordering) -> Queue<T> {
        let mut queue = Queue { heap: Vec::new(), order };
        items.into_iter().for_each(|item| queue.add(item));
        queue
    }

    /// One more.
    pub fn add(&mut self, item: T) {
        self.heap.push(item);
        let mut at = self.heap.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if (self.order)(&self.heap[at], &self.heap[parent]).is_ge() {
                break;
            }
            self.heap.swap(at, parent);
            at = parent;
        }
    }

    /// The least.
    pub fn poll(&mut self) -> Option<T> {
        if self.heap.is_empty() {
            return None;
        }
        let least = self.heap.swap_remove(0);
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let Some(mut child) = Some(left).filter(|left| *left < self.heap.len()) else { break };
            if right < self.heap.len() && (self.order)(&self.heap[left], &self.heap[right]).is_gt() {
                child = right;
            }
            if (self.order)(&self.heap[at], &self.heap[child]).is_le() {
                break;
            }
            self.heap.swap(at, child);
            at = child;
        }
        Some(least)
    }
}
