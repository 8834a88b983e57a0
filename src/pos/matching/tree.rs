//! The index: a tree of path segments, so that a choice looks only at examples whose path has the shape of the call's.

use super::pattern::{Pattern, Segment, key};
use http::Method;
use std::collections::{BTreeMap, HashMap};

/// Most comparisons in the search for a near match. It is the only search that looks at other paths, and only when
/// nothing else was found.
const MOST_COMPARISONS: usize = 2000;

/// How alike two segments must be for a near match, as a share of the longer one.
const ALIKE: f64 = 0.75;

/// Longest segment that is compared for a near match, in bytes: the cost grows with the square.
const MOST_COMPARED: usize = 64;

/// Where the examples of one path and one method are listed.
pub(super) type Groups = Vec<(Method, usize)>;

/// One segment of all the paths that share what comes before it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    literal: HashMap<String, Tree>,
    mixed: BTreeMap<(String, String), Tree>,
    open: Option<Box<Tree>>,
    groups: Groups,
}

impl Tree {
    /// The list for this pattern; made where there is none.
    pub(super) fn groups_of(&mut self, pattern: &Pattern) -> &mut Groups {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(key(text)).or_default(),
                Segment::Open { .. } => node.open.get_or_insert_default(),
                Segment::Mixed { before, after, .. } => node.mixed.entry((before.clone(), after.clone())).or_default(),
            };
        }
        &mut node.groups
    }

    /// All lists whose pattern has the shape of this path.
    pub(super) fn find<'a>(&'a self, path: &[String], found: &mut Vec<&'a Groups>) {
        let Some((text, rest)) = path.split_first() else {
            found.extend((!self.groups.is_empty()).then_some(&self.groups));
            return;
        };
        if let Some(node) = self.literal.get(&key(text)) {
            node.find(rest, found);
        }
        for ((before, after), node) in &self.mixed {
            if Segment::fits(before, after, text) {
                node.find(rest, found);
            }
        }
        // A wildcard stands for one whole segment, and an empty one is none.
        if let Some(node) = self.open.as_ref().filter(|_| !text.is_empty()) {
            node.find(rest, found);
        }
    }

    /// All lists whose path is nearly this one, segment by segment, with the path as a person reads it.
    pub(super) fn find_near(&self, path: &[String]) -> Vec<(String, &Groups)> {
        let mut found = Vec::new();
        let mut left = MOST_COMPARISONS;
        self.near(path, "", &mut left, &mut found);
        found
    }

    fn near<'a>(&'a self, path: &[String], before: &str, left: &mut usize, found: &mut Vec<(String, &'a Groups)>) {
        let Some((text, rest)) = path.split_first() else {
            found.extend((!self.groups.is_empty()).then(|| (before.to_owned(), &self.groups)));
            return;
        };
        let wanted = key(text);
        for (literal, node) in &self.literal {
            let Some(fewer) = left.checked_sub(1) else { return };
            *left = fewer;
            if are_alike(literal, &wanted) {
                node.near(rest, &format!("{before}/{}", literal.trim_start_matches('/')), left, found);
            }
        }
        if let Some(node) = self.open.as_ref().filter(|_| !text.is_empty()) {
            node.near(rest, &format!("{before}/{text}"), left, found);
        }
    }
}

fn are_alike(one: &str, other: &str) -> bool {
    let longer = one.len().max(other.len());
    one == other
        || longer <= MOST_COMPARED
            && one.len().abs_diff(other.len()) * 4 <= longer
            && strsim::normalized_damerau_levenshtein(one, other) >= ALIKE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pos::{
        collection::{Address, Variables},
        template::Rationed,
    };

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (at, path) in paths.iter().enumerate() {
            let address = Address { path: (*path).to_owned(), ..Address::default() };
            for pattern in Pattern::of(&address, &Rationed::for_call(&Variables::default())) {
                tree.groups_of(&pattern).push((Method::GET, at));
            }
        }
        tree
    }

    fn found(tree: &Tree, path: &[&str]) -> Vec<usize> {
        let path: Vec<_> = path.iter().map(|text| (*text).to_owned()).collect();
        let mut found = Vec::new();
        tree.find(&path, &mut found);
        found.into_iter().flatten().map(|(_, at)| *at).collect()
    }

    #[test]
    fn a_wildcard_is_exactly_one_segment() {
        let tree = tree(&["a/{{x}}", "a/b", "a/{{x}}/c", ":y", "a/b-{{z}}"]);

        assert_eq!(found(&tree, &["a", "B"]), [1, 0]);
        assert_eq!(found(&tree, &["a", "b-1"]), [4, 0]);
        assert_eq!(found(&tree, &["a", "q", "c"]), [2]);
        assert_eq!(found(&tree, &["a"]), [3]);
        assert_eq!(found(&tree, &["a", ""]), Vec::<usize>::new());
        assert_eq!(found(&tree, &["a", "q", "c", "d"]), Vec::<usize>::new());
    }

    #[test]
    fn near_paths_have_as_many_segments_and_are_three_quarters_alike() {
        let tree = tree(&["search/members", "rewards"]);
        let near = |path: &[&str]| {
            let path: Vec<_> = path.iter().map(|text| (*text).to_owned()).collect();
            tree.find_near(&path).into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };

        assert_eq!(near(&["serach", "member"]), ["/search/members"]);
        assert_eq!(near(&["serach"]), Vec::<String>::new());
        assert_eq!(near(&["reward"]), ["/rewards"]);
        assert_eq!(near(&["re"]), Vec::<String>::new());
    }
}
