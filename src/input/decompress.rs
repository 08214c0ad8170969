//! The text of a file as one stream of bytes, decompressed if its first bytes say that it is compressed.
//! Knows nothing of lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::id_of;
use crate::cloud::{self, Object};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;

/// The longest of the signatures that are looked for (xz).
const SIGNATURE_BYTES: u64 = 6;
/// Accepts every window that a zstd file may declare; the library alone stops at 27.
const ZSTD_WINDOW_LOG: u32 = 31;

/// A text that is being read.
pub(super) struct Text {
    /// The text, decompressed.
    pub(super) reader: Box<dyn Read + Send>,
    /// Bytes taken from disk so far.
    pub(super) taken: Arc<AtomicU64>,
    /// Whether it was compressed.
    pub(super) compressed: bool,
    /// The device and inode of the file.
    pub(super) id: Option<(u64, u64)>,
    /// The size of a regular file on a disk.
    pub(super) bytes: Option<u64>,
}

/// How much is read, and how much decompressed, at a time.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) compressed: usize,
    pub(super) text: usize,
}

/// Opens a file, or standard input where there is no path, at a place in its text.
pub(super) fn open(path: Option<&Path>, begin: u64, steps: Steps) -> io::Result<Text> {
    let taken = Arc::new(AtomicU64::new(0));
    let counted = |raw| Counted { raw, taken: taken.clone() };
    let mut signature = Vec::new();
    let Some(path) = path else {
        let mut raw = counted(Box::new(io::stdin()));
        raw.by_ref().take(SIGNATURE_BYTES).read_to_end(&mut signature)?;
        let (mut reader, compressed) = decompressed(signature, raw, steps)?;
        skip(&mut reader, begin)?;
        return Ok(Text { reader, taken, compressed, id: None, bytes: None });
    };
    if cloud::is_object(path) {
        return open_object(path, begin, steps, taken);
    }
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let id = metadata.is_file().then(|| id_of(&metadata));
    let bytes = metadata.is_file().then_some(metadata.len());
    file.by_ref().take(SIGNATURE_BYTES).read_to_end(&mut signature)?;
    if begin > 0 && !is_compressed(&signature) && metadata.is_file() {
        file.seek(SeekFrom::Start(begin))?;
        return Ok(Text { reader: Box::new(counted(Box::new(file))), taken, compressed: false, id, bytes });
    }
    taken.store(signature.len() as u64, Ordering::Relaxed);
    let (mut reader, compressed) = decompressed(signature, counted(Box::new(file)), steps)?;
    skip(&mut reader, begin)?;
    Ok(Text { reader, taken, compressed, id, bytes })
}

/// Opens an object: of one that is not compressed only what is behind the place is asked for.
fn open_object(path: &Path, begin: u64, steps: Steps, taken: Arc<AtomicU64>) -> io::Result<Text> {
    let object = cloud::look(path)?;
    let counted = |raw| Counted { raw, taken: taken.clone() };
    let mut signature = Vec::new();
    cloud::open(&Object { bytes: object.bytes.min(SIGNATURE_BYTES), ..object.clone() }, 0)?
        .read_to_end(&mut signature)?;
    let id = Some(object.version);
    if begin > 0 && !is_compressed(&signature) {
        let reader = Box::new(counted(cloud::open(&object, begin)?));
        return Ok(Text { reader, taken, compressed: false, id, bytes: None });
    }
    let raw = counted(cloud::open(&object, signature.len() as u64)?);
    let (mut reader, compressed) = decompressed(signature, raw, steps)?;
    skip(&mut reader, begin)?;
    Ok(Text { reader, taken, compressed, id, bytes: None })
}

fn skip(reader: &mut impl Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut reader.take(bytes), &mut io::sink()).map(|_| ())
}

fn is_compressed(first: &[u8]) -> bool {
    matches!(
        first,
        [0x1f, 0x8b, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
            | [b'B', b'Z', b'h', b'0'..=b'9', ..]
            | [0xfd, b'7', b'z', b'X', b'Z', 0]
    )
}

/// The text of a file that begins with these bytes, and whether it is compressed.
fn decompressed(signature: Vec<u8>, raw: Counted, steps: Steps) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let first = signature.clone();
    let whole = io::Cursor::new(signature).chain(raw);
    let buffered = |raw| BufReader::with_capacity(steps.compressed, raw);
    let reader: Box<dyn Read + Send> = match first[..] {
        [0x1f, 0x8b, ..] => checked(GzipMembers::Between(buffered(whole)), steps),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(buffered(whole))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            checked(decoder, steps)
        }
        [b'B', b'Z', b'h', b'0'..=b'9', ..] => checked(MultiBzDecoder::new(buffered(whole)), steps),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => checked(XzDecoder::new_multi_decoder(buffered(whole)), steps),
        _ => Box::new(whole),
    };
    Ok((reader, is_compressed(&first)))
}

/// Counts what is taken from the disk. Retries interrupted reads here, so that no decoder has to.
struct Counted {
    raw: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.raw.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.taken.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
            }
        }
    }
}

/// Says of a decoder's error what it means and where it happened.
///
/// A decoder that meets damage gives up what it had decoded in the same call, so it is always called
/// for steps of one size: how much of a damaged file is read depends on the file alone.
struct Checked<D> {
    steps: BufReader<D>,
    given: u64,
}

fn checked(decoder: impl Read + Send + 'static, steps: Steps) -> Box<dyn Read + Send> {
    Box::new(Checked { steps: BufReader::with_capacity(steps.text, decoder), given: 0 })
}

impl<D: Read> Read for Checked<D> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let given = self.given;
        let step = self.steps.fill_buf().map_err(|error| damaged(error, given))?;
        let count = step.len().min(room.len());
        room[..count].copy_from_slice(&step[..count]);
        self.steps.consume(count);
        self.given += count as u64;
        Ok(count)
    }
}

fn damaged(error: io::Error, given: u64) -> io::Error {
    // The disk's own errors come through the decoder; they say nothing of the file's content.
    if error.raw_os_error().is_some() {
        return error;
    }
    let what =
        format!("the file is damaged or cut off after byte {given} of its decompressed text ({error})");
    io::Error::new(error.kind(), what)
}

/// The text of all members of a gzip file, one behind the other.
///
/// flate2's own decoder of several members takes padding behind the last one for a damaged member.
enum GzipMembers<R> {
    Inside(Box<GzDecoder<R>>),
    Between(R),
    End,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, GzipMembers::End) {
                GzipMembers::End => return Ok(0),
                GzipMembers::Between(mut input) => {
                    if skip_zeros(&mut input)? {
                        *self = GzipMembers::Inside(Box::new(GzDecoder::new(input)));
                    }
                }
                GzipMembers::Inside(mut member) => match member.read(room)? {
                    0 => *self = GzipMembers::Between(member.into_inner()),
                    count => {
                        *self = GzipMembers::Inside(member);
                        return Ok(count);
                    }
                },
            }
        }
    }
}

/// Whether anything is left behind the zero bytes that come next.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffered = input.fill_buf()?;
        let zeros = buffered.iter().take_while(|byte| **byte == 0).count();
        let (at_end, at_data) = (buffered.is_empty(), zeros < buffered.len());
        if at_end || at_data {
            input.consume(zeros);
            return Ok(at_data);
        }
        input.consume(zeros);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::io::Write;

    use super::*;

    const STEPS: Steps = Steps { compressed: 8 << 10, text: 4 << 10 };

    fn text(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().write_all(bytes)?;
        let mut text = Vec::new();
        open(Some(file.path()), 0, STEPS)?.reader.read_to_end(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn padding_behind_a_gzip_member_is_no_damage() {
        let padded = [gzip(b"one\n"), gzip(b""), gzip(b"two\n"), vec![0; 20_000]].concat();
        assert_eq!(text(&padded).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn zstd_may_begin_with_a_skippable_frame_and_have_a_huge_window() {
        let skippable = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3].to_vec();
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(b"two\n").unwrap();
        let frames = [skippable, zstd::encode_all(&b"one\n"[..], 1).unwrap(), encoder.finish().unwrap()];
        assert_eq!(text(&frames.concat()).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn short_texts_that_begin_like_a_signature_are_texts() {
        for short in [&b""[..], b"B", b"BZh", b"BZhx1234", b"\x1f", b"\xfd7zXZ"] {
            assert_eq!(text(short).unwrap(), short);
        }
    }

    #[test]
    fn the_head_of_a_large_file_costs_little() {
        let noise: Vec<u8> =
            (0..40_000u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(&gzip(&noise)).unwrap();
        let mut head = [0; 4 << 10];
        let mut opened = open(Some(file.path()), 0, STEPS).unwrap();
        opened.reader.read_exact(&mut head).unwrap();
        assert!(opened.taken.load(Ordering::Relaxed) <= 16 << 10);
    }
}
