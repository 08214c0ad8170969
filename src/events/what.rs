//! What an event is about: the product and the page.

use super::Events;
use crate::scan::column::{Dictionary, NULL, Texts, Values};

/// `entity_id` where `entity_type` is `product`, or else `product_id`.
pub fn product(events: &Events) -> Values<i64> {
    let kinds = events.texts("entity_type");
    let product = kinds.dictionary.find("product").unwrap_or(NULL);
    let (entities, products) = (events.integers("entity_id"), events.integers("product_id"));
    let id = |row: usize| {
        let entity = if kinds.codes[row] == product && product != NULL { entities.get(row) } else { None };
        entity.or_else(|| products.get(row))
    };
    (0..events.rows).map(id).collect()
}

/// `path` as a page, or else `previous_path`: the page that a dwell time was measured on.
pub fn page(events: &Events) -> Texts {
    let mut dictionary = Dictionary::default();
    let mut pages = |texts: &Texts| -> Vec<u32> {
        texts.dictionary.iter().map(|path| dictionary.code(page_of(path).as_bytes())).collect()
    };
    let (paths, previous) = (events.texts("path"), events.texts("previous_path"));
    let (path_pages, previous_pages) = (pages(paths), pages(previous));
    let code = |(&path, &previous): (&u32, &u32)| match (path, previous) {
        (NULL, NULL) => NULL,
        (NULL, previous) => previous_pages[previous as usize],
        (path, _) => path_pages[path as usize],
    };
    Texts { codes: paths.codes.iter().zip(&previous.codes).map(code).collect(), dictionary }
}

/// A path or URL without host, query and fragment, its numbers as `{id}`.
fn page_of(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => path,
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').map(|part| if is_number(part) { "{id}" } else { part }).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn numbers_hosts_and_queries() {
        for (path, page) in [
            ("/products/17", "/products/{id}"),
            ("/orders/3/confirmation?x=1#top", "/orders/{id}/confirmation"),
            ("/products/17a/", "/products/17a/"),
            ("http://localhost/cart/add", "/cart/add"),
            ("https://shop.example", "/"),
            ("/go/http://x/1", "/go/http://x/{id}"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(page_of(path), page, "{path}");
        }
    }
}
