//! The built-in catalogue is the standard, word for word.

#[path = "common/data.rs"]
mod data;

use serde_json::Value as Json;
use telltale::signals::vss::{CATALOGUE, lookup};

#[test]
fn the_table_is_sorted_so_that_it_can_be_searched() {
    assert!(CATALOGUE.is_sorted_by(|a, b| a.0 < b.0));
    for (path, leaf) in CATALOGUE {
        assert_eq!(lookup(path), Some(*leaf));
    }
}

#[test]
fn every_entry_is_what_vss_6_0_says() {
    let Some(path) = data::data("vss/vss_release_6.0.json") else { return };
    let text = std::fs::read(path).expect("the specification can be read");
    let standard: Json = serde_json::from_slice(&text).expect("the specification is JSON");
    for (path, leaf) in CATALOGUE {
        let mut node = &standard;
        for (depth, part) in path.split('.').enumerate() {
            node = if depth == 0 { &node[part] } else { &node["children"][part] };
        }
        assert_eq!(node["datatype"], leaf.datatype.name(), "{path}");
        assert_eq!(node.get("unit").and_then(Json::as_str).unwrap_or(""), leaf.unit, "{path}");
        assert_eq!(node.get("min").and_then(Json::as_f64), leaf.min, "{path}");
        assert_eq!(node.get("max").and_then(Json::as_f64), leaf.max, "{path}");
        let allowed: Vec<&str> =
            node.get("allowed").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        assert_eq!(allowed, leaf.allowed, "{path}");
    }
}
