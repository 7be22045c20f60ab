//! Weekly cron texts: from text to sets, from sets to the next instant.
