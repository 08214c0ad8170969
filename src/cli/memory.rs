//! How much memory a command may take: sizes as people write them. Knows nothing of what takes it.

use crate::error::Error;

/// Bytes of `512MB`, `1.5GiB` or `800000000`: decimal units of SI, binary ones of IEC.
///
/// # Errors
/// `Error::Usage` for anything else.
pub fn size(text: &str) -> Result<usize, Error> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = match text[number.len()..].trim_start().to_lowercase().as_str() {
        "" | "b" => Some(1.0),
        "kb" | "k" => Some(1e3),
        "mb" | "m" => Some(1e6),
        "gb" | "g" => Some(1e9),
        "tb" | "t" => Some(1e12),
        "kib" => Some(1024f64),
        "mib" => Some(1024f64.powi(2)),
        "gib" => Some(1024f64.powi(3)),
        "tib" => Some(1024f64.powi(4)),
        _ => None,
    };
    let number = number.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    match (number, unit) {
        (Some(number), Some(unit)) => Ok((number * unit) as usize),
        _ => Err(Error::Usage(format!("'{text}' is no size: write it like 512MB, 2GB or 1.5GiB"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("512MB", 512_000_000), ("1.5 GiB", 1_610_612_736), ("70000", 70_000), ("3k", 3000)]
        {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MB", "-1MB", "1XB", "0", "inf", "1e999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
