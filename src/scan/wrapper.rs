//! Lines that something else wrapped on their way: Fluentd's file output, Docker's and CRI's container logs.
//! Knows the wrappings only, not what is inside.

use super::fields::Fields;
use super::json::{Fault, Kind, Tokens, Walker, unescape};

/// Where the JSON of a line that does not begin with `{` begins, behind Fluentd's `time<TAB>tag<TAB>` or CRI's
/// `time stdout F `; `None` if the line is neither.
pub fn json_begin(line: &[u8]) -> Option<Begin> {
    fluentd(line).map(Begin::At).or_else(|| cri(line))
}

/// Where a wrapped line's JSON begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this byte of the line.
    At(usize),
    /// Not as a whole: the container runtime cut a long line (tag `P`), of which a piece begins at this byte, and wrote
    /// the rest as another line.
    Partial(usize),
}

/// Where Fluentd's `out_file` format (time, tag and record, separated by tabs) has its record.
pub fn fluentd(line: &[u8]) -> Option<usize> {
    let first = memchr::memchr(b'\t', line)?;
    let second = first + 1 + memchr::memchr(b'\t', &line[first + 1..])?;
    (first > 0).then_some(second + 1)
}

/// Where the format of the Kubernetes container runtime interface, `TIME (stdout|stderr) (F|P)[:…] CONTENT`, has its content.
pub fn cri(line: &[u8]) -> Option<Begin> {
    let mut words = line.splitn(4, |&byte| byte == b' ');
    let (time, stream, tag) = (words.next()?, words.next()?, words.next()?);
    words.next()?;
    if !time.first().is_some_and(u8::is_ascii_digit) || !matches!(stream, b"stdout" | b"stderr") {
        return None;
    }
    let begin = time.len() + stream.len() + tag.len() + 3;
    match tag.split(|&byte| byte == b':').next()? {
        b"F" => Some(Begin::At(begin)),
        b"P" => Some(Begin::Partial(begin)),
        _ => None,
    }
}

/// Whether a line may be one of Docker's `json-file` driver: it writes `log` first.
pub fn may_be_docker(line: &[u8]) -> bool {
    line.starts_with(b"{\"log\":\"")
}

/// The text of a Docker line's `log`, without its newline, into `out`. `None` if the line is no Docker line,
/// `Some(false)` if Docker cut a long line here (there is no newline at the end).
///
/// # Errors
/// The fault of a line that began as Docker's and is no JSON object; the walker stands there.
pub fn docker(walker: &mut Walker, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<bool>, Fault> {
    let begin = walker.at;
    walker.object_line(&mut Fields::of([]), &mut Tokens::default())?;
    let end = walker.at;
    walker.at = begin + b"{\"log\":".len();
    let log = walker.string()?;
    walker.at = end;
    let rest = &bytes[log.end as usize..end];
    if memchr::memmem::find(rest, b"\"stream\":").is_none() {
        return Ok(None);
    }
    out.clear();
    match log.kind {
        Kind::EscapedText => unescape(&bytes[log.start as usize..log.end as usize], out),
        _ => out.extend_from_slice(&bytes[log.start as usize..log.end as usize]),
    }
    let whole = out.pop_if(|byte| *byte == b'\n').is_some();
    Ok(Some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_json_begins() {
        let at = |line: &str| json_begin(line.as_bytes());
        assert_eq!(at("2025-03-12T16:20:54+09:00\tshop.activity\t{}"), Some(Begin::At(40)));
        assert_eq!(at("2025-03-12T07:20:54.1Z stdout F {}"), Some(Begin::At(32)));
        assert_eq!(at("2025-03-12T07:20:54.1Z stderr F:x {}"), Some(Begin::At(34)));
        assert_eq!(at("2025-03-12T07:20:54.1Z stdout P {"), Some(Begin::Partial(32)));
        assert_eq!(at("2025-03-12 stdin F {}"), None);
        assert_eq!(at("hello world"), None);
        assert_eq!(at("\t\t{}"), None);
    }
}
