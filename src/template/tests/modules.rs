//! Guard 2: modules, what they are given, and how often they are evaluated.

use super::written::{Row, Written, row, template, with};

/// A root that calls `m` with this in the call, and the parameter `p` in the module.
fn calls(call: &str, inner: &str) -> Written {
    template(&format!(
        "module \"m\" {{\n  source = \"./m\"\n{call}\n}}\ndata \"coder_workspace\" \"me\" {{}}"
    ))
    .file("m/main.tf", &format!("{}{inner}", with("default = var.x")))
    .row(row("p").default("a"))
}

const OUTPUT: &str = "output \"o\" {\n  value = \"a\"\n}";

#[test]
fn an_argument_is_what_the_call_gives_or_the_default() {
    calls("x = \"a\"", "variable \"x\" {}").is_static();
    calls("", "variable \"x\" {\n  default = \"a\"\n}").is_static();
    calls("", "variable \"x\" {}").is_unknown("m/main.tf:5: variable x is not given");
    let owner = calls(
        "x = data.coder_workspace_owner.me.name",
        "variable \"x\" {}",
    );
    owner.is_unknown("main.tf:3: refers to data.coder_workspace_owner.me.name");
}

#[test]
fn each_call_has_its_own_arguments() {
    let source = "module \"a\" {\n  source = \"./m\"\n  n = \"a\"\n}\nmodule \"b\" {\n  source = \"./m\"\n  n = data.coder_workspace.me.name\n}";
    let inner =
        "variable \"n\" {}\ndata \"coder_parameter\" \"p\" {\n  name = var.n\n  default = \"\"\n}";
    let two = template(source)
        .file("m/main.tf", inner)
        .row(row("a"))
        .row(row("b"));
    two.is_unknown("main.tf:7: refers to data.coder_workspace.me.name");
}

#[test]
fn a_module_is_found_by_its_literal_source_or_the_list() {
    let unknown = |source: &str, what: &str| {
        let template = template(&format!("module \"m\" {{\n  source = {source}\n}}"));
        template
            .file("m/main.tf", "")
            .is_unknown(&format!("main.tf:1: {what}"));
    };
    unknown("local.m", "the source of module m is no literal");
    unknown("\"./${\"m\"}\"", "the source of module m is no literal");
    unknown("\"./n\"", "the folder of module m is not in the archive");
    unknown("\"../m\"", "the folder of module m is out of the archive");
    unknown("\".//m\"", "the source of module m is not understood");
    unknown(
        "\"coder/m/coder\"",
        "module m is not in the archive of modules",
    );
    let missing = template("module \"m\" {\n}");
    missing.is_unknown("main.tf:1: module m has no source");
}

#[test]
fn a_remote_module_is_read_from_the_archive_of_modules() {
    let source = "module \"far\" {\n  source = \"registry.coder.com/coder/far/coder\"\n  version = \"1.0.0\"\n}";
    let far = template(source)
        .remote("far", &with("default = \"a\""))
        .row(row("p").default("a"));
    far.is_static();
    let owner = with("default = data.coder_workspace_owner.me.name");
    let far = template(source).remote("far", &owner).row(row("p"));
    let file = ".terraform/modules/far/main.tf";
    far.is_unknown(&format!(
        "{file}:3: refers to data.coder_workspace_owner.me.name"
    ));
    let other = template(source).remote("other", "");
    other.is_unknown("main.tf:1: module far is not in the archive of modules");
}

#[test]
fn a_module_of_a_module_is_found_by_its_path() {
    let source = "module \"a\" {\n  source = \"./a\"\n}";
    template(source)
        .file("a/main.tf", "module \"b\" {\n  source = \"../b\"\n}")
        .file("b/main.tf", &with("default = \"\""))
        .row(row("p"))
        .is_static();
}

#[test]
fn a_module_that_calls_itself_is_a_reason() {
    let circle = template("module \"m\" {\n  source = \"./\"\n}");
    circle.is_unknown("main.tf:1: too many calls of modules");
}

#[test]
fn a_variable_that_the_renderer_gives_a_value_of_its_own_is_a_reason() {
    let inner = |name: &str| {
        format!(
            "{}variable \"{name}\" {{\n  default = \"\"\n}}",
            with(&format!("default = var.{name}"))
        )
    };
    let what = "is not given: the renderer gives it a value of its own";
    for (label, name) in [
        ("m", "id"),
        ("aws_region", "name"),
        ("random_pet", "result"),
    ] {
        let source = format!("module \"{label}\" {{\n  source = \"./m\"\n}}");
        let reasons = template(&source)
            .file("m/main.tf", &inner(name))
            .row(row("p"))
            .reasons();
        let what = format!("m/main.tf:5: variable {name} {what}");
        assert!(reasons.contains(&what), "{reasons:?}");
        let given = format!("module \"{label}\" {{\n  source = \"./m\"\n  {name} = \"\"\n}}");
        let given = template(&given)
            .file("m/main.tf", &inner(name))
            .row(row("p"));
        if !label.starts_with("random_") {
            given.is_static();
        }
    }
    let region = template("module \"aws_region\" {\n  source = \"./m\"\n}");
    region
        .file("m/main.tf", &inner("exclude"))
        .row(row("p"))
        .is_static();
    // In the root it is a variable as any other.
    template(&inner("id"))
        .row(row("p").default("a"))
        .variable("id", "", "a")
        .is_static();
}

#[test]
fn null_for_a_variable_that_is_not_nullable_is_a_reason() {
    let inner = "variable \"x\" {\n  default = \"a\"\n  nullable = false\n}";
    calls("x = \"a\"", inner).is_static();
    let what = "m/main.tf:7: variable x is not nullable, but null to the renderer";
    calls("x = null", inner).is_unknown(what);
    calls("x = true ? \"a\" : null", inner).is_unknown(what);
    calls("x = true ? \"a\" : null", &inner.replace("false", "true")).is_static();
}

#[test]
fn an_output_of_a_repeated_module_is_a_reason() {
    for (call, output) in [
        ("count = 1", "module.m[0].o"),
        (
            "count = data.coder_workspace.me.start_count",
            "one(module.m[*].o)",
        ),
        ("for_each = toset([\"a\"])", "module.m[\"a\"].o"),
    ] {
        let source = with(&format!("default = {output}"));
        let source = format!("{source}module \"m\" {{\n  source = \"./m\"\n{call}\n}}");
        let source = format!("{source}\ndata \"coder_workspace\" \"me\" {{}}");
        let template = template(&source).file("m/main.tf", OUTPUT).row(row("p"));
        template.is_unknown("main.tf:3: output of module m, which is repeated");
    }
}

#[test]
fn an_output_that_the_renderer_may_have_otherwise_is_a_reason() {
    let source = format!(
        "{}module \"m\" {{\n  source = \"./m\"\n  o = 1\n}}",
        with("default = module.m.o")
    );
    let same = template(&source).file("m/main.tf", &format!("{OUTPUT}\nvariable \"o\" {{}}"));
    let what = "main.tf:3: module.m.o, which the renderer may have otherwise";
    same.row(row("p").default("a")).is_unknown(what);
    let id = format!(
        "{}module \"m\" {{\n  source = \"./m\"\n}}",
        with("default = module.m.id")
    );
    let id = template(&id).file("m/main.tf", &OUTPUT.replace("\"o\"", "\"id\""));
    let what = "main.tf:3: module.m.id, which the renderer may have otherwise";
    id.row(row("p").default("a")).is_unknown(what);
    let marked = format!(
        "{}module \"m\" {{\n  source = \"./m\"\n}}",
        with("default = module.m.o")
    );
    let marked = template(&marked).file(
        "m/main.tf",
        "output \"o\" {\n  value = \"a\"\n  sensitive = true\n}",
    );
    marked
        .row(row("p").default("a"))
        .is_unknown("m/main.tf:3: output o has a mark sensitive");
}

#[test]
fn a_module_that_holds_parameters_is_counted_as_a_parameter_is() {
    let inner = "variable \"x\" {\n  default = \"a\"\n}";
    calls("count = data.coder_workspace.me.start_count", inner).is_static();
    calls("count = 1", inner).is_static();
    let text = calls("count = \"1\"", inner).reasons();
    assert!(
        text.contains(&"main.tf:3: count is not surely a number".to_owned()),
        "{text:?}"
    );
    let null = calls("for_each = { a = null }", inner);
    null.is_unknown("main.tf:3: for_each may hold a null");
    let depends = calls("depends_on = [docker_container.x]", inner);
    depends.is_unknown("main.tf:3: depends on more than data of coder's");
}

#[test]
fn a_module_that_holds_nothing_decides_nothing() {
    let source = "module \"m\" {\n  source = \"./m\"\n  x = data.coder_workspace_owner.me.name\n  \
                  count = data.coder_parameter.p.value == \"\" ? 0 : 1\n  \
                  depends_on = [coder_agent.a]\n}";
    let template = template(&format!("{}{source}", with("default = \"\""))).row(row("p"));
    template
        .file(
            "m/main.tf",
            "variable \"x\" {}\nmodule \"n\" {\n  source = \"../n\"\n}",
        )
        .file("n/main.tf", OUTPUT)
        .is_static();
}

#[test]
fn a_module_that_is_not_there_may_hold_anything() {
    let source = format!(
        "{}module \"m\" {{\n  source = \"a/b/c\"\n}}",
        with("default = \"\"")
    );
    let missing = template(&source).row(row("p"));
    missing.is_unknown("main.tf:5: module m is not in the archive of modules");
}

/// `count` calls of an empty module, in front of one that holds a parameter.
fn many(count: usize, more: &str) -> Written {
    let calls = (0..count).map(|at| format!("module \"a{at}\" {{\n  source = \"./a\"\n}}\n"));
    let calls: String = calls.collect();
    template(&format!(
        "{calls}module \"p\" {{\n  source = \"./p\"\n}}\n{more}"
    ))
    .file(
        "a/main.tf",
        "variable \"x\" {\n  default = \"\"\n}\noutput \"o\" {\n  value = \"a\"\n}",
    )
    .file("p/main.tf", &with("default = \"\""))
    .row(row("p"))
}

#[test]
fn modules_of_one_caller_share_32_evaluations() {
    many(31, "").is_static();
    let what = ".: up to 33 evaluations of modules: the renderer makes at most 32";
    many(32, "").is_unknown(what);
    many(29, "module \"z\" {\n  source = \"./a\"\n  count = 2\n}").is_static();
    many(
        29,
        "module \"z\" {\n  source = \"./a\"\n  count = true ? 3 : 1\n}",
    )
    .is_unknown(what);
    // Without one that is needed the number doesn't matter.
    let calls = (0..40).map(|at| format!("module \"a{at}\" {{\n  source = \"./a\"\n}}\n"));
    let calls: String = calls.collect();
    let none = template(&format!("{calls}{}", with("default = \"\"")));
    none.file("a/main.tf", OUTPUT).row(row("p")).is_static();
}

#[test]
fn a_module_whose_arguments_reach_outputs_is_evaluated_again() {
    let chained = "module \"z\" {\n  source = \"./a\"\n  x = module.a0.o\n}";
    many(29, chained).is_static();
    many(30, chained)
        .is_unknown(".: up to 33 evaluations of modules: the renderer makes at most 32");
}

#[test]
fn a_needed_output_is_evaluated_as_a_needed_parameter_is() {
    let output = "data \"coder_parameter\" \"q\" {\n  name = \"q\"\n  default = module.z.o\n}\n\
                  module \"z\" {\n  source = \"./a\"\n}\n\
                  module \"b\" {\n  source = \"./a\"\n  x = timestamp()\n}";
    let late = template(output)
        .file(
            "a/main.tf",
            "variable \"x\" {\n  default = \"\"\n}\noutput \"o\" {\n  value = \"a\"\n}",
        )
        .row(row("q").default("a"));
    assert_eq!(late.reasons().len(), 1);
    let early = output
        .replace("module.z", "module.a")
        .replace("\"z\"", "\"a\"");
    let early = template(&early)
        .file(
            "a/main.tf",
            "variable \"x\" {\n  default = \"\"\n}\noutput \"o\" {\n  value = \"a\"\n}",
        )
        .row(row("q").default("a"));
    early.is_static();
}

const NEW: &str = "an argument that is new with each round, which uses up the evaluations that \
                   modules share";

#[test]
fn what_comes_after_an_argument_that_is_new_with_each_round_vanishes() {
    let stamped = |label: &str, rest: &str| {
        many(
            0,
            &format!("module \"{label}\" {{\n  source = \"./a\"\n{rest}\n}}"),
        )
    };
    stamped("z", "x = timestamp()").is_static();
    stamped("a", "x = timestamp()").is_unknown(&format!("main.tf:6: {NEW}"));
    for reached in [
        "uuid()",
        "bcrypt(\"a\")",
        "local.t",
        "random_pet.a.id",
        "coder_agent.a.env",
        "module.z[0].o",
    ] {
        let more = "locals {\n  t = timestamp()\n}\nresource \"random_pet\" \"a\" {}\n\
                    resource \"coder_agent\" \"a\" {\n  env = {\n    A = local.t\n  }\n}\n\
                    module \"z\" {\n  source = \"./b\"\n  count = 1\n}";
        let stamped = stamped("a", &format!("x = {reached}"))
            .file("b.tf", more)
            .file("b/main.tf", "output \"o\" {\n  value = uuid()\n}");
        assert_eq!(
            stamped.reasons(),
            [format!("main.tf:6: {NEW}")],
            "{reached}"
        );
    }
    // A resource's id stays.
    stamped("a", "x = coder_agent.a.id")
        .file("b.tf", "resource \"coder_agent\" \"a\" {}")
        .is_static();
    let random =
        "module \"random_a\" {\n  source = \"./a\"\n}\nmodule \"s\" {\n  source = \"./p\"\n}";
    let random = template(random).file("a/main.tf", OUTPUT);
    let random = random
        .file("p/main.tf", &with("default = \"\""))
        .row(row("p"));
    let what = "a module whose inputs are new with each round, as its name begins with random_";
    random.is_unknown(&format!("main.tf:1: {what}"));
}

#[test]
fn the_id_of_a_resource_is_not_new_with_each_round() {
    let arguments = |argument: &str, rest: &str| {
        let source = format!(
            "resource \"random_id\" \"r\" {{\n  byte_length = 4\n}}\n\
             resource \"coder_agent\" \"a\" {{\n  env = {{ R = random_id.r.hex }}\n{rest}\n}}\n\
             module \"m\" {{\n  source = \"./m\"\n  x = {argument}\n}}"
        );
        template(&source)
            .file(
                "m/main.tf",
                &format!("variable \"x\" {{}}\n{}", with("default = \"\"")),
            )
            .row(row("p"))
    };
    arguments("coder_agent.a.id", "").is_static();
    let what = "main.tf:10: an argument that is new with each round, \
                which uses up the evaluations that modules share";
    for (argument, rest) in [
        ("coder_agent.a.env", ""),
        ("coder_agent.a.id", "id = random_id.r.hex"),
        ("random_id.r.id", ""),
    ] {
        arguments(argument, rest).is_unknown(what);
    }
}

#[test]
fn modules_without_count_come_first() {
    let stamped = "module \"a\" {\n  source = \"./a\"\n  count = 1\n  x = timestamp()\n}";
    many(0, stamped).is_static();
}

#[test]
fn a_needed_module_that_waits_for_another_is_not_before_an_endless_one() {
    let source = "module \"p\" {\n  source = \"./p\"\n  x = module.a.o\n}\nmodule \"a\" {\n  source = \"./a\"\n}\n\
                  module \"z\" {\n  source = \"./a\"\n  x = uuid()\n}";
    let waits = template(source)
        .file(
            "a/main.tf",
            "variable \"x\" {\n  default = \"\"\n}\noutput \"o\" {\n  value = \"a\"\n}",
        )
        .file(
            "p/main.tf",
            &format!("variable \"x\" {{}}\n{}", with("default = \"\"")),
        )
        .row(row("p"));
    waits.is_unknown(&format!("main.tf:10: {NEW}"));
}

#[test]
fn a_module_without_a_known_bound_uses_up_what_is_left() {
    let unbounded = |label: &str, count: &str| {
        many(
            0,
            &format!("module \"{label}\" {{\n  source = \"./a\"\n  {count}\n}}"),
        )
        .file(
            "b.tf",
            "data \"coder_parameter\" \"q\" {\n  name = \"q\"\n  default = 1\n}",
        )
        .row(row("q").default("1"))
    };
    // Counted ones come later.
    unbounded("a", "count = data.coder_parameter.q.value").is_static();
    for bound in [
        "count = 2",
        "for_each = toset([\"a\"])",
        "count = data.coder_parameter.q.value > 1 ? 3 : 0",
        "count = length([1, 2]) * 2",
    ] {
        unbounded("z", bound).is_static();
    }
    let counted = "module \"m\" {\n  source = \"./m\"\n  count = 1\n}\nmodule \"n\" {\n  source = \"./n\"\n  count = length(data.x.y.z)\n}";
    let counted = template(counted)
        .file("m/main.tf", &with("default = \"\""))
        .file("n/main.tf", "")
        .row(row("p"));
    counted.is_unknown("main.tf:5: a module that is there without a known bound");
}
