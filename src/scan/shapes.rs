//! Which keys have followed one another in the lines before, as bytes to compare: lines of one kind have the same keys in
//! the same order. Knows nothing of values.

use super::fields::Field;
use super::stops::{WINDOW, Windows};

/// A key with what stands around it, as Python writes it behind the keys before it: `{"key": ` or `, "key": `, or the
/// line's end, `}` and a newline.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Step {
    bytes: [u8; WINDOW],
    /// A bit is set where a byte does not count.
    free: u32,
    /// How many bytes count; none in a step that is not known yet.
    pub length: u8,
    /// A field's number, [`UNKNOWN`] or [`END`].
    pub meaning: u8,
    /// The number of the step that may stand here in place of this one; 0 for none.
    pub other: u16,
}

/// The meaning of a key that no field is read from. The meaning of any other key is the field's number.
pub const UNKNOWN: u8 = 64;
/// The meaning of the line's end.
pub const END: u8 = 65;

const NOT_YET: Step = Step { bytes: [0; WINDOW], free: 0, length: 0, meaning: UNKNOWN, other: 0 };

impl Step {
    fn new(text: &[u8], meaning: u8) -> Option<Step> {
        let mut bytes = [0; WINDOW];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let free = u32::MAX.checked_shl(text.len() as u32).unwrap_or(0);
        Some(Step { bytes, free, length: text.len() as u8, meaning, other: 0 })
    }

    /// Whether this step is at the begin of the window.
    #[inline(always)]
    pub fn matches<W: Windows>(&self, window: &[u8; WINDOW]) -> bool {
        W::equal(&self.bytes, window) | self.free == u32::MAX
    }

    /// The field that the key's value is read into.
    #[inline(always)]
    pub fn field(&self) -> Option<Field> {
        (self.meaning < UNKNOWN).then_some(Field(self.meaning))
    }
}

/// The lines' steps as a tree: behind a step comes the one that was first seen to follow it, whose `other` is the one that
/// was seen next, and so on.
pub struct Shapes {
    steps: Vec<Step>,
}

/// How many steps are kept; lines with more shapes than that have them learned anew from time to time.
const MOST: usize = 4096;
/// How many steps may stand in one place.
const MOST_OTHERS: usize = 8;

/// Where no step stands: behind steps that were not learned.
const LOST: usize = usize::MAX;

impl Default for Shapes {
    fn default() -> Self {
        Shapes { steps: vec![NOT_YET] }
    }
}

impl Shapes {
    /// All steps; the line begins at the first one, and what is likely behind a step is the next one.
    #[inline(always)]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Notes that this text can stand in the place of this step, and returns the number of the step that comes behind it.
    pub fn learn(&mut self, step: usize, text: &[u8], meaning: u8) -> usize {
        let Some(new) = Step::new(text, meaning) else { return LOST };
        if step >= self.steps.len() {
            return LOST;
        }
        if self.steps.len() >= MOST {
            self.steps = vec![NOT_YET];
            return LOST;
        }
        let mut at = step;
        if at + 1 == self.steps.len() && self.steps[at].length == 0 {
            // Nothing stands behind it yet.
            self.steps[at] = new;
        } else {
            let mut others = 1;
            while self.steps[at].other != 0 {
                at = usize::from(self.steps[at].other);
                others += 1;
            }
            if others >= MOST_OTHERS {
                return LOST;
            }
            self.steps[at].other = self.steps.len() as u16;
            at = self.steps.len();
            self.steps.push(new);
        }
        if meaning != END {
            self.steps.push(NOT_YET);
        }
        at + 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::stops::Portable;
    use super::*;

    /// The steps of a line, learned where they are not known; how many were.
    fn known(shapes: &mut Shapes, texts: &[&str]) -> usize {
        let (mut step, mut known) = (0, 0);
        for &text in texts {
            let mut window = [b'x'; WINDOW];
            window[..text.len()].copy_from_slice(text.as_bytes());
            let mut at = Some(step);
            while let Some(this) = at
                && shapes.steps().get(this).is_some_and(|step| !step.matches::<Portable>(&window))
            {
                at = Some(usize::from(shapes.steps[this].other)).filter(|&other| other != 0);
            }
            step = match at.filter(|&at| at != LOST) {
                Some(at) => {
                    assert_eq!(usize::from(shapes.steps[at].length), text.len());
                    known += 1;
                    at + 1
                }
                None => shapes.learn(step, text.as_bytes(), if text == "}\n" { END } else { UNKNOWN }),
            };
        }
        known
    }

    #[test]
    fn a_shape_is_known_once_it_was_seen() {
        let mut shapes = Shapes::default();
        let lines: [&[&str]; 4] =
            [&["{a", ",b", ",c", "}\n"], &["{a", ",c", "}\n"], &["{a", ",b", "}\n"], &["{b", "}\n"]];
        assert_eq!(lines.map(|line| known(&mut shapes, line)), [0, 1, 2, 0]);
        for _ in 0..3 {
            assert_eq!(lines.map(|line| known(&mut shapes, line)), [4, 3, 3, 2]);
        }
    }

    #[test]
    fn a_line_that_broke_off_is_gone_on_with() {
        let mut shapes = Shapes::default();
        assert_eq!(known(&mut shapes, &["{a", ",b"]), 0);
        assert_eq!(known(&mut shapes, &["{b", "}\n"]), 0);
        assert_eq!(known(&mut shapes, &["{a", ",b", ",c", "}\n"]), 2);
        assert_eq!(known(&mut shapes, &["{a", ",b", ",c", "}\n"]), 4);
    }

    #[test]
    fn more_shapes_than_are_kept_are_no_harm() {
        let mut shapes = Shapes::default();
        for number in 0..3 * MOST {
            let (key, other) = (format!("{{{number}:"), format!(",{}:", number % 7));
            known(&mut shapes, &["{a", &key, &other, &key, "}\n"]);
            assert!(shapes.steps.len() < MOST + 4);
        }
        let long = "k".repeat(WINDOW);
        assert_eq!(shapes.learn(0, format!("{long}k").as_bytes(), UNKNOWN), LOST);
        assert_eq!(known(&mut shapes, &[&long]), known(&mut shapes, &["nothing"]));
    }
}
