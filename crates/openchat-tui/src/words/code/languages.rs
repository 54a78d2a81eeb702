//! What is known of each language: its names, its words, and how comments and strings begin.

/// A language, as far as colours need it.
pub(super) struct Language {
    /// What may stand after the fence, in lower case.
    pub(super) names: &'static [&'static str],
    keywords: &'static str,
    any_case: bool,
    pub(super) line_comment: &'static str,
    pub(super) block_comment: Option<(&'static str, &'static str)>,
    pub(super) quotes: &'static str,
}

impl Language {
    pub(super) fn has_keyword(&self, word: &str) -> bool {
        self.keywords
            .split_ascii_whitespace()
            .any(|keyword| if self.any_case { keyword.eq_ignore_ascii_case(word) } else { keyword == word })
    }
}

/// The language of this name; what follows the name (`rust,ignore`) says nothing.
pub(super) fn named(info: &str) -> Option<&'static Language> {
    let name = info.split([',', ' ', '{']).next()?.to_ascii_lowercase();
    ALL.iter().find(|language| language.names.contains(&name.as_str()))
}

const BLOCK: Option<(&str, &str)> = Some(("/*", "*/"));

pub(super) const ALL: &[Language] = &[
    Language {
        names: &["rust", "rs"],
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop \
                   match mod move mut pub ref return self Self static struct super trait true type unsafe use where \
                   while",
        any_case: false,
        line_comment: "//",
        block_comment: BLOCK,
        quotes: "\"",
    },
    Language {
        names: &["python", "py"],
        keywords: "and as assert async await break case class continue def del elif else except False finally for \
                   from global if import in is lambda match None nonlocal not or pass raise return True try while \
                   with yield",
        any_case: false,
        line_comment: "#",
        block_comment: None,
        quotes: "\"'",
    },
    Language {
        names: &["javascript", "js", "jsx", "typescript", "ts", "tsx"],
        keywords: "as async await break case catch class const continue default delete do else enum export extends \
                   false finally for from function if implements import in instanceof interface let new null of \
                   return static super switch this throw true try type typeof undefined var void while yield",
        any_case: false,
        line_comment: "//",
        block_comment: BLOCK,
        quotes: "\"'`",
    },
    Language {
        names: &["c", "h", "cpp", "c++", "cc", "hpp", "java", "kotlin", "kt", "csharp", "cs", "swift", "zig"],
        keywords: "abstract auto bool boolean break case catch char class const constexpr continue default defer \
                   delete do double else enum extends extern false final float for fun func goto guard if implements \
                   import in include inline int interface let long namespace new null nullptr operator override \
                   package private protected public return short signed sizeof static struct super switch template \
                   this throw throws true try typedef typename union unsigned using val var virtual void volatile \
                   when while",
        any_case: false,
        line_comment: "//",
        block_comment: BLOCK,
        quotes: "\"'",
    },
    Language {
        names: &["go", "golang"],
        keywords: "break case chan const continue default defer else fallthrough false for func go goto if import \
                   interface map nil package range return select struct switch true type var",
        any_case: false,
        line_comment: "//",
        block_comment: BLOCK,
        quotes: "\"'`",
    },
    Language {
        names: &["sh", "bash", "zsh", "shell", "fish"],
        keywords: "case do done elif else esac exit export fi for function if in local return set source then until \
                   while",
        any_case: false,
        line_comment: "#",
        block_comment: None,
        quotes: "\"'",
    },
    Language {
        names: &["sql"],
        keywords: "alter and as asc begin by case commit create delete desc distinct drop else end exists from group \
                   having in index inner insert into is join key left like limit not null on or order outer primary \
                   references rollback select set table then union unique update values view when where with",
        any_case: true,
        line_comment: "--",
        block_comment: BLOCK,
        quotes: "'\"",
    },
    Language {
        names: &["json", "toml", "yaml", "yml", "ini"],
        keywords: "false null true",
        any_case: false,
        line_comment: "#",
        block_comment: None,
        quotes: "\"'",
    },
];
