//! The product's rules: which of them are in force, what each makes due and when, and what
//! the operator's settings change; that previews say what the tick then does.

mod agreement;
mod bound;
mod dormancy;
mod failed;
mod in_force;
mod product_cases;
mod provisioners;
mod schedules;
mod settings;
mod start_and_stop;
mod support;
mod unreadable;
mod upcoming;
mod weekdays;
