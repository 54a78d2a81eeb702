//! "Did you mean": the name most like one that does not exist.

/// The name most like `wrong`, unless even that one is quite different.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this, two names have little in common.
    const ALIKE: f64 = 0.6;
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(name, wrong);
    let best = names.into_iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    best.filter(|name| likeness(name) > ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_none_at_all() {
        assert_eq!(nearest("loby", ["ops", "lobby", "lab"]), Some("lobby"));
        assert_eq!(nearest("bbo", ["alice", "bob"]), Some("bob"));
        assert_eq!(nearest("zzz", ["alice", "bob"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
