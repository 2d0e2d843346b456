//! Reading a plan from beginning to end on the calling thread: the slow twin of the pool.

use super::in_order::Numbering;
use super::{Documents, Plan};
use crate::Result;

impl Plan {
    /// All documents, unit by unit, in input order and with their addresses. A stream is read once.
    pub fn read(&self) -> impl Iterator<Item = Result<Documents>> {
        let mut numbering = Numbering::new(None);
        let units = (0..self.segments.len()).flat_map(|segment| match self.open(segment) {
            Ok(units) => units,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        let units = units.filter(|unit| !unit.as_ref().is_ok_and(super::Unit::asks));
        units.map(move |unit| {
            let mut documents = self.documents(unit?)?;
            numbering.number(&mut documents);
            Ok(documents)
        })
    }
}
