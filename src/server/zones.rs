//! Time zones from the server's own database, so that a schedule and `AT TIME ZONE`
//! in SQL can never disagree.
