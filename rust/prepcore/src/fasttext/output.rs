//! From the mean of a text's rows to labels and scores.
//!
//! Every score passes through a logarithm and back, as the library's do, and in the floating-point types that it uses
//! at each step; `exp` and `log` are those of the platform for both.

use super::arguments::Loss;
use super::matrix::Matrix;
use super::tree::Tree;

/// The library's table of sigmoids: 512 steps from -8 to 8.
const STEPS: f32 = 512.0;
const REACH: f32 = 8.0;

/// The last layer of a model.
#[derive(Debug)]
pub(super) struct Output {
    matrix: Matrix,
    labels: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tree(Tree),
    Sigmoid { table: Vec<f32> },
    Softmax,
}

/// What scoring needs beside the model; kept from text to text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    values: Vec<f32>,
    stack: Vec<(u32, f32)>,
    path: Vec<(usize, bool)>,
}

impl Output {
    /// With a row for each label; counts are the labels' in training.
    pub(super) fn new(matrix: Matrix, loss: Loss, counts: &[i64]) -> Self {
        let kind = match loss {
            Loss::HierarchicalSoftmax => Kind::Tree(Tree::new(counts)),
            Loss::Sigmoid => Kind::Sigmoid { table: sigmoids() },
            Loss::Softmax => Kind::Softmax,
        };
        Self { matrix, labels: counts.len(), kind }
    }

    /// The label with the highest score, and the score. Of equal ones the last; `None` where every label of a tree
    /// is less likely than 1 in 100,000.
    pub(super) fn best(&self, hidden: &[f32], scratch: &mut Scratch) -> Option<(usize, f32)> {
        let best = match &self.kind {
            Kind::Tree(tree) => self.best_leaf(tree, hidden, scratch),
            Kind::Sigmoid { .. } | Kind::Softmax => {
                self.values(hidden, &mut scratch.values);
                best_value(&scratch.values)
            }
        };
        best.map(|(label, log)| (label, log.exp()))
    }

    /// The scores of some labels, of which each is below the number of labels; `None` for one that does not reach the
    /// threshold.
    pub(super) fn scores(
        &self,
        hidden: &[f32],
        labels: &[usize],
        threshold: f32,
        scratch: &mut Scratch,
    ) -> Vec<Option<f32>> {
        let Scratch { values, path, .. } = scratch;
        if !matches!(self.kind, Kind::Tree(_)) {
            self.values(hidden, values);
        }
        let log = |label: &usize| match &self.kind {
            Kind::Tree(tree) => self.leaf(tree, *label, threshold, hidden, path),
            _ => Some(values[*label]).filter(|value| *value >= threshold).map(log_of),
        };
        labels.iter().map(log).map(|log| log.map(f32::exp)).collect()
    }

    /// The value of each label.
    fn values(&self, hidden: &[f32], values: &mut Vec<f32>) {
        values.clear();
        values.extend((0..self.labels).map(|label| self.matrix.dot(label, hidden)));
        if let Kind::Sigmoid { table } = &self.kind {
            values.iter_mut().for_each(|value| *value = sigmoid(table, *value));
            return;
        }
        let most = values.iter().copied().fold(values[0], f32::max);
        let mut sum = 0.0;
        for value in &mut *values {
            // Here, and only here, the library takes the exponential in 64 bits.
            *value = f64::from(*value - most).exp() as f32;
            sum += *value;
        }
        values.iter_mut().for_each(|value| *value /= sum);
    }

    /// Searches a tree depth first, left before right, and leaves out what cannot be better.
    fn best_leaf(&self, tree: &Tree, hidden: &[f32], scratch: &mut Scratch) -> Option<(usize, f32)> {
        let floor = log_of(0.0);
        let mut best: Option<(usize, f32)> = None;
        scratch.stack.clear();
        scratch.stack.push((tree.root(), 0.0));
        while let Some((node, log)) = scratch.stack.pop() {
            if log < floor || best.is_some_and(|(_, best)| log < best) {
                continue;
            }
            match tree.inner(node) {
                None => best = Some((node as usize, log)),
                Some((row, [left, right])) => {
                    let turns = self.turns(row, hidden);
                    scratch.stack.push((right, log + turns[1]));
                    scratch.stack.push((left, log + turns[0]));
                }
            }
        }
        best
    }

    /// The logarithm of one leaf's probability; `None` where it, or a node on its path, is below the threshold.
    fn leaf(
        &self,
        tree: &Tree,
        leaf: usize,
        threshold: f32,
        hidden: &[f32],
        path: &mut Vec<(usize, bool)>,
    ) -> Option<f32> {
        let floor = log_of(threshold);
        path.clear();
        path.extend(tree.path(leaf));
        let reaches = |log: &f32| *log >= floor;
        let turn = |log: f32, (row, right): &(usize, bool)| {
            Some(log + self.turns(*row, hidden)[usize::from(*right)]).filter(reaches)
        };
        path.iter().rev().try_fold(Some(0.0).filter(reaches)?, turn)
    }

    /// The logarithms of the probabilities to go left and right at an inner node.
    fn turns(&self, row: usize, hidden: &[f32]) -> [f32; 2] {
        let right = (1.0 / f64::from(1.0 + (-self.matrix.dot(row, hidden)).exp())) as f32;
        [log_of((1.0 - f64::from(right)) as f32), log_of(right)]
    }
}

/// The library's logarithm of a probability, which is finite at 0.
fn log_of(probability: f32) -> f32 {
    (f64::from(probability) + 1e-5).ln() as f32
}

/// The index of the highest logarithm and the logarithm; of equal ones the last.
fn best_value(values: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (index, value) in values.iter().enumerate() {
        // A logarithm that rounds to the best one counts as equal, so values near the best need theirs.
        let log = log_of(*value);
        if best.is_none_or(|(_, best)| log >= best) {
            best = Some((index, log));
        }
    }
    best
}

fn sigmoids() -> Vec<f32> {
    let entry = |step: u16| {
        let x = f32::from(step) * 2.0 * REACH / STEPS - REACH;
        (1.0 / (1.0 + f64::from((-x).exp()))) as f32
    };
    (0..=STEPS as u16).map(entry).collect()
}

fn sigmoid(table: &[f32], x: f32) -> f32 {
    if x < -REACH {
        0.0
    } else if x > REACH {
        1.0
    } else {
        table[((x + REACH) * STEPS / REACH / 2.0) as usize]
    }
}
