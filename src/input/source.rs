//! One open file, given out in chunks that end at a line end.
//! Knows nothing of which files there are, and of what is in a line.
//!
//! Where a line begins and ends, and whether it is too long, depends on the file and on
//! `max_line_bytes` alone, never on the size of the chunks or on how `read` happens to return.

use std::{
    io::{self, Read},
    mem,
    sync::atomic::Ordering,
};

use memchr::{memchr, memrchr};

use super::{
    LogFile, Replaced,
    decompress::{Steps, Text},
    end::{End, KNOWN_BYTES},
};
use crate::error::Error;

/// How much of a line longer than allowed is kept, to show it.
pub const SHOWN_BYTES: usize = 64 << 10;

const STEPS: Steps = Steps { compressed: 256 << 10, text: 64 << 10 };

/// Where a chunk comes from, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Of the buffer's first byte, in the decompressed file.
    pub offset: u64,
    /// The buffer holds nothing but the beginning of one line that is longer than allowed.
    pub overlong: bool,
    /// Bytes of that line, its line end included, that are not in the buffer; 0 for any other chunk.
    pub discarded: u64,
    /// Whether the file may still be written to: see [`super::Part::grows`].
    pub grows: bool,
}

/// One open file that gives chunks of whole lines.
pub struct Source {
    name: String,
    text: Text,
    /// How many bytes were there when the file was found: fewer are left where it was cut off since.
    least: u64,
    chunk_bytes: usize,
    max_line_bytes: usize,
    /// Read, but behind the last line end that was given out.
    tail: Vec<u8>,
    /// How much of the tail is known to hold no line end.
    searched: usize,
    /// Of the tail's first byte, in the decompressed file.
    offset: u64,
    /// Where no more chunk begins.
    last: u64,
    grows: bool,
    end: Option<io::Result<()>>,
    /// The last line end that was given out, and the end of all that was.
    ends: [End; 2],
}

impl Source {
    /// Opens a file, compressed or not, or standard input.
    ///
    /// Chunks are of at most `chunk_bytes` unless one line is longer; a line of more than `max_line_bytes`, not
    /// counting its line end, is cut off. That is also the most that is kept from one chunk to the next.
    pub fn open(file: &LogFile, chunk_bytes: usize, max_line_bytes: usize) -> Result<Source, Error> {
        let failed = |source| Error::Read { path: file.name.clone(), source };
        let begin = file.part.begin;
        let before = begin.min(KNOWN_BYTES as u64);
        let mut text = file.open(begin - before, STEPS).map_err(failed)?;
        let mut end = End { place: begin, before: vec![0; before as usize] };
        if let (_, Some(ended)) = fill(&mut text.reader, &mut end.before) {
            ended.map_err(failed)?;
            return Err(failed(io::Error::other(Replaced)));
        }
        let on_disk = text.bytes.filter(|_| !text.compressed).and(file.bytes).unwrap_or(0);
        let max_line_bytes = max_line_bytes.max(1);
        Ok(Source {
            name: file.name.clone(),
            least: on_disk.saturating_sub(begin - before),
            text,
            // A line that fits into a chunk is then never too long: nothing but the growing has to check.
            chunk_bytes: chunk_bytes.clamp(1, max_line_bytes),
            max_line_bytes,
            tail: Vec::new(),
            searched: 0,
            offset: begin,
            last: file.part.bytes.map_or(u64::MAX, |bytes| begin.saturating_add(bytes)),
            grows: file.part.grows,
            end: None,
            ends: [End::default(), end],
        })
    }

    /// Fills `buffer` with the next whole lines, or with the beginning of one that is too long; `None` at the end.
    ///
    /// What `buffer` held is overwritten. Don't clear it: what has a value need not be zeroed to be read into.
    /// The last line may lack its line end. An error comes behind all whole lines before it; then the file ends.
    pub fn next_chunk(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Chunk>, Error> {
        if self.offset >= self.last {
            return Ok(None);
        }
        let longest = self.max_line_bytes.saturating_add(1);
        let mut filled = self.tail.len();
        let mut searched = mem::take(&mut self.searched);
        let mut room = if filled < self.chunk_bytes { self.chunk_bytes } else { longest.min(filled * 2) };
        grow(buffer, room);
        buffer[..filled].copy_from_slice(&self.tail);
        self.tail.clear();
        let cut = loop {
            if self.end.is_none() {
                let (count, end) = fill(&mut self.text.reader, &mut buffer[filled..room]);
                filled += count;
                self.end = self.checked(end);
            }
            if let Some(Ok(())) = self.end {
                break filled;
            }
            if let Some(at) = memrchr(b'\n', &buffer[searched..filled]) {
                break searched + at + 1;
            }
            if self.end.is_some() {
                break 0;
            }
            if room == longest {
                buffer.truncate(filled);
                return Ok(Some(self.cut_off(buffer)));
            }
            searched = filled;
            room = longest.min(room * 2);
            grow(buffer, room);
        };
        self.hand_out(buffer, cut, filled)
    }

    /// The file's end, if that is not before the end that it had.
    fn checked(&self, end: Option<io::Result<()>>) -> Option<io::Result<()>> {
        match end {
            Some(Ok(())) if self.bytes_read() < self.least => Some(Err(io::Error::other(Replaced))),
            end => end,
        }
    }

    /// Bytes taken from disk so far: for a compressed file, of the compressed data.
    pub fn bytes_read(&self) -> u64 {
        self.text.taken.load(Ordering::Relaxed)
    }

    /// Where lines end, and the text before: by the last of them that count the file is known again.
    pub fn into_ends(self) -> [End; 2] {
        self.ends
    }

    fn hand_out(&mut self, buffer: &mut Vec<u8>, cut: usize, filled: usize) -> Result<Option<Chunk>, Error> {
        if cut > 0 {
            self.tail.reserve_exact(filled - cut);
            self.tail.extend_from_slice(&buffer[cut..filled]);
            self.searched = self.tail.len();
            buffer.truncate(cut);
            let lines = memrchr(b'\n', buffer).map_or(0, |at| at + 1);
            let line_end = mem::take(&mut self.ends[1]).go_on(&buffer[..lines]);
            self.ends = [line_end.clone(), line_end.go_on(&buffer[lines..])];
            return Ok(Some(self.chunk(cut, 0)));
        }
        buffer.clear();
        match self.end.replace(Ok(())) {
            Some(Err(source)) => Err(Error::Read { path: self.name.clone(), source }),
            _ => Ok(None),
        }
    }

    /// Leaves the beginning of a line that is too long in `buffer` and reads on to its end.
    fn cut_off(&mut self, buffer: &mut Vec<u8>) -> Chunk {
        let shown = SHOWN_BYTES.min(self.max_line_bytes);
        let mut discarded = buffer.len() - shown;
        buffer.truncate(shown);
        grow(&mut self.tail, self.chunk_bytes);
        let rest = loop {
            let (count, end) = fill(&mut self.text.reader, &mut self.tail);
            self.end = self.checked(end);
            if let Some(at) = memchr(b'\n', &self.tail[..count]) {
                discarded += at + 1;
                break at + 1..count;
            }
            discarded += count;
            if self.end.is_some() {
                break 0..0;
            }
        };
        self.tail.truncate(rest.end);
        self.tail.drain(..rest.start);
        let chunk = self.chunk(shown, discarded as u64);
        self.ends = [mem::take(&mut self.ends[1]), End { place: self.offset, before: Vec::new() }];
        chunk
    }

    fn chunk(&mut self, len: usize, discarded: u64) -> Chunk {
        let chunk = Chunk { offset: self.offset, overlong: discarded > 0, discarded, grows: self.grows };
        self.offset += len as u64 + discarded;
        chunk
    }
}

/// Reads until `room` is full; also says whether the file has ended before, well or not.
pub(super) fn fill(reader: &mut impl Read, room: &mut [u8]) -> (usize, Option<io::Result<()>>) {
    let mut filled = 0;
    while filled < room.len() {
        match reader.read(&mut room[filled..]) {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(count) => filled += count,
            Err(error) => return (filled, Some(Err(error))),
        }
    }
    (filled, None)
}

/// Makes `buffer` at least `len` long, without the doubling of capacity that `resize` alone would do.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.reserve_exact(len - buffer.len());
        buffer.resize(len, 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::{io::Write, path::Path};

    use super::*;

    /// Offset, text and number of bytes thrown away.
    type Line = (u64, Vec<u8>, u64);

    fn log_file(path: &Path) -> LogFile {
        LogFile { name: "x.log".to_owned(), path: Some(path.to_owned()), ..LogFile::default() }
    }

    /// All lines of a file, and the error behind them.
    fn read(path: &Path, chunk_bytes: usize, max_line_bytes: usize) -> (Vec<Line>, Option<String>) {
        let mut source = Source::open(&log_file(path), chunk_bytes, max_line_bytes).unwrap();
        let (mut lines, mut buffer) = (Vec::new(), Vec::new());
        loop {
            match source.next_chunk(&mut buffer) {
                Err(error) => {
                    assert!(source.next_chunk(&mut buffer).unwrap().is_none());
                    return (lines, Some(error.to_string()));
                }
                Ok(None) => return (lines, None),
                Ok(Some(Chunk { offset, overlong: true, discarded, .. })) => {
                    lines.push((offset, buffer.clone(), discarded));
                }
                Ok(Some(Chunk { mut offset, .. })) => {
                    assert!(buffer.len() <= chunk_bytes || buffer.len() <= 2 * max_line_bytes);
                    for line in buffer.split_inclusive(|&byte| byte == b'\n') {
                        lines.push((offset, line.to_vec(), 0));
                        offset += line.len() as u64;
                    }
                }
            }
            assert!(buffer.capacity() <= max_line_bytes + 1 && source.tail.capacity() <= max_line_bytes);
        }
    }

    fn naive(text: &[u8], max_line_bytes: usize) -> Vec<Line> {
        let mut offset = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            let kept =
                if content.len() > max_line_bytes { max_line_bytes.min(SHOWN_BYTES) } else { line.len() };
            lines.push((offset, line[..kept].to_vec(), (line.len() - kept) as u64));
            offset += line.len() as u64;
        }
        lines
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    type Pack = fn(&[u8]) -> Vec<u8>;
    const FORMATS: [Pack; 5] = [<[u8]>::to_vec, gzip, bzip2, xz, zstd];

    fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Lines of many lengths that compress badly.
    fn sample(lines: u64) -> Vec<u8> {
        let mut text = Vec::new();
        for number in 0..lines {
            let noise = blake3::hash(&number.to_le_bytes()).to_hex();
            writeln!(text, "{number} {}", &noise[..(number as usize * 7) % 64]).unwrap();
        }
        text
    }

    #[test]
    fn any_chunk_size_gives_the_same_lines() {
        let texts: [&[u8]; 6] = [
            b"",
            b"\n",
            b"a\n\nbb\r\nccc",
            b"no line end",
            b"0123456789\n\n01234567\n0123456789ab\nx\n",
            b"\n\n\n",
        ];
        for text in texts {
            for max_line_bytes in [1, 2, 5, 9, 10, 11, 100] {
                for compress in FORMATS {
                    let (first, second) = text.split_at(text.len() / 2);
                    let file = write(&[compress(first), compress(second)].concat());
                    for chunk_bytes in 1..40 {
                        let read = read(file.path(), chunk_bytes, max_line_bytes);
                        assert_eq!(
                            read,
                            (naive(text, max_line_bytes), None),
                            "{chunk_bytes} {max_line_bytes}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn only_the_beginning_of_a_line_that_is_too_long_is_kept() {
        let text = [b"a\nb\n".to_vec(), vec![b'x'; 1_000_000], b"\nc\nd".to_vec()].concat();
        let file = write(&text);
        for chunk_bytes in [1 << 10, 100_000, 1 << 20] {
            assert_eq!(read(file.path(), chunk_bytes, 1 << 20), (naive(&text, 1 << 20), None));
            let (lines, _) = read(file.path(), chunk_bytes, 1 << 18);
            assert_eq!(lines, naive(&text, 1 << 18));
            assert_eq!((lines[2].1.len(), lines[2].2), (SHOWN_BYTES, 1_000_001 - SHOWN_BYTES as u64));
        }
    }

    #[test]
    fn whole_lines_before_the_damage_come_before_the_error() {
        let text = sample(20_000);
        let whole = naive(&text, 1 << 20);
        for compress in &FORMATS[1..] {
            let good = compress(&text);
            let torn = &good[..good.len() * 2 / 3];
            let mut corrupt = good.clone();
            corrupt[good.len() / 2] ^= 0x55;
            let garbage = [&good, &b"garbage"[..]].concat();
            for bad in [torn, &good[..7], &garbage, &corrupt] {
                let file = write(bad);
                let (lines, error) = read(file.path(), 1 << 20, 1 << 20);
                let error = error.expect("damage is an error");
                let (file_name, at) =
                    error.split_once(": the file is damaged or cut off after byte ").unwrap();
                assert_eq!(file_name, "cannot read x.log");
                // Only a checksum far behind tells that the bytes of a corrupt gzip file are wrong.
                if bad != corrupt {
                    assert!(lines == whole[..lines.len()]);
                    let at: u64 = at.split_once(' ').unwrap().0.parse().unwrap();
                    let end = lines.last().map_or(0, |(offset, line, _)| offset + line.len() as u64);
                    assert!((end..end + 100).contains(&at), "{error} {end}");
                }
                for chunk_bytes in [1, 1000, 70_000] {
                    assert!(read(file.path(), chunk_bytes, 1 << 20) == (lines.clone(), Some(error.clone())));
                }
            }
        }
    }

    #[test]
    fn no_cut_goes_unnoticed() {
        for compress in &FORMATS[1..] {
            let good = compress(&sample(20));
            for len in 6..good.len() {
                let (_, error) = read(write(&good[..len]).path(), 1 << 10, 1 << 20);
                assert!(error.is_some(), "{:?} cut to {len} of {}", &good[..6], good.len());
            }
        }
    }

    #[test]
    fn progress_ends_at_the_size_on_disk() {
        fn is_send(_: &impl Send) {}
        let text = sample(10_000);
        for compress in FORMATS {
            let file = write(&compress(&text));
            let mut source = Source::open(&log_file(file.path()), 1 << 14, 1 << 20).unwrap();
            is_send(&source);
            let mut buffer = Vec::new();
            while source.next_chunk(&mut buffer).unwrap().is_some() {}
            assert_eq!(source.bytes_read(), file.path().metadata().unwrap().len());
        }
    }
}
