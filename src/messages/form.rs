//! How the installed version of the product writes messages, as its own tables show it.

/// What is looked for in the product's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The table `notification_report_generator_logs` is there: payloads name their template.
    pub names_template: bool,
    /// The enum `notification_method` has the value `inbox`: payloads have the targets, and
    /// each message goes to the inbox, too.
    pub inbox: bool,
    /// The column `templates.use_classic_parameter_flow` is there: a version without a message
    /// has `None provided` in its place.
    pub none_provided: bool,
}

impl Form {
    /// The form of today's product.
    pub const TODAY: Form = Form {
        names_template: true,
        inbox: true,
        none_provided: true,
    };

    /// The payload's `_version`.
    pub fn payload_version(&self) -> &'static str {
        match (self.inbox, self.names_template) {
            (true, _) => "1.2",
            (false, true) => "1.1",
            (false, false) => "1.0",
        }
    }
}

/// The ways on which a notice is sent, each a row of its own: that of its template, or where it
/// has none the one that is set for all, if any is; and the inbox, where the product has one
/// and it is on. Each way once.
pub fn methods<'a>(
    form: &Form,
    of_template: Option<&'a str>,
    for_all: Option<&'a str>,
    inbox_is_on: bool,
) -> Vec<&'a str> {
    let mut methods: Vec<&str> = of_template.or(for_all).into_iter().collect();
    if form.inbox && inbox_is_on && !methods.contains(&INBOX) {
        methods.push(INBOX);
    }
    methods
}

const INBOX: &str = "inbox";
