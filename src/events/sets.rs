//! Which numbers belong together. Knows nothing of what they are.

/// Disjoint sets (union–find with path halving).
#[derive(Debug, Clone, Default)]
pub struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    /// Adds sets of one up to this number.
    pub fn grow(&mut self, count: usize) {
        self.parents.extend(self.parents.len() as u32..count as u32);
    }

    /// The number that stands for this one's set.
    pub fn root(&mut self, mut of: u32) -> u32 {
        while self.parents[of as usize] != of {
            self.parents[of as usize] = self.parents[self.parents[of as usize] as usize];
            of = self.parents[of as usize];
        }
        of
    }

    /// Makes the sets of these two one.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[b as usize] = a;
    }
}
