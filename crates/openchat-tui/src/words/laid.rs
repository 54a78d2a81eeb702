//! Messages as they were laid out, kept from one picture to the next, and only so much of each as fits a timeline.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use ratatui::text::Line;

use super::markdown::{Look, Readers, render};

/// Rows of one message that stand in a timeline; all of it is on its own page.
pub const MOST_ROWS: usize = 100;
/// What is laid out of a message for a timeline, in bytes.
const MOST_BYTES: usize = 16 * 1024;
/// Rows that are kept, of all messages.
const KEPT: usize = 20_000;

/// What a timeline shows of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Laid {
    /// Its rows, at most [`MOST_ROWS`].
    pub rows: Arc<[Line<'static>]>,
    /// There is more of it.
    pub is_cut: bool,
}

/// What rows depend on besides the message.
#[derive(Debug, PartialEq)]
struct Ground {
    width: u16,
    look: Look,
    me: String,
    names: Vec<String>,
}

impl Ground {
    fn is(&self, width: u16, look: &Look, readers: Readers<'_>) -> bool {
        self.width == width
            && self.look == *look
            && self.me == readers.me
            && self.names.iter().map(String::as_str).eq(readers.names.iter().copied())
    }
}

/// Messages that were laid out, by what identifies their words. Memory is bounded by rows.
#[derive(Debug)]
pub struct Layouts<K> {
    ground: Option<Ground>,
    laid: HashMap<K, Laid>,
    rows: usize,
}

impl<K> Default for Layouts<K> {
    fn default() -> Self {
        Self { ground: None, laid: HashMap::new(), rows: 0 }
    }
}

impl<K: Eq + Hash> Layouts<K> {
    /// From now on rows are as wide as this, look like this and are for these readers. Others are forgotten.
    pub fn prepare(&mut self, width: u16, look: &Look, readers: Readers<'_>) {
        if self.ground.as_ref().is_some_and(|ground| ground.is(width, look, readers)) {
            return;
        }
        self.clear();
        self.ground = Some(Ground {
            width,
            look: *look,
            me: readers.me.to_owned(),
            names: readers.names.iter().map(|name| (*name).to_owned()).collect(),
        });
    }

    /// The rows of the message that `key` identifies and whose words are `text`. A key must not be used for other words.
    pub fn get(&mut self, key: K, text: &str) -> Laid {
        if let Some(laid) = self.laid.get(&key) {
            return laid.clone();
        }
        let laid = match &self.ground {
            Some(ground) => {
                let names: Vec<_> = ground.names.iter().map(String::as_str).collect();
                lay_out(text, ground.width, &ground.look, Readers { me: &ground.me, names: &names })
            }
            None => lay_out(text, 1, &Look::default(), Readers::default()),
        };
        if self.rows + laid.rows.len() > KEPT {
            self.clear();
        }
        self.rows += laid.rows.len();
        self.laid.insert(key, laid.clone());
        laid
    }

    /// The rows that are kept.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) {
        self.laid.clear();
        self.rows = 0;
    }
}

/// Lays out what a timeline shows of a message. However long it is, this takes no longer than a few pages do.
pub fn lay_out(text: &str, width: u16, look: &Look, readers: Readers<'_>) -> Laid {
    let end = text.floor_char_boundary(MOST_BYTES);
    let (shown, rest) = text.split_at(end);
    let mut rows = render(shown, width, look, readers);
    let is_cut = !rest.is_empty() || rows.len() > MOST_ROWS;
    rows.truncate(MOST_ROWS);
    Laid { rows: rows.into(), is_cut }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &[&str] = &["bob"];

    fn readers(me: &str) -> Readers<'_> {
        Readers { me, names: NAMES }
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let look = Look::default();
        let short = lay_out("a\nb", 40, &look, readers("ada"));
        assert_eq!((short.rows.len(), short.is_cut), (2, false));
        let tall = lay_out(&"a\n".repeat(MOST_ROWS + 1), 40, &look, readers("ada"));
        assert_eq!((tall.rows.len(), tall.is_cut), (MOST_ROWS, true));
        let long = lay_out(&"é".repeat(MOST_BYTES), 160, &look, readers("ada"));
        assert!(long.is_cut && long.rows.len() <= MOST_ROWS);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut layouts = Layouts::default();
        layouts.prepare(10, &Look::default(), readers("ada"));
        for number in 0..300_u32 {
            layouts.get(number, &"> \n".repeat(2_000));
            assert!(layouts.rows() <= KEPT);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_would_be_laid_out_anew(
            texts in prop::collection::vec("([a-z*`_>#@\\[\\]()! \n]|é|漢|👋🏽|@ada|@bob){0,80}", 1..6),
            steps in prop::collection::vec((0_usize..6, 0_u16..40, any::<bool>()), 1..30),
        ) {
            let mut layouts = Layouts::default();
            for (which, width, is_ada) in steps {
                let (look, readers) = (Look::default(), readers(if is_ada { "ada" } else { "bob" }));
                let which = which % texts.len();
                layouts.prepare(width, &look, readers);
                let kept = layouts.get(which, &texts[which]);
                prop_assert_eq!(kept, lay_out(&texts[which], width, &look, readers));
            }
        }
    }
}
