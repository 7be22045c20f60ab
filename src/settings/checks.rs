//! What refuses a text that makes no sense, with the reason.

use std::ffi::{CStr, CString, c_char, c_void};

use pgrx::{pg_guard, pg_sys};

use crate::lifecycle::rules::RuleSet;
use crate::messages::access_url::AccessUrl;

/// The names in a comma-separated list; a quoted name keeps every character.
pub(super) fn parse_names(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut chars = text.trim().chars().peekable();
    while chars.peek().is_some() {
        let mut name = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
                    Some('"') => break,
                    Some(c) => name.push(c),
                    None => return Err("a quoted name has no closing quote".into()),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|&c| c != ',') {
                name.push(c);
            }
            name = name.trim().to_owned();
        }
        if name.is_empty() {
            return Err("a name is empty".into());
        }
        names.push(name);
        match chars.next() {
            Some(',') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            Some(c) => return Err(format!("\"{c}\" after a quoted name")),
            None => {}
        }
    }
    Ok(names)
}

/// # Safety
/// For the server, as a check hook; so are those below.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn check_rules(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe { check(value, |text| RuleSet::from_names(text).map(drop)) }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn check_databases(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe { check(value, |text| parse_names(text).map(drop)) }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn check_access_url(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe {
        check(value, |text| match text {
            "" => Ok(()),
            text => AccessUrl::parse(text)
                .map(drop)
                .map_err(|refused| format!("{refused}; give it as https://coder.example.com")),
        })
    }
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn check_schema(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server calls check hooks with a pointer to the new value.
    unsafe {
        check(value, |text| {
            if text.is_empty() {
                Err("give the name of a schema, such as public".into())
            } else {
                Ok(())
            }
        })
    }
}

/// Runs a check of a text setting and reports its reason to the server.
///
/// # Safety
/// `value` points to the new value, a C string or NULL, as in a GUC check hook.
unsafe fn check(value: *mut *mut c_char, check: impl Fn(&str) -> Result<(), String>) -> bool {
    // SAFETY: see above; NULL stands for an empty text.
    let text = unsafe {
        if (*value).is_null() {
            String::new()
        } else {
            CStr::from_ptr(*value).to_string_lossy().into_owned()
        }
    };
    match check(&text) {
        Ok(()) => true,
        Err(reason) => {
            let reason = CString::new(reason.replace('\0', "")).unwrap_or_default();
            // SAFETY: the server reads this text right after the hook returns, and
            // ErrorContext keeps it until then.
            unsafe {
                pg_sys::GUC_check_errdetail_string =
                    pg_sys::MemoryContextStrdup(pg_sys::ErrorContext, reason.as_ptr());
            }
            false
        }
    }
}
