//! Texts as Polars' categories. Knows nothing of what they mean.
//!
//! It has `unsafe`: Polars would look up every row's category to see that there is one.
#![allow(unsafe_code)]

use crate::events::column::Dictionary;
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;

/// A column of categories that are numbered as the dictionary numbers them; behind a null stands any of these numbers.
///
/// # Errors
/// If there are more texts than Polars has numbers for.
pub fn categories(
    name: PlSmallStr,
    codes: Vec<u32>,
    valid: Option<Bitmap>,
    dictionary: &Dictionary,
) -> PolarsResult<Series> {
    let categories = Categories::random(PlSmallStr::EMPTY, CategoricalPhysical::U32);
    let mapping = categories.mapping();
    for (code, text) in dictionary.iter().enumerate() {
        let category = mapping.insert_cat(text)?;
        assert_eq!(
            category as usize, code,
            "a dictionary's texts are distinct, and Polars numbers new ones in their order"
        );
    }
    assert!(codes.iter().all(|&code| (code as usize) < dictionary.len()), "a code is a text's");
    let codes = UInt32Chunked::from_vec_validity(name, codes, valid);
    let kind = DataType::from_categories(categories);
    // SAFETY: every code is that of a category, as was just seen.
    let categories =
        unsafe { CategoricalChunked::<Categorical32Type>::from_cats_and_dtype_unchecked(codes, kind) };
    Ok(categories.into_series())
}
