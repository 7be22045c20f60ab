//! References and values that lead far: each proof ends, on a stack that is small.

use std::fmt::Write;
use std::thread;

use super::made_up::{archive, row};
use crate::template::{Proved, Source, StoredParameter, Variable, prove};

/// A server's process may use twice as much, and this is code that is not optimised.
const STACK: usize = 1 << 20;

const PARAMETER: &str =
    "data \"coder_parameter\" \"p\" {\n  name = \"p\"\n  default = local.x\n}\n";

#[derive(Default)]
struct Hostile {
    files: Vec<(String, String)>,
    parameters: Vec<StoredParameter>,
    variables: Vec<Variable>,
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// Locals and a parameter whose default is `local.x`.
fn locals(locals: &str) -> Hostile {
    only(format!("locals {{\n{locals}}}\n{PARAMETER}"))
}

fn only(text: String) -> Hostile {
    Hostile {
        files: vec![("main.tf".to_owned(), text)],
        parameters: vec![row("p", "a")],
        ..Hostile::default()
    }
}

/// A root and folders `m0`, `m1`, ...
fn modules(root: &str, count: usize, module: impl Fn(usize) -> String) -> Hostile {
    let mut hostile = only(root.to_owned());
    for at in 0..count {
        let path = format!("m{at}/main.tf");
        hostile.files.push((path, module(at)));
    }
    hostile
}

/// Proves it on a small stack.
fn proved(hostile: Hostile) -> Proved {
    let on_small_stack = thread::Builder::new().stack_size(STACK).spawn(move || {
        prove(&Source {
            archive: &archive(&hostile.files),
            mimetype: "application/x-tar",
            modules: None,
            parameters: &hostile.parameters,
            variables: &hostile.variables,
        })
    });
    on_small_stack.unwrap().join().unwrap()
}

fn unknown(hostile: Hostile) -> String {
    match proved(hostile) {
        Proved::Unknown(reasons) => {
            assert!(reasons.len() <= 20, "{} reasons", reasons.len());
            let told = reasons.iter().fold(String::new(), |mut told, reason| {
                writeln!(told, "{reason}").unwrap();
                told
            });
            assert!(told.len() < 20_000, "{} bytes", told.len());
            told
        }
        Proved::Static(_) => panic!("static"),
    }
}

#[test]
fn long_chains_of_references_end() {
    let chain = |links: usize, of: &dyn Fn(&str) -> String| {
        let links = lines(links, |at| {
            let next = format!("local.x{}", at + 1);
            format!("  x{at} = {}\n", of(&next))
        });
        locals(&format!("  x = local.x0\n{links}"))
    };
    let plain = |next: &str| next.to_owned();
    for count in [30, 90, 180, 250, 4_000] {
        unknown(chain(count, &plain));
    }
    let wrapped = |next: &str| format!("[for v in [{{ a = (\"${{{next}}}\") }}] : v.a][0]");
    for count in [10, 20, 40, 80, 1_000] {
        unknown(chain(count, &wrapped));
    }
    // Twice what the next one is: in all 2 to the power of 60.
    for twice in [
        &|next: &str| format!("[{next}, {next}]") as _,
        &|next: &str| format!("{{ a = {next}, b = {next} }}"),
        &|next: &str| format!("\"${{{next}}}${{{next}}}\""),
        &|next: &str| format!("merge({{ a = {next} }}, {{ b = {next} }})"),
    ] as [&dyn Fn(&str) -> String; 4]
    {
        unknown(chain(60, twice));
    }
    // In a circle.
    unknown(locals("  x = local.y\n  y = [local.x, local.x]\n"));
}

#[test]
fn wide_values_that_are_referred_to_often_end() {
    let wide = lines(400, |at| format!("    k{at} = {at}\n"));
    for often in [
        "local.y,".repeat(2_000),
        "true ? local.y : local.y,".repeat(500),
        "[for k, v in local.y : v],".repeat(400),
        "merge(local.y, local.y),".repeat(400),
    ] {
        unknown(locals(&format!("  y = {{\n{wide}  }}\n  x = [{often}]\n")));
    }
    let parameters = lines(500, |at| {
        PARAMETER
            .replace("\"p\"", &format!("\"p{at}\""))
            .replace("local.x", "local.x.k1")
    });
    let mut hostile = only(format!("locals {{\n  x = {{\n{wide}  }}\n}}\n{parameters}"));
    hostile.parameters = (0..500).map(|at| row(&format!("p{at}"), "1")).collect();
    proved(hostile);
}

#[test]
fn modules_that_call_modules_end() {
    let both = |folder: &str| {
        let call = |label: &str| format!("module \"{label}\" {{\n  source = \"{folder}\"\n}}\n");
        call("a") + &call("b")
    };
    // Each calls the next twice.
    let told = unknown(modules(&both("./m0"), 30, |at| {
        both(&format!("../m{}", at + 1)) + PARAMETER
    }));
    assert!(told.contains("too many calls of modules"), "{told}");
    // One calls itself.
    let told = unknown(modules(&both("./m0"), 1, |_| both("../m0") + PARAMETER));
    assert!(told.contains("too many calls of modules"), "{told}");
    // Each with the output of the next.
    for count in [30, 150, 2_000] {
        let calls = lines(count, |at| {
            format!(
                "module \"a{at}\" {{\n  source = \"./m0\"\n  v = module.a{}.o\n}}\n",
                at + 1
            )
        });
        let module = "variable \"v\" {\n}\noutput \"o\" {\n  value = var.v\n}\n";
        let module = format!("{module}locals {{\n  x = var.v\n}}\n{PARAMETER}");
        unknown(modules(&calls, 1, |_| module.clone()));
    }
}

#[test]
fn values_of_variables_that_are_large_or_deep_end() {
    for value in [
        "[".repeat(200_000),
        format!("{}1{}", "[".repeat(120), "]".repeat(120)),
        format!("[{}1]", "1,".repeat(500_000)),
    ] {
        let mut hostile = locals("  x = var.v\n");
        hostile.files[0].1 += "variable \"v\" {\n}\n";
        hostile.variables.push(Variable {
            name: "v".to_owned(),
            kind: "list".to_owned(),
            value,
            default_value: String::new(),
        });
        proved(hostile);
    }
}
