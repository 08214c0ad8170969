//! Files: their names in each layout, their compression, and the harm that `--traps` does to them.
//! Knows nothing of what the lines say.

use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::ValueEnum;
use flate2::{Compression, write::GzEncoder};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

/// How the log is cut into files.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Layout {
    /// `user_activity-2025-03-10.log`, `app-2025-03-10.log`, one a day
    Daily,
    /// `user_activity.log`, `.1`, `.2.gz` …, one a day, `.1` the newest of the old ones
    Rotated,
    /// one `user_activity.log`
    Single,
}

/// How files are compressed.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Compress {
    /// not at all
    None,
    /// gzip
    Gz,
    /// Zstandard
    Zst,
    /// bzip2
    Bz2,
    /// xz
    Xz,
    /// each file by another of these in turn
    Mixed,
}

const IN_TURN: [Compress; 5] = [Compress::None, Compress::Gz, Compress::Zst, Compress::Bz2, Compress::Xz];

/// What the files are to be called and how compressed.
pub struct Plan {
    /// The folder.
    pub folder: PathBuf,
    /// How the log is cut.
    pub layout: Layout,
    /// How files are compressed.
    pub compress: Compress,
    /// Only so many of the oldest files are compressed.
    pub compress_first: Option<u64>,
    /// How many days there are.
    pub days: u64,
}

impl Plan {
    /// Opens the file of a day, which is the `day`-th from 0; `user_activity` or `app` is its family.
    pub fn open(&self, family: &str, day: u64, date: NaiveDate) -> Result<Output> {
        let age = self.days - 1 - day;
        let (name, compress) = match self.layout {
            Layout::Daily => (format!("{family}-{date}.log"), self.compress),
            Layout::Single => (format!("{family}.log"), self.compress),
            Layout::Rotated if age == 0 => (format!("{family}.log"), Compress::None),
            Layout::Rotated if age == 1 => (format!("{family}.log.1"), Compress::None),
            Layout::Rotated if self.compress == Compress::None => {
                (format!("{family}.log.{age}"), Compress::Gz)
            }
            Layout::Rotated => (format!("{family}.log.{age}"), self.compress),
        };
        let compress = match compress {
            _ if self.compress_first.is_some_and(|first| day >= first) => Compress::None,
            Compress::Mixed => IN_TURN[(day % 5) as usize],
            other => other,
        };
        let extension = match compress {
            Compress::None | Compress::Mixed => "",
            Compress::Gz => ".gz",
            Compress::Zst => ".zst",
            Compress::Bz2 => ".bz2",
            Compress::Xz => ".xz",
        };
        let path = self.folder.join(name + extension);
        let shown = || format!("writing {}", path.display());
        let file = BufWriter::with_capacity(1 << 18, File::create(&path).with_context(shown)?);
        Ok(match compress {
            Compress::None | Compress::Mixed => Output::Plain(file),
            Compress::Gz => Output::Gz(GzEncoder::new(file, Compression::new(6))),
            Compress::Zst => Output::Zst(zstd::Encoder::new(file, 3).with_context(shown)?),
            Compress::Bz2 => Output::Bz2(bzip2::write::BzEncoder::new(file, bzip2::Compression::new(6))),
            Compress::Xz => Output::Xz(liblzma::write::XzEncoder::new(file, 3)),
        })
    }
}

/// An open file; `finish` must be called.
pub enum Output {
    /// As it is.
    Plain(BufWriter<File>),
    /// gzip.
    Gz(GzEncoder<BufWriter<File>>),
    /// Zstandard.
    Zst(zstd::Encoder<'static, BufWriter<File>>),
    /// bzip2.
    Bz2(bzip2::write::BzEncoder<BufWriter<File>>),
    /// xz.
    Xz(liblzma::write::XzEncoder<BufWriter<File>>),
}

impl Output {
    /// Where to write.
    pub fn writer(&mut self) -> &mut dyn Write {
        match self {
            Output::Plain(file) => file,
            Output::Gz(encoder) => encoder,
            Output::Zst(encoder) => encoder,
            Output::Bz2(encoder) => encoder,
            Output::Xz(encoder) => encoder,
        }
    }

    /// Ends a gzip member and begins the next one; nothing for the others.
    pub fn next_member(self) -> Result<Output> {
        Ok(match self {
            Output::Gz(encoder) => Output::Gz(GzEncoder::new(
                encoder.finish().context("ending a gzip member")?,
                Compression::new(6),
            )),
            other => other,
        })
    }

    /// Writes what is left.
    pub fn finish(self) -> Result<()> {
        let mut file = match self {
            Output::Plain(file) => Ok(file),
            Output::Gz(encoder) => encoder.finish(),
            Output::Zst(encoder) => encoder.finish(),
            Output::Bz2(encoder) => encoder.finish(),
            Output::Xz(encoder) => encoder.finish(),
        }
        .context("ending a file")?;
        file.flush().context("ending a file")
    }
}
