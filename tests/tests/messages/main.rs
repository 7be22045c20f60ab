//! Owners are told what was done, and reminded of deadlines, as the product's own executor
//! would tell them; and the audit log has its row of a dormancy mark.

mod audit;
mod faults;
mod reminders;
mod rights;
mod support;
mod turned_off;
mod written;
