//! Small numbers for long names.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
pub(super) struct Numbers<T> {
    numbers: BTreeMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), names: Vec::new() }
    }
}

impl<T: Copy + Ord> Numbers<T> {
    pub fn find(&self, name: &T) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// A number for what has none.
    pub fn add(&mut self, name: T) -> u32 {
        let number = u32::try_from(self.names.len()).expect("memory holds no four billion names");
        self.numbers.insert(name, number);
        self.names.push(name);
        number
    }

    pub fn of(&self, number: u32) -> T {
        self.names[number as usize]
    }

    /// For each number in turn whether it is one of `some`.
    pub fn chosen(&self, some: &BTreeSet<T>) -> Vec<bool> {
        self.names.iter().map(|name| some.contains(name)).collect()
    }
}
