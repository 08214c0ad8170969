//! Where results go: standard output, a file, or a folder with a file for each. Knows nothing of how they were made.

use super::args::{Common, When};
use crate::error::Error;
use crate::sink::page::{Facts, Page};
use crate::sink::{self, About, Format, Style, write_atomically};
use polars::prelude::DataFrame;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Where results go, and in which format.
pub struct Target {
    pub format: Format,
    place: Place,
    color: When,
    pictures: bool,
    page: bool,
}

enum Place {
    /// The one result.
    Stdout,
    /// One result behind the other, each with a title.
    Titled,
    File(PathBuf),
    Folder(PathBuf),
}

/// The page beside the files.
const PAGE: &str = "index.html";

impl Target {
    /// Of a command with one result.
    ///
    /// # Errors
    /// `Error::Usage` where the file's name does not say which format to write.
    pub fn of_one(format: Option<&str>, output: Option<&Path>, color: When) -> Result<Target, Error> {
        let format = match (named(format)?, output) {
            (Some(Format::Parquet), None) if std::io::stdout().is_terminal() => {
                return Err(Error::Usage("Parquet is nothing for a terminal: name a file with -o".into()));
            }
            (Some(format), _) => format,
            (None, Some(path)) => Format::from_path(path)?,
            (None, None) if std::io::stdout().is_terminal() => Format::Table,
            (None, None) => Format::Csv,
        };
        let place = output.map_or(Place::Stdout, |path| Place::File(path.to_owned()));
        Ok(Target::at(place, format, color))
    }

    /// Of a command with several results.
    ///
    /// # Errors
    /// `Error::Usage` for a format that cannot hold several; `Error::Write` if the folder is a file.
    pub fn of_several(options: &Common) -> Result<Target, Error> {
        let format = named(options.format.as_deref())?;
        let Some(folder) = &options.output else {
            let format = format.unwrap_or(Format::Table);
            if !matches!(format, Format::Table | Format::Markdown) {
                return Err(Error::Usage(format!(
                    "several results do not fit into one stream of {}: name a folder with -o, or take --format table or markdown",
                    format.name()
                )));
            }
            return Ok(Target::at(Place::Titled, format, options.color));
        };
        let is_page = folder.extension().is_some_and(|ending| ending == "html" || ending == "htm");
        if !folder.is_dir() && (is_page || Format::from_path(folder).is_ok()) {
            return Err(Error::Usage(format!(
                "-o {} names a file, but there are several results: name a folder for them",
                sink::visible(&folder.to_string_lossy())
            )));
        }
        if folder.exists() && !folder.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a file, not a folder");
            return Err(Error::Write { path: folder.clone(), source });
        }
        let place = Place::Folder(folder.clone());
        Ok(Target { page: true, ..Target::at(place, format.unwrap_or(Format::Csv), options.color) })
    }

    /// Of `report` with a single one, which can go where that report by itself goes; to people and into a folder it goes as
    /// several do.
    ///
    /// # Errors
    /// As [`Target::of_one`] and [`Target::of_several`].
    pub fn of_set_of_one(options: &Common) -> Result<Target, Error> {
        let is_as_several = match &options.output {
            Some(path) => path.is_dir() || Format::from_path(path).is_err(),
            None => named(options.format.as_deref())?
                .is_none_or(|format| matches!(format, Format::Table | Format::Markdown)),
        };
        if is_as_several {
            return Target::of_several(options);
        }
        Target::of_one(options.format.as_deref(), options.output.as_deref(), options.color)
    }

    /// A folder with a file for each result, and with or without a page.
    pub fn of_folder(folder: &Path, format: Format, page: bool) -> Target {
        Target { page, ..Target::at(Place::Folder(folder.to_owned()), format, When::Never) }
    }

    fn at(place: Place, format: Format, color: When) -> Target {
        Target { format, place, color, pictures: false, page: false }
    }

    /// The same with pictures in the place of tables.
    ///
    /// # Errors
    /// `Error::Usage` where something else than a table was asked for.
    pub fn with_pictures(self, options: &Common) -> Result<Target, Error> {
        let asked = options.format.is_some() || matches!(self.place, Place::File(_));
        let format = if asked { self.format } else { Format::Table };
        if format != Format::Table {
            let name = format.name();
            return Err(Error::Usage(format!(
                "--chart draws for people and cannot be {name}: leave {name} out, or write to a file that ends in .txt"
            )));
        }
        Ok(Target { format, pictures: true, ..self })
    }

    /// Writes a result; a file is written whole or not at all. The folder is made when there is something to write.
    ///
    /// # Errors
    /// `Error::Write` or `Error::Stdout`.
    pub fn write(&self, result: &DataFrame, about: &About, title: &str) -> Result<(), Error> {
        match &self.place {
            Place::Stdout => self.print(result, about),
            Place::Titled => {
                let mark = if self.format == Format::Markdown { "## " } else { "" };
                let mut stdout = std::io::stdout();
                writeln!(stdout, "{mark}{}: {title}\n", about.name).map_err(Error::Stdout)?;
                self.print(result, about)?;
                writeln!(stdout).map_err(Error::Stdout)
            }
            Place::File(path) => self.save(path, result, about),
            Place::Folder(folder) => {
                make_folder(folder)?;
                self.save(&folder.join(self.file_name(&about.name)), result, about)
            }
        }
    }

    /// Whether results stand one below the other.
    pub fn is_titled(&self) -> bool {
        matches!(self.place, Place::Titled)
    }

    /// Whether each result has a file of its own.
    pub fn is_folder(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    /// Whether there is a page beside the files.
    pub fn has_page(&self) -> bool {
        self.page
    }

    /// The files that results of these names become, and the page beside them.
    pub fn files<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
        match &self.place {
            Place::Stdout | Place::Titled => Vec::new(),
            Place::File(path) => vec![path.clone()],
            Place::Folder(folder) => {
                let page = self.page.then(|| PAGE.to_owned());
                names.map(|name| self.file_name(name)).chain(page).map(|file| folder.join(file)).collect()
            }
        }
    }

    /// The file of a result among several.
    pub fn file_name(&self, name: &str) -> String {
        format!("{name}.{}", self.format.endings()[0])
    }

    /// Writes the page beside the files, whole or not at all.
    ///
    /// # Errors
    /// `Error::Write`.
    pub fn write_page(&self, page: &Page, facts: &Facts) -> Result<(), Error> {
        let Place::Folder(folder) = &self.place else { return Ok(()) };
        make_folder(folder)?;
        write_atomically(&folder.join(PAGE), |out| page.write(facts, out))
    }

    fn save(&self, path: &Path, result: &DataFrame, about: &About) -> Result<(), Error> {
        let style = Style { picture: self.pictures, ..Style::default() };
        write_atomically(path, |out| sink::write(self.format, result, about, &style, out))
    }

    fn print(&self, result: &DataFrame, about: &About) -> Result<(), Error> {
        let mut stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let width = if terminal { terminal_width() } else { None };
        let color = use_color(self.color, terminal);
        let style = Style { color, width, picture: self.pictures, ascii: !is_utf8() };
        sink::write(self.format, result, about, &style, &mut stdout).map_err(Error::Stdout)
    }
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })
}

fn named(format: Option<&str>) -> Result<Option<Format>, Error> {
    let of_name = |name: &str| {
        let is = |format: &Format| format.name() == name || format.endings().contains(&name);
        Format::ALL.into_iter().find(is).ok_or_else(|| Error::Usage(format!("no format is called '{name}'")))
    };
    format.map(of_name).transpose()
}

/// As no-color.org says: NO_COLOR, if set and not empty, turns colour off unless the user asks for it; so does a terminal that
/// says of itself that it is dumb.
fn use_color(when: When, terminal: bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
        }
    }
}

/// The terminal's columns, `$COLUMNS` first.
fn terminal_width() -> Option<u16> {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    // Where nobody knows how wide it is, as in a container's, it says 0.
    let known = |width: &u16| *width > 0;
    given.filter(known).or_else(|| comfy_table::Table::new().width().filter(known))
}

/// Whether the locale's characters are more than ASCII; where none is set, they are.
fn is_utf8() -> bool {
    let set =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    set.is_none_or(|value| {
        let value = value.to_string_lossy().to_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}
