//! What an event is about: the product and the page.

use super::Events;
use crate::scan::column::{Bits, Dictionary, NULL, Texts, Values};

/// `entity_id` where `entity_type` is `product`, elsewhere `product_id`. Without a branch: which it is changes from line to line.
pub fn product(events: &Events) -> Values<i64> {
    let kinds = events.texts("entity_type");
    let (entities, products) = (events.integers("entity_id"), events.integers("product_id"));
    let Some(product) = kinds.dictionary.find("product") else { return products.clone() };
    let is_entity = Bits::by(&kinds.codes, |&code| code == product);
    let (mut valid, mut others) = (entities.valid.clone(), products.valid.clone());
    valid &= &is_entity;
    let of = |(row, (&entity, &product))| if is_entity.get(row) { entity } else { product };
    let values = entities.values.iter().zip(&products.values).enumerate().map(of).collect();
    others &= &!is_entity;
    valid |= &others;
    Values { values, valid }
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

/// Whether each event is a request for a page that somebody saw.
pub fn is_page_view(events: &Events) -> Values<bool> {
    let (methods, paths) = (events.texts("method"), events.texts("path"));
    let status = events.integers("response_status");
    let get = methods.dictionary.find("GET").unwrap_or(NULL);
    let is_page =
        |path: &str| !["/api/", "/static/"].iter().any(|prefix| without_host(path).starts_with(prefix));
    let pages: Vec<bool> = paths.dictionary.iter().map(is_page).collect();
    let shown = |row: usize| status.get(row).is_some_and(|status| status < 300 || status == 304);
    let of = |row: usize| {
        let (method, path) = (methods.codes[row], paths.codes[row]);
        method == get && get != NULL && path != NULL && pages[path as usize] && shown(row)
    };
    Values::all((0..events.rows).map(of).collect())
}

/// `category_id`, or else the query parameter `category` or `category_id`.
pub fn category(events: &Events) -> Values<i64> {
    let (ids, args) = (events.integers("category_id"), events.texts("args"));
    let of_args: Vec<Option<i64>> = args.dictionary.iter().map(category_of).collect();
    let of = |row: usize| {
        let code = args.codes[row];
        ids.get(row).or_else(|| if code == NULL { None } else { of_args[code as usize] })
    };
    (0..events.rows).map(of).collect()
}

/// The category that the query parameters of a page name, as a number or a string of digits.
fn category_of(args: &str) -> Option<i64> {
    if !args.contains("category") {
        return None;
    }
    let args: serde_json::Map<String, serde_json::Value> = serde_json::from_str(args).ok()?;
    let value = args.get("category").or_else(|| args.get("category_id"))?;
    // Flask gives a list where a parameter is there several times, or always.
    let value = value.as_array().map_or(Some(value), |values| values.first())?;
    value.as_i64().or_else(|| value.as_str().filter(|text| !text.starts_with('+'))?.parse().ok())
}

/// A path or URL without host, query and fragment, its numbers as `{id}`.
pub fn page_of(path: &str) -> String {
    let path = without_host(path).split(['?', '#']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').map(|part| if is_number(part) { "{id}" } else { part }).collect();
    parts.join("/")
}

/// A path, or a URL's from behind its host.
pub fn without_host(path: &str) -> &str {
    // What stands behind a question mark may hold another URL.
    let end = path.find(['?', '#']).unwrap_or(path.len());
    match path[..end].split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            rest.find('/').map_or("/", |slash| &path[scheme.len() + "://".len() + slash..])
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::{category_of, page_of};

    #[test]
    fn categories_of_query_parameters() {
        for (args, category) in [
            (r#"{"category": "9"}"#, Some(9)),
            (r#"{"category_id": 3, "page": "2"}"#, Some(3)),
            (r#"{"category": ["3", "4"]}"#, Some(3)),
            (r#"{"category": []}"#, None),
            (r#"{"category": "+3"}"#, None),
            (r#"{"category": "all"}"#, None),
            (r#"{"q": "category"}"#, None),
            ("{", None),
        ] {
            assert_eq!(category_of(args), category, "{args}");
        }
    }

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
