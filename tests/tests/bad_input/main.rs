//! Bad input: arguments, rows and schemas that are not as they should be. Each is a clear
//! error or a defined answer, never a panic, and the crowd beside it is built.

mod arguments;
mod poison;
mod rows;
mod schema;
mod sql_fuzz;
