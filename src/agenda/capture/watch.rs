//! What the trigger watches on a table, and whether a change of a row matters.
//!
//! Columns are looked up by name and may come, go or change type at any time: one that
//! is not there, or that can't be compared, counts as not watched. What was looked up
//! holds until the catalog changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::columns::{COLUMNS, Column, Watched};
use crate::server::catalog;
use crate::server::table::{attribute, width};

use super::{CAPTURED, Kind};

// SAFETY: the server's comparison of two values by their bytes, declared as its headers have
// it; pgrx doesn't bind it.
unsafe extern "C-unwind" {
    fn datumIsEqual(one: pg_sys::Datum, other: pg_sys::Datum, by_value: bool, length: i32) -> bool;
}

/// Microseconds of the product's "no time" since 2000.
const NO_TIME: i64 = crate::instant::Instant::NO_TIME.micros();

/// What the trigger knows of a relation.
pub(super) struct Watch {
    /// What a mark names.
    pub kind: Kind,
    id: usize,
    needs: Vec<usize>,
    columns: Vec<WatchedColumn>,
}

/// A watched column as a relation has it.
struct WatchedColumn {
    index: usize,
    watched: Watched,
    /// The column of [`Watched::SoonerOrAwayFrom`], if it is there.
    away_from: Option<usize>,
    by_value: bool,
    length: i32,
}

/// What was looked up of relations, and the state of the catalog that it holds for.
type Watches = (u64, HashMap<pg_sys::Oid, Option<Rc<Watch>>>);

impl Watch {
    /// What is watched on the trigger's relation, if anything can be.
    ///
    /// # Safety
    /// `trigger` is what the server gave to a trigger function.
    pub(super) unsafe fn of(trigger: &pg_sys::TriggerData) -> Option<Rc<Watch>> {
        thread_local! {
            static WATCHES: RefCell<Watches> = RefCell::default();
        }
        // SAFETY: the relation is open while the trigger runs.
        let relation = unsafe { (*trigger.tg_relation).rd_id };
        // Of this relation all is heard of that there is: the statement that fired the
        // trigger holds its lock.
        let generation = catalog::generation_heard_of();
        WATCHES.with_borrow_mut(|(known, watches)| {
            if *known != generation {
                watches.clear();
                *known = generation;
            }
            watches
                .entry(relation)
                // SAFETY: as this function.
                .or_insert_with(|| unsafe { Watch::look_up(trigger) }.map(Rc::new))
                .clone()
        })
    }

    /// # Safety
    /// `trigger` is what the server gave to a trigger function.
    unsafe fn look_up(trigger: &pg_sys::TriggerData) -> Option<Watch> {
        // SAFETY: the trigger's arguments and the relation's descriptor live for the
        // call.
        unsafe {
            let definition = &*trigger.tg_trigger;
            if definition.tgnargs < 1 {
                return None;
            }
            let table = CStr::from_ptr(*definition.tgargs).to_str().ok()?;
            let captured = CAPTURED.iter().find(|captured| captured.table == table)?;
            let descriptor = (*trigger.tg_relation).rd_att;
            let attributes = || {
                (0..width(descriptor))
                    .map(|index| (index, &*attribute(descriptor, index)))
                    .filter(|(_, attribute)| !attribute.attisdropped)
            };
            // By the first of its names that is there.
            let find = |column: &Column| {
                column.names().find_map(|name| {
                    attributes().find(|(_, found)| pgrx::name_data_to_str(&found.attname) == name)
                })
            };
            let id = find(&captured.id).filter(|(_, found)| found.atttypid == pg_sys::UUIDOID);
            let needs = captured.needs.iter().filter_map(find);
            let watched = COLUMNS.iter().filter(|column| column.table == table);
            let columns = watched.filter_map(|column| {
                let watched = column.watched?;
                let (index, found) = find(column)?;
                let is_time = |found: &pg_sys::FormData_pg_attribute| {
                    found.atttypid == pg_sys::TIMESTAMPTZOID
                        || found.atttypid == pg_sys::TIMESTAMPOID
                };
                let away_from = match watched {
                    Watched::SoonerOrAwayFrom(other) => {
                        find(other).filter(|(_, other)| is_time(other))
                    }
                    _ => None,
                };
                Some(WatchedColumn {
                    index,
                    away_from: away_from.map(|(index, _)| index),
                    // A time of another type can't be compared: any change counts.
                    watched: if is_time(found) {
                        watched
                    } else {
                        Watched::Changed
                    },
                    by_value: found.attbyval,
                    length: i32::from(found.attlen),
                })
            });
            Some(Watch {
                kind: captured.kind,
                id: id?.0,
                needs: needs.map(|(index, _)| index).collect(),
                columns: columns.collect(),
            })
        }
    }

    /// Can a row as it is now not make anything due?
    pub(super) fn is_of_no_consequence(&self, new: &Values) -> bool {
        !self.needs.is_empty() && self.needs.iter().all(|&index| new.get(index).is_none())
    }

    /// Did a column change in a way that matters?
    ///
    /// # Safety
    /// Both are rows of the relation that this was looked up for.
    pub(super) unsafe fn sees_change(&self, old: &Values, new: &Values) -> bool {
        self.columns
            .iter()
            // SAFETY: see above.
            .any(|column| unsafe { column.changed(old, new) })
    }

    /// The id that a mark names.
    ///
    /// # Safety
    /// It is a row of the relation that this was looked up for.
    pub(super) unsafe fn id(&self, row: &Values) -> Option<Uuid> {
        row.get(self.id)
            // SAFETY: the column, by its look-up, is a uuid, which points to 16 bytes.
            .map(|datum| unsafe { Uuid::from_bytes(*datum.cast_mut_ptr::<[u8; 16]>()) })
    }
}

impl WatchedColumn {
    /// # Safety
    /// Both are rows of the relation that this column was looked up for.
    unsafe fn changed(&self, old: &Values, new: &Values) -> bool {
        // All was done up to the time in the column, as the other column says.
        let is_done = |row: &Values| {
            let reached = self.away_from.and_then(|index| row.get(index));
            reached.is_some() && reached.map(micros) == row.get(self.index).map(micros)
        };
        let no_longer_done = || is_done(old) && !is_done(new);
        let (old, new) = (old.get(self.index), new.get(self.index));
        let time = |value: Option<pg_sys::Datum>| value.map(micros).filter(|&t| t != NO_TIME);
        match self.watched {
            Watched::Changed => match (old, new) {
                (None, None) => false,
                (Some(old), Some(new)) => {
                    // SAFETY: values of one type, whose length and passing these are.
                    old != new && unsafe { !datumIsEqual(old, new, self.by_value, self.length) }
                }
                _ => true,
            },
            Watched::Sooner => is_sooner(time(old), time(new)),
            Watched::SoonerOrAwayFrom(_) => match (time(old), time(new)) {
                // Of what is past nothing is on the agenda any more.
                (Some(old), Some(new)) if new > old => old <= now() || no_longer_done(),
                (old, new) => is_sooner(old, new) || (new.is_some() && no_longer_done()),
            },
            Watched::SoonerOrNull => match (old, new) {
                (Some(_), None) => true,
                (Some(old), Some(new)) => micros(new) < micros(old),
                (None, _) => false,
            },
        }
    }
}

/// Does a time become earlier, or come to be?
fn is_sooner(old: Option<i64>, new: Option<i64>) -> bool {
    new.is_some_and(|new| old.is_none_or(|old| new < old))
}

/// The clock's time as the server keeps it.
fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// A time as the server keeps it: microseconds since 2000.
fn micros(datum: pg_sys::Datum) -> i64 {
    datum.value() as i64
}

/// The values of a row, column by column.
#[derive(Default)]
pub(super) struct Values {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Values {
    /// Takes a row apart, in the room of the one before. Values that are not passed by
    /// value point into the tuple.
    ///
    /// # Safety
    /// The descriptor describes the tuple, which outlives what is read of it here.
    pub(super) unsafe fn read(&mut self, tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) {
        // SAFETY: see above; there is room for all columns.
        unsafe {
            self.values.resize(width(descriptor), pg_sys::Datum::null());
            self.nulls.resize(width(descriptor), true);
            let (values, nulls) = (self.values.as_mut_ptr(), self.nulls.as_mut_ptr());
            pg_sys::heap_deform_tuple(tuple, descriptor, values, nulls);
        }
    }

    fn get(&self, index: usize) -> Option<pg_sys::Datum> {
        match self.nulls.get(index) {
            Some(false) => self.values.get(index).copied(),
            _ => None,
        }
    }
}
