//! Long work on one thread that still hears of signals.

use crate::Result;

/// Items between two looks. A look asks Python and costs some microseconds; a key costs about a tenth of one, so
/// that a hundred looks a second are made at the most.
const ITEMS: u32 = 1 << 16;

/// Passes items on, and looks now and then whether to go on; an error ends them.
pub(crate) fn looking<T>(
    items: impl Iterator<Item = Result<T>>,
    mut look: impl FnMut() -> Result<()>,
) -> impl Iterator<Item = Result<T>> {
    let mut until = ITEMS;
    items.map(move |item| {
        until -= 1;
        if until == 0 {
            until = ITEMS;
            look()?;
        }
        item
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_look_that_fails_ends_the_items() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err(Error::Cancelled) }
        };
        let passed = looking((0..10 * ITEMS).map(Ok), look).take_while(Result::is_ok).count();
        assert_eq!((passed as u32, looks), (3 * ITEMS - 1, 3));
    }
}
