//! Predictors lent to threads.

use std::sync::{Arc, Mutex, PoisonError};

use super::model::Model;
use super::predictor::{Newline, Predictor};

/// As many predictors of a model as were ever in use at once, each with what it has learned of the texts so far.
#[derive(Debug)]
pub struct Predictors {
    model: Arc<Model>,
    newline: Newline,
    idle: Mutex<Vec<Predictor>>,
}

impl Predictors {
    /// None yet: they are made when they are needed.
    #[must_use]
    pub fn new(model: Arc<Model>, newline: Newline) -> Self {
        Self { model, newline, idle: Mutex::default() }
    }

    /// The model that all of them use.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Lends a predictor to a task.
    pub fn with<T>(&self, task: impl FnOnce(&mut Predictor) -> T) -> T {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut predictor = idle.unwrap_or_else(|| self.model.predictor(self.newline));
        let outcome = task(&mut predictor);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(predictor);
        outcome
    }
}
