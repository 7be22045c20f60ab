//! Templates that are made up: what each expression comes to, and whether it reaches what
//! varies, is known because it was made so.

use std::fmt::Write;

use crate::new_build::inputs::Definition;
use crate::template::{Proved, Source, StoredParameter, Variable, prove};

/// Locals, modules and such that one template has at most. The product resolves chains only
/// so far, and evaluates only so many modules.
const MOST: usize = 8;

/// Numbers to choose by; after the last each choice is the first.
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    pub(super) fn of(&mut self, count: usize) -> usize {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first) % count
            }
            None => 0,
        }
    }
}

/// An expression for a text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) source: String,
    /// What it comes to, if it doesn't vary.
    pub(super) value: String,
    /// Does it reach a module's output?
    pub(super) outputs: bool,
    /// Is it made of what surely can be proved, but for what varies?
    pub(super) plain: bool,
}

impl Text {
    fn literal(value: &str) -> Text {
        Text {
            source: format!("\"{value}\""),
            value: value.to_owned(),
            outputs: false,
            plain: true,
        }
    }

    /// The same in another expression.
    fn within(self, source: String, value: String) -> Text {
        Text {
            source,
            value,
            ..self
        }
    }
}

/// The stored row of a parameter that has a text, and a default.
pub(super) fn row(name: &str, default_value: &str) -> StoredParameter {
    StoredParameter {
        mutable: false,
        definition: Definition {
            name: name.to_owned(),
            kind: "string".to_owned(),
            default_value: default_value.to_owned(),
            required: false,
            ephemeral: false,
            options: None,
            validation_regex: String::new(),
            validation_error: String::new(),
            validation_min: None,
            validation_max: None,
            validation_monotonic: String::new(),
            form_type: "input".to_owned(),
            legacy_variable_name: String::new(),
        },
    }
}

/// An archive of files, with an entry for the folder of each.
pub(super) fn archive(files: &[(String, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        if let Some((folder, _)) = path.rsplit_once('/') {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            tar.append_data(&mut header, format!("{folder}/"), &b""[..])
                .unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The files of one module.
#[derive(Default)]
struct Module {
    folder: String,
    locals: String,
    blocks: String,
}

/// A template that grows.
pub(super) struct Template<'a> {
    pub(super) choices: Choices<'a>,
    modules: Vec<Module>,
    rows: Vec<StoredParameter>,
    variables: Vec<Variable>,
    names: usize,
    nested: usize,
    /// Stands wherever something would vary, for a twin that doesn't.
    pub(super) instead: Option<&'a str>,
}

/// What is there for all to refer to.
const THERE: &str = r#"
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}
data "http" "page" { url = "http://localhost" }
resource "random_pet" "pet" {}
resource "null_resource" "nothing" {}
data "coder_parameter" "other" {
  name    = "other"
  default = "a"
}
"#;

/// What differs from build to build, or may.
const VARYING: [&str; 16] = [
    "data.coder_workspace_owner.me.name",
    "data.coder_workspace_owner.me.groups[0]",
    "join(\",\", data.coder_workspace_owner.me.groups)",
    "data.coder_workspace.me.name",
    "data.coder_workspace.me[\"id\"]",
    "tostring(data.coder_workspace.me.start_count)",
    "data.coder_parameter.other.value",
    "data.coder_parameter.other[\"value\"]",
    "data.http.page.response_body",
    "random_pet.pet.id",
    "null_resource.nothing.triggers.a",
    "uuid()",
    "timestamp()",
    "bcrypt(\"a\")",
    "path.cwd",
    "terraform.workspace",
];

impl<'a> Template<'a> {
    pub(super) fn new(choices: &'a [u8]) -> Template<'a> {
        let root = Module {
            blocks: THERE.to_owned(),
            ..Module::default()
        };
        let mut template = Template {
            choices: Choices(choices),
            modules: vec![root],
            rows: Vec::new(),
            variables: Vec::new(),
            names: 0,
            nested: 0,
            instead: None,
        };
        template.row("other", "a");
        // Without any value the product looks into its environment.
        template.variable("given");
        template
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn write(&mut self, module: usize, block: &str) {
        self.modules[module].blocks.push_str(block);
    }

    /// A variable of the root with a value.
    fn variable(&mut self, value: &str) -> String {
        let name = self.name("v");
        self.write(0, &format!("variable \"{name}\" {{\n  type = string\n}}\n"));
        self.variables.push(Variable {
            name: name.clone(),
            kind: "string".to_owned(),
            value: value.to_owned(),
            default_value: String::new(),
        });
        name
    }

    pub(super) fn row(&mut self, name: &str, default_value: &str) -> &mut StoredParameter {
        self.rows.push(row(name, default_value));
        self.rows.last_mut().unwrap()
    }

    /// An expression that stands in a module.
    pub(super) fn text(&mut self, module: usize, varies: bool) -> Text {
        self.nested += 1;
        let text = match self.nested < 6 {
            true => self.choose(module, varies),
            false => self.leaf(module, varies),
        };
        self.nested -= 1;
        text
    }

    fn leaf(&mut self, module: usize, varies: bool) -> Text {
        // In a module only functions are sure to be there.
        let there = if module == 0 { 0 } else { 11 };
        if varies {
            let chosen = there + self.choices.of(VARYING.len() - there);
            let literal = Text::literal(self.instead.unwrap_or_default());
            return match self.instead {
                Some(_) => literal,
                None => literal.within(VARYING[chosen].to_owned(), String::new()),
            };
        }
        let value = ["a", "bc", "d-e", "f g"][self.choices.of(4)];
        match self.choices.of(2) {
            1 if module == 0 && self.names < MOST => {
                let name = self.variable(value);
                let literal = Text::literal(value);
                literal.within(format!("var.{name}"), value.to_owned())
            }
            _ => Text::literal(value),
        }
    }

    fn choose(&mut self, module: usize, varies: bool) -> Text {
        let form = self.choices.of(24);
        if form < 4 {
            return self.leaf(module, varies);
        }
        let inner = self.text(module, varies);
        let Text { source, value, .. } = inner.clone();
        let same = |source: String| inner.clone().within(source, value.clone());
        let unsure = |source: String| Text {
            plain: false,
            ..inner.clone().within(source, value.clone())
        };
        match form {
            4 => same(format!("({source})")),
            5 => same(format!("true ? {source} : \"z\"")).bracketed(),
            6 => same(format!("1 > 2 ? \"z\" : {source}")).bracketed(),
            7 => same(format!("\"${{{source}}}\"")),
            8 => inner
                .clone()
                .within(format!("\"x-${{{source}}}-y\""), format!("x-{value}-y")),
            9 => same(format!("lower({source})")),
            10 => inner
                .clone()
                .within(format!("format(\"%s!\", {source})"), format!("{value}!")),
            11 => inner.clone().within(
                format!("join(\"+\", [{source}, \"b\"])"),
                format!("{value}+b"),
            ),
            12 => same(format!("coalesce({source}, \"z\")")),
            // Decided by it, whatever comes out.
            13 => inner
                .clone()
                .within(format!("{source} == \"\" ? \"k\" : \"k\""), "k".to_owned())
                .bracketed(),
            14 => inner
                .clone()
                .within(format!("tostring(length([{source}]))"), "1".to_owned()),
            15 => unsure(format!("[{source}, \"z\"][0]")),
            16 => unsure(format!("{{ k = {source} }}.k")),
            17 => unsure(format!("[for v in [{source}] : v][0]")),
            18 => unsure(format!("try({source}, \"z\")")),
            19 => unsure(format!("keys({{ ({source}) = 1 }})[0]")),
            20 => unsure(format!("chomp(<<-E\n    ${{{source}}}\n  E\n)")),
            21 => unsure(format!("\"%{{ if {source} == \"\" }}%{{ endif }}{value}\"")),
            _ if self.names >= MOST => inner,
            22 => {
                let name = self.name("l");
                let line = format!("  {name} = {source}\n");
                self.modules[module].locals.push_str(&line);
                same(format!("local.{name}"))
            }
            _ => {
                let (called, label) = self.call(module, &source, "");
                self.write(called, "output \"o\" {\n  value = var.given\n}\n");
                Text {
                    outputs: true,
                    ..same(format!("module.{label}.o"))
                }
            }
        }
    }

    /// Calls a new module with an argument; gives its place and the call's label.
    pub(super) fn call(&mut self, module: usize, given: &str, more: &str) -> (usize, String) {
        let label = self.name("m");
        let call = format!(
            "module \"{label}\" {{\n  source = \"./{label}\"\n  given = {given}\n{more}}}\n"
        );
        self.write(module, &call);
        let folder = format!("{}{label}/", self.modules[module].folder);
        self.modules.push(Module {
            folder,
            blocks: "variable \"given\" {\n  type = string\n}\n".to_owned(),
            ..Module::default()
        });
        (self.modules.len() - 1, label)
    }

    /// A parameter with these lines in it.
    pub(super) fn parameter(&mut self, module: usize, lines: &str) {
        let label = self.name("p");
        let block = format!("data \"coder_parameter\" \"{label}\" {{\n{lines}}}\n");
        self.write(module, &block);
    }

    fn files(&self) -> Vec<(String, String)> {
        let files = self.modules.iter().map(|module| {
            let mut text = module.blocks.clone();
            if !module.locals.is_empty() {
                write!(text, "locals {{\n{}}}\n", module.locals).unwrap();
            }
            (format!("{}main.tf", module.folder), text)
        });
        files.collect()
    }

    pub(super) fn prove(&self) -> Proved {
        prove(&Source {
            archive: &archive(&self.files()),
            mimetype: "application/x-tar",
            modules: None,
            parameters: &self.rows,
            variables: &self.variables,
        })
    }

    /// All of it, for who has to find out what went wrong.
    pub(super) fn shown(&self) -> String {
        let files = self.files();
        let files = files.iter().map(|(path, text)| format!("# {path}\n{text}"));
        files.collect::<String>() + &format!("{:#?}", self.rows)
    }
}

impl Text {
    fn bracketed(self) -> Text {
        Text {
            source: format!("({})", self.source),
            ..self
        }
    }
}
