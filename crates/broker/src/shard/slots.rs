//! A list whose places stay where they are: a cell of `views` says which is its, for as long as it is taken.

/// Every slot is either taken or free; [`Slots::check`] asserts it, under the name of whoever has the list.
pub(super) struct Slots<T> {
    name: &'static str,
    list: Vec<Option<T>>,
    free: Vec<usize>,
    taken: usize,
}

impl<T> Slots<T> {
    pub fn new(name: &'static str) -> Slots<T> {
        Slots { name, list: Vec::new(), free: Vec::new(), taken: 0 }
    }

    /// Puts something into a free slot, or into a new one.
    pub fn put(&mut self, what: T) -> usize {
        self.taken += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                assert!(self.list[slot].is_none(), "{}: a free slot is taken", self.name);
                self.list[slot] = Some(what);
                slot
            }
            None => {
                self.list.push(Some(what));
                self.list.len() - 1
            }
        };
        self.check();
        slot
    }

    /// Takes it out; the slot is free for another.
    pub fn take(&mut self, slot: usize) -> Option<T> {
        let what = self.list.get_mut(slot)?.take()?;
        self.taken -= 1;
        self.free.push(slot);
        self.check();
        Some(what)
    }

    /// Slots so far, taken or free.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn get(&self, slot: usize) -> Option<&T> {
        self.list.get(slot)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.list.get_mut(slot)?.as_mut()
    }

    /// What is in those that are taken.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.list.iter().flatten()
    }

    /// The same with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.list.iter_mut().enumerate().filter_map(|(slot, what)| Some((slot, what.as_mut()?)))
    }

    /// What was in those that were taken.
    pub fn into_taken(self) -> impl Iterator<Item = T> {
        self.list.into_iter().flatten()
    }

    /// Panics with the name of the list and the invariant that is broken.
    fn check(&self) {
        let counted = self.taken + self.free.len();
        assert!(counted == self.list.len(), "{}: a slot is neither free nor taken", self.name);
    }
}
