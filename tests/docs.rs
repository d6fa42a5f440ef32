//! The pages are there, and what they point to is there too.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut pages: Vec<PathBuf> = vec!["README.md".into(), "hil/README.md".into()];
    let docs = fs::read_dir("docs").expect("the folder of the pages");
    pages.extend(docs.map(|entry| entry.expect("readable").path()).filter(|path| path.extension().is_some()));
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            let path = page.parent().unwrap_or(Path::new("")).join(target);
            assert!(path.exists(), "{} points to {target}, which is not there", page.display());
        }
    }
    assert!(links > 5, "only {links} links in {pages:?}: is the test looking in the right place?");
}
