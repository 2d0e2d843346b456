//! The Huffman tree of hierarchical softmax.

/// Nodes by number: leaves are labels, the last node is the root, and children come before their parents.
#[derive(Debug)]
pub(super) struct Tree {
    leaves: usize,
    /// Left and right child of each inner node.
    children: Vec<[u32; 2]>,
    /// Parent of each node but the root, and whether the node is a right child.
    parents: Vec<(u32, bool)>,
}

impl Tree {
    /// The library's tree for labels of these counts, of which there is one at least: none is negative, and they add
    /// up to less than 10¹⁵.
    ///
    /// It takes labels from the last to the first, as though they were sorted by falling counts, whether they are or
    /// not; other implementations that sort give other scores.
    pub(super) fn new(label_counts: &[i64]) -> Self {
        let leaves = label_counts.len();
        let nodes = 2 * leaves - 1;
        let mut counts = vec![i64::MAX; nodes];
        counts[..leaves].copy_from_slice(label_counts);
        let (mut children, mut parents) = (Vec::with_capacity(leaves - 1), vec![(0, false); nodes]);
        let (mut leaves_left, mut next_inner) = (leaves, leaves);
        for node in leaves..nodes {
            let mut pair = [0; 2];
            for (side, child) in pair.iter_mut().enumerate() {
                // An inner node that is not made yet counts more than any leaf; where no leaf is left one is made.
                let taken = if leaves_left > 0 && counts[leaves_left - 1] < counts[next_inner] {
                    leaves_left -= 1;
                    leaves_left
                } else {
                    next_inner += 1;
                    next_inner - 1
                };
                *child = taken as u32;
                parents[taken] = (node as u32, side == 1);
            }
            counts[node] = counts[pair[0] as usize] + counts[pair[1] as usize];
            children.push(pair);
        }
        Self { leaves, children, parents }
    }

    /// The node without a parent.
    pub(super) fn root(&self) -> u32 {
        (2 * self.leaves - 2) as u32
    }

    /// The row of the output matrix that decides at an inner node, and the node's children; `None` for a leaf.
    pub(super) fn inner(&self, node: u32) -> Option<(usize, [u32; 2])> {
        let row = (node as usize).checked_sub(self.leaves)?;
        Some((row, self.children[row]))
    }

    /// The decisions from the root to a leaf, in reverse: rows of the output matrix, and whether to go right.
    pub(super) fn path(&self, leaf: usize) -> impl Iterator<Item = (usize, bool)> {
        let up = |node: usize| (node as u32 != self.root()).then(|| self.parents[node]);
        std::iter::successors(up(leaf), move |(parent, _)| up(*parent as usize))
            .map(|(parent, right)| (parent as usize - self.leaves, right))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tree_of_four() {
        let tree = Tree::new(&[9, 4, 2, 1]);
        assert_eq!(tree.children, [[3, 2], [4, 1], [5, 0]]);
        assert_eq!(tree.path(2).collect::<Vec<_>>(), [(0, true), (1, false), (2, false)]);
        assert_eq!(Tree::new(&[5]).path(0).count(), 0);
    }

    proptest! {
        #[test]
        fn every_leaf_is_reached_once(counts in prop::collection::vec(0_i64..1_000, 1..200)) {
            let tree = Tree::new(&counts);
            let (mut seen, mut stack) = (vec![false; counts.len()], vec![tree.root()]);
            while let Some(node) = stack.pop() {
                match tree.inner(node) {
                    Some((_, pair)) => {
                        prop_assert!(pair.iter().all(|child| *child < node));
                        stack.extend(pair);
                    }
                    None => prop_assert!(!std::mem::replace(&mut seen[node as usize], true)),
                }
            }
            prop_assert!(seen.iter().all(|seen| *seen));
        }
    }
}
