//! Numbers as the renderer writes them.

/// A number with at most ten digits, as Go's `%.10g` has it.
pub(super) fn ten_digits(number: f64) -> String {
    let text = format!("{number:.9e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text; // infinite, or not a number
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let (first, rest) = digits.split_at(1);
    if !(-4..10).contains(&exponent) {
        let point = if rest.is_empty() { "" } else { "." };
        let side = if exponent < 0 { '-' } else { '+' };
        let exponent = exponent.unsigned_abs();
        return format!("{sign}{first}{point}{rest}e{side}{exponent:02}");
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        let zeros = "0".repeat(whole - digits.len());
        return format!("{sign}{digits}{zeros}");
    }
    let (whole, fraction) = digits.split_at(whole);
    format!("{sign}{whole}.{fraction}")
}

/// Is this a number as Terraform stores one, in plain digits?
pub(super) fn is_plain_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    }
}

/// Is it a stored number that the renderer writes otherwise?
pub(super) fn is_written_otherwise(stored: &str) -> bool {
    if !is_plain_number(stored) {
        return false;
    }
    let number: Result<f64, _> = stored.parse();
    !number.is_ok_and(|number| ten_digits(number) == stored)
}
