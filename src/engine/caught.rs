//! What Polars answers with a panic becomes an error, as far as it is found before anything is read. Knows nothing of SQL.

use polars::prelude::{PolarsResult, polars_err};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does it; where it ends with a panic, what that says is the error, and nothing of it is printed.
///
/// # Errors
/// Those of the work, and `PolarsError::ComputeError` for a panic.
pub fn caught<T>(work: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(false);
    done.unwrap_or_else(|panic| Err(polars_err!(ComputeError: "Polars gave out: {}", words(&*panic))))
}

fn words(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let error = caught::<()>(|| panic!("no {}", "way")).map_err(|error| error.to_string());
        assert_eq!(error, Err("Polars gave out: no way".into()));
        let error = caught::<()>(|| panic!("never")).map_err(|error| error.to_string());
        assert_eq!(error, Err("Polars gave out: never".into()));
        assert!(caught(|| Ok(7)).is_ok_and(|number| number == 7));
    }
}
