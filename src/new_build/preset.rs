//! The preset that a build is counted to: what the user could have clicked to get its values.

use std::collections::HashMap;

use uuid::Uuid;

use super::inputs::{Block, Preset};
use super::parameters::Row;

/// Presets in the order in which they are tried: most parameters first. Between equal ones
/// the product takes any; here the lowest id, so that a preview and its tick agree.
pub(super) fn in_order(mut presets: Vec<Preset>) -> Vec<Preset> {
    presets.sort_by_key(|preset| (std::cmp::Reverse(preset.parameters.len()), preset.id));
    presets
}

/// The first whose every parameter equals the new rows'.
pub(super) fn fitting(presets: &[Preset], rows: &[Row<'_>]) -> Result<Option<Uuid>, Block> {
    if presets.is_empty() {
        return Ok(None);
    }
    let rows: HashMap<&str, &Row<'_>> = rows.iter().map(|row| (row.name, row)).collect();
    for preset in presets {
        if fits(preset, &rows)? {
            return Ok(Some(preset.id));
        }
    }
    Ok(None)
}

fn fits(preset: &Preset, rows: &HashMap<&str, &Row<'_>>) -> Result<bool, Block> {
    for (name, value) in &preset.parameters {
        match rows.get(name.as_str()) {
            Some(row) if row.value()? == value => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
