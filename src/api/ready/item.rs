//! A row of the checklist.

/// A row.
pub(super) struct Item {
    /// What it is about.
    pub(super) item: &'static str,
    /// `None` where it could not be found out.
    pub(super) ok: Option<bool>,
    /// What was seen.
    pub(super) detail: String,
    /// What mends it, or lists what to mend.
    pub(super) statement: Option<String>,
}

impl Item {
    /// It is right.
    pub(super) fn fine(item: &'static str, detail: impl Into<String>) -> Item {
        Item {
            item,
            ok: Some(true),
            detail: detail.into(),
            statement: None,
        }
    }

    /// It is to be mended.
    pub(super) fn lacking(
        item: &'static str,
        detail: impl Into<String>,
        statement: impl Into<Option<String>>,
    ) -> Item {
        Item {
            item,
            ok: Some(false),
            detail: detail.into(),
            statement: statement.into(),
        }
    }

    /// It could not be found out.
    pub(super) fn unknown(item: &'static str, detail: impl Into<String>) -> Item {
        Item {
            item,
            ok: None,
            detail: detail.into(),
            statement: None,
        }
    }
}
