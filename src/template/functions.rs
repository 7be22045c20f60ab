//! Terraform's functions that depend on nothing but their arguments, and what they return.
//!
//! The list is of Terraform 1.11, of which the renderer has the same. What is not in it is
//! unknown: functions that read the machine (`path.*`, `file*`, `abspath`), the clock or
//! chance (`timestamp`, `uuid`, `bcrypt`), templates (`templatefile`), marks (`sensitive`),
//! and those of providers.

/// What a function returns, as far as its name and arguments' shapes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    Text,
    Number,
    Bool,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
    /// The argument as text, number or bool; null for null.
    AsText,
    AsNumber,
    AsBool,
    /// The argument itself.
    Same,
    /// A list, set or map of the only argument's values.
    Collected,
    /// A list or set of values of all arguments' values.
    AllCollected,
    /// One of the argument's values.
    Element,
    /// One of its values, or null.
    ElementOrNull,
    /// The value of a key in the first argument, or the last one.
    Lookup,
    /// The first that is not null, of one kind.
    Coalesced,
    /// One of the arguments.
    OneOf,
    /// The objects' values.
    Merged,
    /// What lists of lists hold.
    Flat,
    /// Lists of values of all arguments' values.
    Groups,
    /// The second argument's values by other names.
    Zipped,
    /// Several lists or maps of texts.
    TextsByName,
    /// Anything but null, though null may be in it.
    Something,
    /// Anything, perhaps null, in it too.
    Anything,
    /// `try` and `can`: what they return early may stay.
    Try,
    Can,
    /// `file`: static only for what is there, in the root module.
    File,
}

/// What a function returns; `None` for one whose answer is unknown.
pub(super) fn returns(name: &str) -> Option<Returns> {
    Some(match name {
        "abs" | "ceil" | "floor" | "index" | "length" | "log" | "max" | "min" | "parseint"
        | "pow" | "signum" | "sum" | "timecmp" => Returns::Number,
        "base64decode" | "base64encode" | "base64sha256" | "base64sha512" | "basename"
        | "chomp" | "cidrhost" | "cidrnetmask" | "cidrsubnet" | "dirname" | "format"
        | "formatdate" | "indent" | "join" | "jsonencode" | "lower" | "md5" | "replace"
        | "sha1" | "sha256" | "sha512" | "strrev" | "substr" | "textdecodebase64"
        | "textencodebase64" | "timeadd" | "title" | "trim" | "trimprefix" | "trimspace"
        | "trimsuffix" | "upper" | "urlencode" | "uuidv5" | "yamlencode" => Returns::Text,
        "alltrue" | "anytrue" | "contains" | "endswith" | "startswith" | "strcontains" => {
            Returns::Bool
        }
        "cidrsubnets" | "compact" | "formatlist" | "keys" | "sort" | "split" => Returns::Texts,
        "range" => Returns::Numbers,
        "tostring" => Returns::AsText,
        "tonumber" => Returns::AsNumber,
        "tobool" => Returns::AsBool,
        "nonsensitive" => Returns::Same,
        "distinct" | "matchkeys" | "reverse" | "slice" | "tolist" | "tomap" | "toset"
        | "values" => Returns::Collected,
        "concat" | "setintersection" | "setsubtract" | "setunion" => Returns::AllCollected,
        "element" => Returns::Element,
        "one" => Returns::ElementOrNull,
        "lookup" => Returns::Lookup,
        "coalesce" => Returns::Coalesced,
        "coalescelist" => Returns::OneOf,
        "merge" => Returns::Merged,
        "flatten" => Returns::Flat,
        "chunklist" | "setproduct" => Returns::Groups,
        "zipmap" => Returns::Zipped,
        "csvdecode" | "transpose" => Returns::TextsByName,
        "regex" => Returns::Something,
        "jsondecode" | "regexall" | "yamldecode" => Returns::Anything,
        "try" => Returns::Try,
        "can" => Returns::Can,
        "file" => Returns::File,
        _ => return None,
    })
}
