//! Ticks by hand, each as a whole: one executor, order and cap, history; whoever can't be
//! written fails alone; what a tick costs; a timer's ticks, without the worker.

mod cost;
mod offenders;
mod run;
mod whole;
